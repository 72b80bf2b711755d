"""From a decoded photograph to the tensor that a network reads, and back to the pixels it saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aisthesis.errors import RequestError, nearest, or_list

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "VIEWS", "Fill", "Transform", "View"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
View = Literal["crop", "squash", "pad"]
Fill = Literal["black", "mean"]
VIEWS: tuple[str, ...] = get_args(View)

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_FINGERPRINT_LENGTH = 16
_DEFAULTS = {"view": "crop", "fill": None}  # not in the fingerprints of transforms before 0.2


@dataclass(frozen=True)
class Transform:
    """What happens to a photograph before a network reads it: a value attached to the weights.

    The photograph is resized with antialiasing, the centre is cropped, values are divided by 255
    and normalised per channel. On Pillow images the result equals, bit for bit, that of
    torchvision's `ImageClassification` preset with the same numbers, and that of timm's
    transforms in their three ways to crop.

    Parameters
    ----------
    resize_px
        Length of the shorter side after resizing, pixels; at least `crop_px`. A pair is the exact
        height and width, whatever the photograph's shape. Whole views have none: it becomes
        `crop_px`.
    crop_px
        Side of the central square that the network reads, pixels; or its height and width.
    mean, std
        Per channel (red, green, blue), on the 0..1 scale; every `std` above zero. ImageNet's
        unless given.
    interpolation
        One of nearest, box, bilinear, hamming, bicubic, lanczos.
    view
        `crop`: the centre is read and the rest is never seen. `squash`: the whole photograph,
        each side scaled to the network's. `pad`: the whole photograph in its own shape, with bars
        beside it.
    fill
        Colour of what lies beyond the photograph: `mean` (the default of `pad`) or `black`. With
        it a `crop_px` above `resize_px` is taken.

    Raises
    ------
    RequestError
        If a number is out of range, or the interpolation, view or fill is unknown.

    Examples
    --------
    >>> import aisthesis as ais
    >>> from PIL import Image
    >>> seen = ais.Transform(256, 224)
    >>> seen(Image.new("RGB", (640, 480))).shape
    torch.Size([3, 224, 224])
    """

    resize_px: int | tuple[int, int]
    crop_px: int | tuple[int, int]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: str = "bilinear"
    view: View = "crop"
    fill: Fill | None = None

    def __post_init__(self) -> None:
        # Lists (as read from JSON or TOML) and integer-valued floats become the declared types.
        _known("interpolation", self.interpolation, _RESAMPLING)
        _known("view", self.view, VIEWS)
        if self.fill is not None:
            _known("fill", self.fill, get_args(Fill))
        crop_px = _whole_pixels("crop_px", self.crop_px)
        resize_px = _whole_pixels("resize_px", self.resize_px, keep_pair=True)
        for name, value in {
            "crop_px": crop_px,
            "resize_px": resize_px if self.view == "crop" else crop_px,
            "mean": _three_numbers("mean", self.mean),
            "std": _three_numbers("std", self.std),
            "fill": "mean" if self.view == "pad" and self.fill is None else self.fill,
        }.items():
            object.__setattr__(self, name, value)
        self._check_ranges()

    def _check_ranges(self) -> None:
        if min(*_pair(self.crop_px), *_pair(self.resize_px)) < 1 or not (
            self._resize_holds_crop or self.fill
        ):
            raise RequestError(
                f"A transform needs 1 ≤ crop_px ≤ resize_px, got crop_px = {self.crop_px} and "
                f"resize_px = {self.resize_px}; a crop larger than the resized image has no pixels "
                'at its border, unless fill = "black" or "mean" says what they are.'
            )
        if min(self.std) <= 0:
            raise RequestError(
                f"Every std of a transform must be above zero, got {list(self.std)}; "
                "use 1.0 to leave a channel unscaled."
            )

    @property
    def _resize_holds_crop(self) -> bool:
        if isinstance(self.resize_px, int):
            return self.resize_px >= min(self.size_px)
        return all(a >= b for a, b in zip(self.resize_px, self.size_px, strict=True))

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of what the network reads, pixels."""
        return _pair(self.crop_px)

    def seeing(self, view: View) -> Transform:
        """Give the same transform with another view; the network reads the same number of pixels.

        From a whole view to `crop` the shorter side is resized to just what is read.
        """
        _known("view", view, VIEWS)
        if view == self.view:
            return self
        shortest = min(self.size_px)
        return replace(self, view=view, resize_px=shortest, fill=None)

    def __call__(self, image: Image.Image) -> Tensor:
        """Return the tensor that the network reads.

        Parameters
        ----------
        image
            Mode RGB, any size, as `aisthesis.images.decode` gives it.

        Returns
        -------
        Tensor
            Shape (3, height, width) of `size_px`, float32, contiguous.

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
        image = self._cropped(image)
        # NumPy, not torch: images are transformed in threads, and torch would start its own there.
        pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")  # (3, y, x)
        pixels /= np.float32(255)
        pixels -= np.array(self.mean, dtype=np.float32)[:, None, None]
        pixels /= np.array(self.std, dtype=np.float32)[:, None, None]
        return torch.from_numpy(pixels)

    def _cropped(self, image: Image.Image) -> Image.Image:
        left, top = self._crop_corner_px(*image.size)
        height, width = self.size_px
        right, bottom = left + width, top + height
        if left >= 0 and top >= 0 and right <= image.width and bottom <= image.height:
            return image.crop((left, top, right, bottom))
        colour = (0, 0, 0)
        if self.fill == "mean":
            colour = tuple(round(255 * value) for value in self.mean)  # type: ignore[assignment]
        canvas = Image.new("RGB", (width, height), colour)
        canvas.paste(image, (-left, -top))
        return canvas

    def crop_box(self, width_px: int, height_px: int) -> tuple[float, float, float, float]:
        """Return where on the original image the network looks.

        Parameters
        ----------
        width_px, height_px
            Size of the decoded image (after its EXIF rotation).

        Returns
        -------
        tuple of float
            Left, top, right, bottom in original pixels (edges, not centres; fractions are exact).
            Where there are bars the box reaches beyond the image: below zero, or past its size.
        """
        resized_width, resized_height = self._resized_px(width_px, height_px)
        left, top = self._crop_corner_px(resized_width, resized_height)
        height, width = self.size_px
        x_scale, y_scale = width_px / resized_width, height_px / resized_height
        return (
            left * x_scale,
            top * y_scale,
            (left + width) * x_scale,
            (top + height) * y_scale,
        )

    def seen_share(self, width_px: int, height_px: int) -> float:
        """Return the share of the original image's area that the network sees, 0 to 1."""
        left, top, right, bottom = self.crop_box(width_px, height_px)
        across = min(right, width_px) - max(left, 0.0)
        down = min(bottom, height_px) - max(top, 0.0)
        return min(1.0, across / width_px * down / height_px)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values that JSON and TOML can hold."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}

    def identity(self) -> dict[str, Any]:
        """Return the fields that fingerprints are made of: equal if and only if the pixels are."""
        fields = self.as_dict()
        return {k: v for k, v in fields.items() if k not in _DEFAULTS or v != _DEFAULTS[k]}

    @property
    def fingerprint(self) -> str:
        """A digest (16 hexadecimal digits) that changes if and only if a field does."""
        text = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_LENGTH]

    def _resized_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height after resizing, rounded as torchvision and timm round each case."""
        height, width = self.size_px
        if self.view == "squash":
            return width, height
        if isinstance(self.resize_px, tuple) and self.view == "crop":
            return self.resize_px[1], self.resize_px[0]
        down, across = height_px / height, width_px / width
        if self.view == "pad":
            return _divided(width_px, height_px, max(down, across))
        if height != width:
            covering = min(down, across) * min(self.size_px) / min(_pair(self.resize_px))
            return _divided(width_px, height_px, covering)
        shorter = min(_pair(self.resize_px))
        short, long = sorted((width_px, height_px))
        resized_long = int(shorter * long / short)
        return (shorter, resized_long) if width_px <= height_px else (resized_long, shorter)

    def _crop_corner_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Left and top of the crop; below zero where the image is smaller than the crop."""
        height, width = self.size_px
        return _corner(width_px, width), _corner(height_px, height)


