r"""The experiments' figures: drawn from what they are given, also where there is no map; said in words."""

import io
import math

import pytest
import torch
from pages import drawn
from PIL import Image

from equiv import Interval
from lightning_modules.figures import film
from lightning_modules.figures import functions as functions_figures
from lightning_modules.figures import maps as maps_figures
from lightning_modules.figures import pitch as pitch_figures
from lightning_modules.figures import potentials as potentials_figures
from lightning_modules.figures import reconstruction as reconstruction_figures
from lightning_modules.figures import training as training_figures
from lightning_modules.figures import transfer as transfer_figures

X = torch.linspace(-1, 1, 80, dtype=torch.float64)
ERROR = torch.full((80,), 0.02, dtype=torch.float64)
LINES = torch.rand(6, 9, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("there", [True, False])
def test_functions_of_one_variable_are_said_with_their_errors(there: bool) -> None:
    predicted, error = (X.exp(), ERROR) if there else (None, None)
    figure = drawn(functions_figures.function_figure(X, X, X.exp(), X, predicted, error, ERROR))
    assert ("A to B 2 %" in figure.get_label()) == there
    assert ("A to B no map" in figure.get_label()) != there
    assert len(figure.axes) == 4


@pytest.mark.parametrize("there", [True, False])
def test_folded_functions_say_how_many_neurons_were_added(there: bool) -> None:
    observed = torch.stack([X, X.sin(), X.square()], dim=1)
    predicted, error = (X.square(), ERROR) if there else (None, None)
    figure = drawn(
        functions_figures.folded_figure(X, X.square(), X.cos(), X, observed, predicted, error, error)
    )
    assert "2 inner neurons" in figure.get_label()
    assert len(figure.axes) == 6


@pytest.mark.parametrize("there", [True, False])
def test_a_grid_is_carried_both_ways(there: bool) -> None:
    carried, error = (LINES, torch.rand(40)) if there else (None, None)
    figure = drawn(
        maps_figures.map_figure(
            LINES, LINES, LINES, carried, carried, carried, torch.rand(40, 2), error, error
        )
    )
    assert ("no map" in figure.get_label()) != there
    # Beside eight panels, a colour bar for each direction in which there is an error.
    assert len(figure.axes) == (10 if there else 8)


def test_errors_against_the_number_of_neurons_mark_whitneys() -> None:
    chosen = {"inputs": torch.tensor([0.5, 1e-3, 1e-5]), "outputs": torch.tensor([0.6, 1e-3, 1e-4])}
    random = {name: each[:, None].repeat(1, 4) for name, each in chosen.items()}
    random["inputs"][0, 3] = math.nan
    figure = drawn(reconstruction_figures.reconstruction_errors([1, 3, 5], chosen, random, dimension=2))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["inputs", "outputs"]
    assert any("2m + 1 = 5" in text.get_text() for text in figure.axes[0].texts)


def test_reconstructed_grids_and_pictures_have_a_place_for_each_number() -> None:
    grids = drawn(reconstruction_figures.reconstructed_grids(LINES, {1: LINES, 5: LINES}, {1: 0.5, 5: 0.01}))
    assert [axes.get_title(loc="left") for axes in grids.axes] == ["1 neuron: 50 %", "5 neurons: 1 %"]
    pictures = torch.rand(3, 3, 8, 8)
    shown = drawn(
        reconstruction_figures.reconstructed_pictures(pictures, {2: pictures, 3: pictures}, {2: 0.1, 3: 0.01})
    )
    assert len(shown.axes) == 9


def row(verdict: str, error: float) -> dict:
    interval = Interval(error, error / 2, 2 * error)

    return (
        {"verdict": verdict}
        | {
            f"{name}_{letter}": value
            for letter in "ab"
            for name, value in (
                ("loss", 0.1),
                ("folded", 0.0),
                ("dimension", 2),
                ("eigenvalues", [0.0, 2.5, 2.5, 4.9, 9.9]),
            )
        }
        | {
            f"{kind}_{way}": value
            for way in ("a_to_b", "b_to_a")
            for kind, value in (("error", interval), ("true_error", error))
        }
    )


def test_training_is_told_epoch_by_epoch() -> None:
    rows = {0: row("inconclusive", math.nan), 1: row("not_equivalent", 1.0), 4: row("equivalent", 1e-4)}
    figure = drawn(training_figures.training_figure(rows))
    assert "0: inconclusive, 1: not equivalent, 4: equivalent" in figure.get_label()


def test_training_is_drawn_where_no_error_is_known() -> None:
    figure = drawn(
        training_figures.training_figure({0: row("inconclusive", math.nan), 2: row("inconclusive", math.nan)})
    )
    assert "0: inconclusive, 2: inconclusive" in figure.get_label()


def test_a_transfer_shows_what_there_is_no_map_for() -> None:
    classes = {"truth": torch.zeros(5, 5), "nothing": torch.full((5, 5), -1)}
    corners = (torch.tensor([-1.0, -1.0]), torch.tensor([1.0, 1.0]))
    figure = drawn(
        transfer_figures.transfer_figure({0: math.nan, 3: 0.9}, {4: [0.5, 0.6]}, 0.95, classes, corners)
    )
    assert "3: 90.0 %" in figure.get_label()
    assert len(figure.axes) == 3


def test_a_film_is_a_gif_of_all_moments() -> None:
    shown = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with Image.open(io.BytesIO(film.camera_film(shown, shown, shown, seconds=1.0))) as image:
        assert (image.format, image.n_frames, image.info["duration"]) == ("GIF", 5, 200)
    with pytest.raises(ValueError, match="'true_b'"):
        film.camera_film(shown, shown, shown[:4])


@pytest.mark.parametrize("there", [True, False])
def test_pretrained_networks_are_drawn_with_a_map_and_without(there: bool) -> None:
    states, neurons = torch.rand(40, 2), torch.rand(40, 5)
    carried, energy, error = (neurons[:, :1], torch.rand(40), torch.rand(40)) if there else (None, None, None)
    figures = [
        potentials_figures.potentials_figure(
            states, ["bond", "angle"], neurons, neurons[:, :1], carried, states[:, 0], energy, error
        ),
        pitch_figures.pitch_figure(states[:, 0], neurons, neurons[:, :1], carried, energy, error),
    ]
    assert [("no map" in drawn(figure).get_label()) for figure in figures] == [not there] * 2


def test_an_ensemble_is_said_with_its_range_and_its_errors() -> None:
    errors = torch.tensor([[math.nan, 2e-3], [4e-3, math.nan]])
    said = [[None, "equivalent"], ["inconclusive", None]]
    figure = drawn(potentials_figures.ensemble_figure(100 * errors, 3 * errors, errors, said, "Two of them."))
    assert "median 0.3, largest 0.4; 1 of 2 equivalent" in figure.get_label()
    assert {"0.40?", "0.20"} <= {text.get_text() for text in figure.axes[2].texts}
