r"""`experiment=potentials`: the reader, the environment vectors, the molecules; the wheel's own where it is there."""

import bz2
import json
import math
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from programs import composed
from torch import Tensor

import run
from lightning_modules.data.molecules import ANGSTROM, MOLECULES, Molecule
from lightning_modules.data.scenes import SceneViews, moved
from lightning_modules.evaluations.usual import ridge_error
from lightning_modules.pretrained import wheels
from lightning_modules.pretrained.environment import FLATTENED, AtomEnvironment
from lightning_modules.pretrained.neurochem import read_constants, read_network
from lightning_modules.pretrained.potential import KCAL_PER_HARTREE, ani

CONSTANTS = """TM = 1
Rcr = 5.2000e+00
Rca = 3.5000e+00
EtaR = [4.0]
ShfR = [9.0e-01,1.3,1.7]
Zeta = [4.0]
ShfZ = [0.6,1.6]
EtaA = [2.0]
ShfA = [9.0e-01,1.6]
Atyp = [H,C,N,O]
"""
WIDTHS = (4 * 3 + 10 * 4, 7, 6, 1)


def installed(package: str) -> bool:
    try:
        return distribution(package) is not None
    except PackageNotFoundError:
        return False


wheel = pytest.mark.skipif(
    not installed("torchani"), reason="pip install --no-deps torchani==2.2.4, for its weights"
)


