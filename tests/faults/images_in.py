"""Hostile images: every format that Pillow writes here, harmed in every way known to us."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, features

from aisthesis.faithfulness import load_masks
from aisthesis.images import ImageFolder, Transform, check_images

from .harness import Kind, flipped

_FORMATS = ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "JPEG2000"]
_FORMATS.append("AVIF" if features.check("avif") else "JPEG")
_LOOK = Transform(40, 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def _picture(size_px: tuple[int, int] = (48, 40)) -> Image.Image:
    x = np.linspace(0, 255, size_px[0])[None, :, None]
    y = np.linspace(0, 255, size_px[1])[:, None, None]
    return Image.fromarray((x * 0.5 + y * [0.1, 0.3, 0.5]).astype(np.uint8))


def _bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def _put(folder: Path, contents: list[bytes], ending: str = "png") -> list[Path]:
    paths = [folder / f"{number:04d}.{ending}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def look(path: Path) -> None:
    """The way of every image into a study: listed, digested, decoded, transformed."""
    folder = ImageFolder(path.parent)
    check_images(folder, [path.name])
    seen = _LOOK(folder.load(path.name))
    assert seen.shape == (3, 32, 32)
    assert torch.isfinite(seen).all()


def look_at_mask(path: Path) -> None:
    """The way of a mask: found by its image's name, decoded, cropped as the image is."""
    seen = load_masks(path.parent, [path.name], _LOOK)
    assert seen.shape == (1, 32, 32)


def _masks(folder: Path) -> list[Path]:
    """Of each way to harm an image some, as masks."""
    makers = (_bit_flips, _truncated, _headers, _bombs, _odd, _no_images)
    paths = []
    for number, make in enumerate(makers):
        (folder / str(number)).mkdir()
        paths += make(folder / str(number))[::5]
    return paths


def _bit_flips(folder: Path) -> list[Path]:
    rng = np.random.default_rng(1)
    whole = [_bytes(_picture(), kind) for kind in _FORMATS]
    return _put(folder, [flipped(whole[k % len(whole)], rng, 1 + k % 12) for k in range(270)])


def _truncated(folder: Path) -> list[Path]:
    whole = [_bytes(_picture(), kind) for kind in _FORMATS]
    cuts = [(data, k) for k in range(90 // len(whole) + 1) for data in whole][:90]
    return _put(folder, [data[: len(data) * k // 12] for data, k in cuts])


def _headers(folder: Path) -> list[Path]:
    """Random bytes over the first 64, where sizes, depths and lengths stand."""
    rng = np.random.default_rng(2)
    contents = []
    for k in range(180):
        data = bytearray(_bytes(_picture(), _FORMATS[k % len(_FORMATS)]))
        place = int(rng.integers(2, 60))
        data[place : place + 4] = (
            b"\xff\xff\xff\xff",
            b"\x7f\xff\xff\xff",
            bytes(4),
            rng.bytes(4),
        )[k % 4]
        contents.append(bytes(data))
    return _put(folder, contents)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = _chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + body + _chunk(b"IEND", b"")


def _bombs(folder: Path) -> list[Path]:
    sizes = [2**k for k in (14, 16, 20, 24, 30)]
    pngs = [_png(size, size, rows=bytes(100_000)) for size in sizes]
    pngs += [_png(300, 300, rows=bytes(50_000_000)), _png(2**31 - 1, 1), _png(1, 2**31 - 1)]
    pngs += [_png(0, 64), _png(64, 0), _png(8, 5000, rows=bytes(130_000))]
    ppms = [f"P6 {size} {size} 255\n".encode() for size in sizes]
    gifs = [b"GIF89a" + struct.pack("<HHBBB", 65535, side, 0, 0, 0) for side in (65535, 1, 0)]
    bmp = _bytes(_picture(), "BMP")
    bmps = [bmp[:18] + struct.pack("<ii", w, h) + bmp[26:] for w, h in ((2**31 - 1, 9), (-9, -9))]
    text = _png(64, 64, rows=bytes(64 * 193))
    ztxt = text[:33] + _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000))) + text[33:]
    icc = text[:33] + _chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000))) + text[33:]
    return _put(folder, [*pngs, *ppms, *gifs, *bmps, ztxt, icc])


