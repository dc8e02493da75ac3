"""Several threads at once: what each finds is what one alone finds, and networks and process are left as they were."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import equiv
from equiv import Observations


class Mixed(nn.Module):
    """Attention, whose fused kernels know no hooks, dropout, and batch normalisation, in modes of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.3, batch_first=True)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 3)
        self.train()
        self.attention.dropout.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.attention(x[:, None].expand(-1, 2, -1)).mean(dim=1)))


def state(*networks: nn.Module) -> list[Any]:
    """Modes, buffers and hooks of networks, and what of the whole process probing changes."""
    modules = [module for network in networks for module in network.modules()]

    return [
        [module.training for module in modules],
        [buffer.tolist() for network in networks for buffer in network.buffers()],
        [len(module._forward_hooks) for module in modules],
        torch.get_rng_state().tolist(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cudnn.enabled,
    ]


def at_once(calls: list[Callable[[], None]]) -> list[BaseException]:
    """What goes wrong where each call runs in a thread of its own."""
    failed: list[BaseException] = []

    def caught(call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=caught, args=(call,)) for call in calls]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    return failed


@pytest.mark.parametrize("times", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_eight_threads_probe_networks_that_share_layers(times: int) -> None:
    torch.manual_seed(0)
    network, x = Mixed(), torch.rand(6, 4)
    longer = nn.Sequential(network, nn.Linear(3, 2))
    known = {
        each: equiv.probe(each, x, layers=[name]) for each, name in ((network, "head"), (longer, "0.norm"))
    }
    before, wrong = state(longer), []

    def probe(each: nn.Module, name: str) -> None:
        for _ in range(times):
            found = equiv.probe(each, x, layers=[name])

            if not (
                torch.equal(found.values, known[each].values)
                and torch.equal(found.frames, known[each].frames)
            ):
                wrong.append(name)

    failed = at_once([lambda: probe(network, "head"), lambda: probe(longer, "0.norm")] * 4)

    assert not failed and not wrong
    assert state(longer) == before


@pytest.mark.slow
def test_threads_compare_what_one_alone_finds() -> None:
    torch.manual_seed(0)
    a, b, x = Mixed(), nn.Sequential(nn.Linear(4, 3), nn.Tanh()), torch.rand(12, 4)
    line = torch.rand(20, 1, dtype=torch.float64)
    curve = Observations(
        torch.cat([line.exp(), line.sin()], dim=1), torch.stack([line.exp(), line.cos()], dim=1)
    )
    calls = [
        lambda: equiv.compare(a, b, x).to_dict(),
        lambda: equiv.compare(curve, curve, paired=False, method="galerkin").to_dict(),
        lambda: equiv.compare_layers(a, b, x).to_dict(),
    ]
    alone, before, found = [repr(call()) for call in calls], state(a, b), [""] * len(calls)

    def keep(k: int) -> None:
        found[k] = repr(calls[k]())

    assert not at_once([lambda k=k: keep(k) for k in range(len(calls))])  # type: ignore[misc]
    assert found == alone and state(a, b) == before
