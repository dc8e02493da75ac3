r"""From frames to flat coordinates, in which every frame is orthonormal.

Doors: `cloud.Cloud`, `curve_ends.NEAR_ENDS`, `deferred_correction.fit_error`, `integrate.Integration`,
`integrate.integrate`, `integrate.integrate_from`.

    cloud                A cloud of samples with their frames, neurons weighted
    geodesics            Classical scaling of landmark geodesics: rough coordinates to start from
    orientation          Orientation of tangent spaces: which of two mirror images each frame is
    curve_ends           Ends of a curve: those that a corner cut apart, which are joined, and whether the
                         others look like ends
    block_system         Symmetric systems of small blocks: one block alone, or sparse with one for each
                         sample and each edge
    synchronization      Synchronisation of frames: coordinates and rotations that make every pair of
                         neighbours fit
    development          Development of a manifold onto its universal cover: coordinates grown outward from
                         a disc
    closed               Periods of closed manifolds: sums of the synchronised displacements around loops
    flat                 Samples that came to lie in a wrong place among neighbours that lie right, set down
                         anew
    solve                From pairs of neighbours to coordinates: start, solve, reject the pairs that do not
                         fit, find periods
    jumps                Pairs of neighbours across kinks: displacements that the jumps of piecewise linear
                         networks do not spoil
    deferred_correction  Deferred correction: coordinates corrected for what the trapezoid rule misses, as a
                         fit y = F(u) shows it
    integrate            The frames of a cloud integrated to coordinates, and corrected by a fit y = F(u)
"""
