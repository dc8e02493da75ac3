r"""What a comparison says of each direction beyond one error, in words, and how what was found is kept on disk.

Doors: `components.Components`, `direction.Direction`, `direction.further_rows`, `direction.in_addition`,
`direction.shared_rows`, `evidence.MEASURES`, `evidence.with_unit`, `meanings.meaning`, `reasons.MIN_OVERLAP`,
`storage.read_result`, `storage.replaced`, `storage.write_result`, `storage.write_text`, `summary.answer`,
`summary.card`, `summary.details`, `summary.line`, `summary.summary`.

    components  What of a target's variance a source determines, direction by direction
    direction   One direction of a comparison: its error, and what of the target is shared
    evidence    Every number of a comparison's diagnostics, with its unit
    meanings    What each quantity of a comparison means, in one sentence for a reader who has not met it
    reasons     What a no rests on, and what would help where the samples do not decide: rows of a summary
    summary     What a comparison says in words: in a line, as a summary, every number with its unit, and as a card
    storage     Files that are whole or absent, and of which damage is told
"""
