r"""What a comparison says of each direction beyond one error.

Doors: `components.Components`, `direction.Direction`, `direction.in_addition`,
`direction.in_rows`.

    components  What of a target's variance a source determines, direction by direction
    direction   One direction of a comparison: its error, and what of the target is shared
"""
