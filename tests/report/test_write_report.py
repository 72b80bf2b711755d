"""The report as a whole: what it holds, what it survives, what it refuses."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aisthesis.errors import AisthesisError, RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.write import write_report

KINDS, METRICS = ("ais", "evidence"), ("cosine", "ssim", "emd", "mse")
FIGURES = sorted([
    "predictions", "scores", "variance", "localisation", "people",
    *(f"{name}_{kind}" for name in ("examples", "dendrogram", "yardsticks") for kind in KINDS),
    *(f"{name}_{kind}_{metric}" for name in ("agreement", "distribution")
      for kind in KINDS for metric in METRICS),
])  # fmt: skip


class Tags(HTMLParser):
    """Collects tags with their attributes, and text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if not self._inside:
            self.text.append(data)


def parse(study: Path) -> tuple[Tags, str]:
    page = (study / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    return tags, re.sub(r"\s+", " ", " ".join(tags.text))


def test_every_figure_is_there_as_png_svg_and_csv_and_nothing_half_written(full_study):
    figures = full_study / "figures"
    for ending in ("png", "svg"):
        assert sorted(path.stem for path in figures.glob(f"*.{ending}")) == FIGURES, ending
    tables = sorted([*FIGURES, "report_estimates"])  # what the page's sentences say goes with them
    assert sorted(path.stem for path in figures.glob("*.csv")) == tables
    assert len(list(figures.iterdir())) == 3 * len(FIGURES) + 1
    for path in figures.glob("*.png"):
        with Image.open(path) as image:
            assert image.info["dpi"][0] == pytest.approx(60, abs=0.1)
            opaque = image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
            assert opaque, f"{path.name}: what is not white paper shows as a black edge"
    for path in figures.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "<text" not in text, "letters are outlines, so that no font can be missing"
        assert "font-family" not in text
    assert not [p for p in full_study.rglob("*") if "partial" in p.name or "tmp" in p.suffix]


def test_how_much_of_the_photographs_each_network_saw_is_said(full_study):
    _, text = parse(full_study)
    assert "Networks saw part of the photographs" in text
    assert text.count("58% (57% to 60%), centre") == 2 * len(read_study_record(full_study).maps)


def test_the_data_behind_each_figure_are_those_of_the_tables(full_study):
    figures = full_study / "figures"
    agreement = pd.read_csv(full_study / "agreement.csv")
    drawn = pd.read_csv(figures / "agreement_ais_cosine.csv")
    raw = drawn[(drawn["view"] == "raw") & (drawn["backbone_a"] != drawn["backbone_b"])]
    known = agreement[(agreement["map"] == "ais") & (agreement["metric"] == "cosine")]
    assert sorted(raw["value"]) == pytest.approx(sorted(known["mean"]))
    corrected = drawn[drawn["view"] == "disattenuated"].dropna(subset=["value"])
    assert sorted(corrected["value"]) == pytest.approx(sorted(known["disattenuated"]))
    dots = pd.read_csv(figures / "distribution_ais_cosine.csv")
    per_image = pd.read_csv(full_study / "agreement_images.csv")
    per_image = per_image[(per_image["map"] == "ais") & (per_image["metric"] == "cosine")]
    assert sorted(dots["value"]) == pytest.approx(sorted(per_image["value"].dropna()))
    variance = pd.read_csv(figures / "variance.csv")
    assert sorted(variance["share"]) == sorted(pd.read_csv(full_study / "variance.csv")["share"])
    places = pd.read_csv(figures / "localisation.csv")
    assert {"evidence", "evidence_random_weights", "another<kind>"} <= set(places["compared"])
    joins = pd.read_csv(figures / "dendrogram_evidence.csv")
    assert joins["members"].tolist() == ["vgg16|vgg19", "vgg16|vgg19|resnet152"]
    examples = pd.read_csv(figures / "examples_ais.csv")
    assert len(examples["image"].unique()) == 5  # the sixth has a flat map by one network


def test_figures_of_an_earlier_report_go(make_study, monkeypatch):
    monkeypatch.setattr("aisthesis.report.charts.figures.DPI", 300)  # as anywhere but in tests
    study = make_study(labels=["vgg16"], n_test=1, n_train=0, seeds=1)
    (study / "figures").mkdir()
    (study / "figures" / "agreement_old.png").write_bytes(b"")
    (study / "figures" / "mine.png").write_bytes(b"")
    write_report(study)
    left = {path.name for path in (study / "figures").iterdir()}
    assert "agreement_old.png" not in left
    assert "mine.png" in left
    drawn = [name for name in left - {"mine.png"} if name.endswith(".png")]
    assert drawn
    for name in drawn:
        with Image.open(study / "figures" / name) as image:
            assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
            assert image.width > 800


def test_page_holds_every_part(full_study):
    tags, text = parse(full_study)
    ids = {attributes.get("id") for _, attributes in tags.tags}
    parts = {"answer", "networks", "prediction", "agreement", "examples", "browser",
             "localisation", "methods"}  # fmt: skip
    assert parts <= ids
    for words in ("Random weights", "1 image skipped", "Flat maps", "undefined values",
                  "Noise ceiling of the ratings", "MSE says nothing that cosine does not",
                  "torch 2.15.0", "arXiv:2409.16292", "features. 28", "How far their maps agree",
                  "How much is noise", "Side or place", "Where the evidence is known",
                  "freed of seed noise", "Who belongs together", "Where the variance of the maps",
                  "Benjamini, Y.", "What was planted"):  # fmt: skip
        assert words in text, words


def test_page_asks_for_nothing_outside_itself(full_study):
    tags, _ = parse(full_study)
    for tag, attributes in tags.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    page = (full_study / "report.html").read_text(encoding="utf-8")
    assert "@import" not in page
    assert not re.search(r"url\(\s*['\"]?(?!data:)", page)


def test_names_from_the_study_are_text(full_study):
    tags, text = parse(full_study)
    assert "<script>alert('x')</script>&\".jpg" in text
    assert "<img src=x onerror=alert(1)>.png truncated <b>JPEG</b>" in text.replace(": ", " ")
    page = (full_study / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(" not in page
    assert "onerror" not in {name for _, attributes in tags.tags for name in attributes}
    assert "žluťoučký kůň 美.jpg" in page


def test_every_picture_has_a_text_alternative(full_study):
    tags, _ = parse(full_study)
    pictures = [attributes for tag, attributes in tags.tags if tag == "img"]
    assert pictures
    assert all(picture.get("alt") for picture in pictures)
    drawings = [a for tag, a in tags.tags if tag == "svg" or a.get("role") == "img"]
    assert all(a.get("aria-label") or a.get("aria-hidden") == "true" for a in drawings)


def test_numbers_on_the_page_are_those_of_the_tables(full_study):
    _, text = parse(full_study)
    scores = pd.read_csv(full_study / "scores.csv")
    row = scores[(scores["seed"] == "mean") & (scores["head"] == "mlp")].iloc[0]
    assert f"{row['srcc']:.2f} {row['srcc_low']:.2f} to {row['srcc_high']:.2f}" in text
    agreement = pd.read_csv(full_study / "agreement.csv")
    for value in agreement["mean"]:
        assert f"{abs(value):.3f}" in text


def test_two_reports_of_one_study_are_the_same(full_study):
    files = [full_study / "report.html", *sorted((full_study / "figures").iterdir())]
    before = [path.read_bytes() for path in files]
    write_report(full_study)
    for path, old in zip(files, before, strict=True):
        assert path.read_bytes() == old, path.name


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": ["vgg16"], "n_test": 1, "n_train": 0, "seeds": 1, "noise_ceiling": False},
         ["Only one network has maps", "There is no noise ceiling", "A deep network, vgg16,"]),
        ({"labels": ["vgg16", "vgg19"], "n_test": 2, "n_train": 1, "seeds": 1,
          "flat": [("vgg16", 0), ("vgg16", 1)], "nan": [("vgg19", 0)]},
         ["Flat maps", "2 images are left out of the choice: 2 where a head of some seed is dead"]),
        ({"labels": ["vgg16", "vgg19"], "n_test": 3, "predicts_only": ["vgg16", "vgg19"]},
         ["this report is about prediction alone", "No network has maps"]),
        ({"labels": ["vgg16", "torchvision:squeezenet1_0/x$y$"], "n_test": 3, "n_train": 1,
          "missing": ["agreement.csv", "agreement_images.csv"]},
         ["has not been computed", "torchvision:squeezenet1_0/x$y$"]),
    ],
    ids=["one-image", "flat-and-nan", "no-maps", "no-agreement"],
)  # fmt: skip
@pytest.mark.usefixtures("no_figures")
def test_whatever_is_missing_is_said(make_study, fields, words):
    study = make_study(**fields)
    assert write_report(study) == study / "report.html"
    _, text = parse(study)
    for expected in words:
        assert expected in text, expected


