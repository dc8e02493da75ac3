r"""From frames to flat coordinates, in which every frame is orthonormal.

Doors: `block_system.BlockPattern`, `block_system.BlockSystem`, `block_system.Factorisation`,
`cloud.Cloud`, `curve_ends.NEAR_ENDS`, `integrate.Integration`, `integrate.integrate`,
`integrate.integrate_from`.

    cloud                A cloud of samples with their frames, neurons weighted
    orientation          Orientation of tangent spaces: which of two mirror images each frame is
    curve_ends           Ends of a curve: those that a corner cut apart, which are joined, and whether the
                         others look like ends
    block_system         Symmetric systems of small blocks: one block alone, or sparse with one for each
                         sample and each edge
    pair_equations       Pair equations: what the frames of two neighbours say of the way from one to the
                         other
    synchronization      Synchronisation of frames: coordinates and rotations that make every pair of
                         neighbours fit
    development          Development of a manifold onto its universal cover: coordinates grown outward from
                         a disc
    flat                 Flat charts: solved for, without the pairs that do not fit, and samples that lie in
                         a wrong place set down anew
    closed               Closed manifolds: periods from the sums of displacements around loops, and
                         coordinates modulo these
    solve                From pairs of neighbours to coordinates: the starts that there are, tried in turn
                         until one fits
    jumps                Pairs of neighbours across jumps: displacements that piecewise linear networks do
                         not spoil
    information          Information of pairs: what each says of the way from one sample to the other, and how
                         surely, along which direction
    deferred_correction  Deferred correction: coordinates corrected for what the trapezoid rule misses, as a
                         fit y = F(u) shows it
    integrate            The frames of a cloud integrated to coordinates, and corrected by a fit y = F(u)
"""
