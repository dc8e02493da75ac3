"""One thread, tests in another order where asked for, and what several files of tests share.

The tests' matrices are small, and threads that wait for each other cost more than they bring.
"""

import random
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="runs files, and tests within each, in a random order"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    r"""Tests of one file stay together, since they share what is made once a file."""
    if (seed := config.getoption("shuffle")) is not None:
        generator = random.Random(seed)
        places = {path: generator.random() for path in dict.fromkeys(item.path for item in items)}
        items.sort(key=lambda item: (places[item.path], generator.random()))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""A cache of rendered pictures for all runs here."""
    return tmp_path_factory.mktemp("pictures")