def test_photographs_that_are_gone_are_named(make_study, no_figures):
    study = make_study(labels=["vgg16"], n_test=3, n_train=0, seeds=1)
    photos = study.parent / "photos"
    photos.rename(photos.with_name("elsewhere"))
    write_report(study)
    _, text = parse(study)
    assert "Photographs that cannot be shown" in text
    assert "photograph not available" in text


@pytest.mark.usefixtures("no_figures")
def test_a_study_of_an_older_make_has_its_report_without_inference(make_study):
    study = make_study(n_test=4, n_train=2, inference=False)
    write_report(study)
    tags, text = parse(study)
    ids = {attributes.get("id") for _, attributes in tags.tags}
    assert {"matrix-ais-cosine-raw", "matrix-evidence-mse-raw"} <= ids
    for words in ("freed of seed noise,", "Who belongs together", "What to hold it against",
                  "Benjamini", "How much is noise"):  # fmt: skip
        assert words not in text, words
    assert "Behind each mean: image by image" in text
    assert not (study / "figures" / "variance.png").exists()


@pytest.mark.usefixtures("no_figures")
def test_tables_of_another_make_are_left_out(make_study):
    study = make_study(n_test=2, n_train=1)
    for name in ("reliability", "baselines", "variance", "clusters", "images"):
        (study / f"{name}.csv").write_text("something,else\n1,2\n", encoding="utf-8")
    write_report(study)
    _, text = parse(study)
    assert "Who belongs together" not in text


