r"""What is observed of networks: activations and frames, and which samples are independent draws.

Doors: `observations.Observations`, `draws.DistinctSamples`, `draws.Draws`,
`draws.distinct_samples`, `draws.rows_of`, `frames.invert_frames`, `frames.sensitivity_cut`,
`frames.split_frames`, `labels.as_integers`, `labels.checked_groups`, `processes.gathered`,
`processes.part`, `processes.rank_and_count`, `neuron_ranking.rank_neurons`,
`neuron_ranking.standardised`, `memory.Unaffordable`, `memory.check_memory`,
`memory.check_regression`, `memory.held_bytes`, `memory.regression_bytes`, `progress.Progress`,
`progress.checked_progress`, `recorded.ARRAY_FILES`, `recorded.read_arrays`,
`recorded.read_integers`, `recorded.read_layers`, `recorded.read_observations`,
`observations.place`, `progress.Watched`, `progress.further`, `progress.watched`.

    observations    What is observed of a network: activations, and the frames that carry the metric of its
                    inputs
    labels          Whole numbers: labels of groups, and which samples, neurons or anchors are meant
    draws           Which samples are one independent draw, so that they are left out, counted and resampled
                    together
    frames          Frames: the push-forward of an orthonormal frame of the input space, its rank and its
                    pseudo-inverse
    processes       Several processes, each with a part of the samples: observations gathered
    neuron_ranking  Orders of neurons, each next one that which tells most that the earlier ones do not
    memory          How much memory a computation may take: estimated and refused before anything is
                    allocated
    recorded        Recorded arrays in files: activations with their frames, labels of groups, pairs of
                    anchors
    progress        How far a long computation is: a bar on stderr, or whatever is called
"""
