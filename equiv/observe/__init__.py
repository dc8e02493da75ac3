r"""From a network and its inputs to activations and frames.

Doors: `observations.Observations`, `draws.DistinctSamples`, `draws.Draws`, `draws.distinct_samples`, `draws.rows_of`,
`frames.invert_frames`, `frames.sensitivity_cut`, `frames.split_frames`,
`pushforward.derivatives_along`, `probe.probe`, `sides.Probing`,
`sides.observe_alone`, `sides.observe_pairs`, `compared.check_frames`, `compared.check_method`,
`compared.check_paired`, `compared.check_sides`, `compared.check_ungrouped`, `compared.checked_anchors`,
`compared.checked_pairing`, `compared.shared_groups`, `processes.gathered`, `processes.part`,
`processes.rank_and_count`, `neuron_ranking.rank_neurons`, `neuron_ranking.standardised`.

    observations    What is observed of a network: activations, and the frames that carry the metric of its
                    inputs
    draws           Which samples are one independent draw, so that they are left out, counted and resampled
                    together
    frames          Frames: the push-forward of an orthonormal frame of the input space, its rank and its
                    pseudo-inverse
    hooks           Reading layers: a network as a plain function from a batch of inputs to a batch of
                    chosen activations
    pushforward     Push-forwards of tangent vectors through a network, exactly, by automatic
                    differentiation
    bursts          Frames estimated from samples: bursts around each input, and neighbours among the inputs
    tangents        Frames from the given inputs alone: local principal directions and a regression on them
    arguments       What `probe` accepts: inputs, bursts and tangents of one structure
    probe           Probing: running a network on inputs, reading activations, and pushing a frame of the
                    inputs forward
    sides           The sides of a comparison, observed: frames of all samples, or of few where there would
                    be too many numbers
    compared        What `compare` accepts: two sides, how they are probed, which samples are paired, and
                    anchors
    processes       Several processes, each with a part of the samples: observations gathered
    neuron_ranking  Orders of neurons, each next one that which tells most that the earlier ones do not
"""
