"""Layouts of human judgments: a tiny table of each, with what it must be read as.

`describe_judgments.py` shows them in the docs; tests/judgments/test_layouts.py checks their values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from aisthesis.config import Columns, checked
from aisthesis.images import ImageFolder
from aisthesis.judgments.ratings.reading import Ratings, read_ratings

IMAGES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
#: What four raters say of four images in most tables below.
GIVEN = {"a.jpg": (1, 2, 1, 2), "b.jpg": (4, 5, 5, 4), "c.jpg": (3, 3, 2, 4), "d.jpg": (5, 5, 4, 5)}
MEANS = {"a.jpg": 1.5, "b.jpg": 4.5, "c.jpg": 3.0, "d.jpg": 4.75}
RATERS = ("anna", "ben", "cleo", "dan")

Write = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One layout: its files, what the study says of them, and what they hold.

    Attributes
    ----------
    title
    files
        Text by name, or what writes them into a folder.
    keys
        Of `[columns]`, or `image_list`.
    rating
        Mean rating by image that must come out; empty where the table is refused.
    layout
        What it must be read as.
    ceiling
        Whether there is a noise ceiling.
    says
        Words of what is said, or of the sentence that refuses it.
    """

    title: str
    files: Mapping[str, str] | Write
    keys: Mapping[str, Any] = field(default_factory=dict)
    rating: Mapping[str, float] = field(default_factory=lambda: MEANS)
    layout: str = "means"
    ceiling: bool = False
    says: str = ""

    def read(self, folder: Path) -> Ratings:
        """Write the files into a folder, and read them."""
        images, tables = folder / "images", folder / "tables"
        write_files(images, tables, self.files)
        keys = dict(self.keys)
        listed = keys.pop("image_list", None)
        only = list(tables.iterdir())
        own = [one for one in only if one.name != listed]
        return read_ratings(
            own[0] if len(own) == 1 else tables,
            **checked(
                Columns, keys.get("names") if set(keys) == {"names"} else keys, "columns"
            ).model_dump(),
            image_list=tables / listed if listed else None,
            folder=ImageFolder(images),
        )


def write_files(images: Path, tables: Path, files: Mapping[str, str] | Write) -> None:
    images.mkdir(parents=True)
    tables.mkdir()
    for name in IMAGES:
        (images / name).touch()
    if callable(files):
        files(tables)
    else:
        for name, text in files.items():
            (tables / name).write_text(text, encoding="utf-8")


def _means(columns: str, between: str = ",", name: Callable[[str], str] = str) -> str:
    rows = [f"{name(image)}{between}{value}" for image, value in MEANS.items()]
    return "\n".join([columns, *rows] if columns else rows) + "\n"


def _long(columns: str, *, raters: bool = True) -> str:
    rows = [
        f"{image},{rater},{value}" if raters else f"{image},{value}"
        for image, values in GIVEN.items()
        for rater, value in zip(RATERS, values, strict=True)
    ]
    return "\n".join([columns, *rows]) + "\n"


def _votes(between: str, row: str) -> str:
    rows = []
    for number, (image, values) in enumerate(GIVEN.items()):
        counts = between.join(str(values.count(point)) for point in range(1, 6))
        stem, mean = image.partition(".")[0], sum(values) / 4
        rows.append(row.format(n=number, image=image, stem=stem, counts=counts, mean=mean))
    return "\n".join(rows) + "\n"


def _wide(columns: str) -> str:
    rows = [f"{image},{','.join(map(str, values))}" for image, values in GIVEN.items()]
    return "\n".join([columns, *rows]) + "\n"


def _frame() -> pd.DataFrame:
    return pd.DataFrame({"image": list(MEANS), "rating": list(MEANS.values())})


def _transposed() -> str:
    rows = [
        ",".join([rater, *(str(values[n]) for values in GIVEN.values())])
        for n, rater in enumerate(RATERS)
    ]
    return "\n".join([f"participant,{','.join(GIVEN)}", *rows]) + "\n"


