r"""Maps learned from pairs, with held-out errors.

Doors: `kernel_map.Fit`, `kernel_search.EFFORTS`, `hermite.MAX_REFINED_ERROR`, `hermite.fit_map`,
`inverse.fit_inverse`, `bounds.MIN_SAMPLES`, `bounds.confirmed`, `bounds.highest_of_each`, `bounds.relative_rms`,
`paired_draws.MIN_DRAWS`, `paired_draws.enclosing`, `paired_draws.joint_rank`,
`paired_draws.paired_draws`, `bounds.relative_rms_of_each`, `hermite_kernel.PROFILES`,
`hermite_kernel.gram`, `kernel_search.AFFINE_VARIANCE`, `kernel_search.Settings`,
`kernel_search.scaled`, `leave_one_out.ADDED_ERRORS`, `leave_one_out.solved`, `pair_data.PairData`,
`pair_data.standardise`, `few_parameters.NeuronMap`, `few_parameters.least_of_simple`, `few_parameters.simple_fits`,
`pair_data.along`.

    pair_data       Paired activations and frames, standardised for regression
    few_parameters  Maps with no or few parameters: honest candidates whatever the number of neurons
    hermite_kernel  Radial kernels for values and directional derivatives (Hermite data)
    leave_one_out   Leave-one-out errors of kernel ridge regression from one factorisation
    kernel_map      Kernel maps: an affine part plus radial kernels and their derivatives, as a module
    affine          Affine maps from A's activations to B's, exact where the relation is
    kernel_search   Which kernel, metric, ridge and noise of the derivatives: settings with the smallest
                    leave-one-out error
    hermite         Learns the map from A's activations to B's from pairs, and from frames as derivative
                    data
    inverse_map     Maps through coordinates of the target: the point whose image under the other direction
                    is the given one
    both_sides      Both sides of the pairs beside each other, and both learned as functions of the same
                    coordinates
    inverse_errors  Leave-one-out errors of maps through coordinates of the target, and how far such maps
                    trust the direct one
    inverse         Learns a map as the inverse of the other direction, in coordinates of its target
    bounds          Bootstrap bounds of a relative RMS error
    paired_draws    The independent draws of samples at which two sides are seen, as given or found, and what
                    few of them leave open
"""
