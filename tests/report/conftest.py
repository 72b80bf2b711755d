"""A fabricated study folder, as the engine writes it, for the tests of the report."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
import xarray as xr
from PIL import Image, ImageDraw

ODD_NAMES = ("<script>alert('x')</script>&\".jpg", "žluťoučký kůň 美.jpg", "a b#c?d%20.jpg")
ALL_LABELS = ("vgg16", "vgg19", "resnet152", "densenet161", "efficientnet_b3", "barlow_twins")
METRICS = ("cosine", "ssim", "emd", "mse")
SCORES = ("plcc", "srcc", "krcc", "rmse", "mae", "r2")


@dataclass(frozen=True)
class Recipe:
    """What the fabricated study looks like."""

    labels: Sequence[str] = ALL_LABELS[:3]
    n_test: int = 12
    n_train: int = 10
    seeds: int = 2
    flat: Sequence[tuple[str, int]] = ()
    nan: Sequence[tuple[str, int]] = ()
    predicts_only: Sequence[str] = ()
    random_weights: bool = False
    skipped: Sequence[str] = ()
    noise_ceiling: bool = True
    localisation: bool = False
    inference: bool = True  # the tables that studies of an older make lack
    photo_px: int = 360  # longer side of the photographs
    missing: Sequence[str] = field(default=())  # names of files of the folder to leave out
    rng_seed: int = 0


def smooth_field(rng: np.random.Generator, side: int) -> np.ndarray:
    """Draw a random map of a few broad bumps, both signs: side × side."""
    y, x = np.mgrid[0:side, 0:side] / side
    out = np.zeros((side, side))
    for _ in range(5):
        cy, cx, width = rng.random(), rng.random(), rng.uniform(0.1, 0.3)
        out += rng.normal() * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
    return out


def _photograph(rng: np.random.Generator, path: Path, size_px: tuple[int, int]) -> None:
    width, height = size_px
    y, x = np.mgrid[0:height, 0:width]
    base = rng.uniform(40, 200, 3)
    pixels = base + 60 * np.sin(x / 40 + rng.uniform(0, 6))[..., None] * rng.uniform(0, 1, 3)
    pixels += 30 * (y / height)[..., None]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        left, top = rng.uniform(0, width * 0.7), rng.uniform(0, height * 0.7)
        shade = tuple(int(v) for v in rng.integers(0, 255, 3))
        draw.ellipse([left, top, left + width * 0.25, top + height * 0.25], fill=shade)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=85)


def _crop_box(width: int, height: int) -> tuple[float, float, float, float]:
    side = min(width, height) * 0.875
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _interval_columns(rng: np.random.Generator, values: dict[str, float]) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, value in values.items():
        half = 0.08 + 0.02 * rng.random()
        row |= {name: value, f"{name}_low": value - half, f"{name}_high": value + half}
    return row


def _predictions(recipe: Recipe, images: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for b, label in enumerate(recipe.labels):
        noise = rng.normal(0, 8 + 2 * b, len(images))
        for seed in [*range(recipe.seeds), "mean"]:
            extra = rng.normal(0, 2, len(images)) if seed != "mean" else 0
            predicted = images["rating"].to_numpy() * 0.7 + 15 + noise + extra
            rows += [
                {"image": name, "backbone": label, "seed": seed, "split": split,
                 "rating": rating, "prediction": value}
                for name, split, rating, value in zip(
                    images["image"], images["split"], images["rating"], predicted, strict=True)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def _scores(recipe: Recipe, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for b, label in enumerate(recipe.labels):
        for head in ("mlp", "ridge"):
            for seed in [*range(recipe.seeds), "mean"]:
                level = 0.75 - 0.07 * b - 0.03 * (head == "ridge") - 0.02 * (seed != "mean")
                values = {"plcc": level + 0.03, "srcc": level, "krcc": level * 0.72,
                          "rmse": 9 + b, "mae": 7 + b, "r2": level**2}  # fmt: skip
                rows.append({"backbone": label, "head": head, "seed": seed, "split": "test",
                             "n": recipe.n_test} | _interval_columns(rng, values))  # fmt: skip
    return pd.DataFrame(rows)


def _maps(recipe: Recipe, test: pd.DataFrame, folder: Path, rng: np.random.Generator) -> dict:
    shared_part = {name: smooth_field(rng, 14) for name in test["image"]}
    means: dict[str, np.ndarray] = {}
    for b, label in enumerate(recipe.labels):
        if label in recipe.predicts_only:
            continue
        side = 14 if b % 2 == 0 else 7
        step = 14 // side
        evidence = np.stack([
            [shared_part[n].reshape(side, step, side, step).mean((1, 3))
             + 1.5 * smooth_field(rng, side) for n in test["image"]]
            for _ in range(recipe.seeds)
        ]) * (b + 1) * 0.1  # fmt: skip
        side_of = np.where(rng.random(len(test)) < 0.7, 1.0, -1.0)[None, :, None, None]
        ais = evidence * side_of
        for kind_label, index in recipe.flat:
            if kind_label == label:
                ais[:, index] = evidence[:, index] = 0.0
        for kind_label, index in recipe.nan:
            if kind_label == label:
                ais[:, index] = np.nan
        boxes = np.array([_crop_box(w, h) for w, h in zip(test["w"], test["h"], strict=True)])
        crop = {f"crop_{edge}": ("image", boxes[:, k])
                for k, edge in enumerate(("left", "top", "right", "bottom"))}  # fmt: skip
        dataset = xr.Dataset(
            {"ais": (("seed", "image", "y", "x"), ais.astype(np.float32)),
             "evidence": (("seed", "image", "y", "x"), evidence.astype(np.float32)),
             "activation": (("image", "y", "x"), np.abs(evidence[0]).astype(np.float32))},
            coords={"image": test["image"].to_numpy(dtype=object),
                    "seed": list(range(recipe.seeds)), **crop,
                    "width_px": ("image", test["w"].to_numpy()),
                    "height_px": ("image", test["h"].to_numpy())},
            attrs={"backbone": label, "layer": "features.28", "scores": "ais"},
        )  # fmt: skip
        group = label.replace(":", "_").replace("/", "_")
        dataset.to_zarr(folder / "maps.zarr", group=group, mode="a", consolidated=False)
        means[label] = np.stack([ais.mean(0).repeat(step, 1).repeat(step, 2),
                                 evidence.mean(0).repeat(step, 1).repeat(step, 2)])  # fmt: skip
    return means


def _pair_values(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    if not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return dict.fromkeys(METRICS, np.nan)
    za, zb = (a - a.mean()) / a.std(), (b - b.mean()) / b.std()
    cosine = float((za * zb).mean())
    emd = float(np.abs(np.sort(za.ravel()) - np.sort(zb.ravel())).mean())
    ssim = 0.5 * cosine + 0.05 * float(rng.normal())
    return {"cosine": cosine, "ssim": ssim, "emd": emd, "mse": float(((za - zb) ** 2).mean())}


def _agreement(
    means: dict[str, np.ndarray], test: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = [
        {"image": name, "map": kind, "metric": metric, "backbone_a": a, "backbone_b": b, "value": v}
        for a, b in itertools.combinations(means, 2)
        for k, kind in enumerate(("ais", "evidence"))
        for i, name in enumerate(test["image"])
        for metric, v in _pair_values(means[a][k, i], means[b][k, i], rng).items()
    ]
    per_image = pd.DataFrame(rows)
    summary = []
    for key, group in per_image.groupby(["map", "metric", "backbone_a", "backbone_b"], sort=False):
        v = group["value"].dropna()
        half = 1.96 * v.std(ddof=0) / np.sqrt(max(len(v), 1))
        summary.append(
            dict(zip(("map", "metric", "backbone_a", "backbone_b"), key, strict=True))
            | {"mean": v.mean(), "std": v.std(ddof=0), "median": v.median(), "min": v.min(),
               "max": v.max(), "n": len(v), "n_undefined": int(group["value"].isna().sum()),
               "low": v.mean() - half, "high": v.mean() + half, "same_side_share": 0.7,
               "same_side_n": int(0.7 * len(v)), "same_side_mean": v.mean() + 0.1})  # fmt: skip
    return per_image, pd.DataFrame(summary)


def _add_chance(summary: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of inference: every third pair is not above chance."""
    n = len(summary)
    cosine = summary["metric"] == "cosine"
    doubtful = np.arange(n) % 3 == 2
    corrected = (summary["mean"] / 0.8).where(cosine)
    return summary.assign(
        chance=0.05, chance_low=0.01, chance_high=0.09, p=np.where(doubtful, 0.2, 0.0001),
        p_corrected=np.where(doubtful, 0.21, 0.0003),
        reliability_a=np.where(cosine, 0.8, np.nan), reliability_b=np.where(cosine, 0.8, np.nan),
        disattenuated=corrected, disattenuated_low=corrected - 0.1,
        disattenuated_high=corrected + 0.1,
    )  # fmt: skip


