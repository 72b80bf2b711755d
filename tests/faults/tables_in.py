"""Hostile ratings, study files and matrices of similarities."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from aisthesis.config import read_study_file
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.judgments.similarity.judgments import read_similarities

from .harness import Kind, mangled

_RATINGS = "image,rater,rating\n" + "".join(
    f"bild{k:02d}.png,r{r},{(k * 7 + r * 3) % 11 / 2}\n" for k in range(8) for r in range(3)
)
_STUDY = """\
images = "nowhere"
ratings = "ratings.csv"
out = "study"
seeds = 2
metrics = ["cosine", "ssim"]

[fit]
epochs = 40
learning_rate = 1e-3

[[backbones]]
name = "miniature:vgg16"
layer = "deepest"
"""


def _put(folder: Path, contents: list[bytes], ending: str) -> list[Path]:
    paths = [folder / f"{number:04d}{ending}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def _ratings(path: Path) -> None:
    read = read_ratings(path)
    assert np.isfinite(read.mean["rating"]).all()
    assert len(read.mean) == read.mean["image"].nunique()
    for name in read.mean["image"]:
        assert name.strip()


def _write_ratings(folder: Path) -> list[Path]:
    rng = np.random.default_rng(11)
    whole = [_RATINGS.encode(), _RATINGS.replace(",", "\t").encode(), _RATINGS.encode("utf-16")]
    return _put(folder, [mangled(whole[k % 3], rng) for k in range(150)], ".csv")


def _rows(*rows: str) -> bytes:
    return ("image,rating\n" + "\n".join(rows) + "\n").encode("utf-8", "surrogatepass")


def _write_odd_ratings(folder: Path) -> list[Path]:
    numbers = [
        "1e400",
        "-inf",
        "nan",
        "0x10",
        "1_000",
        "١٢",
        "1e",
        "--1",
        "1,5",
        "true",
        "1" * 5000,
    ]
    contents = [_rows(f"a.png,{number}", "b.png,2") for number in numbers]
    contents += [_rows("a.png,1e308", "b.png,-1e308"), _rows("a.png,5e-324", "b.png,0")]
    huge = [
        f"{name}.png,{rater},{sign}1.7e308" for name in "ab" for rater in "xyz" for sign in [""]
    ]
    contents.append(("image,rater,rating\n" + "\n".join([*huge, "c.png,x,1"]) + "\n").encode())
    names = ["../a.png", "/etc/passwd", "a\x1b[31m.png", "C:\\a.png", '"=cmd|x!A1"', "\ud800.png"]
    contents += [_rows(f"{name},1", f"{name},2") for name in names]
    contents += [b"x" * 300_000, b"image,rating\n" + b"x" * 300_000 + b",1\nb,2\n"]
    contents += [b'image,rating\n"a.png,1\nb.png,2\n', b"image,rating\r" * 50, b"\0" * 100, b""]
    contents += [b"PK\x03\x04rest", b"\xff\xfe", b"image,rating,rating\na,1,2\n", b"," * 100_000]
    contents += [b"image,rating\n" + b"\n" * 100_000, b"sep=\x00\nimage,rating\na,1\nb,2\n"]
    contents += [("image,rating\n" + "\u202egnp.a,1\nb,2\n").encode(), b"bild,wert\na,1\n"]
    return _put(folder, contents, ".csv")


def _study_file(path: Path) -> None:
    config = read_study_file(path)
    assert config.images.is_absolute()
    assert config.backbones


def _write_studies(folder: Path) -> list[Path]:
    rng = np.random.default_rng(12)
    return _put(folder, [mangled(_STUDY.encode(), rng) for _ in range(120)], ".toml")


_BAD_VALUES = [
    "seeds = 99999999999999999999999", "seeds = -1", "seeds = [1]", "test = nan",
    "test = inf", "test = 1.0", "validation = -0.0", "seed = 0x7fffffffffffffff",
    "fit = 3", "fit = [{}]", "fit.epochs = 1e999", "backbones = 3", 'backbones = [["vgg16"]]',
    "backbones = [{}]", 'backbones = [{name = 3}]',
    'explainers = ["\\u0000"]', 'explainers = [[]]', 'title = 7', 'colums = {}', '"" = 1',
    '"a\\nb" = 1', '"\\u001b[2J" = 1', "columns = {image = 3}", 'weights_dir = 3', "masks = []",
    "fit = {learning_rate = nan}", "fit = {weight_decay = nan}",
    "title = 1979-05-27T07:32:00Z", 'metrics = "cosine"', "explain = []",
]  # fmt: skip


def _write_bad_values(folder: Path) -> list[Path]:
    start = 'images = "i"\nratings = "r.csv"\nout = "o"\n'
    contents = [(start + line + "\n").encode() for line in _BAD_VALUES]
    return _put(folder, contents, ".toml")


def _similarities(path: Path) -> None:
    read = read_similarities(path)
    values = read.dissimilarity
    assert not np.isinf(values).any()
    assert np.array_equal(values, values.swapaxes(1, 2), equal_nan=True)


def _matrix() -> Any:
    points = np.random.default_rng(13).normal(size=(6, 3))
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))


def _square_text() -> str:
    names = [f"bild{k}.png" for k in range(6)]
    rows = [[name, *(f"{v:.6f}" for v in row)] for name, row in zip(names, _matrix(), strict=True)]
    return "\n".join(",".join(row) for row in [["", *names], *rows]) + "\n"


def _write_matrices(folder: Path) -> list[Path]:
    rng = np.random.default_rng(14)
    names = [f"bild{k}.png" for k in range(6)]
    long = "image_a,image_b,subject,dissimilarity\n" + "".join(
        f"{a},{b},s1,{_matrix()[i, j]:.6f}\n"
        for i, a in enumerate(names) for j, b in enumerate(names) if i < j
    )  # fmt: skip
    whole = [_square_text().encode(), long.encode()]
    return _put(folder, [mangled(whole[k % 2], rng) for k in range(80)], ".csv")


def _npz() -> bytes:
    sink = io.BytesIO()
    np.savez_compressed(sink, dissimilarity=_matrix(), images=np.array([f"b{k}" for k in range(6)]))
    return sink.getvalue()


def _npy(header: dict[str, Any] | str, data: bytes = b"") -> bytes:
    text = header if isinstance(header, str) else repr(header)
    padded = text.encode("latin-1").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


def _lying_arrays() -> list[bytes]:
    shapes = [(10**6, 10**6), (-6, 6), (2**63, 2), (6, 6.5), (0, 0), (6,) * 40, (2**31, 2**31)]
    headers: list[Any] = [{"descr": "<f8", "fortran_order": False, "shape": s} for s in shapes]
    for descr in ("|O", "<f999", ">U99999999", "<M8[ns]", "|V8", [("a", "<f8")], "__import__"):
        headers.append({"descr": descr, "fortran_order": False, "shape": (6, 6)})
    headers += [
        "{",
        "__import__('os').system('true')",
        "(" * 90,
        "{'descr': '<f8'}",
        "\0",
        "[" * 110,
    ]
    return [_npy(header, bytes(288)) for header in headers]


def _write_arrays(folder: Path) -> list[Path]:
    from scipy.io import savemat

    rng = np.random.default_rng(15)
    mat = io.BytesIO()
    savemat(mat, {"dissimilarity": _matrix(), "subjects": "a"})
    paths = _put(folder, [mangled(_npz(), rng) for _ in range(40)], ".npz")
    paths += _put(folder, [mangled(mat.getvalue(), rng) for _ in range(40)], ".mat")
    lying = _lying_arrays()
    paths += _put(folder, lying, ".npy")
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dissimilarity.npy", lying[0])
        archive.writestr("../../canary.npy", b"x")
    endings = (".npy", ".npz", ".npz", ".mat")
    others = [objects.getvalue(), bomb.getvalue(), json.dumps([1]).encode(), b"\x89HDF\r\n\x1a\n"]
    for number, (content, ending) in enumerate(zip(others, endings, strict=True)):
        path = folder / f"other{number}{ending}"
        path.write_bytes(content)
        paths.append(path)
    return paths


def _hdf5() -> bytes:
    """RDMs as rsatoolbox saves them."""
    import h5py

    sink = io.BytesIO()
    with h5py.File(sink, "w") as file:
        file["dissimilarities"] = _matrix()[np.triu_indices(6, 1)][None]
        file.create_group("descriptors")
        file.create_group("rdm_descriptors")["subject"] = np.array(["a"], dtype="S")
        names = np.array([f"b{k}.png" for k in range(6)], dtype="S")
        file.create_group("pattern_descriptors")["image"] = names
        file.attrs["dissimilarity_measure"] = "euclidean"
    return sink.getvalue()


def _write_rdms(folder: Path) -> list[Path]:
    """Few: each is read in a process of its own."""
    import h5py

    rng, whole = np.random.default_rng(16), _hdf5()
    contents = [whole, b"", b"\x89HDF\r\n\x1a\n", whole[:4000]]
    paths = _put(folder, contents + [mangled(whole, rng) for _ in range(6)], ".hdf5")
    for number, shape in enumerate([(1 << 20, 1 << 20), (1, 7), (2, 2, 2)]):
        paths.append(folder / f"shape{number}.hdf5")
        paths[-1].write_bytes(whole)
        with h5py.File(paths[-1], "r+") as file:
            del file["dissimilarities"]
            # Chunks that were never written take no room in the file.
            chunks = tuple(min(64, side) for side in shape)
            file.create_dataset("dissimilarities", shape, "f8", chunks=chunks)
    return paths


_LINES = "read to finite numbers, or refused with the line and what is wrong in it"

KINDS = [
    Kind("ratings tables, mangled", 150, _LINES, _write_ratings, _ratings),
    Kind("ratings tables with odd numbers, names and encodings", 34, _LINES, _write_odd_ratings,
         _ratings),
    Kind("study files, mangled", 120, "read, or refused with the key or the place in the file",
         _write_studies, _study_file),
    Kind("study files with impossible values", len(_BAD_VALUES), "refused with the key and the "
         "value", _write_bad_values, _study_file, expected="refused"),
    Kind("matrices of similarities in text, mangled", 80, _LINES, _write_matrices, _similarities),
    Kind("NumPy and MATLAB files, mangled or lying", 104, "read to symmetric finite values, or "
         "refused; objects in them are never opened", _write_arrays, _similarities),
    Kind("RDMs in HDF5, mangled or huge", 13, "read in a process of its own to symmetric finite "
         "values, or refused", _write_rdms, _similarities),
]  # fmt: skip
