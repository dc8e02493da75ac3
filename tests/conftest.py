"""One thread, and what several files of tests share.

The tests' matrices are small, and threads that wait for each other cost more than they bring.
"""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""A cache of rendered pictures for all runs here."""
    return tmp_path_factory.mktemp("pictures")
