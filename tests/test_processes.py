r"""Two processes with half of the samples each hold what one process with all of them holds."""

from pathlib import Path

import pytest
import torch
from manifolds import DOMAINS, observe
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing import start_processes

from equiv import GalerkinMaps, Observations, density_weights
from equiv.observe.processes import gathered, part
from equiv.spectral.processes import add_up, share_functions

SAMPLES, BATCH = 1500, 256


def sample() -> Observations:
    return observe(
        DOMAINS["rectangle"], DOMAINS["rectangle"].sample(SAMPLES, 0, "low_discrepancy"), 5, seed=1
    )


def rows(every: Observations, which: slice) -> Observations:
    assert every.frames is not None

    return Observations(every.values[which], every.frames[which], burst_size=every.burst_size)


def streamed(maps: GalerkinMaps, observations: Observations, weights: Tensor) -> None:
    for start in range(0, len(observations), BATCH):
        batch = slice(start, start + BATCH)
        maps.partial_fit(rows(observations, batch), weights[batch])


def worker(rank: int, count: int, folder: Path) -> None:
    r"""One of the processes: writes what it ends with."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
    every = sample()
    own = rows(every, part(SAMPLES))
    weights = density_weights(every)[part(SAMPLES)]
    maps = GalerkinMaps(n_coordinates=6, n_basis=80)
    share_functions(maps, own, weights)
    streamed(maps, own, weights)
    add_up(maps)
    whole = gathered(own)
    uneven = gathered(Observations(own.values[: 10 + 5 * rank]))
    refused = ""

    try:
        gathered(Observations(own.values[:, : 2 + rank]))
    except ValueError as error:
        refused = str(error)

    found = {
        "eigenvalues": maps.eigenvalues_,
        "coordinates": maps.transform(every.values),
        "diagnostics": maps.diagnostics_,
        "values": whole.values,
        "frames": whole.frames,
        "uneven": uneven.values,
        "refused": refused,
    }
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("processes")
    start_processes(worker, (2, folder), nprocs=2, start_method="fork")

    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_galerkin_maps_are_those_of_one_process(found: list[dict]) -> None:
    every = sample()
    weights = density_weights(every)
    half = slice(SAMPLES // 2)
    alone = GalerkinMaps(n_coordinates=6, n_basis=80).choose(rows(every, half), weights[half])
    streamed(alone, every, weights)
    coordinates = alone.transform(every.values)

    for process in found:
        # Sums in another order differ by rounding; the mass matrix is that of nearly orthonormal functions.
        torch.testing.assert_close(process["eigenvalues"], alone.eigenvalues_, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(process["coordinates"], coordinates, rtol=0, atol=1e-10)
        assert process["diagnostics"] == alone.diagnostics_


def test_every_process_holds_the_same_to_the_last_bit(found: list[dict]) -> None:
    first, second = found
    for name in ("eigenvalues", "coordinates", "values", "frames"):
        assert torch.equal(first[name], second[name])


def test_gathered_observations_are_all_in_order(found: list[dict]) -> None:
    every = sample()
    assert torch.equal(found[0]["values"], every.values)
    assert torch.equal(found[0]["frames"], every.frames)
    expected = torch.cat([every.values[:10], every.values[SAMPLES // 2 :][:15]])
    assert torch.equal(found[1]["uneven"], expected)


def test_different_neurons_are_refused_on_every_process(found: list[dict]) -> None:
    assert all("'observations'" in process["refused"] for process in found)


def test_one_process_needs_no_group() -> None:
    every = sample()
    assert part(SAMPLES) == slice(0, SAMPLES)
    assert gathered(every) is every
    maps = GalerkinMaps(n_coordinates=6, n_basis=80)
    share_functions(maps, every)
    maps.partial_fit(every)
    add_up(maps)
    alone = GalerkinMaps(n_coordinates=6, n_basis=80).fit(every)
    assert torch.equal(maps.eigenvalues_, alone.eigenvalues_)
