r"""What of a target a source determines, beyond one error: by neurons, samples and directions, and for the task.

Doors: `direction.Asked`, `direction.described`, `readout.Readout`, `choice.principal`,
`ridges.kernel_matrix`, `readout.of_given_units`, `readout.judged_answers`, `readout.read_off`,
`readout.relative_squares`.

    held_out    Held-out samples of a target beside their images, and what they say without another regression
    ridges      Errors where draws are left out, of all samples and of all but a fold, from one inverse for each
                ridge
    choice      Which directions of a target are determined best, by which kernel and ridge each: chosen by
                some of the draws
    components  Which directions of a target a source determines, judged by samples that did not choose them
    further     What takes regressions of its own, learned when it is first asked for
    needed      How many samples would decide an undecided direction, by how its error falls with them
    readout     What the rest of a network makes of activations and of their images
    direction   What pairs show of one direction of a comparison
"""
