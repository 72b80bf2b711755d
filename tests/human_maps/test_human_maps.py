"""What people saw on what a network read, and its maps beside them."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakSet

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

import aisthesis as ais
from aisthesis.human_maps import (
    Frame,
    Seen,
    SeenImages,
    auc_judd,
    auc_shuffled,
    comparison,
    frames_of,
    human_map_table,
    human_maps,
    nss,
    read_fixations,
    saliency_of,
    seen_by_density,
    seen_by_fixations,
    seen_by_mask,
)
from aisthesis.human_maps.places import Places
from aisthesis.images import ImageFolder, Transform

WIDE = Transform(32, 32)
SIZE = (96.0, 48.0)  # the crop is the middle 48 px, each of the network's pixels 1.5 of them


def listed(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "x", "y", "subject"][: len(rows[0])])


def test_fixations_go_through_the_crop_and_those_outside_are_counted() -> None:
    (frame,) = frames_of(WIDE, [SIZE])
    seen = seen_by_fixations(
        frame, listed(("a", 24.0, 0.0), ("a", 71.9, 47.9), ("a", 10, 10), ("a", -3, 5)), 3.0
    )
    assert seen.points.tolist() == [0, 32 * 32 - 1]
    assert seen.n_outside == 1  # beside the photograph is no place
    assert seen.places.tolist()[0] == [0.25, 0.0]
    assert seen.density.sum() == pytest.approx(1)
    y, x = np.unravel_index(seen.density.argmax(), frame.shape)
    assert (y, x) in ((0, 0), (31, 31))


def test_the_density_is_the_sum_of_gaussians_also_of_fixations_beside_the_crop() -> None:
    (frame,) = frames_of(WIDE, [SIZE])
    x, y = np.array([30.0, 22.0]), np.array([20.0, 40.0])
    found = frame.density(x, y, 4.0)
    columns, rows = 24 + (np.arange(32) + 0.5) * 1.5, (np.arange(32) + 0.5) * 1.5
    by_hand = sum(
        np.exp(-((columns[None] - a) ** 2 + (rows[:, None] - b) ** 2) / 32)
        for a, b in zip(x, y, strict=True)
    )
    np.testing.assert_allclose(found, by_hand / by_hand.sum(), rtol=1e-12)


def test_bars_beside_the_photograph_are_no_place_to_look_at() -> None:
    padded = WIDE.seeing("pad")
    (frame,) = frames_of(padded, [SIZE])
    assert frame.shape == (16, 32)
    assert frame.cells([0.0, 95.9], [0.0, 47.9]).tolist() == [0, 511]
    x, y = frame.centres([0, 511])
    np.testing.assert_allclose([x, y], [[1.5, 94.5], [1.5, 46.5]])
    assert frame.resampled(np.ones((24, 48))).shape == (16, 32)


def test_a_map_of_the_whole_photograph_is_cut_at_any_resolution() -> None:
    (frame,) = frames_of(WIDE, [SIZE])
    whole = np.zeros((24, 48))
    whole[:, :11] = 9.0  # all of it outside the crop
    whole[4:8, 20:24] = 1.0
    found = seen_by_density(frame, frame.resampled(whole))
    assert found.points is None
    assert found.n_outside is None
    y, x = np.unravel_index(found.density.argmax(), frame.shape)
    assert 4 <= y * 24 / 32 < 8
    assert 20 <= 12 + x * 24 / 32 < 24
    assert seen_by_density(frame, np.zeros(frame.shape)).density is None


def square(n: int, side: int = 24) -> list[Frame]:
    return [Frame((0, 0, side, side), (side, side), (side, side))] * n


@pytest.fixture(scope="module")
def study() -> tuple[dict[str, np.ndarray], list, pd.DataFrame]:
    """Maps of 12 images of which one kind is where people look, and one is noise."""
    rng = np.random.default_rng(0)
    rows, told = [], np.zeros((12, 24, 24))
    y, x = np.mgrid[:24, :24] + 0.5
    for k in range(12):
        cx, cy = rng.uniform(4, 20, 2)
        told[k] = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18) - 0.2
        for who in "abcd":
            near = rng.normal((cx, cy), 2.0, (6, 2)).clip(0, 23.9)
            rows += [(f"{k}", *place, who) for place in near]
    fixations = listed(*rows)
    frames = square(12)
    seen = [
        seen_by_fixations(frame, fixations[fixations["image"] == f"{k}"])
        for k, frame in enumerate(frames)
    ]
    noise = rng.normal(size=(12, 8, 8))
    return {"evidence": told, "lime": noise, "activation": np.ones((12, 4, 4))}, seen, fixations


@pytest.fixture(scope="module")
def table(study) -> pd.DataFrame:
    maps, seen, _ = study
    return human_map_table("net", maps, seen, n_resamples=200).set_index(
        ["map", "side", "score", "control"]
    )


def test_scores_are_means_over_images(study, table) -> None:
    maps, seen, _ = study
    each = [
        nss(saliency_of(one, "raising"), s.points)
        for one, s in zip(maps["evidence"], seen, strict=True)
    ]
    row = table.loc["evidence", "raising", "nss", "none"]
    assert row["mean"] == pytest.approx(np.mean(each))
    assert row["low"] < row["mean"] < row["high"]
    assert row[["n", "n_undefined", "n_fixations", "n_outside"]].tolist() == [12, 0, 12 * 24, 0]
    assert set(table.index.get_level_values("score")) == {
        "nss", "auc_judd", "auc_shuffled", "cc", "kl", "sim",
    }  # fmt: skip


def test_a_map_of_where_people_look_beats_every_control_and_noise_none(table) -> None:
    for control in ("centre", "other_images", "activation"):
        for score in ("auc_judd", "auc_shuffled", "sim"):
            assert table.loc["evidence", "raising", score, control]["low"] > 0, (score, control)
        assert table.loc["evidence", "raising", "kl", "other_images"]["high"] < 0
    row = table.loc["lime", "either", "nss", "other_images"]
    assert row["low"] < 0 < row["high"]
    # A flat control has no NSS: the difference is undefined on every image, and counted.
    flat = table.loc["evidence", "raising", "nss", "activation"]
    assert flat["n_undefined"] == 12
    assert np.isnan(flat["mean"])


def test_people_are_the_ceiling_person_by_person(study, table) -> None:
    maps, seen, fixations = study
    own, difference = [], []
    for k, one in enumerate(seen):
        rows = fixations[fixations["image"] == f"{k}"]
        per_person = []
        for who in "abcd":
            rest = rows[rows["subject"] != who]
            told = one.frame.density(rest["x"], rest["y"])
            at = one.frame.cells(*rows[rows["subject"] == who][["x", "y"]].to_numpy().T)
            mapped = saliency_of(maps["evidence"][k], "raising")
            per_person.append((auc_judd(told, at), auc_judd(mapped, at)))
        people, ours = np.mean(per_person, axis=0)
        own.append(people)
        difference.append(ours - people)
    assert table.loc["people", "either", "auc_judd", "none"]["mean"] == pytest.approx(np.mean(own))
    found = table.loc["evidence", "raising", "auc_judd", "people"]["mean"]
    assert found == pytest.approx(np.mean(difference))


class OnDisk:
    """Maps that are read where they are sliced, and how many at once."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape = values, values.shape
        self.read: list[int] = []

    def __getitem__(self, images: np.ndarray) -> np.ndarray:
        self.read.append(len(images))
        return self.values[images]