def _metadata(folder: Path) -> list[Path]:
    """Orientations that are none, EXIF and colour profiles that are garbage."""
    rng = np.random.default_rng(3)
    contents = []
    for k in range(30):
        exif = Image.Exif()
        exif[0x0112] = (0, 9, 255, 65535, 3, 7, 8, 6, 2, 10)[k % 10]
        written = exif.tobytes()
        contents.append(_bytes(_picture(), "JPEG", exif=flipped(written, rng, k // 10)))
    garbage = [rng.bytes(int(n)) for n in rng.integers(1, 3000, 30)]
    contents += [_bytes(_picture(), "JPEG", exif=b"Exif\0\0" + data) for data in garbage[:15]]
    contents += [
        _bytes(_picture(), ("JPEG", "PNG", "TIFF", "WEBP")[k % 4], icc_profile=data)
        for k, data in enumerate(garbage)
    ]
    return _put(folder, contents, "jpg")


def _odd(folder: Path) -> list[Path]:
    """Whole but unusual: pixel formats, palettes, animations."""
    picture = _picture()
    contents = [_bytes(picture.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA")]
    contents += [
        _bytes(picture.convert(mode), "TIFF") for mode in ("CMYK", "YCbCr", "LAB", "I", "F")
    ]
    contents += [_bytes(picture.convert("CMYK"), "JPEG"), _bytes(picture.convert("I;16"), "PNG")]
    for value in (np.nan, np.inf, -1.0, 1e30, 0.5):
        contents.append(_bytes(Image.fromarray(np.full((40, 40), value, np.float32)), "TIFF"))
    frames = [picture.rotate(10 * k) for k in range(5)]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        contents.append(_bytes(picture, kind, save_all=True, append_images=frames))
    for size in ((1, 1), (7, 300), (1, 5000), (8, 801)):
        contents.append(_bytes(picture.resize(size), "PNG"))
    indices = _png(64, 64, colour=3, rows=bytes(64 * 65))
    palettes = (b"", bytes(3), bytes(768), bytes(769), bytes(30_000))
    contents += [indices[:33] + _chunk(b"PLTE", palette) + indices[33:] for palette in palettes]
    return _put(folder, contents)


def _no_images(folder: Path) -> list[Path]:
    """Other things under an image's extension, and images under another's."""
    starts = [b"", b"\0", bytes(5000), b"%PDF-1.7", b"<svg xmlns=''/>", b"<html>", b"MZ\x90", b"BM"]
    starts += [b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"RIFF"]
    starts += [
        b"%!PS-Adobe-3.0 EPSF\n(/tmp/x) deletefile\n",
        b"P6",
        b"P1 9 9",
        b"\0\0\0\x0cjP  \r\n",
    ]
    starts += [
        b"RIFF\xff\xff\xff\xffWEBPVP8X",
        b"II*\0\x08\0\0\0\xff\xff",
        b"version https://git-lfs",
    ]
    paths = _put(folder, starts, "jpg")
    for number, kind in enumerate(_FORMATS):
        path = folder / f"wrong{number}.{('gif', 'tiff', 'bmp')[number % 3]}"
        path.write_bytes(_bytes(_picture(), kind))
        paths.append(path)
    return paths


_READ_OR_REFUSED = "decoded wholly to finite pixels, or refused by name"

KINDS = [
    Kind("images with flipped bits", 270, _READ_OR_REFUSED, _bit_flips, look),
    Kind("images cut short", 90, _READ_OR_REFUSED, _truncated, look),
    Kind("images with lying headers", 180, _READ_OR_REFUSED, _headers, look),
    Kind("decompression bombs and impossible sizes", 23, "refused from the header or "
         "while decoding", _bombs, look),
    Kind("garbage in EXIF and colour profiles", 75, "the metadata are ignored, the pixels read",
         _metadata, look, expected="accepted"),
    Kind("unusual pixels, palettes, animations", 30, "read as documented (first frame, on white), "
         "or refused by name", _odd, look),
    Kind("masks harmed in all these ways", 125, "read, or refused by name", _masks, look_at_mask),
    Kind("no images, wrong extensions", 21 + len(_FORMATS), "the content decides; what is no image "
         "is refused and named for what it is", _no_images, look),
]  # fmt: skip
