r"""Settings checked against what they are handed to: the signatures of everything that they name by `_target_`."""

import inspect
import os
import pkgutil
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as AbstractSequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf

from lightning_modules.output.told import extra_for, nearest

__all__ = ["check_settings", "located", "plain"]

#: Keys of Hydra's own beside the arguments.
HYDRA = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")
#: The plain types in words.
WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}


def plain(settings: Any) -> dict[str, Any]:
    r"""Settings as a plain dictionary with everything in it resolved."""
    return OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)  # type: ignore[return-value]


def check_settings(settings: Mapping[str, Any], further: Mapping[str, Callable[..., Any]]) -> None:
    r"""Every `_target_` can be imported, has the arguments it is given, and each is of the type it is declared with.

    Nothing is called.

    Arguments:
        settings: All resolved settings.
        further: By the key of a part, who else its arguments are for.

    Raises:
        ValueError: On the first that does not fit, by its dotted key.
    """
    for key, node in _targets(settings, ""):
        callables = [located(node["_target_"], f"{key}._target_")]
        callables += [further[key]] if key in further else []
        _check_arguments(key, node, callables)


def located(target: Any, name: str) -> Callable[..., Any]:
    r"""What a dotted name stands for, the current folder included.

    Arguments:
        target: The name.
        name: Of the setting, for the error.

    Raises:
        ValueError: If there is no such thing; with the extra to install, or a name that is near.
    """
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)

    module, _, last = str(target).rpartition(".")

    try:
        found = pkgutil.resolve_name(target)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        extra = extra_for(missing)
        install = f"pip install 'equiv[{extra}]'" if extra else "look at the name, or install its package"
        raise ValueError(
            f"'{name}' should name what can be imported, got {target!r}, and there is no module {error.name!r}; "
            f"{install}."
        ) from error
    except AttributeError as error:
        known = [each for each in dir(sys.modules.get(module)) if not each.startswith("_")]
        raise ValueError(
            f"'{name}' should name what can be imported, got {target!r}: {error}{nearest(last, known)}"
        ) from error
    except Exception as error:  # whatever a module of somebody else's raises on import
        raise ValueError(
            f"'{name}' should name what can be imported, such as package.Class, got {target!r} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:160]})."
        ) from error

    if not callable(found):
        raise ValueError(
            f"'{name}' should name a class or function, got {target!r}, which is a {type(found).__name__}."
        )

    return found


def _targets(node: Any, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    r"""Every part of the settings that names what it is made by, outer ones first."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield key, node

        for name, value in node.items():
            yield from _targets(value, f"{key}.{name}" if key else str(name))

    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _targets(value, f"{key}.{place}")


def _check_arguments(key: str, node: Mapping[str, Any], callables: list[Callable[..., Any]]) -> None:
    taken: dict[str, inspect.Parameter] = {}
    kinds: dict[str, Any] = {}
    given = {name: value for name, value in node.items() if name not in HYDRA}

    for each in callables:
        try:
            taken |= inspect.signature(each).parameters
        except (TypeError, ValueError):  # written in C
            return

        kinds |= _kinds(each)

    open_ended = any(each.kind == each.VAR_KEYWORD for each in taken.values()) and len(callables) == 1
    names = [name for name, each in taken.items() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]

    for name, value in given.items():
        if name not in names and not open_ended:
            raise ValueError(
                f"'{key}.{name}' should be an argument of {node['_target_']}, which does not take it; leave out by "
                f"~{key}.{name}{nearest(name, names)}"
            )

        if name in names and value != taken[name].default and not _fits(value, kinds.get(name, Any)):
            raise ValueError(f"'{key}.{name}' should be {_in_words(kinds[name])}, got {value!r}.")

    if not node.get("_partial_") and len(callables) == 1 and "_args_" not in node:
        lacking = [
            name
            for name, each in taken.items()
            if name in names and each.default is each.empty and name not in given and name != "self"
        ]

        if lacking:
            raise ValueError(
                f"'{key}' should hold every argument that {node['_target_']} cannot do without, got no "
                f"{', '.join(lacking)}; set {key}.{lacking[0]}=."
            )


def _kinds(called: Callable[..., Any]) -> dict[str, Any]:
    r"""The declared types of arguments; none where they cannot be read."""
    try:
        return get_type_hints(called.__init__ if inspect.isclass(called) else called)
    except Exception:  # names that its module imports for type checkers alone
        return {}


def _fits(value: Any, kind: Any) -> bool:
    r"""Whether a value of the settings can be meant for an argument declared so; when in doubt, yes."""
    origin, inside = get_origin(kind), get_args(kind)

    if kind is Any or isinstance(kind, TypeVar) or (isinstance(value, Mapping) and "_target_" in value):
        return True

    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inside)

    if origin is Literal:
        return value in inside

    if kind is None or kind is type(None):
        return value is None

    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)

    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)

    if not inspect.isclass(origin or kind):
        return True

    if issubclass(origin or kind, tuple | list | set | AbstractSequence) and kind is not str:
        items = [each for each in inside if each is not Ellipsis] or [Any]
        fixed = origin is tuple and len(items) == len(inside) > 1

        if not isinstance(value, list) or (fixed and len(value) != len(items)):
            return False

        return all(_fits(each, items[k] if fixed else items[0]) for k, each in enumerate(value))

    if issubclass(origin or kind, Mapping):
        return isinstance(value, Mapping)

    if issubclass(origin or kind, os.PathLike):
        return isinstance(value, str)

    return isinstance(value, origin or kind)


def _in_words(kind: Any) -> str:
    r"""The values that are taken, null last."""
    return " or ".join(sorted(dict.fromkeys(_alternatives(kind)), key=lambda each: each == WORDS[type(None)]))


def _alternatives(kind: Any) -> Iterator[str]:
    origin, inside = get_origin(kind), get_args(kind)

    if origin in (Union, types.UnionType):
        for each in inside:
            yield from _alternatives(each)

    elif origin is Literal:
        yield from map(repr, inside)
    elif kind in WORDS:
        yield WORDS[kind]
    elif inspect.isclass(origin) and issubclass(origin, tuple | list | set | AbstractSequence):
        yield f"a list of {_in_words(inside[0])}" if inside else "a list"
    else:
        yield getattr(kind, "__name__", str(kind))
