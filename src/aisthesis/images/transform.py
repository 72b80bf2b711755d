"""From a decoded photograph to the tensor that a network reads, and back to the pixels it saw."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aisthesis.errors import RequestError, nearest, or_list

__all__ = ["Transform"]

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class Transform:
    """What happens to a photograph before a network reads it: a value attached to the weights.

    The shorter side is resized with antialiasing, the centre is cropped, values are divided by
    255 and normalised per channel. On Pillow images the result equals, bit for bit, that of
    torchvision's `ImageClassification` preset with the same numbers.

    Parameters
    ----------
    resize_px
        Length of the shorter side after resizing, pixels; at least `crop_px`.
    crop_px
        Side of the central square that the network reads, pixels.
    mean, std
        Per channel (red, green, blue), on the 0..1 scale; every `std` above zero.
    interpolation
        One of nearest, box, bilinear, hamming, bicubic, lanczos.

    Raises
    ------
    RequestError
        If a number is out of range or the interpolation is unknown.
    """

    resize_px: int
    crop_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        # Lists (as read from JSON or TOML) and integer-valued floats become the declared types.
        object.__setattr__(self, "resize_px", _whole_number("resize_px", self.resize_px))
        object.__setattr__(self, "crop_px", _whole_number("crop_px", self.crop_px))
        object.__setattr__(self, "mean", _three_numbers("mean", self.mean))
        object.__setattr__(self, "std", _three_numbers("std", self.std))
        if not 1 <= self.crop_px <= self.resize_px:
            raise RequestError(
                f"A transform needs 1 ≤ crop_px ≤ resize_px, got crop_px = {self.crop_px} and "
                f"resize_px = {self.resize_px}; a crop larger than the resized image has no pixels "
                "at its border."
            )
        if min(self.std) <= 0:
            raise RequestError(
                f"Every std of a transform must be above zero, got {list(self.std)}; "
                "use 1.0 to leave a channel unscaled."
            )
        if self.interpolation not in _RESAMPLING:
            close = nearest(self.interpolation, _RESAMPLING) or list(_RESAMPLING)
            raise RequestError(
                f"Unknown interpolation {self.interpolation!r}; did you mean {or_list(close)}?"
            )

    def __call__(self, image: Image.Image) -> Tensor:
        """Return the tensor that the network reads.

        Parameters
        ----------
        image
            Mode RGB, any size, as `aisthesis.images.decode` gives it.

        Returns
        -------
        Tensor
            Shape (3, crop_px, crop_px), float32, contiguous.

        Raises
        ------
        RequestError
            If the image is not RGB.
        """
        if image.mode != "RGB":
            raise RequestError(
                f"A transform takes an RGB image, got mode {image.mode!r}; "
                "read the file with aisthesis.images.decode."
            )
        size_px = self._resized_px(*image.size)
        if image.size != size_px:
            image = image.resize(size_px, _RESAMPLING[self.interpolation])
        left, top = self._crop_corner_px(*size_px)
        image = image.crop((left, top, left + self.crop_px, top + self.crop_px))
        # NumPy, not torch: images are transformed in threads, and torch would start its own there.
        pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")  # (3, y, x)
        pixels /= np.float32(255)
        pixels -= np.array(self.mean, dtype=np.float32)[:, None, None]
        pixels /= np.array(self.std, dtype=np.float32)[:, None, None]
        return torch.from_numpy(pixels)

    def crop_box(self, width_px: int, height_px: int) -> tuple[float, float, float, float]:
        """Return the part of the original image that the network sees.

        Parameters
        ----------
        width_px, height_px
            Size of the decoded image (after its EXIF rotation).

        Returns
        -------
        tuple of float
            Left, top, right, bottom in original pixels (edges, not centres; fractions are exact).
        """
        resized_width, resized_height = self._resized_px(width_px, height_px)
        left, top = self._crop_corner_px(resized_width, resized_height)
        x_scale, y_scale = width_px / resized_width, height_px / resized_height
        return (
            left * x_scale,
            top * y_scale,
            (left + self.crop_px) * x_scale,
            (top + self.crop_px) * y_scale,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values that JSON and TOML can hold."""
        fields = asdict(self)
        return {**fields, "mean": list(self.mean), "std": list(self.std)}

    @property
    def fingerprint(self) -> str:
        """A digest (16 hexadecimal digits) that changes if and only if a field does."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_LENGTH]

    def _resized_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height after resizing; the longer side is rounded down, as torchvision does."""
        short, long = sorted((width_px, height_px))
        resized_long = int(self.resize_px * long / short)
        if width_px <= height_px:
            return self.resize_px, resized_long
        return resized_long, self.resize_px

    def _crop_corner_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Left and top of the crop; halves go to the even neighbour, as torchvision does."""
        return round((width_px - self.crop_px) / 2.0), round((height_px - self.crop_px) / 2.0)


def _whole_number(name: str, value: float) -> int:
    if isinstance(value, bool) or not float(value).is_integer():
        raise RequestError(f"{name} of a transform must be a whole number of pixels, got {value}.")
    return int(value)


def _three_numbers(name: str, values: tuple[float, ...]) -> tuple[float, float, float]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        raise RequestError(
            f"{name} of a transform must be three finite numbers (red, green, blue), "
            f"got {list(values)}."
        )
    return numbers[0], numbers[1], numbers[2]
