"""The page of the gallery: what finished studies say, in tables, sentences and strips of maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

import aisthesis as ais

CELL_PX, GAP_PX, TOP_PX = 112, 6, 16
SHOWN = 3
HEAD = """# Gallery

Real judgments, real pretrained networks: SqueezeNet and EfficientNet-Lite0, 1 and 2, with ImageNet
weights. Written by `tools/gallery.py` from the studies' tables, so the sentences say what these
say. The photographs are not ours to pass on, so that maps stand alone, each on its own scale: red
above zero, blue below, white at zero.

"""
CREDITS = {
    "objects92": (
        "How alike are 92 objects?",
        "92 objects, eight people's dissimilarities from a multi-arrangement task (Kriegeskorte et "
        "al. 2008; Mur et al. 2013).",
    ),
    "rocks-similarity": (
        "How alike are 30 rocks?",
        "30 photographs of rocks, 30 people who judged all pairs (Nosofsky, Sanders, Meagher & "
        "Douglas 2018).",
    ),
    "rocks-lightness": (
        "How light is a rock?",
        "360 photographs of rocks, 20 raters (Nosofsky, Sanders, Meagher & Douglas 2018).",
    ),
    "rocks-roughness": (
        "How rough is a rock?",
        "The same 360 photographs, 20 raters (Nosofsky, Sanders, Meagher & Douglas 2018).",
    ),
    "realness": (
        "How real does a photograph look?",
        "510 photographs and generated images with mean ratings (RAISE: Mukherjee, Dubey & Paul "
        "2025, arXiv 2505.19233).",
    ),
}


def write_page(studies: Mapping[str, Path], docs: Path) -> None:
    """Write docs/gallery.md and docs/pictures/gallery/*.png from the studies that are done."""
    parts, waiting = [], []
    pictures = docs / "pictures" / "gallery"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, folder in studies.items():
        title, credit = CREDITS[name]
        if (folder / "alignment.csv").is_file():
            body = similarity_part(name, folder, pictures)
        elif (folder / "agreement.csv").is_file():
            body = rating_part(name, folder, pictures)
        else:
            waiting.append(title)
            continue
        parts.append(f"## {title}\n\n{credit}\n\n{body}")
    if waiting:
        parts.append(
            "## Not yet\n\n`python tools/gallery.py run ../shared STUDIES` makes these too; they "
            f"have not been run for this page: {'; '.join(waiting)}\n"
        )
    (docs / "gallery.md").write_text(HEAD + "\n".join(parts), encoding="utf-8")


def similarity_part(name: str, folder: Path, pictures: Path) -> str:
    """Agreement with people, and what keeping the best channels does to it on held-out images."""
    table = pd.read_csv(folder / "alignment.csv")
    lines = [
        "| network | agreement with mean judgments | with single people | noise ceiling | "
        "held-out R², all channels → retained | difference (95%) | channels kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        low, high = row["difference_low"], row["difference_high"]
        lines.append(
            f"| {row['backbone']} | {_n(row['agreement'])} | {_n(row['agreement_subjects'])} | "
            f"{_n(row['ceiling_lower'])} to {_n(row['ceiling_upper'])} | {_n(row['r2_full'])} → "
            f"{_n(row['r2_retained'])} | {_n(row['difference'], sign=True)} "
            f"({_n(low, sign=True)} to {_n(high, sign=True)}) | {row['n_retained_mean']:,.0f} |"
        )
    study = ais.Alignment.from_toml(folder / "study.toml")
    maps = {label: study.maps(label)["alignment_place"] for label in table["backbone"]}
    chosen = _first_defined(maps)
    file = _strip(maps, chosen, pictures / f"{name}.png")
    return "\n".join(
        [
            *lines,
            "",
            retention_sentence(table),
            "",
            "What a place of an image adds to the agreement of its similarities with people's, of "
            f"{_listed(chosen)} (the first images whose maps are defined in all networks):",
            "",
            f"![Maps by place of {len(chosen)} images]({file})",
            "",
        ]
    )


def retention_sentence(table: pd.DataFrame) -> str:
    """Say for which networks the interval of the difference leaves zero out."""
    up = table.loc[table["difference_low"] > 0, "backbone"]
    down = table.loc[table["difference_high"] < 0, "backbone"]
    unknown = table.loc[table[["difference_low", "difference_high"]].isna().any(axis=1), "backbone"]
    rest = table.loc[~table["backbone"].isin([*up, *down, *unknown]), "backbone"]
    parts = []
    for names, what in ((up, "predict held-out judgments better"), (down, "predict them worse")):
        if len(names):
            parts.append(f"the retained channels of {_listed(names)} {what}")
    if len(rest):
        parts.append(f"for {_listed(rest)} the interval of the difference holds zero")
    if len(unknown):
        parts.append(f"for {_listed(unknown)} the interval is undefined")
    return _sentence(parts)


def rating_part(name: str, folder: Path, pictures: Path) -> str:
    """Prediction, agreement beyond chance, and which maps are true to their networks."""
    scores = pd.read_csv(folder / "scores.csv")
    scores["seed"] = scores["seed"].astype(str)
    scores = scores.query("split == 'test' and seed == 'mean' and head == 'mlp'")
    lines = ["| network | held-out images | PLCC (95%) | SRCC (95%) |", "|---|---|---|---|"]
    for row in scores.to_dict("records"):
        cells = [
            f"{_n(row[key])} ({_n(row[f'{key}_low'])} to {_n(row[f'{key}_high'])})"
            for key in ("plcc", "srcc")
        ]
        lines.append(f"| {row['backbone']} | {row['n']} | {' | '.join(cells)} |")
    said = [agreement_sentence(pd.read_csv(folder / "agreement.csv"))]
    if (folder / "faithfulness.csv").is_file():
        said.append(faithfulness_sentence(pd.read_csv(folder / "faithfulness.csv")))
    study = ais.Study.from_toml(folder / "study.toml")
    maps = {label: study.maps.by("evidence_place", label) for label in study.maps}
    chosen = _first_defined(maps)
    file = _strip(maps, chosen, pictures / f"{name}.png")
    return "\n".join(
        [
            *lines,
            "",
            " ".join(said),
            "",
            f"Evidence by place (red raises the rating) of {_listed(chosen)}, the first held-out "
            "images by name:",
            "",
            f"![Maps by place of {len(chosen)} images]({file})",
            "",
        ]
    )


def agreement_sentence(table: pd.DataFrame) -> str:
    """Say on which kinds of maps how many pairs agree beyond chance, by corrected p."""
    table = table[table["metric"] == "cosine"]
    parts = []
    for kind, rows in table.groupby("map", sort=True):
        beyond = int((rows["p_corrected"] < 0.05).sum())
        parts.append(
            f"{beyond} of {len(rows)} pairs on {kind} (mean cosine {_n(rows['mean'].min())} to "
            f"{_n(rows['mean'].max())})"
        )
    return f"Agreement beyond chance (corrected p < .05): {'; '.join(parts)}."


def faithfulness_sentence(table: pd.DataFrame) -> str:
    """Say for how many networks a method's ROAD exceeds that of random maps, by corrected p."""
    rows = table[(table["measure"] == "road") & (table["control"] == "random")]
    if rows.empty:
        return ""
    n = sorted(set(rows["n"]))
    parts = [
        f"{method} for {_above(each)} of {each['backbone'].nunique()}"
        for method, each in rows.groupby("method", sort=True)
        if method != "centre"
    ]
    return (
        "ROAD above that of random maps on the same images (corrected p < .05; "
        f"{' or '.join(map(str, n))} of them): {', '.join(parts)} networks."
    )


def _above(rows: pd.DataFrame) -> int:
    clear = (rows["difference_p_corrected"] < 0.05) & (rows["difference"] > 0)
    return int(clear.sum())


def _first_defined(maps: Mapping[str, Any]) -> list[str]:
    """The first images by name whose maps are finite in every network."""
    finite = []
    for held in maps.values():
        whole = np.isfinite(held).all(("y", "x")).values
        finite.append({str(image) for image in held.image.values[whole]})
    return sorted(set.intersection(*finite))[:SHOWN]


def _strip(maps: Mapping[str, Any], images: list[str], file: Path) -> str:
    """A row a network, a column an image; give the picture's path from docs/."""
    step = CELL_PX + GAP_PX
    sheet = Image.new("RGB", (len(images) * step + 80, len(maps) * step + TOP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for column, image in enumerate(images):
        draw.text((80 + column * step, 2), image[:18], fill="black")
    for row, (label, held) in enumerate(maps.items()):
        draw.text((2, TOP_PX + row * step + CELL_PX // 2), label, fill="black")
        for column, image in enumerate(images):
            drawn = ais.overlay(held.sel(image=image).values, side_px=CELL_PX)
            sheet.paste(drawn, (80 + column * step, TOP_PX + row * step))
    sheet.quantize(128).save(file, optimize=True)
    return f"pictures/gallery/{file.name}"


def _n(value: float, *, sign: bool = False) -> str:
    """Two digits without a leading zero, as in papers; a dash for what is undefined."""
    if not np.isfinite(value):
        return "–"
    text = f"{abs(value):.2f}".removeprefix("0")
    mark = "−" if value < 0 and float(f"{value:.2f}") else "+" if sign else ""
    return f"{mark}{text}"


def _listed(names: Any) -> str:
    names = [str(name) for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