def _qualtrics() -> str:
    head = ["StartDate,ResponseId,a.jpg,b.jpg,c.jpg,d.jpg"]
    head += ["Start Date,Response ID," + ",".join(f"How rough is {n}?" for n in GIVEN)]
    head += [",".join(f'"{{""ImportId"":""Q{n}""}}"' for n in range(6))]
    rows = [
        ",".join(["2025-01-01", f"R_{rater}", *(str(v[n]) for v in GIVEN.values())])
        for n, rater in enumerate(RATERS)
    ]
    return "\n".join([*head, *rows]) + "\n"


def _jspsych() -> str:
    rows = ["subject,trial_type,stimulus,response"]
    for n, rater in enumerate(RATERS):
        rows.append(f"{rater},html-keyboard-response,<p>Welcome</p>,space")
        for image, values in GIVEN.items():
            html = f'"<img src=""stimuli/{image}"" width=400>"'
            rows.append(f"{rater},html-slider-response,{html},{values[n]}")
    return "\n".join(rows) + "\n"


def _jspsych_json() -> str:
    """As `_jspsych`, one list of trials a subject; the answer in the form of a survey."""
    subjects = [
        [
            {"trial_type": "instructions", "subject": rater, "response": None},
            *(
                {
                    "trial_type": "html-slider-response",
                    "subject": rater,
                    "stimulus": f'<img src="img/{name}">',
                    "response": {"Q0": given[k]},
                }
                for name, given in GIVEN.items()
            ),
        ]
        for k, rater in enumerate(RATERS)
    ]
    return json.dumps(subjects)


def _psychopy() -> str:
    rows = ["participant,stimFile,slider.response,slider.rt"]
    for n, rater in enumerate(RATERS):
        rows.append(f"{rater},,,")
        rows += [f"{rater},images/{image},{v[n]},0.8" for image, v in GIVEN.items()]
    return "\n".join(rows) + "\n"


def _bids() -> dict[str, str]:
    return {
        f"sub-{n + 1:02d}_events.tsv": "onset\tduration\ttrial_type\tstim_file\tresponse\n"
        "0.0\t1.0\tfixation\tn/a\tn/a\n"
        + "".join(
            f"{i}.0\t2.0\trating\tstimuli/{image}\t{values[n]}\n"
            for i, (image, values) in enumerate(GIVEN.items())
        )
        for n in range(4)
    }


def _mat(folder: Path, listed: bool = True) -> None:
    from scipy.io import savemat

    savemat(folder / "mosz1.mat", {"MOSz": [[value] for value in MEANS.values()]})
    if listed:
        (folder / "names.txt").write_text("\n".join(MEANS))


def _mat73(folder: Path) -> None:
    """As MATLAB saves with -v7.3: HDF5 behind a block of its own, axes turned round."""
    import h5py

    with h5py.File(folder / "mosz1.mat", "w", userblock_size=512) as file:
        values = file.create_dataset("MOSz", data=[list(MEANS.values())])
        values.attrs["MATLAB_class"] = b"double"
        text = file.create_dataset("about", data=[[ord(c)] for c in "means"], dtype="uint16")
        text.attrs["MATLAB_class"] = b"char"
    (folder / "names.txt").write_text("\n".join(MEANS))


def _bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _sav(folder: Path) -> None:
    import pyreadstat

    pyreadstat.write_sav(_frame(), str(folder / "ratings.sav"))


def _retests() -> str:
    again = "".join(
        f"{image},{rater},{value}\n"
        for image in ("a.jpg", "b.jpg", "c.jpg")
        for rater, value in zip(RATERS, GIVEN[image], strict=True)
    )
    return _long("image,rater,rating") + again


#: Of each pair of images, who won how often out of four.
WON = {"ab": 1, "ac": 1, "ad": 1, "bc": 3, "bd": 1, "cd": 2}
#: Bradley-Terry scale of these, by an independent fit (logistic regression).
SCALED = {"a.jpg": -0.8331, "b.jpg": 0.2752, "c.jpg": 0.0080, "d.jpg": 0.5499}