def _merges(labels: list[str]) -> list[dict[str, Any]]:
    """Join the backbones one after the other: a chain."""
    return [
        {"step": k, "left": "|".join(labels[:k]), "right": labels[k],
         "members": "|".join(labels[: k + 1]), "distance": 0.3 + 0.2 * k, "support": 0.7}
        for k in range(1, len(labels))
    ]  # fmt: skip


def _inference(
    labels: list[str], per_image: pd.DataFrame, predictions: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Give the tables of inference, with values that are easy to recognise."""
    kinds = ("ais", "evidence")
    both = [(kind, label) for kind in kinds for label in labels]
    reliability = [{"map": kind, "metric": "cosine", "backbone": label, "mean": 0.8, "low": 0.7,
                    "high": 0.9, "n": 12, "n_seeds": 2, "stepped_up": 0.889}
                   for kind, label in both]  # fmt: skip
    baselines = [{"map": kind, "metric": "cosine", "backbone": label, "mean": 0.15, "low": 0.1,
                  "high": 0.2, "n": 12, "n_undefined": 0} for kind, label in both]  # fmt: skip
    shares = {"shared": 0.04, "image": 0.3, "backbone": 0.01, "image x backbone": 0.4, "seed": 0.25}
    variance = [{"map": kind, "component": name, "share": v, "low": v - 0.02, "high": v + 0.03,
                 "n": 12} for kind in kinds for name, v in shares.items()]  # fmt: skip
    clusters = [{"map": kind, "metric": "cosine", **merge}
                for kind in kinds for merge in _merges(labels)]  # fmt: skip
    keys = ["image", "map", "metric"]
    images = per_image.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"])
    images = images.set_axis(["consensus", "controversy", "n_pairs"], axis=1).reset_index()
    facts = predictions[predictions["seed"] == "mean"].groupby("image").agg(
        rating=("rating", "first"), prediction=("prediction", "mean"),
        prediction_sd=("prediction", "std"))  # fmt: skip
    images = images.merge(facts.reset_index(), on="image", how="left")
    images["same_rating_other_evidence"] = (np.arange(len(images)) % 7 + 1) / 7
    return {"reliability": pd.DataFrame(reliability), "baselines": pd.DataFrame(baselines),
            "variance": pd.DataFrame(variance), "clusters": pd.DataFrame(clusters),
            "images": images}  # fmt: skip


def _localisation(recipe: Recipe, labels: list[str]) -> pd.DataFrame:
    levels = [("ais", "either", 0.71), ("evidence", "raising", 0.85), ("centre", "raising", 0.6),
              ("evidence", "lowering", 0.3), ("evidence_random_weights", "raising", 0.52),
              ("another<kind>", "raising", 0.55)]  # fmt: skip
    rows = []
    for label, (kind, side, level) in itertools.product(labels, levels):
        for score in ("auc", "mass", "pointing"):
            for control, v in (("none", level), ("centre", level - 0.6)):
                rows.append({"backbone": label, "map": kind, "side": side, "score": score,
                             "control": control, "mean": v, "low": v - 0.04, "high": v + 0.03,
                             "n": recipe.n_test, "n_undefined": 0})  # fmt: skip
    return pd.DataFrame(rows)


def _human_maps(recipe: Recipe, labels: list[str]) -> pd.DataFrame:
    levels = [("evidence", "either", 0.9), ("evidence", "raising", 1.1), ("people", "either", 1.6),
              ("centre", "either", 0.5), ("another<kind>", "either", 0.1)]  # fmt: skip
    return pd.DataFrame([
        {"backbone": label, "map": kind, "side": side, "score": score, "control": control,
         "mean": v, "low": v - 0.2, "high": v + 0.2, "n": recipe.n_test - 1, "n_undefined": 1,
         "n_fixations": 90, "n_outside": 4}
        for label, (kind, side, level), score in itertools.product(labels, levels, ("nss", "kl"))
        for control, v in (("none", level), ("centre", level - 0.5))
    ])  # fmt: skip


def _masks(root: Path, table: pd.DataFrame) -> Path:
    """Put a square of raising evidence to the left, of lowering evidence to the right."""
    folder = root / "masks"
    for side, left in (("raising", 0.3), ("lowering", 0.6)):
        (folder / side).mkdir(parents=True)
        for k, row in enumerate(table.to_dict("records")):
            mask = Image.new("L", (row["w"], row["h"]))
            if k % 3 != 1:
                box = [left * row["w"], 0.4 * row["h"], (left + 0.1) * row["w"], 0.6 * row["h"]]
                ImageDraw.Draw(mask).rectangle(box, fill=255)
            path = (folder / side / row["image"]).with_suffix(".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            mask.save(path)
    return folder


def _provenance(recipe: Recipe, images: Path, table: pd.DataFrame) -> dict[str, Any]:
    kind = "random" if recipe.random_weights else "official"
    backbones = {
        label: {
            "network": f"torchvision {label}", "layer": "features.28", "map_shape": [512, 14, 14],
            "embedding": 4096, "input_px": 224, "parameters": 138_357_544,
            "transform": {"resize_px": 256, "crop_px": 224, "mean": [0.5] * 3, "std": [0.2] * 3,
                          "interpolation": "bilinear"},
            "view": "crop", "seen": {"mean": 0.583, "min": 0.57, "max": 0.6},
            "weights": {"kind": kind, "source": f"{label}-397923af.pth", "sha256": "397923af" * 8},
            "ablation": {"plan": "block of columns of the first fully connected layer",
                         "forward_passes": 1.0},
            "predicts_only": label in recipe.predicts_only,
            "flat_maps": {"ais": sum(b == label for b, _ in recipe.flat), "evidence": 0},
        }
        for label in recipe.labels
    }  # fmt: skip
    ceiling = {"reliability": 0.9, "reliability_low": 0.86, "reliability_high": 0.93,
               "correlation": 0.9487, "r2": 0.9}  # fmt: skip
    return {
        "aisthesis": "0.1.0",
        "versions": {"python": "3.11.2", "torch": "2.15.0", "numpy": "2.4.0"},
        "created": "2026-01-02T03:04:05+00:00",
        "images": {"folder": str(images), "n": len(table), "skipped": [
            {"image": name, "reason": "truncated <b>JPEG</b>"} for name in recipe.skipped]},
        "ratings": {"file": "ratings.csv", "n_images": len(table), "n_raters": 24,
                    "noise_ceiling": ceiling if recipe.noise_ceiling else None,
                    "min": table["rating"].min(), "max": table["rating"].max()},
        "human_maps": {"kind": "fixations", "said": ["2 of 92 lie <b>beside</b> the photographs"]},
        "splits": {"train": recipe.n_train, "validation": 0, "test": recipe.n_test, "seed": 0,
                   "seeds": recipe.seeds},
        "explained": {"which": "test", "n": recipe.n_test, "kind": "ais"},
        "backbones": backbones,
        "warnings": [],
        "stages": {"fit": {"seconds": 12.5}, "explain": {"seconds": 71.0}},
    }  # fmt: skip


def fabricate(root: Path, recipe: Recipe) -> Path:
    """Write photographs and a study folder under `root`, and return the study folder."""
    rng = np.random.default_rng(recipe.rng_seed)
    photos, study = root / "photos", root / "study"
    photos.mkdir(parents=True)
    study.mkdir()
    n = recipe.n_test + recipe.n_train
    names = [*ODD_NAMES, *(f"photo_{k:03d}.jpg" for k in range(max(n - len(ODD_NAMES), 0)))][:n]
    px = recipe.photo_px
    shapes = ((px, px * 2 // 3), (px * 2 // 3, px), (px * 5 // 6, px * 5 // 6))
    sizes = [shapes[k % 3] for k in range(n)]
    for name, size in zip(names, sizes, strict=True):
        _photograph(rng, photos / name, size)
    table = pd.DataFrame({
        "image": names, "w": [s[0] for s in sizes], "h": [s[1] for s in sizes],
        "split": ["test"] * recipe.n_test + ["train"] * recipe.n_train,
        "rating": rng.uniform(10, 90, n).round(1)})  # fmt: skip
    test = table[table["split"] == "test"]
    predictions = _predictions(recipe, table, rng)
    predictions.to_csv(study / "predictions.csv", index=False)
    _scores(recipe, rng).to_csv(study / "scores.csv", index=False)
    means = _maps(recipe, test, study, rng)
    if len(means) > 1:
        per_image, summary = _agreement(means, test, rng)
        if recipe.inference:
            summary = _add_chance(summary)
            for name, found in _inference(list(means), per_image, predictions).items():
                found.to_csv(study / f"{name}.csv", index=False)
        per_image.to_csv(study / "agreement_images.csv", index=False)
        summary.to_csv(study / "agreement.csv", index=False)
    if recipe.localisation:
        _localisation(recipe, list(means)).to_csv(study / "localisation.csv", index=False)
        _human_maps(recipe, list(means)).to_csv(study / "human_maps.csv", index=False)
    provenance = json.dumps(_provenance(recipe, photos, table), indent=1)
    (study / "provenance.json").write_text(provenance, encoding="utf-8")
    masks = {"masks": str(_masks(root, table))} if recipe.localisation else {}
    if recipe.localisation:
        masks["human_maps"] = {"path": str(root / "fixations.csv")}
    config = {"images": str(photos), **masks, "ratings": "ratings.csv", "out": str(study),
              "seeds": recipe.seeds, "explain": "test",
              "backbones": [{"name": b, "label": b, "layer": "features.28"}
                            for b in recipe.labels]}  # fmt: skip
    (study / "study.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
    for name in recipe.missing:
        (study / name).unlink()
    return study


@pytest.fixture(scope="session")
def fabricated() -> Callable[..., Path]:
    """Give a function that fabricates a study folder under a root, for fixtures that last."""
    return lambda root, **fields: fabricate(root, Recipe(**fields))


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that fabricates a study folder from the fields of `Recipe`."""

    def make(**fields: Any) -> Path:
        return fabricate(tmp_path / "fabricated", Recipe(**fields))

    return make


@pytest.fixture(scope="session")
def full_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a study folder with everything in it, its report written."""
    from aisthesis.report.write import write_report

    recipe = Recipe(
        n_test=6, n_train=5, flat=[("vgg16", 2)], random_weights=True, localisation=True,
        skipped=["<img src=x onerror=alert(1)>.png"],
    )  # fmt: skip
    study = fabricate(tmp_path_factory.mktemp("full"), recipe)
    write_report(study)
    return study


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Give a browser, or skip with a reason."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    named = os.environ.get("AISTHESIS_CHROMIUM")
    path = named or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (AISTHESIS_CHROMIUM names one)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(autouse=True, scope="module")
def plain_text() -> Iterator[None]:
    """Keep texts of tables as an installation without PyArrow does: small ones are twice as fast.

    The tests of the other packages have it as PyArrow keeps it.
    """
    with pd.option_context("mode.string_storage", "python"):
        yield


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Write the page alone: drawing its figures takes four fifths of a report's time."""
    monkeypatch.setattr("aisthesis.report.write.FigureFiles.begin", lambda *_: None)