def test_a_few_images_at_a_time_give_what_all_at_once_do(study, monkeypatch) -> None:
    maps, seen, fixations = study
    monkeypatch.setattr(comparison, "MOST_ELSEWHERE", 50)  # of 264
    whole = human_map_table("net", maps, seen, n_resamples=20)

    held: WeakSet[Seen] = WeakSet()
    most = []

    def of_image(k: int) -> Seen:
        one = seen_by_fixations(square(1)[0], fixations[fixations["image"] == f"{k}"])
        held.add(one)
        most.append(len(held))
        return one

    pixels = sum(one[0].size for one in maps.values())
    monkeypatch.setattr(comparison, "MOST_BYTES", 8 * pixels * 6 * 2)  # two images and 2 x 5
    stored = {name: OnDisk(one) for name, one in maps.items()}
    found = human_map_table(
        "net", stored, SeenImages(of_image, map(of_image, range(12))), n_resamples=20
    )
    pd.testing.assert_frame_equal(found, whole, check_exact=True)
    assert len(most) == 24
    assert max(most) <= 2  # one, and the one before it
    for one in stored.values():
        assert len(one.read) == 6
        assert max(one.read) <= 12


def test_chance_is_other_images_and_fixations_as_they_are_drawn(study, monkeypatch) -> None:
    maps, seen, _ = study
    monkeypatch.setattr(comparison, "MOST_ELSEWHERE", 50)
    table = human_map_table("net", maps, seen, n_resamples=20)
    rng = np.random.default_rng(0)
    elsewhere = []
    for k, one in enumerate(seen):
        places = np.concatenate([other.places for j, other in enumerate(seen) if j != k])
        x, y = places[rng.choice(len(places), 50, replace=False)].T * 24
        elsewhere.append(one.frame.cells(x, y))
    others = [(k + 1 + rng.choice(11, 5, replace=False)) % 12 for k in range(12)]
    saliency = saliency_of(maps["evidence"], "raising")

    def score(k: int, j: int) -> float:
        return auc_shuffled(saliency[j], seen[k].points, elsewhere[k])

    own = [score(k, k) for k in range(12)]
    beside = [np.mean([score(k, j) for j in others[k]]) for k in range(12)]
    rows = table.query("map == 'evidence' and side == 'raising' and score == 'auc_shuffled'")
    row = rows.set_index("control")["mean"]
    assert row["none"] == pytest.approx(np.mean(own), rel=1e-12)
    assert row["other_images"] == pytest.approx(np.mean(own) - np.mean(beside), rel=1e-12)


