r"""What ends a run, in one sentence: the user's to mend, or ours to be reported. Nothing here is imported in vain."""

import difflib
import errno
import importlib.metadata
import os
import re
import shutil
import signal
import sys
import textwrap
import tomllib
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

__all__ = ["extra_for", "in_width", "nearest", "printable", "sentence", "told"]

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
#: How our own errors read: the argument in quotes, and the rule.
OURS = re.compile(r"'[^']+' (and '[^']+' )?(should|needs)\b")
#: What Hydra and OmegaConf say of themselves.
NOISE = re.compile(r"(full_key|reference_type|object_type|Config search|provider|To append)")
#: Characters of a sentence by others.
LONGEST = 600


@contextmanager
def told() -> Iterator[None]:
    r"""Ends the program with one sentence on whatever Hydra, or a sweep, raises in here.

    Where the user sets HYDRA_FULL_ERROR=1, with the whole traceback, as ever.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        yield
        return

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises then what it would print with a traceback

    try:
        yield
    except Exception as error:
        raise SystemExit(f"error: {printable(sentence(error))}") from None
    except KeyboardInterrupt:  # a job that has begun says how to go on
        print("stopped by SIGINT: nothing had begun, so start it again", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        del os.environ["HYDRA_FULL_ERROR"]


def sentence(error: BaseException, details: Path | None = None) -> str:
    r"""What went wrong and what to do, on one line.

    Arguments:
        error: What was raised.
        details: The file that holds the traceback.
    """
    cause = error.__cause__ if isinstance(error, InstantiationException) else error
    cause = cause or error
    text = " ".join(str(cause).split())[:LONGEST]

    if isinstance(cause, ImportError):
        return _missing(cause)

    if isinstance(cause, HydraException | OmegaConfBaseException) or _read_by_hydra(cause):
        return _of_settings(cause)

    if isinstance(cause, TypeError | ValueError) and OURS.match(text):
        return text

    if isinstance(cause, OSError) and cause.errno is not None:
        where = f" {cause.filename!r}" if cause.filename else ""
        room = "; make room there, or choose another folder" if cause.errno == errno.ENOSPC else ""

        return f"{cause.strerror}{where}{room}."

    if type(cause).__name__ in ("MisconfigurationException", "JobFailed"):
        return text

    if isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError":
        return f"memory ran out ({text}); take fewer samples, or a smaller data.batch_size."

    seen = f" with {details}" if details is not None else ""

    return f"{type(cause).__name__}: {text}. This is no fault of yours: please report it{_tracker()}{seen}."


def printable(text: str) -> str:
    r"""The text without characters that a terminal takes for commands, or that turn the order of others round."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode()
        for each in text.encode("utf-8", "backslashreplace").decode()
    )


def in_width(text: str, stream: TextIO) -> str:
    r"""The text with lines that are longer than a terminal broken between words, below their last column."""
    if not stream.isatty():
        return text

    width = shutil.get_terminal_size().columns - 1
    lines = []

    for line in text.splitlines():
        column = re.match(r"\s*\S.*  +(?=\S)", line)
        indent = " " * (len(column[0]) if column and len(column[0]) < width // 2 else 0)
        lines += textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False) or [""]

    return "\n".join(lines)


def nearest(name: str, known: Iterable[str]) -> str:
    r"""A hint such as `; did you mean trainer.max_epochs?`, for a name or dotted key that is none of those known."""
    names = list(known)
    leaf = name.rpartition(".")[2]
    close = difflib.get_close_matches(name, names, n=1) or [
        key for key in names if key.rpartition(".")[2] == leaf
    ]

    if close:
        return f"; did you mean {close[0]}?"

    return f"; there are {', '.join(names[:16])}{', ...' if len(names) > 16 else '.'}" if names else "."


