r"""From a network and its inputs to observations.

Doors: `inputs.batch_of`, `inputs.gathered_inputs`, `networks.as_network`,
`networks.network_inputs`, `networks.plain_name`, `networks.quiet`, `positions.POSITIONS`,
`positions.check_positions`, `positions.positioned`, `positions.agreed_mask`, `hooks.Reader`,
`hooks.held_tensors`, `pushforward.derivatives_along`, `probe.probe`, `sides.Probing`,
`sides.observe_alone`, `sides.observe_pairs`, `compared.check_method`, `compared.check_paired`,
`compared.check_sides`, `compared.check_ungrouped`, `compared.checked_anchors`,
`compared.checked_pairing`, `compared.position_groups`, `compared.shared_groups`,
`compared.check_readout`, `inputs.checked_inputs`, `inputs.input_tensors`, `inputs.ATTENTION_MASK`,
`compared.agreed_groups`.

    inputs             Inputs of a network: tensors, tuples and dictionaries of them, and whatever else holds
                       such
    networks           Networks of every kind as modules that can be probed, and left as they were
    positions          Positions: what becomes of outputs that have several, tokens and pictures
    hooks              Reading layers: a network as a plain function from a batch of inputs to a batch of
                       chosen activations
    pushforward        Push-forwards of tangent vectors through a network, exactly, by automatic
                       differentiation
    differentiability  Whether a network's derivatives are those of its values, told by one difference along
                       a random direction
    bursts             Frames estimated from samples: bursts around each input, and neighbours among the
                       inputs
    tangents           Frames from the given inputs alone: local principal directions and a regression on
                       them
    arguments          What `probe` accepts as frames: bursts and tangents of the structure of the inputs
    values             Probing values: activations of all samples, batch by batch, each sample by itself
    derivatives        Probing derivatives: the push-forward of a frame of the inputs, where there is one, and
                       how much it takes
    probe              Probing: running a network on inputs, reading activations, and pushing a frame of the
                       inputs forward
    sides              The sides of a comparison, observed: frames of all samples, or of few where there
                       would be too many numbers
    compared           What `compare` accepts: two sides, how they are probed, which samples are paired, and
                       anchors
"""