def test_places_of_masks_and_fixations_come_back_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    padded, shapes = WIDE.seeing("pad"), [SIZE, (37.0, 91.0), (33.0, 64.0), (501.0, 333.0)]
    frames = [frames_of(one, [size])[0] for one in (WIDE, padded) for size in shapes]
    masks = [seen_by_mask(frame, rng.random(frame.shape) > 0.7) for frame in frames]
    masks.insert(2, seen_by_mask(frames[0], None))
    looked = seen_by_fixations(frames[1], listed(("a", 3, 80.1), ("a", 9, 40.2)))
    for seen in (masks, [looked], [*masks, looked, masks[0]]):
        places = Places()
        for one in seen:
            places.add(one)
        places.close()
        expected = np.concatenate([one.places for one in seen])
        order = rng.permutation(len(expected))
        np.testing.assert_array_equal(places.of(order), expected[order])
        assert [places.span(k)[1] - places.span(k)[0] for k in range(len(seen))] == [
            len(one.places) for one in seen
        ]


def test_one_person_or_nobody_known_gives_no_ceiling(study) -> None:
    maps, _, fixations = study
    for rows in (fixations.drop(columns="subject"), fixations[fixations["subject"] == "a"]):
        seen = [
            seen_by_fixations(frame, rows[rows["image"] == f"{k}"])
            for k, frame in enumerate(square(12))
        ]
        assert all(one.people == () for one in seen)
        table = human_map_table("net", {"lime": maps["lime"]}, seen, n_resamples=9)
        assert "people" not in set(table["map"]) | set(table["control"])


def test_images_that_nobody_looked_at_are_counted_and_none_at_all_is_refused() -> None:
    frames = square(3)
    seen = [seen_by_mask(frames[0], np.eye(24)), seen_by_mask(frames[1], None)]
    seen.append(seen_by_mask(frames[2], np.eye(24)[::-1] > 0))
    maps = {"evidence": np.random.default_rng(0).normal(size=(3, 6, 6))}
    table = human_map_table("net", maps, seen, n_resamples=9)
    own = table[table["control"] == "none"]
    assert (own["n_undefined"] == 1).all()
    assert own["n_fixations"].isna().all()
    with pytest.raises(ais.RequestError, match="expected people to have looked at what net saw"):
        human_map_table("net", maps, [seen_by_mask(frames[0], None)] * 3)