def extra_for(name: str) -> str | None:
    r"""The extra of this package that installs a module or a part of Hydra; None if none does."""
    words = set(re.split(r"[-_./]", name.lower())) - {"plugins"}

    try:
        needed = importlib.metadata.requires("equiv") or []
    except importlib.metadata.PackageNotFoundError:
        needed = [
            f"{each}; extra == '{extra}'"
            for extra, packages in _project().get("optional-dependencies", {}).items()
            for each in packages
        ]

    for each in needed:
        package, extra = re.match(r"[\w.-]+", each), re.search(r"extra == ['\"]([\w-]+)", each)

        if package and extra and words <= set(re.split(r"[-_.]", package[0].lower())):
            return extra[1]

    return None


def _read_by_hydra(error: BaseException) -> bool:
    r"""Whether it was raised where the command line and the settings are read."""
    frames = traceback.extract_tb(error.__traceback__)
    parts = Path(frames[-1].filename).parts if frames else ()

    return any(package in parts for package in ("hydra", "omegaconf", "antlr4")) and isinstance(
        error, ValueError
    )


def _missing(error: ImportError) -> str:
    name = error.name or ""
    extra = extra_for(name.partition(".")[0]) if name else None

    if extra is None:
        return f"{' '.join(str(error).split())}; install it, or look at the name."

    return f"the package {name.partition('.')[0]!r} is missing; install it by pip install 'equiv[{extra}]'."


def _of_settings(error: BaseException) -> str:
    r"""What Hydra and OmegaConf say of a command line or of settings, on one line and with what is near."""
    lines = [line.strip() for line in f"{error}\n{error.__cause__ or ''}".splitlines() if line.strip()]

    if isinstance(error, OverrideParseException):
        return (
            f"'{error.override}' should read key=value, in which Hydra cannot read {lines[0]!r}; put values with "
            "spaces, commas, brackets, = or $ into quotes, such as 'key=\"a, b\"'."
        )

    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        extra = extra_for(f"{group}/{option}") if group.startswith("hydra/") else None

        if extra is not None:
            return f"'{group}={option}' needs a package that is missing; pip install 'equiv[{extra}]'."

        return f"'{group}' should be one of those there are, got {option!r}{nearest(option, error.options or [])}"

    if isinstance(error, ConfigCompositionException) and (
        key := re.match(r"Could not override '(.+?)'", lines[0])
    ):
        known = _keys()
        near = nearest(key[1], known) if known else "."

        return f"'{key[1]}' should be a setting of this experiment, and is none{near}"

    if lines[0].startswith("You must specify"):
        return f"'experiment' should be chosen, by experiment=NAME, NAME one of {', '.join(lines[2:])}."

    if lines[0].startswith("Error merging override"):
        name, _, value = lines[0].removeprefix("Error merging override ").partition("=")

        return f"'{name}' should be of its type, got {value!r}: {lines[1]}."

    kept = [line for line in lines if not NOISE.match(line)]

    return f"the settings cannot be read: {' '.join(dict.fromkeys(kept))[:LONGEST]}"


def _keys() -> list[str]:
    r"""All the settings there are, by dotted key, for the groups that the command line chooses."""
    from hydra import compose, initialize_config_dir

    groups = [each for each in sys.argv[1:] if re.fullmatch(r"[\w/]+=\w+", each)]

    for chosen in (groups, [each for each in groups if each.startswith("experiment=")]):
        try:
            with initialize_config_dir(str(PROJECT.parent / "conf"), version_base="1.3"):
                plain = OmegaConf.to_container(compose("config", chosen))
        except Exception:  # the one that is wrong may be among them
            continue

        return list(_dotted(cast(dict[str, Any], plain)))

    return []


def _dotted(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}{key}"

        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")


def _tracker() -> str:
    r"""Where to report, by the address of the project's issues."""
    address = next(
        (url for name, url in _project().get("urls", {}).items() if name.lower() == "issues"), None
    )

    return f" at {address}" if address else " to the maintainers"


def _project() -> dict[str, dict[str, str]]:
    return tomllib.loads(PROJECT.read_text())["project"] if PROJECT.is_file() else {}
