r"""Coordinates and functions of them, before any network.

Doors: `lattice.into_cell`, `lattice.lattice_embeddings`, `lattice.lattice_images`, `lattice.minimum_image`,
`lattice.reduce_lattice`, `motion.Motion`, `motion.rigid_fit`, `motion.rotation_grid`, `motion.skew_matrix`,
`domain.Domain`, `smooth_fit.SmoothBasis`, `smooth_fit.SmoothFit`, `smooth_fit.farthest_points`,
`smooth_fit.fit_smooth`, `smooth_fit.in_blocks`, `hermite_fit.HermiteFit`, `hermite_fit.fit_hermite`,
`kriging.correlation_length`, `kriging.krige`, `kriging.krige_along`, `kriging.nearest_nodes`,
`kriging.slopes_of_values`, `lift.Lift`, `lift.RESOLVED_ERROR`, `lift.best_lift`, `lift.left_out`,
`lift.relative_error`, `preimages.Function`, `preimages.gauss_newton_step`, `preimages.preimages`.

    lattice      Coordinates modulo a lattice of periods: differences, nearest representatives, local
                 isometries
    motion       Motions of coordinates, :math:`u \mapsto Q u + t`, and those that best carry points to
                 points
    domain       A coordinate domain: the intrinsic coordinates of one side's samples, their periods and
                 their accuracy
    ridge        Ridge regression with the ridge that generalised cross-validation prefers
    smooth_fit   Smooth functions of few coordinates: Gaussians at farthest-point centres plus an affine
                 part
    hermite_fit  Functions of few coordinates fitted to values and frames, and how far off they are between
                 the samples
    kriging      Kriging: functions of few coordinates between samples at which their values and slopes are
                 known
    lift         The lift of a chart, from coordinates to values: a smooth fit, or that with kriging of what it
                 leaves
    preimages    Preimages: points of few coordinates that a function takes nearest to given values
"""
