r"""Checks of the settings that data sets have in common."""

from collections.abc import Collection

__all__ = ["check_counts", "check_relation"]


def check_counts(*counts: tuple[str, int, int]) -> None:
    r"""Raises ValueError unless of each name, value and least value the value is at least that."""
    for name, value, least in counts:
        if value < least:
            raise ValueError(f"{name!r} should be at least {least}, got {value}.")


def check_relation(relation: str, known: Collection[str]) -> None:
    r"""Raises ValueError unless `relation` is one of those known."""
    if relation not in known:
        raise ValueError(f"'relation' should be one of {', '.join(known)}, got {relation!r}.")