def _choices(columns: str, row: str) -> str:
    rows = [columns]
    for (one, other), n in WON.items():
        for number, who in enumerate(RATERS):
            won, lost = (one, other) if number < n else (other, one)
            rows.append(row.format(won=f"{won}.jpg", lost=f"{lost}.jpg", who=who))
    return "\n".join(rows) + "\n"


def _choice_votes() -> str:
    rows = [f"{one}.jpg,{other}.jpg,{n},{4 - n}" for (one, other), n in WON.items()]
    return "\n".join(["image_a,image_b,votes_a,votes_b", *rows]) + "\n"


POSITIONS = ["n", "image", "1", "2", "3", "4", "5", "tag"]
CASES = (
    Case("one rating an image", {"ratings.csv": _means("image,rating")}),
    Case(
        "one row an image and rater",
        {"ratings.csv": _long("image,rater,rating")},
        layout="ratings",
        ceiling=True,
    ),
    Case(
        "other names of the columns",
        {"ratings.csv": _means("file name;MOS", ";")},
        {"image": "file name", "rating": "MOS"},
    ),
    Case(
        "votes in text without a header, names without extension (AVA)",
        {"AVA.txt": _votes(" ", "{n} {stem} {counts} 22")},
        {"names": POSITIONS},
        layout="votes",
        ceiling=True,
        says="lacking the extension",
    ),
    Case(
        "votes with their mean (KonIQ-10k)",
        {
            "scores.csv": "image_name,c1,c2,c3,c4,c5,c_total,MOS\n"
            + _votes(",", "{image},{counts},4,{mean}")
        },
        layout="votes",
        ceiling=True,
        says="the images are in the column 'image_name'",
    ),
    Case(
        "votes for points with names",
        {"votes.csv": "image,bad,poor,fair,good,best\n" + _votes(",", "{image},{counts}")},
        {"votes": ["bad", "poor", "fair", "good", "best"], "scale": [1, 2, 3, 4, 5]},
        layout="votes",
        ceiling=True,
    ),
    Case(
        "single votes without raters (One Million Impressions)",
        {"votes.csv": _long("image,rating", raters=False)},
        layout="anonymous",
        ceiling=True,
        says="4 of 4 images have several rows",
    ),
    Case(
        "a column a rater",
        {"ratings.csv": _wide("image,rater1,rater2,rater3,rater4")},
        layout="wide",
        ceiling=True,
    ),
    Case(
        "a column a rater, called by name",
        {"ratings.csv": _wide("image,anna,ben,cleo,dan")},
        {"layout": "wide"},
        layout="wide",
        ceiling=True,
    ),
    Case(
        "a column a rater, and their mean",
        {
            "ratings.csv": "image,r1,r2,r3,r4,rating\n"
            + "".join(f"{i},{','.join(map(str, v))},{sum(v) / 4}\n" for i, v in GIVEN.items())
        },
        layout="wide",
        ceiling=True,
        says="'rating' is the mean of the columns r1 to r4",
    ),
    Case(
        "a row a rater, a column an image",
        {"ratings.csv": _transposed()},
        layout="transposed",
        ceiling=True,
    ),
    Case(
        "a row a rater, with further header lines (Qualtrics)",
        {"export.csv": _qualtrics()},
        {"rater": "ResponseId"},
        layout="transposed",
        ceiling=True,
        says="2 further header lines of Qualtrics left out",
    ),
    Case(
        "images rated again by the same raters",
        {"ratings.csv": _retests()},
        layout="ratings",
        ceiling=True,
        says="4 raters rated 12 images more than once",
    ),
    Case(
        "text without a header, by space (AADB)",
        {"AADB.txt": _means("", " ")},
        says="without a header, the columns are taken as image and rating",
    ),
    Case(
        "text without a header, the rating first (TID2013)",
        {"mos_with_names.txt": "".join(f"{v} {i}\n" for i, v in MEANS.items())},
        says="taken as rating and image",
    ),
    Case(
        "choices: winner and loser, by rater",
        {"choices.csv": _choices("winner,loser,rater", "{won},{lost},{who}")},
        layout="choices",
        rating=SCALED,
        ceiling=True,
        says="24 choices between 6 of the 6 pairs of 4 images",
    ),
    Case(
        "choices: two images and the chosen one, ties, other names of columns",
        {
            "trials.csv": _choices("left,right,response,subject", "{lost},{won},right,{who}")
            + "a.jpg,c.jpg,tie,eve\nc.jpg,a.jpg,tie,eve\n"
        },
        {"image_a": "left", "image_b": "right", "choice": "response"},
        layout="choices",
        rating={"a.jpg": -0.7329, "b.jpg": 0.2695, "c.jpg": -0.0790, "d.jpg": 0.5424},
        ceiling=True,
        says="2 ties, half a win each",
    ),
    Case(
        "choices: numbers of votes for each of two",
        {"pairs.csv": _choice_votes()},
        layout="choices",
        rating=SCALED,
        ceiling=True,
        says="24 choices",
    ),
    Case("divided by equals signs", {"labels.txt": _means("", "=")}),
    Case(
        "several files, parts of one table (PIPAL)",
        {"1.txt": "a.jpg,1.5\nb.jpg,4.5\n", "2.txt": "c.jpg,3\nd.jpg,4.75\n"},
        {"names": ["image", "rating"]},
        says="2 files, parts of one table",
    ),
    Case(
        "a file a rater",
        {
            f"{rater}.csv": "image,rating\n" + "".join(f"{i},{v[n]}\n" for i, v in GIVEN.items())
            for n, rater in enumerate(RATERS)
        },
        layout="ratings",
        ceiling=True,
        says="4 files, each taken for a rater named after it",
    ),
    Case(
        "a workbook of Excel",
        lambda folder: _frame().to_excel(folder / "ratings.xlsx", index=False),
    ),
    Case(
        "a workbook of LibreOffice",
        lambda folder: _frame().to_excel(folder / "ratings.ods", index=False, engine="odf"),
    ),
    Case("SPSS", _sav),
    Case("Parquet", lambda folder: _frame().to_parquet(folder / "ratings.parquet")),
    Case(
        "a vector of MATLAB with a list of images (AIGCIQA2023)", _mat, {"image_list": "names.txt"}
    ),
    Case(
        "a vector of MATLAB 7.3 with a list of images",
        _mat73,
        {"image_list": "names.txt"},
    ),
    Case(
        "an experiment by jsPsych: HTML, other trials",
        {"data.csv": _jspsych()},
        {
            "image": "stimulus",
            "rating": "response",
            "rater": "subject",
            "where": {"trial_type": "html-slider-response"},
        },
        layout="ratings",
        ceiling=True,
        says="16 of 20 rows have trial_type = html-slider-response",
    ),
    Case(
        "an experiment by jsPsych in JSON, a list of trials a subject",
        {"data.json": _jspsych_json()},
        {
            "image": "stimulus",
            "rating": "response",
            "rater": "subject",
            "where": {"trial_type": "html-slider-response"},
        },
        layout="ratings",
        ceiling=True,
        says="16 of 20 rows have trial_type = html-slider-response",
    ),
    Case(
        "an experiment by PsychoPy: paths, practice without answers",
        {"data.csv": _psychopy()},
        {"image": "stimFile", "rating": "slider.response", "rater": "participant"},
        layout="ratings",
        ceiling=True,
        says="4 empty answers left out",
    ),
    Case(
        "events of BIDS, a file a subject",
        _bids(),
        {"image": "stim_file", "rating": "response", "where": {"trial_type": "rating"}},
        layout="ratings",
        ceiling=True,
        says="16 of 20 rows have trial_type = rating",
    ),
    Case(
        "names as URLs",
        {"r.csv": _means("image,rating", name=lambda n: f"https://lab.org/set%201/{n}?v=2")},
        says="4 of 4 names differ from the files' in being URLs",
    ),
    Case(
        "names in other letter case, with folders before them",
        {"r.csv": _means("image,rating", name=lambda n: f"C:\\stimuli\\{n.upper()}")},
        says="in the folders before them and letter case",
    ),
)

