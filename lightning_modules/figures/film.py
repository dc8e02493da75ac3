r"""A film of two cameras: what one sees, what is predicted for the other from it, what the other sees."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from equiv.figures.drawing import Array
from equiv.figures.panels import pictures
from lightning_modules.figures.camera_panels import ROWS

__all__ = ["camera_film"]


# Pixels, along each side, that one of the picture's is drawn as.
# [pixels; chosen: by eye]
ENLARGED = 3

# Height of the label below a picture.
# [pixels; chosen: by eye]
LABEL = 30

# White between pictures.
# [pixels; chosen: by eye]
GAP = 6


def camera_film(picture_a: object, predicted_b: object, true_b: object, seconds: float = 6.0) -> bytes:
    r"""Three pictures side by side that move, as an animated GIF that begins anew when it ends.

    Arguments:
        picture_a: What camera A sees, shape `(k, 3, h, w)`, in `[0, 1]` (values outside are clipped), in the order
            in which it is to be shown.
        predicted_b: B's picture predicted from A's activations alone, same shape.
        true_b: What camera B sees at the same moment, same shape.
        seconds: How long it lasts.
    """
    from PIL import Image

    given = {"picture_a": picture_a, "predicted_b": predicted_b, "true_b": true_b}
    rows = [pictures(value, name) for name, value in given.items()]

    if len({row.shape for row in rows}) != 1:
        raise ValueError(
            "'picture_a', 'predicted_b' and 'true_b' should be of one shape, got "
            f"{[row.shape for row in rows]}; pass the same moments to each."
        )

    labels = np.concatenate([_label(name, ink, rows[0].shape[3] * ENLARGED) for name, _, ink in ROWS], axis=1)
    frames = [
        np.concatenate([np.concatenate([_enlarged(row[k]) for row in rows], axis=1), labels])
        for k in range(len(rows[0]))
    ]
    # One palette for all frames: with one for each, still parts would flicker.
    palette = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 8)])).quantize(255)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    file = io.BytesIO()
    duration = round(1000 * seconds / len(images))
    images[0].save(
        file, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0, optimize=True
    )

    return file.getvalue()


def _enlarged(picture: Array) -> Any:
    r"""A picture `(3, h, w)` as bytes `(ENLARGED h, ENLARGED w + GAP, 3)`, white on its right."""
    from PIL import Image

    small = Image.fromarray((np.clip(picture.transpose(1, 2, 0), 0, 1) * 255 + 0.5).astype(np.uint8))
    size = ENLARGED * small.width, ENLARGED * small.height

    return np.pad(
        np.asarray(small.resize(size, Image.Resampling.BICUBIC)),
        ((0, 0), (0, GAP), (0, 0)),
        constant_values=255,
    )


def _label(text: str, ink: str, width: int) -> Any:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width + GAP, LABEL), "white")
    font = ImageFont.load_default(size=LABEL // 2)
    ImageDraw.Draw(image).text((width // 2, LABEL // 2), text, fill=ink, font=font, anchor="mm")

    return np.asarray(image)
