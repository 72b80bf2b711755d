from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL
import pytest
from PIL import Image, ImageCms, ImageFile

from aisthesis.errors import RequestError
from aisthesis.images import ImageFault, decode
from aisthesis.images.pillow import quiet_pillow

ORIENTATION = 0x0112


def gradient(width: int = 40, height: int = 24) -> np.ndarray:
    """Left to right in red, top to bottom in green: every orientation looks different."""
    y, x = np.mgrid[:height, :width]
    values = np.zeros((height, width, 3), dtype=np.uint8)
    values[..., 0] = x * 255 // (width - 1)
    values[..., 1] = y * 255 // (height - 1)
    values[..., 2] = 60
    return values


def png_bytes(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


# --- what is decoded rightly -------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_made_upright(tmp_path, orientation, suffix):
    # How a viewer stores an upright image so that the given orientation restores it.
    stored = {
        1: lambda v: v,
        2: lambda v: v[:, ::-1],
        3: lambda v: v[::-1, ::-1],
        4: lambda v: v[::-1],
        5: lambda v: v.transpose(1, 0, 2),
        6: lambda v: np.rot90(v, 1),
        7: lambda v: v[::-1, ::-1].transpose(1, 0, 2),
        8: lambda v: np.rot90(v, -1),
    }

    upright = gradient()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = tmp_path / f"turned.{suffix}"
    options = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
    image = Image.fromarray(np.ascontiguousarray(stored[orientation](upright)))
    image.save(file, exif=exif, **options)
    decoded = pixels(decode(file))
    assert decoded.shape == upright.shape
    assert np.abs(decoded - upright).max() <= (6 if suffix == "jpg" else 0)


def test_damaged_exif_does_not_cost_the_image(tmp_path):
    file = tmp_path / "a.jpg"
    Image.fromarray(gradient()).save(file, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert decode(file).size == (40, 24)


def test_greyscale_becomes_three_equal_channels(tmp_path):
    Image.fromarray(gradient()[..., 0]).save(tmp_path / "a.png")
    assert (pixels(decode(tmp_path / "a.png")) == gradient()[..., :1]).all()


def test_one_bit(tmp_path):
    bits = gradient()[..., 0] > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    assert (pixels(decode(tmp_path / "a.png"))[..., 2] == bits * 255).all()


def test_palette_with_and_without_transparency(tmp_path):
    image = Image.new("P", (16, 16), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (0, 0, 8, 16))
    image.save(tmp_path / "opaque.png")
    image.save(tmp_path / "clear.png", transparency=1)
    image.save(tmp_path / "half.png", transparency=bytes([255, 128]))
    image.save(tmp_path / "clear.gif", transparency=1)
    assert decode(tmp_path / "opaque.png").getpixel((0, 0)) == (0, 0, 255)
    for name in ("clear.png", "clear.gif"):
        assert decode(tmp_path / name).getpixel((0, 0)) == (255, 255, 255)
        assert decode(tmp_path / name).getpixel((15, 0)) == (255, 0, 0)
    half = decode(tmp_path / "half.png").getpixel((0, 0))
    assert np.abs(np.array(half) - (127, 127, 255)).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_composited_on_white(tmp_path, mode):
    colour = {"RGBA": (200, 100, 0), "LA": (100,)}[mode]
    image = Image.new(mode, (20, 10), (*colour, 255))
    image.paste((*colour, 51), (0, 0, 10, 10))
    image.paste((*colour, 0), (0, 0, 5, 10))
    image.save(tmp_path / "a.png")
    row = pixels(decode(tmp_path / "a.png"))[0]
    opaque = np.broadcast_to(colour, 3)
    assert (row[0] == 255).all()
    assert np.abs(row[7] - (255 * 0.8 + opaque * 0.2)).max() <= 1
    assert (row[15] == opaque).all()


def test_an_opaque_alpha_channel_changes_nothing(tmp_path):
    Image.fromarray(gradient()).convert("RGBA").save(tmp_path / "a.png")
    assert (pixels(decode(tmp_path / "a.png")) == gradient()).all()


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk(tmp_path, suffix):
    # Pillow writes CMYK JPEG as Adobe does: inverted, with a marker.
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    image.paste((255, 0, 255, 0), (8, 0, 16, 16))
    image.save(tmp_path / f"a.{suffix}", **({"quality": 100} if suffix == "jpg" else {}))
    decoded = decode(tmp_path / f"a.{suffix}")
    assert np.abs(np.array(decoded.getpixel((1, 8))) - (255, 0, 0)).max() <= 3
    assert np.abs(np.array(decoded.getpixel((14, 8))) - (0, 255, 0)).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_greyscale_is_scaled_not_clipped(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 64 * 16).reshape(16, 64).round().astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / f"a.{suffix}")
    decoded = pixels(decode(tmp_path / f"a.{suffix}"))[..., 0]
    assert (decoded == np.rint(ramp / 65535 * 255)).all()


def test_sixteen_bit_greyscale_with_a_transparent_value(tmp_path):
    values = np.full((16, 16), 1000, dtype=np.uint16)
    values[:, 8:] = 40000
    Image.fromarray(values).save(tmp_path / "a.png", transparency=1000)
    decoded = pixels(decode(tmp_path / "a.png"))
    assert (decoded[:, :8] == 255).all()
    assert (decoded[:, 8:] == round(40000 / 257)).all()


def test_sixteen_bit_tiff_whose_zero_is_white_is_not_a_negative(tmp_path):
    values = np.zeros((16, 16), dtype=np.uint16)
    values[:, 8:] = 65535
    Image.fromarray(values).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as image:
        assert image.tag_v2[262] == 0
        assert image.mode.startswith("I;16")
    assert decode(tmp_path / "a.tif").getpixel((0, 0)) == (255, 255, 255)
    assert decode(tmp_path / "a.tif").getpixel((15, 0)) == (0, 0, 0)


def test_sixteen_bit_colour_png(tmp_path):
    width, height = 16, 16
    pixel = struct.pack(">HHH", 65535, 32896, 0)
    data = (b"\0" + pixel * width) * height
    (tmp_path / "a.png").write_bytes(png_bytes(width, height, 16, 2, data))
    assert decode(tmp_path / "a.png").getpixel((3, 3)) == (255, 128, 0)


def test_floats_within_zero_to_one(tmp_path):
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    assert (pixels(decode(tmp_path / "a.tif"))[..., 0].ravel() == np.arange(256)).all()


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.png", "a.webp", "a.mpo"])
def test_the_first_of_several_frames_is_taken(tmp_path, name):
    first, *others = (Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue"))
    options = {"lossless": True} if name == "a.webp" else {}
    first.save(tmp_path / name, save_all=True, append_images=others, **options)
    try:
        Image.open(tmp_path / name).load()
    except OSError:
        pytest.skip(f"Pillow {PIL.__version__} writes {name} wrongly and cannot read it back")
    assert np.abs(np.array(decode(tmp_path / name).getpixel((8, 8))) - (255, 0, 0)).max() <= 2


def test_the_content_decides_not_the_extension(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "really.png")
    (tmp_path / "really.png").rename(tmp_path / "called.jpg")
    assert (pixels(decode(tmp_path / "called.jpg")) == gradient()).all()


def wide_gamut_profile() -> bytes:
    """A minimal matrix profile with sRGB primaries swapped: red is green and green is red."""
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    n_tags = struct.unpack_from(">I", srgb, 128)[0]
    places = {bytes(srgb[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(n_tags)}
    red, green = places[b"rXYZ"] + 4, places[b"gXYZ"] + 4
    srgb[red : red + 8], srgb[green : green + 8] = srgb[green : green + 8], srgb[red : red + 8]
    return bytes(srgb)


def test_a_colour_profile_is_converted_to_srgb(tmp_path):
    Image.new("RGB", (16, 16), (255, 0, 0)).save(
        tmp_path / "a.png", icc_profile=wide_gamut_profile()
    )
    assert np.abs(np.array(decode(tmp_path / "a.png").getpixel((0, 0))) - (0, 255, 0)).max() <= 2


def test_an_srgb_profile_changes_no_pixel(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(gradient()).save(tmp_path / "a.png", icc_profile=profile)
    assert (pixels(decode(tmp_path / "a.png")) == gradient()).all()


@pytest.mark.parametrize("profile", [b"no profile", b"\0" * 400])
def test_a_damaged_profile_is_ignored(tmp_path, profile):
    Image.fromarray(gradient()).save(tmp_path / "a.png", icc_profile=profile)
    assert (pixels(decode(tmp_path / "a.png")) == gradient()).all()


def test_a_profile_for_other_pixels_is_ignored(tmp_path):
    grey = Image.fromarray(gradient()[..., 0])
    grey.save(tmp_path / "a.png", icc_profile=wide_gamut_profile())
    assert (pixels(decode(tmp_path / "a.png"))[..., 0] == gradient()[..., 0]).all()


def test_transparency_and_a_profile_together(tmp_path):
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 255))
    image.paste((255, 0, 0, 0), (0, 0, 8, 16))
    image.save(tmp_path / "a.png", icc_profile=wide_gamut_profile())
    decoded = decode(tmp_path / "a.png")
    assert decoded.getpixel((0, 0)) == (255, 255, 255)
    assert np.abs(np.array(decoded.getpixel((15, 0))) - (0, 255, 0)).max() <= 2


# --- what is refused, by name and with a reason ------------------------------------------------


def refused(path, **options) -> str:
    with pytest.raises(ImageFault) as caught:
        decode(path, **options)
    fault = caught.value
    assert isinstance(fault, RequestError)
    assert fault.name == path.name
    assert str(fault) == f"{path.name} {fault.reason}"
    return fault.reason


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tif", "bmp"])
def test_a_truncated_file(tmp_path, suffix, keep):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    file = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise).save(file)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep)])
    assert "is cut short" in refused(file) or "is a damaged" in refused(file)
    if suffix == "jpg":
        assert "is cut short (truncated JPEG file)" in refused(file)


