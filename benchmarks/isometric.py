r"""Isometric coordinates against the hidden inputs: accuracy, diagnosis, noise, scale.

    python benchmarks/isometric.py [--networks 100] [--only networks shapes boxes noise loca scale]

Prints tables and writes benchmarks/results/isometric.md and .json. One thread. Errors are RMS over spread
after the best rigid motion, in per cent; seconds are processor seconds of the fit.
"""

import argparse
import json
import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

# Below the line that lets `manifolds` be found.
from manifolds import DOMAINS, Domain, observe, rigid_error  # noqa: E402

from equiv import IsometricMaps, Observations  # noqa: E402

MARKS = {500: 0.05, 1000: 0.02, 2000: 0.01}
# Name, samples, neurons, mark in per cent.
SHAPES = [
    ("l_shape", 1500, 5, 0.01),
    ("c_shape", 1500, 5, 0.01),
    ("annulus", 1500, 5, 0.01),
    ("thin_annulus", 1500, 5, 0.01),
    ("disc_with_holes", 1500, 5, 0.01),
    ("interval", 2000, 5, 0.001),
    ("circle", 2000, 5, 0.01),
    ("cylinder", 2000, 6, 0.05),
    ("torus", 4096, 6, 0.05),
    ("cube", 4000, 8, 0.1),
]
# Dimension, samples, neurons, mark in per cent.
BOXES = [(4, 4000, 12, 0.5), (5, 4000, 14, 0.5), (6, 4000, 16, 2.0)]


def timed_fit(obs: Observations) -> tuple[IsometricMaps, float]:
    start = time.process_time()
    flat = IsometricMaps().fit(obs)

    return flat, time.process_time() - start


