r"""Comparisons inside other people's programs, each behind an extra of its own, imported only when used.

Doors: none, for what is here is used from outside the library.

    lightning  A callback of Lightning that compares the module in training with a reference network
"""
