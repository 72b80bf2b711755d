"""Layouts of judgments of pairs and triplets: a tiny table of each, with what it must give."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.config import SimilarityColumns, checked
from aisthesis.images import ImageFolder
from aisthesis.judgments.similarity.judgments import Similarities, read_similarities

_RATINGS = runpy.run_path(str(Path(__file__).parent / "judgment_cases.py"), run_name="cases")
IMAGES, write_files = _RATINGS["IMAGES"], _RATINGS["write_files"]
Write = Callable[[Path], None]
#: How far people find the images apart, in most tables below.
NEAR = {"ab": 0.2, "ac": 0.4, "ad": 0.9, "bc": 0.3, "bd": 0.8, "cd": 0.5}


@dataclass(frozen=True)
class PairCase:
    """Judgments of pairs or triplets: files, keys, and the mean dissimilarity of some pairs.

    Attributes
    ----------
    title, files, keys, says
        As for `Case`.
    dissimilarity
        By pair of letters.
    """

    title: str
    files: Mapping[str, str] | Write
    keys: Mapping[str, Any] = field(default_factory=dict)
    dissimilarity: Mapping[str, float] = field(default_factory=lambda: NEAR)
    says: str = ""

    def read(self, folder: Path) -> Similarities:
        """Write the files into a folder, and read them."""
        images, tables = folder / "images", folder / "tables"
        write_files(images, tables, self.files)
        keys = dict(self.keys)
        listed = keys.pop("image_list", None)
        own = [one for one in tables.iterdir() if one.name != listed]
        return read_similarities(
            own[0] if len(own) == 1 else tables,
            columns=checked(SimilarityColumns, keys, "columns"),
            image_list=tables / listed if listed else None,
            folder=ImageFolder(images),
        )


def _pairs(columns: str, row: str = "{a}.jpg,{b}.jpg,{v:g}", subjects: str = "1") -> str:
    rows = [row.format(a=a, b=b, v=v, s=s) for s in subjects for (a, b), v in NEAR.items()]
    return "\n".join([columns, *rows]) + "\n"


def _matrix(similarity: bool = False) -> pd.DataFrame:
    values = {(a, b): v for (a, b), v in NEAR.items()}
    rows = [[values.get((a, b), values.get((b, a), 0.0)) for b in "abcd"] for a in "abcd"]
    frame = pd.DataFrame(rows, list(IMAGES), list(IMAGES))
    return 1 - frame if similarity else frame


def _npy(folder: Path) -> None:
    np.save(folder / "rdm.npy", _matrix().to_numpy())
    (folder / "names.txt").write_text("\n".join(IMAGES))


def _meadows(folder: Path) -> None:
    from scipy.io import savemat

    stimuli = np.array(list("abcd"), dtype=object)
    savemat(folder / "tree.mat", {"rdmutv": [list(NEAR.values())], "stimuli": stimuli})


#: Where a person put the images of a first arrangement; in a second some of them, elsewhere and
#: three times as far apart.
_PLACES = {"a": 0.0, "b": 1.0, "c": 3.0, "d": 6.0}
_RMS = (84 / 6) ** 0.5
APART = {
    a + b: abs(_PLACES[a] - _PLACES[b]) / _RMS for a in "abcd" for b in "abcd" if a < b
}  # fmt: skip


def _tree(rdm: bool) -> dict[str, Any]:
    stimuli = [{"id": f"s{name}", "name": name} for name in "abcd"]
    trials = [
        {"positions": [{"id": f"s{name}", "x": 0.0, "y": x} for name, x in _PLACES.items()]},
        {"positions": [{"id": f"s{n}", "x": 5 - 3 * _PLACES[n], "y": 2.0} for n in "bcd"]},
        {"positions": [{"id": "sa", "x": 1.0, "y": 1.0}]},
    ]
    task = {"task": {"name": "arrange", "task_type": "multiarrange"}, "stimuli": stimuli}
    held = {"rdm": list(NEAR.values())} if rdm else {"trials": trials}
    survey = {"task": {"name": "age", "task_type": "survey"}, "stimuli": []}
    return {"tasks": [survey, task | held]}


def _mat73(folder: Path) -> None:
    """As MATLAB saves with -v7.3: names are a cell array of references."""
    import h5py

    with h5py.File(folder / "judged.mat", "w", userblock_size=512) as file:
        rdm = file.create_dataset("rdm", data=_matrix().to_numpy().T)
        rdm.attrs["MATLAB_class"] = b"double"
        cells = file.create_dataset("images", (4, 1), dtype=h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = b"cell"
        for k, name in enumerate(IMAGES):
            text = file.create_dataset(f"#refs#/{k}", data=[[ord(c)] for c in name], dtype="uint16")
            text.attrs["MATLAB_class"] = b"char"
            cells[k, 0] = text.ref


PAIR_CASES = (
    PairCase(
        "pairs, a row each",
        {"pairs.csv": _pairs("image_a,image_b,dissimilarity")},
        says="the column is called dissimilarity",
    ),
    PairCase(
        "pairs, in both orders, by subject, other names",
        {
            "p.csv": _pairs("x,y,far,who", "{a}.jpg,{b}.jpg,{v:g},{s}", "pq")
            + _pairs("", "{b}.jpg,{a}.jpg,{v:g},{s}", "pq").lstrip()
        },
        {"image_a": "x", "image_b": "y", "dissimilarity": "far", "subject": "who"},
        says="12 pairs were judged more than once by a subject, in either order (24 judgments)",
    ),
    PairCase("a square table", {"s.csv": _matrix().to_csv()}, says="no value is below the diag"),
    PairCase(
        "files by space, one a subject, of similarities and of dissimilarities",
        {"s1.txt": _matrix().to_csv(sep=" "), "s2.txt": _matrix(similarity=True).to_csv(sep=" ")},
        says="similarities of some subjects and dissimilarities of the others",
    ),
    PairCase("a matrix of NumPy with a list of images", _npy, {"image_list": "names.txt"}),
    PairCase("Meadows", _meadows, says="lacking the extension"),
    PairCase(
        "Meadows, trees with dissimilarities, of several people",
        {"tree.json": json.dumps({"wise-ant": _tree(rdm=True), "calm-bee": _tree(rdm=True)})},
        says="2 matrices of 4 images",
    ),
    PairCase(
        "Meadows, a tree with the trials of multiple arrangement",
        {"tree.json": json.dumps(_tree(rdm=False))},
        dissimilarity=APART,
        says="2 arrangements of tree make one matrix",
    ),
    PairCase("a matrix of MATLAB 7.3 with its names", _mat73),
    PairCase(
        "odd one out of three",
        {"t.csv": "image_a,image_b,image_c,odd\na.jpg,b.jpg,c.jpg,c.jpg\na.jpg,b.jpg,d.jpg,3\n"},
        dissimilarity={"ab": 0.0, "ac": 1.0, "ad": 1.0, "bc": 1.0, "bd": 1.0},
        says="2 choices among three of 4 images",
    ),
    PairCase(
        "odd one out without a header, the odd one last (THINGS)",
        {"triplets.txt": "a b c\na b d\n"},
        {"names": ["image_a", "image_b", "image_c"], "odd": "image_c"},
        dissimilarity={"ab": 0.0, "ac": 1.0, "ad": 1.0, "bc": 1.0, "bd": 1.0},
        says="5 of 6 pairs were seen",
    ),
    PairCase(
        "nearer to a reference, with votes (NIGHTS)",
        {
            "n.csv": "ref,left,right,nl,nr\n"
            "r/a.jpg,l/b.jpg,r/c.jpg,3,1\nr/a.jpg,l/b.jpg,r/d.jpg,4,0\n"
        },
        {
            "reference": "ref",
            "image_a": "left",
            "image_b": "right",
            "votes_a": "nl",
            "votes_b": "nr",
        },
        dissimilarity={"ab": 0.125, "ac": 0.75, "ad": 1.0},
        says="8 choices among three of 4 images",
    ),
)
