r"""Figures in words and numbers."""

from __future__ import annotations

import math

import numpy as np

from equiv.figures.drawing import Array, as_array
from equiv.figures.panels import without_zero

__all__ = ["said_of_angles", "said_of_pictures", "said_of_spectra"]


def said_of_pictures(rows: list[Array]) -> str:
    r"""What `cross_view_figure` shows of its three rows of pictures."""
    predicted, true = rows[1:]
    accuracy = ""

    if predicted.shape == true.shape and (error := np.square(predicted - true).mean()) > 0:
        accuracy = f", with a peak signal-to-noise ratio of {-10 * math.log10(error):.1f} dB"

    return (
        f"{len(true)} moments: above, camera A's picture; in the middle, camera B's picture predicted from "
        f"A's activations alone{accuracy}; below, camera B's true picture."
    )


def said_of_angles(mahalanobis: object, euclidean: object) -> str:
    r"""What the panel of angle errors, in radians, shows of both kernels."""
    words = []

    for name, value in (("errors_mahalanobis", mahalanobis), ("errors_euclidean", euclidean)):
        error = np.abs(np.degrees(as_array(value, name, 1)))
        known = error[np.isfinite(error)]
        middle, upper = np.percentile(known, [50, 95]) if len(known) else (math.nan, math.nan)
        words.append(f"median {middle:.2g}°, 95 % below {upper:.2g}°")

    return (
        f"Error of the angle recovered through T at {len(error)} held-out angles: {words[0]} in the "
        f"Mahalanobis metric; {words[1]} with the Euclidean kernel."
    )


def said_of_spectra(eigenvalues_a: object, eigenvalues_b: object, exact: object) -> str:
    r"""The eigenvalues that `spectrum_figure` draws."""
    given = {"A": eigenvalues_a, "B": eigenvalues_b} | ({} if exact is None else {"exact": exact})
    words = [
        f"{name} {', '.join(f'{value:.3g}' for value in without_zero(values, name))}"
        for name, values in given.items()
    ]

    return f"Eigenvalues: {'; '.join(words)}."
