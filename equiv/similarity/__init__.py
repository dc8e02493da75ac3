r"""What the usual measures of similarity are made of.

Doors: `side.MIN_SPREAD`, `side.ROUNDING`, `side.Side`, `side.centred_pair`, `side.debiased_gram`,
`side.evenly`.

    side  What the usual measures of similarity need of one network's samples, each part reckoned once
"""