def test_every_explained_image_is_in_the_browser_and_progress_is_told(make_study):
    study = make_study(labels=["vgg16", "vgg19"], n_test=8, n_train=0, seeds=1)
    told = {}

    class Counting(ProgressReporter):
        def steps(self, label, total):
            told[label] = total
            return super().steps(label, total)

    write_report(study, progress=Counting())
    tags, text = parse(study)
    assert "All 8 explained images" in text
    ids = [attributes.get("id") or "" for _, attributes in tags.tags]
    assert sum(name.startswith("maps-") for name in ids) == 8
    assert sum(name.startswith("photograph-") for name in ids) == 8
    assert told["report: images"] == 8
    assert told["report: figures"] > 0


def test_photographs_beside_the_page(make_study, no_figures):
    study = make_study(labels=["vgg16"], n_test=4, n_train=0, seeds=1)
    write_report(study, photographs="folder")
    files = sorted(path.name for path in (study / "report-photographs").iterdir())
    assert files == [f"{k:05d}.jpg" for k in range(4)]
    page = (study / "report.html").read_text(encoding="utf-8")
    assert "report-photographs/00003.jpg" in page
    assert 'id="photograph-0"' not in page
    with pytest.raises(RequestError, match=r"auto, inline or folder, got 'elsewhere'"):
        write_report(study, photographs="elsewhere")


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"found none at .*run the study first"):
        write_report(tmp_path / "nothing")
    with pytest.raises(RequestError, match=r"lacks study\.toml, predictions\.csv, scores\.csv"):
        write_report(tmp_path)


def test_damaged_files_are_named(make_study):
    study = make_study(labels=["vgg16"], n_test=1, n_train=0, seeds=1)
    whole = (study / "provenance.json").read_text(encoding="utf-8")
    (study / "provenance.json").write_text(whole[:-30], encoding="utf-8")
    with pytest.raises(RequestError, match=r"provenance\.json is damaged"):
        write_report(study)
    (study / "provenance.json").write_text(whole, encoding="utf-8")
    (study / "scores.csv").write_text("backbone,head\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"scores\.csv lacks the column\(s\) seed, split, n"):
        write_report(study)


def test_images_named_like_missing_values_keep_their_names(make_study):
    study = make_study(labels=["vgg16"], n_test=1, n_train=0, seeds=1)
    table = (study / "predictions.csv").read_text(encoding="utf-8").splitlines()
    (study / "predictions.csv").write_text(
        "\n".join([table[0], "NA,vgg16,0,test,1,2", "007,vgg16,0,test,1,2"]), encoding="utf-8"
    )
    assert read_study_record(study).predictions["image"].tolist() == ["NA", "007"]


def test_a_report_that_cannot_be_written_says_why(make_study):
    study = make_study(labels=["vgg16"], n_test=1, n_train=0, seeds=1)
    (study / "figures").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(AisthesisError, match=r"cannot write .*figures"):
        write_report(study)
    assert not (study / "report.html").exists()


@pytest.mark.usefixtures("no_figures")
def test_a_large_study_is_sampled_and_says_so(make_study, monkeypatch):
    study = make_study(labels=["vgg16", "vgg19"], n_test=12)
    monkeypatch.setattr("aisthesis.report.folder.stored_maps.MOST_IMAGES", 5)
    record = read_study_record(study)
    assert len(record.explained) == 5
    assert record.n_explained == 12
    assert all(len(stack.crops) == 5 for stack in record.maps.values())
    page = write_report(study).read_text(encoding="utf-8")
    assert "A sample of 5 out of 12 explained images" in page


def test_every_interval_on_the_page_stands_in_a_table(full_study):
    ends = []
    for file in [*full_study.glob("*.csv"), *(full_study / "figures").glob("*.csv")]:
        table = pd.read_csv(file)
        for low in [name for name in table.columns if name.endswith("low")]:
            high = f"{low[:-3]}high"
            if high in table:
                ends.append(table[[low, high]].dropna().to_numpy(dtype=float))
    known = np.concatenate(ends)
    page, (_, text) = (full_study / "report.html").read_text("utf-8"), parse(full_study)
    said = re.findall(r"interval (−?[\d.]+) to (−?\d+(?:\.\d+)?)", text)
    said += re.findall(r"<small>(−?[\d.]+) to (−?[\d.]+)</small>", page)
    assert len(said) > 20
    for pair in set(said):
        digits = len(pair[0].partition(".")[2])
        numbers = [float(one.replace("−", "-")) for one in pair]
        fits = np.abs(known - numbers) <= 0.5 * 10.0**-digits + 1e-9
        fits |= np.abs(100 * known - numbers) <= 0.5 * 10.0**-digits + 1e-9
        assert fits.all(axis=1).any(), pair
