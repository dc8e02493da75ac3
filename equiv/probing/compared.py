r"""What `compare` accepts: two sides, how they are probed, which samples are paired, and anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from equiv.checks import in_one_line, nearest_name
from equiv.observe.labels import as_integers, checked_groups
from equiv.observe.observations import Observations
from equiv.probing.networks import as_network
from equiv.probing.sides import Probing

__all__ = [
    "agreed_groups",
    "check_method",
    "check_paired",
    "check_readout",
    "check_sides",
    "check_ungrouped",
    "checked_anchors",
    "checked_pairing",
    "position_groups",
    "shared_groups",
]

METHODS = ("auto", "isometric", "diffusion_maps", "galerkin")
FRAME_OPTIONS = ("frames", "dimension", "burst_std", "batch_size")


def check_method(method: object) -> None:
    r"""The coordinates asked for are known.

    Raises:
        ValueError: If they are not.
    """
    if method not in METHODS:
        raise ValueError(
            f"'method' should be one of {', '.join(map(repr, METHODS))}, got {in_one_line(method)}"
            f"{nearest_name(str(method), METHODS)}"
        )


def check_sides(a: Probing, b: Probing) -> None:
    r"""Both sides are networks with inputs, or observations, and nothing is said of them in vain.

    Raises:
        TypeError: If a side is neither a network nor observations.
        ValueError: If a network has no inputs; if observations come with inputs that no side takes, or with
            arguments of probing; if an option of the frames is unknown.
    """
    for name, side in (("a", a), ("b", b)):
        if side.recorded:
            continue

        as_network(side.network, side.inputs, name)

        if side.inputs is None:
            raise ValueError(
                f"'inputs' should be given where '{name}' is a network, got None; give its inputs."
            )

    if a.recorded and b.recorded:
        for argument, idle in (
            ("inputs", a.inputs is None and b.inputs is None),
            ("positions", a.positions is None),
        ):
            if not idle:
                raise ValueError(
                    f"'{argument}' should be None where 'a' and 'b' are Observations, got {argument}; leave them "
                    "out, observations hold all that is compared."
                )

    _check_probing("a", a)
    _check_probing("b", b)


def _check_probing(name: str, side: Probing) -> None:
    r"""What is said about probing "a" or "b" is known, and not in vain."""
    frames = side.frames

    if isinstance(frames, dict) and (unknown := [key for key in frames if key not in FRAME_OPTIONS]):
        raise ValueError(
            f"'frames_{name}' should hold arguments of equiv.probe, {', '.join(map(repr, FRAME_OPTIONS))}, got "
            f"{unknown[0]!r}{nearest_name(str(unknown[0]), FRAME_OPTIONS)}"
        )

    if not side.recorded:
        return

    unsaid = isinstance(frames, str) and frames == "jacobian"  # the default of `compare`
    for argument, idle in (
        ("layers", side.layers is None),
        ("neurons", side.neurons is None),
        ("frames", unsaid),
    ):
        if not idle:
            raise ValueError(
                f"'{argument}_{name}' should be left out where '{name}' is Observations, got one; it says how "
                "to probe a network, observations are compared as they are."
            )


def checked_pairing(paired: object, a: Probing, b: Probing, inputs_b: Any) -> bool:
    r"""Whether sample i of A and sample i of B show the same hidden state.

    Arguments:
        paired: True, False, or None: exactly where networks are given without `inputs_b`.
        a: One side.
        b: The other.
        inputs_b: As in `equiv.compare`.

    Raises:
        TypeError: If `paired` is something else.
        ValueError: If it is None where observations are given.
    """
    if isinstance(paired, bool):
        return paired

    if paired is not None:
        raise TypeError(
            f"'paired' should be True, False or None, got {in_one_line(paired)}; pass True if row i of both shows the "
            "same input."
        )

    if not (a.recorded or b.recorded):
        return inputs_b is None

    raise ValueError(
        "'paired' should be said where observations are given, got None; equal length is no evidence. Pass "
        "paired=True if row i of both shows the same input, else paired=False."
    )


def check_paired(a: Observations, b: Observations, anchors: object) -> None:
    r"""Paired observations are equally many, and need no anchors.

    Raises:
        ValueError: If they are or do not, or anchors are given.
    """
    if anchors is not None:
        raise ValueError(
            "'anchors' should be None for paired data, where every sample is one, got anchors; leave them "
            "out, or say paired=False."
        )

    if len(a) != len(b):
        raise ValueError(
            f"'a' and 'b' should have as many samples as each other when paired, got {len(a)} and {len(b)}; "
            "say paired=False if they are unrelated samples."
        )


def check_readout(readout: object, name: str) -> None:
    r"""The read-out of a side, "a" or "b", can be called.

    Raises:
        TypeError: If it cannot.
    """
    if readout is not None and not callable(readout):
        raise TypeError(
            f"'readout_{name}' should be a callable from activations (b, d) to what the rest of the network makes of "
            f"them, got {type(readout).__name__}; pass a module or a function."
        )


def check_ungrouped(groups: object) -> None:
    r"""Nothing is said of groups where no samples are paired.

    Raises:
        ValueError: If groups are given.
    """
    if groups is not None:
        raise ValueError(
            "'groups' should be None without pairs, got labels; leave them out, or say paired=True where row i of "
            "both shows the same input."
        )


def position_groups(groups: object, sides: Sequence[Observations]) -> object:
    r"""Labels of the inputs as labels of their positions, where each position is a sample; others as they are.

    Arguments:
        groups: One label for each input, or for each sample; None for none.
        sides: Observations at the same inputs, those of networks with the inputs as groups.
    """
    of_input = next((side.groups.cpu() for side in sides if side.groups is not None), None)

    if groups is None or of_input is None or _count(groups) != int(of_input.max()) + 1:
        return groups

    return checked_groups(groups, int(of_input.max()) + 1).cpu()[of_input]


def _count(groups: object) -> int:
    r"""How many labels are given."""
    return as_integers(groups, "groups", "integer labels (n,)", "number the groups").numel()


def shared_groups(groups: object, sides: Sequence[Observations]) -> Tensor | None:
    r"""Which samples are one independent draw, labels `(n,)`: as given, else as the observations say; None: unknown.

    Arguments:
        groups: Labels of the samples, which override those of the observations; None for none.
        sides: Observations at the same inputs.

    Raises:
        TypeError: If labels are no integers.
        ValueError: If there is not one for each sample, or observations group the samples in different ways.
    """
    if groups is not None:
        return checked_groups(groups, len(sides[0]))

    return agreed_groups([side.groups for side in sides])


def agreed_groups(labels: Sequence[Tensor | None]) -> Tensor | None:
    r"""Labels `(n,)` of samples that are one draw, as all who label them say; None where nobody does.

    Raises:
        ValueError: If some join other samples than others do.
    """
    known = [each.cpu() for each in labels if each is not None]

    if any(not torch.equal(_first_of_group(known[0]), _first_of_group(labels)) for labels in known[1:]):
        raise ValueError(
            "'groups' of all observations should join the same samples, got different ones; pass groups= for the "
            "comparison."
        )

    return known[0] if known else None


def _first_of_group(labels: Tensor) -> Tensor:
    r"""For each sample the first of its group, `(n,)`: the same however groups are numbered."""
    place = labels.unique(return_inverse=True)[1]
    first = torch.full_like(place, len(place))

    return first.scatter_reduce_(0, place, torch.arange(len(place)), "amin")[place]


def checked_anchors(anchors: Any, n_a: int, n_b: int) -> Tensor | None:
    r"""Pairs of indices (in A, in B) of samples that show the same hidden state, `(k, 2)`, int64; None for none.

    Arguments:
        anchors: As in `equiv.compare`.
        n_a: Samples of A.
        n_b: Samples of B.

    Raises:
        TypeError: If they are no integers.
        ValueError: If they have another shape, are out of range, or name a sample twice.
    """
    if anchors is None:
        return None

    rule = "pairs of indices, of shape (k, 2) with k of at least 1"
    fix = "give rows (index in a, index in b), or None for no anchors"
    pairs = as_integers(anchors, "anchors", rule, fix)

    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0:
        raise ValueError(f"'anchors' should hold {rule}, got shape {tuple(pairs.shape)}; {fix}.")

    for column, (name, n) in enumerate((("a", n_a), ("b", n_b))):
        indices = pairs[:, column]

        if indices.min() < 0 or indices.max() >= n:
            raise ValueError(
                f"'anchors' should hold indices from 0 to {n - 1} of the samples of '{name}', got "
                f"{indices.min().item()} to {indices.max().item()}; count samples from 0."
            )

        if len(indices.unique()) < len(indices):
            raise ValueError(
                f"'anchors' should name each sample of '{name}' once, got one of them twice; drop "
                "the repeats."
            )

    return pairs.long()
