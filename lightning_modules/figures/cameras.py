r"""Figures of two cameras on one turning object: pictures predicted, the angle recovered, both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equiv.figures.drawing import Array, as_array
from equiv.figures.panels import blank_figure, draw_spectrum, pictures, said_of_spectra, style
from lightning_modules.figures.camera_panels import (
    draw_angle_errors,
    draw_angles,
    draw_cross_view,
    said_of_angles,
    said_of_pictures,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["angle_scatter", "cross_view_figure", "gait_figure", "horse_figure"]


def cross_view_figure(
    picture_a: object, predicted_b: object, true_b: object, angles: object = None
) -> Figure:
    r"""Three labelled rows: A's picture, B's predicted from A's activations through T, B's true picture.

    Arguments:
        picture_a: What camera A sees, shape `(k, 3, h, w)`, in `[0, 1]` (values outside are clipped).
        predicted_b: B's picture predicted from A's activations alone, same shape up to `h, w`.
        true_b: What camera B sees at the same moment, shape as `predicted_b`.
        angles: The hidden angles, shape `(k,)`, in radians, written above the columns; or None.
    """
    rows = _rows(picture_a, predicted_b, true_b)

    with style():
        figure = blank_figure(2.0 + 1.08 * len(rows[0]), 3 * 1.12 + (0.25 if angles is not None else 0.0))
        draw_cross_view(figure, rows, angles)
        figure.set_label(said_of_pictures(rows))

    return figure


def angle_scatter(
    true_angle: object,
    recovered_angle: object,
    errors_mahalanobis: object,
    errors_euclidean: object,
    recovered_euclidean: object = None,
) -> Figure:
    r"""Recovered against true angle, and beside it the error of both kernels, on a logarithmic scale.

    Arguments:
        true_angle: Angle of each held-out point, shape `(q,)`, in radians.
        recovered_angle: The angle that T recovers, shape `(q,)`, in radians, modulo a full turn.
        errors_mahalanobis: Error of the recovered angle, shape `(q,)`, in radians; its size is drawn.
        errors_euclidean: The same with the plain Euclidean kernel at its best epsilon, shape `(q,)`.
        recovered_euclidean: The angle recovered with that kernel, shape `(q,)`, drawn behind; or None.
    """
    with style():
        figure = blank_figure(9.0, 3.7)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
        draw_angles(left, true_angle, recovered_angle, recovered_euclidean)
        draw_angle_errors(right, true_angle, errors_mahalanobis, errors_euclidean)
        figure.set_label(said_of_angles(errors_mahalanobis, errors_euclidean))

    return figure


def horse_figure(
    picture_a: object,
    predicted_b: object,
    true_b: object,
    angles: object,
    true_angle: object,
    recovered_angle: object,
    errors_mahalanobis: object,
    errors_euclidean: object,
    eigenvalues_a: object,
    eigenvalues_b: object,
    exact: object = (1, 1, 4, 4, 9, 9),
    recovered_euclidean: object = None,
    title: str = "Two networks, two cameras: B's picture from A's activations alone",
) -> Figure:
    r"""The whole result on one wide picture: `cross_view_figure` above `angle_scatter` and `spectrum_figure`.

    Arguments are those of the three functions, in their order; eight to ten pictures fill the width best.
    """
    rows = _rows(picture_a, predicted_b, true_b)
    side = min(1.6, (13.6 - 2.0) / len(rows[0]))

    with style():
        figure = blank_figure(13.6, 3 * side + 0.65 + 4.0)
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3 * side + 0.25, 4.0))[:, 0]
        figure.suptitle(title, x=0.012, ha="left", fontsize=15, fontweight="bold")
        draw_cross_view(upper, rows, angles, size=10)
        angle, errors, values = lower.subplots(1, 3, width_ratios=(1.1, 1.3, 1.1))
        draw_angles(angle, true_angle, recovered_angle, recovered_euclidean)
        draw_angle_errors(errors, true_angle, errors_mahalanobis, errors_euclidean)
        draw_spectrum(values, eigenvalues_a, eigenvalues_b, exact)

        for axes, heading in (
            (angle, "The angle, read off A's neurons"),
            (errors, "Its error at each held-out angle"),
            (values, "Spectrum of each network's input space"),
        ):
            axes.set_title(heading, fontsize=10, fontweight="bold", pad=9)

        said = (
            said_of_pictures(rows),
            said_of_angles(errors_mahalanobis, errors_euclidean),
            said_of_spectra(eigenvalues_a, eigenvalues_b, exact),
        )
        figure.set_label(" ".join(said))

    return figure


def gait_figure(
    picture_a: object,
    predicted_b: object,
    true_b: object,
    angles: object,
    true: object,
    recovered: object,
    errors_mahalanobis: object,
    errors_euclidean: object,
    title: str = "Two networks, two cameras: B's picture from A's activations alone",
) -> Figure:
    r"""`cross_view_figure` above what `angle_scatter` shows, of yaw and of phase of the gait side by side.

    Arguments:
        picture_a: As in `cross_view_figure`, likewise `predicted_b`, `true_b` and `angles`.
        true: Yaw and phase of the gait of each held-out point, shape `(q, 2)`, in radians.
        recovered: As T recovers them, same shape, in radians, modulo full turns.
        errors_mahalanobis: Their errors, same shape, in radians.
        errors_euclidean: The same with the plain Euclidean kernel.
        title: Above it all.
    """
    rows = _rows(picture_a, predicted_b, true_b)
    given = {
        "true": true,
        "recovered": recovered,
        "errors_mahalanobis": errors_mahalanobis,
        "errors_euclidean": errors_euclidean,
    }
    numbers = [as_array(value, name, 2) for name, value in given.items()]
    side = min(1.6, (13.6 - 2.0) / len(rows[0]))
    said = [said_of_pictures(rows)]

    with style():
        figure = blank_figure(13.6, 3 * side + 0.65 + 3.4)
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3 * side + 0.25, 3.4))[:, 0]
        figure.suptitle(title, x=0.012, ha="left", fontsize=15, fontweight="bold")
        draw_cross_view(upper, rows, angles, size=10)
        places = lower.subplots(1, 4, width_ratios=(1, 1.2, 1, 1.2))

        for axis, name in enumerate(("yaw", "phase of the gait")):
            angle, errors = places[2 * axis : 2 * axis + 2]
            shown = [each[:, axis] for each in numbers]
            draw_angles(angle, shown[0], shown[1], None)
            draw_angle_errors(errors, shown[0], shown[2], shown[3])
            angle.set_title(f"The {name}", fontsize=10, fontweight="bold", pad=9)
            errors.set_title("Its error", fontsize=10, fontweight="bold", pad=9)
            said.append(f"The {name}: {said_of_angles(shown[2], shown[3])}")

        figure.set_label(" ".join(said))

    return figure


def _rows(picture_a: object, predicted_b: object, true_b: object) -> list[Array]:
    given = {"picture_a": picture_a, "predicted_b": predicted_b, "true_b": true_b}

    return [pictures(value, name) for name, value in given.items()]
