r"""From one curved space to another: the local geometry of each, and the map that keeps lengths.

Doors: `side.CurvedSide`, `starts.Start`, `starts.contradicting_anchors`,
`starts.start_by_anchors`, `starts.tells_mirror_images`, `solve.Isometry`,
`solve.solve_isometry`, `strain_correction.without_strain`.

    local_polynomials  Polynomials about every sample, fitted to its neighbours by weighted least squares
    local_metric       The metric about every sample, and the geodesics to its neighbours that follow from it
    local_charts       Values and orthonormal frames between the samples, from the chart about the nearest one
    side               One side: its samples, their neighbours, and the ways to these
    starts             Where to start: positions that functions common to both sides tell, as distances to anchors
    placement          Images set down where their neighbours see them: single ones, and whole regions outward
                       from a piece
    solve              The map that keeps the way to every neighbour: Gauss-Newton on positions and turns
    strain_correction  A smooth map through the images, whose strain is taken away
"""