def test_an_empty_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    assert refused(tmp_path / "a.png") == "is empty (0 bytes)"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not an image at all", "is text, no image"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
        (b"\n<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is a PostScript file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC/HEIF photograph; convert"),
        (bytes(range(256)), "is no image"),
        (b"\x89PNG\r\n\x1a\n", "is a damaged|is cut short"),
        (b"\xff\xd8\xff", "is a damaged|is cut short"),
        (b"\xff", "is no image"),
    ],
)
def test_what_is_no_image(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)
    message = refused(tmp_path / "a.png")
    assert any(words in message for words in reason.split("|")), message


def test_a_folder_with_an_images_name(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    assert refused(tmp_path / "x.jpg") == "is a folder, not an image file"


def test_a_missing_file(tmp_path):
    assert refused(tmp_path / "x.jpg") == "does not exist"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")
    assert refused(tmp_path / "x.jpg") == "is not a regular file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_permission(tmp_path):
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert "cannot be read: Permission denied" in refused(tmp_path / "a.png")


def test_a_decompression_bomb_is_refused_from_its_header(tmp_path):
    # 50,000 × 50,000 pixels of zeros in the header of a file of a hundred bytes.
    (tmp_path / "bomb.png").write_bytes(png_bytes(50_000, 50_000, 8, 2, b"\0" * 100))
    reason = refused(tmp_path / "bomb.png")
    assert "is 50000 × 50000 pixels, more than the limit of 256 megapixels" in reason


def test_the_limit_is_the_callers_not_pillows(tmp_path, monkeypatch):
    Image.fromarray(gradient()).save(tmp_path / "a.png")
    assert "more than the limit of 0.0005 megapixels" in refused(tmp_path / "a.png", max_pixels=500)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(tmp_path / "a.png").size == (40, 24)
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_tiny_images(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    width, height = size
    assert f"is {width} × {height} pixels; at least 8 × 8" in refused(tmp_path / "a.png")


def test_the_smallest_image_that_is_taken(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").size == (8, 8)


def test_a_thread_of_an_image(tmp_path):
    Image.new("L", (8, 801)).save(tmp_path / "a.png")
    assert "one side is more than 100 times the other" in refused(tmp_path / "a.png")


@pytest.mark.parametrize("values", [[0.0, 255.0], [0.0, 1.5], [-1.0, 1.0], [0.0, np.nan]])
def test_floats_without_a_clear_meaning(tmp_path, values):
    image = np.zeros((16, 16), dtype=np.float32)
    image[0, :2] = values
    Image.fromarray(image).save(tmp_path / "a.tif")
    assert "only 0 to 1 has a clear meaning" in refused(tmp_path / "a.tif")


def test_integers_without_a_clear_meaning(tmp_path):
    Image.fromarray(np.arange(256, dtype=np.int32).reshape(16, 16)).save(tmp_path / "a.tif")
    assert "whole numbers (from 0 to 255) whose black and white are unknown" in refused(
        tmp_path / "a.tif"
    )


def test_random_damage_gives_an_image_or_a_fault_and_nothing_else(tmp_path):
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    outcomes, longest = set(), 0
    for suffix in ("jpg", "png", "gif", "tif", "bmp", "webp", "ppm", "jp2"):
        buffer = io.BytesIO()
        image.save(
            buffer, format={"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix)
        )
        for _ in range(60):
            data = bytearray(buffer.getvalue())
            for place in rng.integers(0, min(len(data), 400), size=rng.integers(1, 12)):
                data[place] = rng.integers(256)
            file = tmp_path / f"a.{suffix}"
            file.write_bytes(data)
            try:
                outcomes.add(decode(file, max_pixels=10_000_000).mode)
            except ImageFault as fault:
                outcomes.add("fault")
                longest = max(longest, len(fault.reason))
    assert outcomes == {"RGB", "fault"}
    assert longest < 400


# --- Pillow is left as it was -------------------------------------------------------------------


def test_no_warning_leaks_and_no_global_state_changes(tmp_path):
    # Five EXIF bytes of a maker note too few: Pillow warns about such files.
    file = tmp_path / "a.jpg"
    Image.fromarray(gradient()).save(file, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01")
    filters, limit = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode(file)
    assert caught == []
    assert list(warnings.filters) == filters
    assert limit == Image.MAX_IMAGE_PIXELS
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_warnings_in_pillow_are_silent_only_inside_and_only_pillows():
    scope = {"warnings": warnings, "__name__": "PIL.Somewhere"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_pillow():
            with quiet_pillow():
                exec("warnings.warn('from Pillow')", scope)
            exec("warnings.warn('from Pillow')", scope)
            warnings.warn("from here", stacklevel=1)
        exec("warnings.warn('after')", scope)
    assert [str(warning.message) for warning in caught] == ["from here", "after"]


def test_the_silence_leaves_no_filter_behind_when_others_change_filters_meanwhile():
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with quiet_pillow():
            inside.set()
            leave.wait(5)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        inside.wait(5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            leave.set()
            holding.result()
    assert list(warnings.filters) == before


def test_a_users_own_filter_survives():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        before = list(warnings.filters)
        with quiet_pillow():
            pass
        assert list(warnings.filters) == before


def test_every_photograph_of_raise_decodes(shared):
    files = sorted((shared / "data" / "raise" / "images").iterdir())
    assert len(files) == 510
    with ThreadPoolExecutor(2) as pool:
        images = list(pool.map(decode, files))
    assert {image.size for image in images} == {(512, 384)}
    # Plain 8-bit sRGB JPEG: nothing of the above may touch a pixel.
    for file, image in list(zip(files, images, strict=True))[::50]:
        with Image.open(file) as plain:
            assert (np.asarray(plain.convert("RGB")) == np.asarray(image)).all()
