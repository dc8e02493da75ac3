r"""Few neurons from which everything else follows: choose them, and reconstruct the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_integer, check_number
from equiv.metric.binary_scale import binary_scale, binary_scales
from equiv.metric.rescaled_map import rescaled_map
from equiv.observe.draws import Draws
from equiv.observe.labels import checked_groups
from equiv.observe.memory import check_regression
from equiv.observe.neuron_ranking import rank_neurons, standardised
from equiv.observe.observations import Observations
from equiv.regression.bounds import MIN_SAMPLES, confirmed, highest_of_each, relative_rms
from equiv.regression.hermite import fit_map
from equiv.regression.kernel_map import Fit
from equiv.regression.kernel_search import EFFORTS
from equiv.regression.paired_draws import MIN_DRAWS, enclosing, joint_rank, paired_draws
from equiv.transformation import Map
from equiv.verdict import Interval

__all__ = ["Reconstruction", "reconstruct", "select_neurons"]

# Chosen neurons pass when the upper bounds of the errors with which the others follow from them are below this.
# [share of each neuron's spread; chosen: the tolerance that comparisons have unless they are told]
MAX_FOLLOWING_ERROR = 0.05

# The test looks at so many samples.
# [samples; chosen: a map is learned for each set that is tried, and one from so many takes a second]
INJECTIVITY_SAMPLES = 500

# Neurons that follow worst are added up to so many times as many as the order holds.
# [dimensionless; chosen: a map is learned for each, and where more stand alone nearly all do]
MAX_ADDED = 2


@dataclass(frozen=True, eq=False)
class Reconstruction:
    r"""A map from few neurons to what was to be reconstructed.

    Attributes:
        error: RMS error on fresh inputs of the same distribution over the RMS spread of the target, with bounds.
        map: The map between flattened values, a module.
        shape: Trailing shape of the target.
    """

    error: Interval
    map: Map = field(repr=False)
    shape: tuple[int, ...]

    def predict(self, values: Tensor) -> Tensor:
        r"""The target at observed values `(q, d)`, shape `(q, *shape)`, differentiable, in the dtype given."""
        return self.map(values).reshape(len(values), *self.shape)


def reconstruct(
    observed: Tensor,
    target: Tensor,
    *,
    frames: Tensor | tuple[Tensor, Tensor] | None = None,
    groups: Tensor | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Reconstruction:
    r"""Learns inputs, outputs or a layer from few observed neurons, and bounds the error.

    By Whitney's theorem 2m + 1 generic neurons of a network with m-dimensional inputs embed the input space, so
    that everything else is a function of them; an error that stays large says that these neurons do not.

    Arguments:
        observed: Activations of the observed neurons, shape `(n, d)`.
        target: What to reconstruct at the same inputs, shape `(n, ...)`.
        frames: Derivative data, which sharpen the map: the pair of frames `(n, d, m)` of `observed` and
            `(n, d_t, m)` of the flattened target; or those of `observed` alone, of which use is made where
            the target can be the m inputs that the frames belong to. None for none.
        groups: Integer labels `(n,)` of samples that are no independent draws, such as frames of one recording: a
            group is held out whole, and the error is that on new groups. None: those of observations, or such as are
            found; where it is open whether samples are one draw, the bounds hold for both.
        confidence: Level of the error bounds, in (0, 1).
        seed: Seeds subsamples.

    Returns:
        The reconstruction. Of fewer than 8 independent draws, the upper bound is infinite.

    Raises:
        TypeError: If an argument is no floating tensor, or labels are no integers.
        ValueError: If numbers of samples disagree, there are fewer than 10, an entry is not finite, or it would take
            more memory than it may.

    References:
        | Differentiable manifolds (Whitney, 1936), Annals of Mathematics 37

    Example:
        >>> x = torch.rand(60, 1, dtype=torch.float64)
        >>> found = reconstruct(torch.cat([x, x**2], dim=1), x**3)
        >>> found.error.high < 0.01
        True
    """
    if isinstance(observed, Observations):
        groups = observed.groups if groups is None else groups
        observed, frames = observed.values, observed.frames if frames is None else frames

    observed = as_floating(observed, "observed", "(n, d)", 2).detach()
    target = as_floating(target, "target", "(n, ...)", max(getattr(target, "ndim", 2), 1)).detach()
    check_finite(observed, "observed")
    check_finite(target, "target")
    check_number(confidence, "confidence", 0.0, 1.0, "take 0.95")
    check_integer(seed, "seed", 0)

    if len(observed) != len(target) or len(observed) < MIN_SAMPLES:
        raise ValueError(
            f"'observed' and 'target' should hold the same samples, at least {MIN_SAMPLES}, got "
            f"{len(observed)} and "
            f"{len(target)}; probe both at the same inputs."
        )

    flat = target.reshape(len(target), -1)
    slopes = _checked_frames(frames, observed, flat)
    directions = 0 if slopes[0] is None else slopes[0].shape[2]
    neurons, equations = observed.shape[1] + flat.shape[1], EFFORTS[0].equations(len(flat), directions)
    check_regression("'observed' and 'target'", len(flat), neurons, equations, directions, flat.device)
    labels = None if groups is None else checked_groups(groups, len(observed))
    source, aim = binary_scales([(observed, slopes[0]), (flat, slopes[1])])
    observed, flat = source.values(observed), aim.values(flat)
    slopes = (
        None if slopes[0] is None else source.frames(slopes[0]),
        None if slopes[1] is None else aim.frames(slopes[1]),
    )
    seen = [each for each in slopes if each is not None]
    draws, doubted = paired_draws(observed, flat, labels, joint_rank(*seen) if seen else None)
    fit = fit_map(observed, flat, *slopes, seed, draws=draws)
    error = _error(fit, observed, flat, confidence, seed)

    if doubted is not None:
        fit = fit_map(observed, flat, *slopes, seed, draws=doubted)
        error = enclosing(_error(fit, observed, flat, confidence, seed), error)

    if not draws.independent and draws.count < MIN_DRAWS:
        error = error._replace(high=math.inf)

    return Reconstruction(error, rescaled_map(fit.map, source, aim), tuple(target.shape[1:]))


def _error(fit: Fit, source: Tensor, target: Tensor, confidence: float, seed: int) -> Interval:
    r"""The error on new draws."""
    error = relative_rms(fit.draw_errors, confidence, seed, resolved=fit.resolved, slack=fit.slack)
    rows = slice(None) if fit.judged is None else fit.judged

    return confirmed(error, fit.map, source[rows], target[rows])


def _checked_frames(
    frames: Tensor | tuple[Tensor, Tensor] | None, observed: Tensor, target: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    r"""Frames `(n, d, m)` of `observed` and `(n, d_t, m)` of the target, both or none; errors as of `reconstruct`."""
    if frames is None:
        return None, None

    given = frames if isinstance(frames, tuple | list) else (frames,)
    checked = []

    if not 1 <= len(given) <= 2:
        raise ValueError(
            "'frames' should be those of 'observed', or a pair of these and those of 'target', got "
            f"{len(given)}; leave them out where there are none."
        )

    for values, part in zip((observed, target), given, strict=False):
        part = as_floating(part, "frames", "(n, d, m)", 3).detach()
        check_finite(part, "frames")

        if part.shape[:2] != values.shape:
            raise ValueError(
                f"'frames' should have shape (n, d, m) with (n, d) = {tuple(values.shape)}, got "
                f"{tuple(part.shape)}; give one frame for each sample."
            )

        checked.append(part)

    if len(checked) == 2:
        if checked[0].shape[2] != checked[1].shape[2]:
            raise ValueError(
                f"'frames' should belong to the same m directions, got m = {checked[0].shape[2]} and "
                f"{checked[1].shape[2]}; probe both with the same frames."
            )

        return checked[0], checked[1]

    m = checked[0].shape[2]

    if target.shape[1] != m:
        return None, None

    # If the target is the inputs, their frame is the identity. The regression drops derivatives that do not
    # lower the held-out error.
    identity = torch.eye(m, dtype=checked[0].dtype, device=observed.device)

    return checked[0], identity.expand(len(target), m, m)


def select_neurons(obs: Observations, n: int | None = None) -> Tensor:
    r"""Few neurons from which all others of `obs` follow.

    Neurons are added in the order of `equiv.observe.neuron_ranking`, which nearest neighbours decide; where most of
    the others follow, the one that follows worst. A set passes if each of the other neurons follows from it within 5 %
    of that neuron's spread at held-out samples, which is an injectivity test. Of a set that passes, neurons are dropped
    again as long as it does. Samples are drawn at random, whatever order they come in. Groups of observations, and
    copies that are found, are held out whole; of fewer than 8 draws nothing follows, and all neurons are chosen.

    Arguments:
        obs: Observations; with frames the test is sharper.
        n: How many neurons; None: the fewest that pass, generically at most 2m + 1.

    Returns:
        Indices of the chosen neurons in the order of choice, shape `(n,)`, int64.

    Raises:
        TypeError: If `obs` is no `Observations`.
        ValueError: If `n` is more than there are neurons, or it would take more memory than it may.

    Example:
        >>> x = torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
        >>> select_neurons(Observations(torch.cat([x**2, x], dim=1)))  # x tells its square, and not the reverse
        tensor([1])
    """
    if not isinstance(obs, Observations):
        raise TypeError(f"'obs' should be equiv.Observations, got {type(obs).__name__}; wrap values in it.")

    d = obs.values.shape[1]
    directions = 0 if obs.frames is None else obs.frames.shape[2]
    equations = EFFORTS[0].equations(len(obs), directions)
    check_regression("'obs'", len(obs), d, equations, directions, obs.device)
    obs = binary_scale(obs.values, obs.frames).observations(obs)

    if n is not None:
        check_integer(n, "n")

        if n > d:
            raise ValueError(f"'n' should be at most the number of neurons, {d}, got {n}; ask for fewer.")

        return rank_neurons(obs, n, _draws(obs))

    draws = _draws(obs)
    smallest = 1 if obs.rank is None else max(int(obs.rank.max().item()), 1)
    order = rank_neurons(obs, min(d, max(4 * smallest, 8)), draws).tolist()
    rows = draws.order(torch.Generator().manual_seed(0))[:INJECTIVITY_SAMPLES].sort().values
    few, draws = obs.subset(rows), draws.subset(rows)
    chosen = order[: min(smallest, d)]

    while len(chosen) < min(d, MAX_ADDED * len(order)):
        errors = _errors(few, draws, chosen)

        if bool((errors < MAX_FOLLOWING_ERROR).all()):
            return _pruned(few, draws, chosen, smallest)

        later = [neuron for neuron in order if neuron not in chosen]
        most = bool(errors.median() < MAX_FOLLOWING_ERROR)
        chosen.append(int(errors.argmax()) if most or not later else later[0])

    every = order + [neuron for neuron in range(d) if neuron not in order]

    return (
        _pruned(few, draws, every, smallest) if len(chosen) == d else torch.tensor(every, device=obs.device)
    )


def _draws(obs: Observations) -> Draws:
    r"""Which samples are one draw; where it is open whether near-copies are, they are. Rows in order are no path."""
    values = standardised(obs)[0]
    rank = None if obs.frames is None else joint_rank(obs.frames)
    draws, doubted = paired_draws(values, values, obs.groups, rank)

    return doubted if doubted is not None and doubted.reach == 0 else draws


def _pruned(obs: Observations, draws: Draws, chosen: list[int], smallest: int) -> Tensor:
    r"""Without each neuron that later choices made superfluous."""
    kept = chosen

    for index in chosen:
        rest = [k for k in kept if k != index]

        if len(rest) >= smallest and bool((_errors(obs, draws, rest) < MAX_FOLLOWING_ERROR).all()):
            kept = rest

    return torch.tensor(kept, device=obs.device)


def _errors(obs: Observations, draws: Draws, chosen: list[int]) -> Tensor:
    r"""Upper bounds of the errors with which each neuron follows from the chosen ones, `(d,)`; 0 for these."""
    values, frames = standardised(obs)
    others = [neuron for neuron in range(values.shape[1]) if neuron not in chosen]
    bounds = values.new_zeros(values.shape[1])

    if not draws.independent and draws.count < MIN_DRAWS:
        bounds[others] = math.inf

        return bounds

    source, target = (None, None) if frames is None else (frames[:, chosen], frames[:, others])
    fit = fit_map(values[:, chosen], values[:, others], source, target, draws=draws)
    assert fit.missed is not None
    squared = fit.missed.square() if fit.draws is None else fit.draws.totals(fit.missed.square())
    missed = (fit.map(values[:, chosen]) - values[:, others]).square().mean(dim=0).sqrt()
    bounds[others] = torch.maximum(highest_of_each(squared), missed).nan_to_num(math.inf)

    return bounds
