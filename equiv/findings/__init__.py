r"""What a comparison says of each direction beyond one error, and how what was found is kept on disk.

Doors: `components.Components`, `direction.Direction`, `direction.in_addition`,
`direction.in_rows`, `storage.read_result`, `storage.replaced`, `storage.write_result`, `storage.write_text`.

    components  What of a target's variance a source determines, direction by direction
    direction   One direction of a comparison: its error, and what of the target is shared
    storage     Files that are whole or absent, and of which damage is told
"""
