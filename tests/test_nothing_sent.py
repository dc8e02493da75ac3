r"""A default run, Weights & Biases included, looks up no name and opens no connection but to this machine's files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT, TINY, one_thread

RECORDER = """
import os, socket


def recorded(name, inner):
    def call(*arguments, **named):
        family = arguments[0].family if isinstance(arguments[0], socket.socket) else None
        if family != socket.AF_UNIX:
            with open(os.environ["EQUIV_CALLS"], "a") as file:
                file.write(f"{name} {arguments[1:] if family is not None else arguments}\\n")
            raise OSError(101, "Network is unreachable")
        return inner(*arguments, **named)

    return call


for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
    setattr(socket, name, recorded(name, getattr(socket, name)))


class Socket(socket.socket):
    pass


for name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(Socket, name, recorded(name, getattr(socket.socket, name)))

socket.socket = Socket
"""
CHOSEN = ("experiment=horse", *TINY, "trainer.max_epochs=1")


def command(folder: Path, pictures: Path) -> list[str]:
    return [sys.executable, "run.py", *CHOSEN, f"dataset.cache={pictures}", f"hydra.run.dir={folder}"]


def isolated() -> list[str]:
    r"""What runs a command where there is no network at all, or nothing where the system does not let one."""
    for prefix in (["unshare", "-rn"], ["unshare", "-n"]):
        if shutil.which("unshare") and not subprocess.run([*prefix, "true"], capture_output=True).returncode:
            return prefix

    return []


def environment(**changed: str) -> dict[str, str]:
    left = {name: value for name, value in one_thread().items() if not name.startswith("WANDB_")}

    return left | changed


@pytest.mark.slow
def test_no_socket_of_the_program_looks_up_or_connects(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(RECORDER)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    calls = tmp_path / "calls.txt"
    done = subprocess.run(
        command(tmp_path / "run", pictures),
        cwd=ROOT,
        env=environment(PYTHONPATH=path, EQUIV_CALLS=str(calls)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not calls.exists(), calls.read_text()


@pytest.mark.slow
def test_a_run_without_a_network_is_the_same(tmp_path: Path, pictures: Path) -> None:
    if not (prefix := isolated()):
        pytest.skip("no network namespaces here")

    done = subprocess.run(
        [*prefix, *command(tmp_path / "run", pictures)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "run" / "report.html").is_file()
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.slow
def test_no_process_of_a_run_asks_the_system_for_a_connection(tmp_path: Path, pictures: Path) -> None:
    r"""The core of Weights & Biases is a program of its own, whose sockets Python does not see."""
    if not shutil.which("strace"):
        pytest.skip("strace is not here")

    trace = tmp_path / "trace.txt"
    done = subprocess.run(
        [
            "strace",
            "-f",
            "-e",
            "trace=connect,sendto,sendmsg",
            "-o",
            trace,
            *command(tmp_path / "run", pictures),
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    assert any("AF_UNIX" in line for line in lines)  # it does see what there is
    assert not [line for line in lines if re.search(r"AF_INET6?\b", line)]