def _corner(length_px: int, crop_px: int) -> int:
    """Start of the crop along one axis; halves go where torchvision puts them."""
    if crop_px > length_px:
        return -((crop_px - length_px) // 2)
    return round((length_px - crop_px) / 2.0)


def _divided(width_px: int, height_px: int, ratio: float) -> tuple[int, int]:
    return max(1, round(width_px / ratio)), max(1, round(height_px / ratio))


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _known(name: str, value: Any, known: Any) -> None:
    if value not in known:
        close = nearest(str(value), known) or list(known)
        raise RequestError(f"Unknown {name} {value!r}; did you mean {or_list(close)}?")


def _whole_pixels(name: str, value: Any, keep_pair: bool = False) -> int | tuple[int, int]:
    """A whole number, or a pair of them; a square's pair is one number unless `keep_pair`."""
    if not isinstance(value, Sequence):
        return _whole_number(name, value)
    if len(value) != 2:
        raise RequestError(f"{name} of a transform must be a number or (height, width): {value}.")
    height, width = (_whole_number(name, each) for each in value)
    return height if height == width and not keep_pair else (height, width)


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value).is_integer():
        raise RequestError(f"{name} of a transform must be a whole number of pixels, got {value}.")
    return int(float(value))


def _three_numbers(name: str, values: tuple[float, ...]) -> tuple[float, float, float]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        raise RequestError(
            f"{name} of a transform must be three finite numbers (red, green, blue), "
            f"got {list(values)}."
        )
    return numbers[0], numbers[1], numbers[2]