def table(title: str, header: list[str], rows: list[list[str]]) -> str:
    lines = [f"### {title}", "", "| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    text = "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"
    print(text, flush=True)

    return text


def lattice_error(found: Tensor, periods: Tensor, x: Tensor, true: tuple[float, ...]) -> tuple[float, float]:
    r"""Error of coordinates modulo periods, and of the periods, in per cent.

    The linear map that carries the periods found to the true ones and is nearest to a rotation is applied;
    what is left, modulo the true lattice, is compared with the spread.
    """
    periodic = [axis for axis, period in enumerate(true) if period > 0]
    lattice = torch.diag(torch.tensor(true, dtype=torch.float64))[periodic]
    best = (math.inf, math.inf)

    for signs in range(2 ** len(periodic)):
        flips = torch.tensor([1.0 if signs >> k & 1 else -1.0 for k in range(len(periodic))]).double()
        left, _, right = torch.linalg.svd(periods.T @ (flips[:, None] * lattice))
        for last in (1.0, -1.0) if len(periodic) < len(true) else (1.0,):
            middle = torch.eye(len(true), dtype=torch.float64)
            middle[-1, -1] = last
            turn = left @ middle @ right
            off = found @ turn - x
            phase = torch.exp(2j * math.pi * off[:, periodic] / lattice[:, periodic].diagonal())
            centre = torch.zeros(len(true), dtype=torch.float64)
            centre[periodic] = phase.mean(dim=0).angle() / (2 * math.pi) * lattice[:, periodic].diagonal()
            rest = [axis for axis in range(len(true)) if axis not in periodic]
            centre[rest] = off[:, rest].mean(dim=0)
            off = off - centre
            off = off - (off @ torch.linalg.pinv(lattice)).round() @ lattice
            error = float(off.norm() / (x - x.mean(dim=0)).norm())
            length = float(((periods @ turn) - flips[:, None] * lattice).norm() / lattice.norm())
            best = min(best, (100 * error, 100 * length))

    return best


def networks(count: int) -> tuple[str, list[dict[str, float]]]:
    rows, numbers = [], []

    for n, mark in MARKS.items():
        errors, accepted, seconds, outside = [], [], [], []
        for seed in range(count):
            x = DOMAINS["square"].sample(n, seed)
            flat, spent = timed_fit(observe(DOMAINS["square"], x, 5, seed))
            fresh = DOMAINS["square"].sample(500, 10_000 + seed)
            values = observe(DOMAINS["square"], fresh, 5, seed).values
            together = torch.cat([flat.coordinates_, flat.transform(values)])
            errors.append(100 * rigid_error(flat.coordinates_, x))
            outside.append(100 * rigid_error(together, torch.cat([x, fresh])))
            accepted.append(flat.accepted_)
            seconds.append(spent)
        error, good = torch.tensor(errors), torch.tensor(accepted)
        numbers.append(
            {
                "n": n,
                "networks": count,
                "mark": mark,
                "median": float(error.median()),
                "quantile_95": float(error.quantile(0.95)),
                "share_below_mark": float((error < mark).double().mean()),
                "bad_not_flagged": int(((error > 10 * mark) & good).sum()),
                "good_flagged": int(((error < mark) & ~good).sum()),
                "median_out_of_sample": float(torch.tensor(outside).median()),
                "seconds": float(torch.tensor(seconds).median()),
                "most_seconds": max(seconds),
            }
        )
        last = numbers[-1]
        rows.append(
            [
                str(n),
                f"{last['median']:.5f}",
                f"{last['quantile_95']:.5f}",
                f"{last['share_below_mark']:.0%} below {mark}",
                f"{last['bad_not_flagged']} of {int((error > 10 * mark).sum())}",
                f"{last['good_flagged']} of {int((error < mark).sum())}",
                f"{last['median_out_of_sample']:.5f}",
                f"{last['seconds']:.1f} ({max(seconds):.1f})",
            ]
        )

    title = f"Random networks R^2 -> R^5, unit square, random samples, {count} networks each"
    header = [
        "samples",
        "median %",
        "95th %",
        "share",
        "bad not flagged",
        "good flagged",
        "out of sample %",
        "s: median (most)",
    ]

    return table(title, header, rows), numbers


def shapes(count: int) -> tuple[str, list[dict[str, float | str]]]:
    rows, numbers = [], []

    for name, n, neurons, mark in SHAPES:
        domain, errors, lengths, spent, accepted = DOMAINS[name], [], [], 0.0, 0
        for seed in range(1, 1 + count):
            x = domain.sample(n, seed)
            flat, seconds = timed_fit(observe(domain, x, neurons, seed))
            spent += seconds / count
            accepted += flat.accepted_
            if domain.periods is None:
                errors.append(100 * rigid_error(flat.coordinates_, x))
            elif flat.periods_ is None or len(flat.periods_) != sum(p > 0 for p in domain.periods):
                errors.append(math.inf)
            else:
                error, length = lattice_error(flat.coordinates_, flat.periods_, x, domain.periods)
                errors.append(error)
                lengths.append(length)
        numbers.append(
            {
                "shape": name,
                "n": n,
                "mark": mark,
                "worst": max(errors),
                "periods": max(lengths, default=0.0),
                "seconds": spent,
            }
        )
        rows.append(
            [
                name,
                str(n),
                f"{sorted(errors)[len(errors) // 2]:.1e}",
                f"{max(errors):.1e}",
                str(mark),
                f"{max(lengths):.4f}" if lengths else "",
                f"{accepted} of {count}",
                f"{spent:.1f}",
            ]
        )

    header = ["shape", "samples", "median %", "worst %", "mark", "periods off by %", "accepted", "s"]

    return table(f"Shapes, random networks and samples, {count} each", header, rows), numbers


def boxes(count: int) -> tuple[str, list[dict[str, float]]]:
    rows, numbers = [], []

    for dimension, n, neurons, mark in BOXES:
        domain = Domain((0.0,) * dimension, (1.0,) * dimension)
        errors, outside, spent, accepted = [], [], 0.0, 0
        for seed in range(1, 1 + count):
            x, fresh = domain.sample(n, seed), domain.sample(500, 10_000 + seed)
            flat, seconds = timed_fit(observe(domain, x, neurons, seed))
            together = torch.cat(
                [flat.coordinates_, flat.transform(observe(domain, fresh, neurons, seed).values)]
            )
            errors.append(100 * rigid_error(flat.coordinates_, x))
            outside.append(100 * rigid_error(together, torch.cat([x, fresh])))
            spent += seconds / count
            accepted += flat.accepted_
        last = {"dimension": dimension, "n": n, "mark": mark, "worst": max(errors), "seconds": spent}
        numbers.append(last | {"worst_out_of_sample": max(outside)})
        rows.append(
            [
                str(dimension),
                str(n),
                str(neurons),
                f"{max(errors):.3f}",
                f"{max(outside):.3f}",
                str(mark),
                f"{accepted} of {count}",
                f"{spent:.0f}",
            ]
        )

    header = ["dimension", "samples", "neurons", "worst %", "out of sample %", "mark", "accepted", "s"]

    return table(
        f"Boxes of more dimensions, random networks and samples, {count} each", header, rows
    ), numbers


def burst_frames(jacobian: Tensor, size: int, seed: int) -> Tensor:
    r"""Frames from sample covariances of `size` small Gaussian neighbours."""
    m = jacobian.shape[2]
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(len(jacobian), size, m, generator=generator, dtype=torch.float64)
    burst = torch.einsum("ndm,nbm->nbd", jacobian, steps)
    burst = burst - burst.mean(dim=1, keepdim=True)
    values, vectors = torch.linalg.eigh(burst.mT @ burst / (size - 1))

    return vectors[:, :, -m:] * values[:, -m:].clamp_min(0).sqrt()[:, None]


def noise(count: int) -> tuple[str, list[dict[str, float]]]:
    rows, numbers = [], []

    for n in (500, 2000):
        for size in (20, 50, 200, 1000):
            errors = []
            for seed in range(1, 1 + count):
                x = DOMAINS["square"].sample(n, seed)
                exact = observe(DOMAINS["square"], x, 5, seed)
                assert exact.frames is not None
                obs = Observations(exact.values, burst_frames(exact.frames, size, seed), burst_size=size)
                errors.append(100 * rigid_error(timed_fit(obs)[0].coordinates_, x))
            error = float(torch.tensor(errors).median())
            numbers.append({"n": n, "burst": size, "error": error})
            rows.append([str(n), str(size), f"{error:.3f}", f"{error * math.sqrt(size):.1f}"])

    slope = math.log(numbers[-1]["error"] / numbers[-4]["error"]) / math.log(1000 / 20)
    title = f"Frames from bursts: error against burst size, slope {slope:.2f} (expected -0.5)"

    return table(title, ["samples", "burst", "median %", "% x root of burst"], rows), numbers


def loca(count: int) -> tuple[str, list[dict[str, float]]]:
    r"""LOCA (Peterfreund et al. 2020), section 6.1: a map of the square that is singular on a line."""
    numbers = []

    def look(x: Tensor) -> Tensor:
        return torch.stack([x[..., 0] + x[..., 1] ** 3, -x[..., 0] + x[..., 1] ** 3], dim=-1)

    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        x = torch.rand(2000, 2, generator=generator, dtype=torch.float64)
        steps = torch.randn(2000, 200, 2, generator=generator, dtype=torch.float64)
        burst = look(x[:, None] + 0.01 * steps)
        burst = burst - burst.mean(dim=1, keepdim=True)
        values, vectors = torch.linalg.eigh(burst.mT @ burst / 199 / 0.01**2)
        frames = vectors * values.clamp_min(0).sqrt()[:, None]
        flat, spent = timed_fit(Observations(look(x), frames, burst_size=200))
        off = torch.cdist(flat.coordinates_, flat.coordinates_) - torch.cdist(x, x)
        numbers.append({"seed": seed, "stress": float(off.square().mean()), "seconds": spent})

    mean = sum(row["stress"] for row in numbers) / count
    spent = max(row["seconds"] for row in numbers)
    rows = [
        ["isometric coordinates", f"{mean:.1e}", f"at most {spent:.1f} s"],
        ["LOCA, trained network (as published)", "1.5e-05", ""],
        ["Mahalanobis diffusion maps (as published)", "2e-03", ""],
        ["diffusion maps (as published)", "3e-02", ""],
    ]

    return table(f"LOCA's table, mean of {count} seeds", ["method", "stress", "time"], rows), numbers


def scale(count: int) -> tuple[str, list[dict[str, float]]]:
    rows, numbers = [], []

    for n in (10_000, 100_000)[: 1 + (count > 1)]:
        x = DOMAINS["square"].sample(n, 1)
        flat, spent = timed_fit(observe(DOMAINS["square"], x, 5, 1))
        error = 100 * rigid_error(flat.coordinates_, x)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        numbers.append({"n": n, "error": error, "seconds": spent, "gib": memory})
        rows.append([str(n), f"{error:.6f}", f"{spent:.0f}", f"{memory:.1f}", str(flat.accepted_)])

    return table("Scale, m = 2", ["samples", "error %", "s", "peak GiB", "accepted"], rows), numbers


def main() -> None:
    parts: dict[str, tuple[Callable[[int], tuple[str, list]], int]] = {
        "networks": (networks, 100),
        "shapes": (shapes, 3),
        "boxes": (boxes, 1),
        "noise": (noise, 3),
        "loca": (loca, 5),
        "scale": (scale, 2),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, help="how many of each; default as published")
    parser.add_argument("--only", nargs="+", choices=list(parts), default=list(parts))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    target = ROOT / "benchmarks" / "results" / "isometric.json"
    fresh = {}

    for name in arguments.only:
        run, count = parts[name]
        text, numbers = run(arguments.networks or count)
        fresh[name] = {"table": text, "numbers": numbers}

    target.parent.mkdir(exist_ok=True)
    stored = (json.loads(target.read_text()) if target.is_file() else {}) | fresh
    target.write_text(json.dumps(stored, indent=1) + "\n")
    tables = "\n".join(stored[name]["table"] for name in parts if name in stored)
    target.with_suffix(".md").write_text(
        f"# Isometric coordinates\n\nBy `benchmarks/isometric.py`.\n\n{tables}"
    )


if __name__ == "__main__":
    main()