def written(folder: Path, seed: int, element: str) -> list[Tensor]:
    r"""A small atomic network of random weights as NeuroChem keeps it; its tensors."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    text, tensors = f"inputsize={WIDTHS[0]};\natom_net {element} $\n", []

    for k, (depth, width) in enumerate(pairwise(WIDTHS), 1):
        name = f"ANN-{element}.nnf-l{k}"
        weight, bias = generator.normal(size=(width, depth)), generator.normal(size=width)
        (folder / f"{name}.wparam").write_bytes(weight.astype("<f4").tobytes())
        (folder / f"{name}.bparam").write_bytes(bias.astype("<f4").tobytes())
        tensors += [torch.from_numpy(weight).float(), torch.from_numpy(bias).float()]
        text += f"layer [\nnodes={width};\nactivation={6 if width == 1 else 9};\nblocksize={depth};\n"
        text += f"weights=FILE:{name}.wparam[{weight.size}];\nbiases=FILE:{name}.bparam[{width}];\n]\n"

    packed = bz2.compress(f"{text}\n $ \n\0".encode())
    (folder / f"ANN-{element}.nnf").write_bytes(f"{len(packed)}=\n".encode() + packed)

    return tensors


@pytest.fixture
def ensemble(tmp_path: Path) -> Path:
    r"""A folder with two members for oxygen, of few neurons."""
    (tmp_path / "small.params").write_text(CONSTANTS)

    for member in range(2):
        written(tmp_path / f"train{member}" / "networks", member, "O")

    return tmp_path


def states(name: str, n: int = 5) -> Tensor:
    molecule = Molecule(name)
    low, high = torch.tensor([molecule.low, molecule.high], dtype=torch.float64)

    return low + (high - low) * torch.rand(n, len(low), generator=torch.Generator().manual_seed(0)).double()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    tensors = written(tmp_path, 3, "O")
    network = read_network(tmp_path / "ANN-O.nnf")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), tensors, strict=True))
    x = found = torch.randn(4, WIDTHS[0], generator=torch.Generator().manual_seed(1))

    for weight, bias in zip(tensors[::2], tensors[1::2], strict=True):
        found = found @ weight.T + bias
        # CELU of NeuroChem, but for the last layer.
        found = found if len(bias) == 1 else torch.where(found > 0, found, 0.1 * torch.expm1(found / 0.1))

    torch.testing.assert_close(network(x), found)
    (tmp_path / "ANN-O.nnf-l1.bparam").write_bytes(b"\0" * 8)

    with pytest.raises(ValueError, match="should hold 7 numbers for its layer, got 2"):
        read_network(tmp_path / "ANN-O.nnf")

    (tmp_path / "ANN-O.nnf").write_bytes(b"no network")

    with pytest.raises(ValueError, match="should be a network of NeuroChem"):
        read_network(tmp_path / "ANN-O.nnf")


def environment(ensemble: Path, symbols: str) -> AtomEnvironment:
    return AtomEnvironment(symbols, 0, read_constants(ensemble / "small.params"))


def test_an_environment_is_that_of_the_formulas(ensemble: Path) -> None:
    # O at the origin, H at 1.1 along x, C at 1.5 at a right angle.
    positions = torch.tensor([[[0, 0, 0], [1.1, 0, 0], [0, 1.5, 0]]], dtype=torch.float64)
    found = environment(ensemble, "OHC")(positions)[0]

    def faded(r: float, cutoff: float) -> float:
        return 0.5 * math.cos(math.pi * r / cutoff) + 0.5

    radial = [
        [0.25 * math.exp(-4 * (r - shift) ** 2) * faded(r, 5.2) for shift in (0.9, 1.3, 1.7)]
        for r in (1.1, 1.5)
    ]
    angle = math.acos(FLATTENED * 0.0)
    pair = [
        2
        * ((1 + math.cos(angle - z)) / 2) ** 4
        * math.exp(-2 * (1.3 - shift) ** 2)
        * faded(1.1, 3.5)
        * faded(1.5, 3.5)
        for shift in (0.9, 1.6)
        for z in (0.6, 1.6)
    ]
    expected = torch.zeros(WIDTHS[0], dtype=torch.float64)
    expected[:6] = torch.tensor(radial).flatten()  # H, then C
    expected[12 + 4 : 12 + 8] = torch.tensor(pair)  # H with H, then H with C
    torch.testing.assert_close(found, expected)


def test_an_environment_knows_no_orientation_and_no_order(ensemble: Path) -> None:
    sees = environment(ensemble, "OOHH")
    positions = Molecule("peroxide").sees(states("peroxide"))
    turn = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ).Q
    torch.testing.assert_close(sees(positions @ turn + 3.0), sees(positions))
    torch.testing.assert_close(sees(positions[:, [0, 1, 3, 2]]), sees(positions))


def test_an_environment_ends_at_the_cutoff(ensemble: Path) -> None:
    sees, far = environment(ensemble, "OHH"), torch.zeros(1, 3, 3, dtype=torch.float64)
    far[0, 1, 0], far[0, 2, 1] = 5.3, 6.0
    assert (sees(far) == 0).all()


def test_what_cannot_be_seen_is_said(ensemble: Path) -> None:
    with pytest.raises(ValueError, match="'symbols' should be among H, C, N, O, got X"):
        environment(ensemble, "OX")
    with pytest.raises(ValueError, match="'molecule' should be one of water_2d"):
        Molecule("methane")
    with pytest.raises(
        ValueError, match="'member' should be one of the networks 0 to 7 of the ensemble, got 8"
    ):
        ani("peroxide", 8, str(ensemble))


@pytest.mark.parametrize("name", MOLECULES)
def test_molecules_have_the_coordinates_that_they_say(name: str) -> None:
    x, molecule = states(name), Molecule(name)
    positions = molecule.sees(x)
    ways = positions[:, 1:] - positions[:, :1]
    lengths = ways.norm(dim=2)
    cosine = (ways[:, 0] * ways[:, 1]).sum(dim=1) / (lengths[:, 0] * lengths[:, 1])
    angle = cosine.arccos().rad2deg() / 10
    measured = {
        "water_2d": [lengths[:, 0] * ANGSTROM, angle],
        "water_3d": [lengths[:, 0] * ANGSTROM, lengths[:, 1] * ANGSTROM, angle],
        "peroxide": [lengths[:, 0] * ANGSTROM, angle],  # to the other oxygen, and from there to the hydrogen
        "ammonia": [lengths[:, 0] * ANGSTROM, (ways[:, 0, 2] / lengths[:, 0]).arccos().rad2deg() / 10],
    }
    torch.testing.assert_close(torch.stack(measured[name], dim=1), x)
    assert len(molecule.names) == x.shape[1]
    step = 1e-5
    tangents = moved(molecule.sees, x)
    for k, unit in enumerate(torch.eye(x.shape[1], dtype=torch.float64)):
        slope = (molecule.sees(x + step * unit) - molecule.sees(x - step * unit)) / (2 * step)
        torch.testing.assert_close(tangents[..., k], slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("spread", ["even", "random"])
def test_both_sides_share_their_anchors_and_nothing_else(spread: str) -> None:
    molecule = Molecule("water_2d")
    views = SceneViews(molecule, molecule, 50, 40, 30, 4, spread, relation="stretched").prepare()
    assert (len(views.a.probe), len(views.b.probe)) == (54, 44)
    i, j = views.anchors.T
    torch.testing.assert_close(views.a.probe[i], views.b.probe[j])
    assert len(torch.cat([views.hidden.probe_a, views.hidden.probe_b]).unique(dim=0)) == 94
    torch.testing.assert_close(views.held_out_a, views.held_out_b)
    frames = [side.frames["frames"] for side in (views.a, views.b)]
    torch.testing.assert_close(frames[0][i, ..., 0], 1.1 * frames[1][j, ..., 0])
    torch.testing.assert_close(frames[0][i, ..., 1], frames[1][j, ..., 1])
    with pytest.raises(ValueError, match="'spread' should be one of even, random, got 'odd'"):
        SceneViews(molecule, molecule, spread="odd")
    with pytest.raises(ValueError, match="states of as many coordinates, got 2 and 3"):
        SceneViews(molecule, Molecule("water_3d"))


def test_ridge_regression_finds_what_is_linear() -> None:
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert ridge_error(x, x[:, :3] @ torch.ones(3, 4, dtype=torch.float64) + 5) < 1e-6
    assert ridge_error(x, x.square()) > 0.9


def test_a_missing_wheel_is_one_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(wheels, "distribution", none)
    with pytest.raises(ModuleNotFoundError, match=r"got none; pip install --no-deps torchani==2\.2\.4"):
        ani("peroxide", 0)


def test_a_wheel_without_weights_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wheels.VERSIONS, "torch", "2.2.4")
    with pytest.raises(ModuleNotFoundError, match=r"which brings torch/no/weights with it, got .* without"):
        wheels.wheel_path("torch", "torch/no/weights")


@pytest.mark.slow
def test_a_run_leaves_its_own_numbers_and_figures(ensemble: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    small = ("dataset.n_a=150", "dataset.n_b=140", "dataset.n_held_out=100", "logger=none")
    run.run(composed(folder, "experiment=potentials", f"architecture.network_a.folder={ensemble}", *small))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"verdict", "true_error_a_to_b", "energy_error", "linear_cka", "seconds_matching"} <= set(metrics)
    assert {file.stem for file in (folder / "figures").glob("*.png")} >= {"potentials"}
    assert (folder / "report.html").is_file()
    held = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert "network_b.body.0.weight" in held


@wheel
@pytest.mark.parametrize(
    ("name", "expected"), [("water_3d", [0.00101307, -0.00492582]), ("ammonia", [-0.01123654, -0.01830886])]
)
def test_energies_are_those_that_torchani_finds(name: str, expected: list[float]) -> None:
    # torchani 2.2.4's own AEVComputer and networks in float64, at the middle of the molecule's ranges.
    molecule = Molecule(name)
    middle = torch.tensor([molecule.low, molecule.high], dtype=torch.float64).mean(dim=0, keepdim=True)
    found = torch.cat([ani(name, member)(molecule.sees(middle)) for member in (0, 7)])[:, 0]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)


@wheel
@pytest.mark.slow
def test_two_potentials_are_equivalent_without_pairs_and_another_molecule_is_not(tmp_path: Path) -> None:
    metrics = {}

    for name, more in {"same": [], "other": ["dataset.b.molecule=ammonia"]}.items():
        (tmp_path / name).mkdir()
        few = ("dataset.n_a=500", "dataset.n_b=500", "dataset.n_held_out=300", "logger=none")
        run.run(composed(tmp_path / name, "experiment=potentials", *few, *more))
        metrics[name] = json.loads((tmp_path / name / "metrics.json").read_text())

    assert metrics["same"]["verdict"] == "equivalent"
    assert max(metrics["same"][f"true_error_{way}"] for way in ("a_to_b", "b_to_a")) < 0.005
    assert metrics["same"]["energy_error"] < 0.005
    assert metrics["other"]["verdict"] != "equivalent"
    assert 0 < metrics["same"]["energy_error_kcal_per_mol"] < 1e-3 * KCAL_PER_HARTREE
