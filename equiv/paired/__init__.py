r"""The comparison of two networks seen at the same inputs.

Doors: `compare.compare_paired`, `learning_curve.Neighbours`, `learning_curve.judged_by_learning`,
`learning_curve.judged_by_nearest`, `pairs.check_pairs`.

    neighbors        Nearest samples, among all of them
    frame_alignment  Do the frames of paired samples belong to the same directions of the input space, and
                     if not, how are they turned?
    coordinates      Coordinates of paired samples on both sides, in one frame of reference
    determinacy      Local evidence on whether A determines B: null spaces of the frames, folds and
                     crossings
    between          What frames say of the error between the samples, where no value was seen
    learning_curve   What errors at n / 2 and at n samples say about the error that no number of samples
                     removes
    pairs            Two networks' samples at the same inputs, as one direction of their comparison sees
                     them
    direction        One direction of a paired comparison: a map from pairs, its error, and whether a large
                     error is final
    measures         What the usual measures of similarity say of the same samples
    chance           What the usual measures of similarity say of samples that are paired at random
    failed           A comparison of pairs of which a computation failed: it says so, and nothing else
    compare          Comparison of two networks seen at the same inputs: learn both maps, bound their
                     errors, decide
"""
