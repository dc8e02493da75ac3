r"""Where samples live, whatever their density, and which motions lay one support over another.

Doors: `limits.MAX_DIMENSION`, `support.outline`, `support.share_inside`, `outline_fit.Alignment`,
`outline_fit.Anchors`, `strains.AffineFreedom`, `strains.extrapolation`, `strains.fit_strains`,
`projected_strains.fit_projected_strains`, `alignments.align`, `alignments.equally_good`,
`projections.find_projections`, `occupancy.Occupancy`.

    limits             Numbers that several judgements of supports share
    edges              How far the edge of a support may lie beyond the outermost samples, by how the depths
                       of others below these grow
    support            Where a cloud of samples lives, whatever its density: membership, and the outline of
                       the support
    support_functions  Support functions of samples: how far they reach in given directions, and how well they
                       show where the edge is
    outline_fit        The rigid motion that lays one outline over another, from a start that is nearly
                       right
    strains            The strains between two supports that anchors leave open, fitted beside the motion from
                       the outlines
    projected_strains  What anchors and support functions leave open of a projection: turns, shifts and
                       strains of the shadow
    supporting_lines   Where two samples of one plane region have their common edge, by local supporting
                       lines
    alignments         Rigid motions that lay one support over another: without anchors, or with too few of
                       them
    placed_projection  A projection of one support onto another, and how well it is fixed
    projection_fit     The projection that gives one support the support function of another: the
                       least-squares problem, and how well its minima are fixed
    projections        Projections of one support onto another of fewer dimensions, found by their support
                       functions and by few anchors
    occupancy          Points of one cloud in places where another, of the same support, would have samples:
                       holes and cut edges
"""