def test_densities_have_no_measures_of_points() -> None:
    frames = square(2)
    rng = np.random.default_rng(1)
    seen = [seen_by_density(frame, rng.gamma(1, size=(24, 24))) for frame in frames]
    table = human_map_table("net", {"lime": rng.normal(size=(2, 6, 6))}, seen, n_resamples=9)
    assert set(table["score"]) == {"cc", "kl", "sim"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> ImageFolder:
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "in").mkdir()
    rng = np.random.default_rng(0)
    for name in ("in/a.jpg", "in/b.jpg"):
        Image.fromarray(rng.integers(0, 255, (48, 96, 3), np.uint8)).save(folder / name)
    return ImageFolder(folder)


SIZES = {"in/a.jpg": SIZE, "in/b.jpg": SIZE}


def test_a_list_is_read_as_it_is_written(tmp_path: Path, photographs: ImageFolder) -> None:
    path = tmp_path / "eyes.tsv"
    path.write_text(
        "who\tstimulus\tpx\tpy\nann\tIN/A.JPG\t40\t9.5\nben\tIN/A.JPG\t50\t9\nben\tb.jpg\tn/a\tNaN\n"
        "ben\tb.jpg\t95.5\t3\nben\tb.jpg\t97\t3\nben\tzoo.jpg\t5\t3\n"
    )
    columns = {"image": "stimulus", "x": "px", "y": "py", "subject": "who"}
    held = human_maps(path, SIZES, columns=columns, folder=photographs)
    assert held.kind == "fixations"
    assert held.fixations.table.values.tolist() == [
        ["in/a.jpg", 40.0, 9.5, "ann"], ["in/a.jpg", 50.0, 9.0, "ben"],
        ["in/b.jpg", 95.5, 3.0, "ben"],
    ]  # fmt: skip
    said = " ".join(held.said)
    assert "1 of 6 rows hold no place" in said
    assert "1 of 5 are on images that the study does not have" in said
    assert "1 of 4 lie beside the photographs" in said
    seen = held.seen(list(SIZES), WIDE, SIZES)
    assert [len(one.people) for one in seen] == [2, 0]
    assert [one.n_outside for one in seen] == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,x,subject\na,1,s\n", r"no column 'y' for 'y' .*\[human_maps\] y = "),
        ("image,x,y\na,left,3\n", r"no number in x: line 2 \('left'\)"),
        ("image,x,y,subject\na,1,3,\n", "the subject is missing: line 2"),
        ("image,x,y\na,,\n", "no row holds a place"),
        ("image,x,y\na,900,3\na,800,3\n", "2 of 2 lie beside them .* pixels of a screen"),
        ("image,x,y\na,.5,.25\na,.1,.9\n", "are they shares"),
        ("image,x,y\nq,5,3\n", "none of the 1 images that they name is one of them"),
    ],
)
def test_lists_that_cannot_be_used_are_refused_in_a_sentence(
    tmp_path: Path, photographs: ImageFolder, text: str, message: str
) -> None:
    path = tmp_path / "f.csv"
    path.write_text(text)
    with pytest.raises(ais.RequestError, match=message):
        human_maps(path, SIZES, folder=photographs)


def test_maps_by_image_are_read_from_pictures_arrays_and_one_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    low, deep = rng.integers(0, 255, (24, 48)).astype(np.uint8), rng.gamma(1, size=(48, 96))
    (tmp_path / "d" / "in").mkdir(parents=True)
    Image.fromarray(low).save(tmp_path / "d" / "in" / "a.png")
    np.save(tmp_path / "d" / "in" / "b.jpg.npy", deep)
    np.savez(tmp_path / "d.npz", **{"in/a": low, "in/b.jpg": deep})
    found = [
        human_maps(path, SIZES).seen(list(SIZES), WIDE, SIZES)
        for path in (tmp_path / "d", tmp_path / "d.npz")
    ]
    for folder, packed in zip(*found, strict=True):
        np.testing.assert_allclose(folder.density, packed.density)
        assert folder.density.sum() == pytest.approx(1)
    Image.fromarray(np.uint8(low > 99) * 255).save(tmp_path / "d" / "in" / "b.png")
    (tmp_path / "d" / "in" / "b.jpg.npy").unlink()
    masks = human_maps(tmp_path / "d", SIZES, kind="masks").seen(list(SIZES), WIDE, SIZES)
    assert all(set(np.unique(one.density)) == {0.0, 1 / len(one.points)} for one in masks)