REFUSED = (
    Case(
        "JSON that is no list of trials",
        {"data.json": '[["a.jpg", 3], ["b.jpg", 4]]'},
        rating={},
        says="expected a list of trials",
    ),
    Case(
        "JSON that is cut short",
        {"data.json": '[{"image": "a.jpg", "rating": 3}, {"ima'},
        rating={},
        says="data.json is not valid JSON",
    ),
    Case(
        "an image twice",
        {"r.csv": "image,rating\na.jpg,1\nb.jpg,2\na.jpg,3\n"},
        says='if each row is another person\'s rating, say [columns] raters = "anonymous"',
    ),
    Case(
        "one image twice by a rater",
        {"r.csv": _long("image,rater,rating") + "a.jpg,ben,5\n"},
        says='ratings given twice are averaged with [columns] retests = "mean"',
    ),
    Case(
        "numbers that may be votes or ratings",
        {"r.csv": "image,c1,c2,c3\na.jpg,1,2,3\nb.jpg,2,3,3\nc.jpg,3,3,1\nd.jpg,3,3,3\n"},
        says="hold numbers of votes or the ratings of single raters; say [columns] layout",
    ),
    Case(
        "columns that may be raters or properties",
        {"r.csv": _wide("image,beauty,lightness,roughness,realness")},
        says="cannot be told whether 'beauty' to 'realness' are raters or properties",
    ),
    Case(
        "no header, and more than two columns",
        {"r.txt": "a.jpg,1,2\nb.jpg,3,4\n"},
        says='name the columns by position: columns = ["image", "rating", ...]',
    ),
    Case(
        "more names than columns",
        {"r.txt": "a.jpg 1\nb.jpg 3\n"},
        {"names": ["image", "rating", "rater"]},
        says="`columns` names 3 columns by position, but its rows have 2 cells",
    ),
    Case(
        "no row that is asked for",
        {"r.csv": "image,rating,kind\na.jpg,1,real\nb.jpg,2,practice\n"},
        {"where": {"kind": "main"}},
        says="no row has kind = main, as `where` asks; the column holds 'practice', 'real'",
    ),
    Case(
        "rows of other trials",
        {"r.csv": _long("image,rater,rating") + "intro.html,ben,ok\n"},
        says="are left out with [columns] where = {COLUMN = VALUE}",
    ),
    Case(
        "an array without names",
        lambda folder: _mat(folder, listed=False),
        says="holds no names of images; give `image_list`",
    ),
    Case(
        "votes without a scale",
        {"r.csv": "image,bad,good\na.jpg,1,3\nb.jpg,2,2\n"},
        {"votes": ["bad", "good"]},
        says="give [columns] scale = [1, 2, ...]",
    ),
    Case(
        "images that are in some files only",
        {
            "x.csv": "image,rating\na.jpg,1\nb.jpg,2\n",
            "y.csv": "image,rating\nb.jpg,2\nc.jpg,1\nd.jpg,3\n",
        },
        says="cannot be told whether a file is a rater or a part of a table",
    ),
    Case(
        "files of several layouts",
        {"x.csv": _means("image,rating"), "y.csv": _long("image,rater,rating")},
        says="expected files of one layout, got means and ratings",
    ),
    Case(
        "choices between images that were never compared",
        {"r.csv": "winner,loser\na.jpg,b.jpg\nb.jpg,a.jpg\nc.jpg,d.jpg\nd.jpg,c.jpg\n"},
        says="into 2 groups that were never compared with each other; one is a.jpg, b.jpg",
    ),
    Case(
        "choices by numbers that may mean either",
        {"r.csv": "image_a,image_b,choice\na.jpg,b.jpg,0\nb.jpg,a.jpg,1\n"},
        says="a choice is the name of one of the two images, a or b, left or right, 1 or 2, or tie",
    ),
    Case(
        "a broken workbook",
        lambda folder: _bytes(folder / "r.xlsx", b"PK\x03\x04 no workbook"),
        says="cannot be read as a .xlsx file",
    ),
)