def test_maps_by_image_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    def refused(array: np.ndarray, message: str) -> None:
        np.savez(tmp_path / "m.npz", **{"in/a": array})
        with pytest.raises(ais.RequestError, match=message):
            human_maps(tmp_path / "m.npz", SIZES).seen(list(SIZES), WIDE, SIZES)

    refused(np.ones((48, 48)), "in/a.jpg is 48 x 48, another shape than its photograph of 96 x 48")
    refused(np.full((24, 48), -1.0), "values below zero")
    refused(np.zeros((24, 48)), "is zero everywhere")
    refused(np.full((24, 48), np.nan), "not finite")
    refused(np.ones((24, 48, 3)), r"should be an array \(rows, columns\)")
    np.savez(tmp_path / "m.npz", other=np.ones((24, 48)))
    with pytest.raises(ais.RequestError, match="none is named as one of the 2 images"):
        human_maps(tmp_path / "m.npz", SIZES).seen(list(SIZES), WIDE, SIZES)
    (tmp_path / "in").mkdir()
    Image.new("RGB", (96, 48), (200, 10, 10)).save(tmp_path / "in" / "a.png")
    with pytest.raises(ais.RequestError, match="is a colour picture"):
        human_maps(tmp_path, SIZES).seen(list(SIZES), WIDE, SIZES)
    with pytest.raises(ais.RequestError, match="There is no file or folder"):
        human_maps(tmp_path / "gone", SIZES)
    (tmp_path / "f.csv").write_text("image,x,y\n")
    with pytest.raises(ais.RequestError, match="holds a header and no rows"):
        read_fixations(tmp_path / "f.csv")
    with pytest.raises(ais.RequestError, match="a file of another kind"):
        human_maps(tmp_path / "f.csv", SIZES, kind="densities")


class Net:
    """All that is asked of a backbone."""

    name, transform = "net", WIDE


def test_the_plain_function_puts_people_into_the_maps_order(photographs: ImageFolder) -> None:
    rng = np.random.default_rng(3)
    maps = xr.DataArray(
        rng.normal(size=(2, 4, 4)), dims=("image", "y", "x"), name="evidence",
        coords={"image": ["in/b.jpg", "in/a.jpg"]},
    )  # fmt: skip
    rows = listed(("in/a.jpg", 30, 8), ("in/b.jpg", 60, 40), ("in/b.jpg", 62, 41))
    call = {"images": photographs.root, "backbone": Net(), "n_boot": 9}
    table = ais.compare_with_people(maps, rows, **call)
    turned = ais.compare_with_people(maps[::-1], rows, **call)
    own, same = (one[one["control"] == "none"].reset_index() for one in (table, turned))
    np.testing.assert_allclose(own["mean"], same["mean"], atol=1e-12)
    with pytest.raises(ais.RequestError, match="give `backbone`, `images`"):
        ais.compare_with_people(maps, rows)
    density = maps.copy(data=np.abs(maps.values))
    whole = ais.compare_with_people(maps, density[::-1], n_boot=9).set_index(
        ["map", "side", "score", "control"]
    )
    assert whole.loc["evidence", "either", "cc", "none"]["mean"] == pytest.approx(1)
    with pytest.raises(ais.RequestError, match="none below zero"):
        ais.compare_with_people(maps, maps)
    with pytest.raises(ais.RequestError, match="expected numbers in the column x"):
        ais.compare_with_people(maps, rows.assign(x="left"), **call)
