"""The tables of inference that a run writes, against direct computation on the stored maps."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import false_discovery_control
from skimage.metrics import structural_similarity

from aisthesis.agreement import pair_values, reliability
from aisthesis.agreement.registration import common_part, onto_part
from aisthesis.config import study_config
from aisthesis.execution.jobs import Serial
from aisthesis.execution.progress import ProgressReporter
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.sentences.methods import methods_text
from aisthesis.store.chunk_store import ArraySpec, ChunkStore
from aisthesis.store.folder import StudyFolder
from aisthesis.store.maps_store import DIMENSIONS, open_maps
from aisthesis.studies.ratings.comparing.agree import agree_backbones, agree_dependencies
from aisthesis.studies.ratings.comparing.columns import TABLES

KINDS = ("ais", "evidence")


def read(folder: StudyFolder) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(getattr(folder, name), dtype={"image": str}) for name in TABLES}


def z_pixels(maps, box, part) -> np.ndarray:
    """Interpolate over the part of the photograph with torch and z-score: (..., pixels).

    Every image has the same crop and part.
    """
    flat = torch.from_numpy(np.array(maps, dtype=np.float64)).reshape(-1, 1, *maps.shape[-2:])
    middle = (torch.arange(224, dtype=torch.float64) + 0.5) / 224
    left, top, right, bottom = box
    x = (part[0] + middle * (part[2] - part[0]) - left) / (right - left) * 2 - 1
    y = (part[1] + middle * (part[3] - part[1]) - top) / (bottom - top) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).expand(len(flat), -1, -1, -1)
    large = torch.nn.functional.grid_sample(
        flat, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    pixels = large.reshape(*maps.shape[:-2], -1).numpy()
    centred = pixels - pixels.mean(axis=-1, keepdims=True)
    return centred / centred.std(axis=-1, keepdims=True)


def cosines(a, b) -> np.ndarray:
    return a @ np.swapaxes(b, -1, -2) / a.shape[-1]


def crop_of(study, label) -> np.ndarray:
    """The crop that a network takes of every image, which are of one size."""
    with open_maps(study.folder.maps, label) as dataset:
        names = [f"crop_{edge}" for edge in ("left", "top", "right", "bottom")]
        crops = np.stack([dataset[name].values for name in names], axis=1)
    assert (crops == crops[0]).all()
    return crops[0].astype(float)


@pytest.fixture(scope="module")
def stored(study):
    """Give z-scored pixels by kind and backbone: of every seed, and of the seeds' mean map."""
    labels = list(study.maps)
    single, mean, activation, alone = {}, {}, {}, {}
    boxes = {label: crop_of(study, label) for label in labels}
    part = common_part([one[None] for one in boxes.values()])[0]
    for label in labels:
        with open_maps(study.folder.maps, label) as dataset:
            names = [str(name) for name in dataset["image"].values]
            box = boxes[label]
            activation[label] = z_pixels(dataset["activation"].values, box, box)
            for kind in KINDS:
                maps = dataset[kind].values.astype(float)
                single[kind, label] = z_pixels(maps, box, part)
                mean[kind, label] = z_pixels(maps.mean(0), box, part)
                alone[kind, label] = z_pixels(maps.mean(0), box, box)
                alone[kind, label, "seeds"] = z_pixels(maps, box, box)
    return labels, names, single, mean, (activation, alone)


@pytest.fixture(scope="module")
def tables(study):
    return read(study.folder)


def test_the_tables_have_the_columns_of_the_contract(study, tables) -> None:
    for name, columns in TABLES.items():
        assert tuple(tables[name]) == columns
        # Two networks are one pair: there is no other to tell it from.
        assert len(tables[name]) or name == "agreement_differences"
        whole = bool(len(tables[name]))  # an empty table says no types
        pd.testing.assert_frame_equal(getattr(study, name), tables[name], check_dtype=whole)


def test_images_with_opposed_seeds_are_counted_by_network(study, stored, tables) -> None:
    table = study.predictions.query("seed != 'mean'")
    table = table[table["image"].isin(stored[1])]
    table = table.assign(above=table["prediction"] > table["rating"])
    opposed = (
        table.groupby(["backbone", "image"])["above"].nunique().gt(1).groupby("backbone").mean()
    )
    found = tables["reliability"]
    for row in found[found["map"].isin(("ais", "ais_place"))].to_dict("records"):
        assert row["opposite_seeds_share"] == pytest.approx(opposed[row["backbone"]])
    assert found.loc[found["map"] == "evidence", "opposite_seeds_share"].isna().all()


def test_the_methods_say_what_the_run_recorded(study) -> None:
    text = " ".join(methods_text(read_study_record(study.folder.root)))
    for words in ("AdamW (learning rate 0.001", "at most 40 epochs", "best epoch was kept (",
                  "at 0.1 times PyTorch’s default", "under 9,999 random pairings",
                  "(50 draws)", "jackknife pseudo-value", "photographs were resized"):  # fmt: skip
        assert words in text, words


def strata_of(study, labels, names, kind) -> list[tuple[float, ...]]:
    """Sides on which most seeds' heads err, of both networks: they are the sign of AIS maps."""
    if kind != "ais":
        return [(0.0, 0.0)] * len(names)
    table = study.predictions.query("seed != 'mean'")
    sign = np.sign(table["prediction"] - table["rating"])
    sides = np.sign(sign.groupby([table["image"], table["backbone"]]).mean().unstack())
    return [tuple(sides.loc[name, labels]) for name in names]


@pytest.mark.parametrize("kind", KINDS)
def test_chance_and_p_are_those_of_every_pairing(study, stored, tables, kind) -> None:
    labels, names, _, mean, _ = stored
    a, b = labels
    rows = tables["agreement"].query("map == @kind").set_index("metric")
    cosine, mse = rows.loc["cosine"], rows.loc["mse"]
    cross = cosines(mean[kind, a], mean[kind, b])
    assert cosine["mean"] == pytest.approx(np.diagonal(cross).mean())
    strata = strata_of(study, labels, names, kind)
    used = [i for i, one in enumerate(strata) if strata.count(one) > 1]
    assert rows["chance_n"].tolist() == [len(used)] * 4
    partners = {i: [j for j in used if strata[j] == strata[i] and j != i] for i in used}

    def chance(values):
        if not used:
            return pytest.approx(np.nan, nan_ok=True)
        found = [np.mean([values[i, j] for j in partners[i]]) for i in used]
        return pytest.approx(np.mean(found), abs=1e-6)

    means = used and [
        cross[used, way].mean()
        for way in map(list, permutations(used))
        if all(strata[i] == strata[j] for i, j in zip(used, way, strict=True))
    ]
    assert cosine["chance"] == chance(cross)
    assert mse["chance"] == chance(2 * (1 - cross))
    if used:
        observed = cross[used, used].mean()
        assert cosine["chance_observed"] == pytest.approx(observed)
        p = np.mean(np.array(means) >= observed - 1e-12)
        assert cosine["p"] == mse["p"] == pytest.approx(p)
        ends = np.quantile(means, [0.025, 0.975])
        assert cosine[["chance_low", "chance_high"]].tolist() == pytest.approx(ends.tolist())
    side = int(np.sqrt(mean[kind, a].shape[-1]))
    images = {one: mean[kind, one].reshape(-1, side, side) for one in (a, b)}
    similar = np.full(cross.shape, np.nan)
    for i in used:
        for j in partners[i]:
            x, y = images[a][i], images[b][j]
            width = max(x.max(), y.max()) - min(x.min(), y.min())
            similar[i, j] = structural_similarity(x, y, data_range=width)
    assert rows.loc["ssim", "chance"] == chance(similar)


@pytest.mark.parametrize("kind", KINDS)
def test_reliability_and_what_it_corrects(stored, tables, kind) -> None:
    """Of a network over all it saw; of a pair over the part that both saw."""
    (a, b), _, single, _, (_, alone) = stored
    rows = tables["reliability"].query("map == @kind and metric == 'cosine'")

    def of(maps):
        return (maps[0] * maps[1]).mean(axis=-1).mean()

    whole = {one: of(alone[kind, one, "seeds"]) for one in (a, b)}
    own = {one: of(single[kind, one]) for one in (a, b)}
    between = np.mean([(single[kind, a][s] * single[kind, b][1 - s]).mean(axis=-1) for s in (0, 1)])
    assert rows.set_index("backbone")["mean"].to_dict() == pytest.approx(whole)
    assert rows["n_seeds"].tolist() == [2, 2]
    for row in rows.itertuples():
        expected = 2 * row.mean / (1 + row.mean) if row.mean > 0 else np.nan
        assert row.stepped_up == pytest.approx(expected, nan_ok=True)
    pair = tables["agreement"].query("map == @kind").set_index("metric")
    cosine = pair.loc["cosine"]
    both_positive = own[a] > 0 and own[b] > 0
    if both_positive:
        assert cosine["reliability_a"] == pytest.approx(own[a])
        assert cosine["reliability_b"] == pytest.approx(own[b])
    assert cosine["single_seed"] == pytest.approx(between)
    expected = between / np.sqrt(own[a] * own[b]) if both_positive else np.nan
    assert cosine["disattenuated"] == pytest.approx(expected, nan_ok=True)
    assert pair.loc[["mse", "ssim", "emd"], "disattenuated"].isna().all()


@pytest.mark.parametrize("kind", KINDS)
def test_variance_is_that_of_all_cosines(stored, tables, kind) -> None:
    (a, b), names, single, _, _ = stored
    n = len(names)
    every = np.concatenate([single[kind, a], single[kind, b]]).reshape(4 * n, -1)
    products = cosines(every, every).reshape(2, 2, n, 2, 2, n)  # backbone, seed, image, twice
    same_image = np.eye(n, dtype=bool)
    within = [products[x, 0, :, x, 1] for x in (0, 1)]
    between = [products[0, s, :, 1, 1 - s] for s in (0, 1)]
    c1, c3 = (np.mean([one[where] for one in within]) for where in (same_image, ~same_image))
    c2, c4 = (np.mean([one[where] for one in between]) for where in (same_image, ~same_image))
    expected = {
        "shared": c4,
        "image": c2 - c4,
        "backbone": c3 - c4,
        "image x backbone": c1 - c2 - c3 + c4,
        "seed": 1 - c1,
    }
    rows = tables["variance"].query("map == @kind").set_index("component")
    assert rows["share"].to_dict() == pytest.approx(expected)
    assert (rows["low"] <= rows["high"]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_baselines_are_agreement_with_the_activation(stored, tables, kind) -> None:
    labels, names, _, _, (activation, alone) = stored
    rows = tables["baselines"].query("map == @kind and metric == 'cosine'").set_index("backbone")
    for label in labels:
        own = alone[kind, label]
        expected = (own * activation[label]).mean(axis=-1).mean()
        assert rows.loc[label, "mean"] == pytest.approx(expected, abs=1e-7)
    assert rows["n"].tolist() == [len(names)] * 2


def test_images_have_the_means_of_their_pairs_and_predictions(study, stored, tables) -> None:
    _, names, _, _, _ = stored
    rows = tables["images"].query("map == 'ais' and metric == 'ssim'").set_index("image")
    assert rows.index.tolist() == names
    predictions = study.predictions.query("seed != 'mean'")
    for name in names:
        own = predictions[predictions["image"] == name]
        by_backbone = own.groupby("backbone")["prediction"].mean()
        assert rows.loc[name, "rating"] == pytest.approx(own["rating"].iloc[0])
        assert rows.loc[name, "prediction"] == pytest.approx(by_backbone.mean())
        assert rows.loc[name, "prediction_sd"] == pytest.approx(by_backbone.std())
        value = tables["agreement_images"].query(
            "image == @name and map == 'ais' and metric == 'ssim'"
        )["value"]
        assert rows.loc[name, "consensus"] == pytest.approx(value.item())
    assert rows["controversy"].isna().all()  # there is one pair
    equal, other = rows["prediction_sd"], rows["consensus"]
    for name in names:
        shares = (equal >= equal[name]).mean(), (other >= other[name]).mean()
        assert rows.loc[name, "same_rating_other_evidence"] == pytest.approx(min(shares))


def test_two_backbones_make_one_cluster(stored, tables) -> None:
    labels = stored[0]
    mean = tables["agreement"].set_index(["map", "metric"])["mean"]
    for row in tables["clusters"].itertuples():
        value = mean[row.map, row.metric]
        expected = 1 - value if row.metric in ("cosine", "ssim") else value
        assert (row.step, row.members, row.support) == (1, "|".join(labels), 1)
        assert row.distance == pytest.approx(expected)


def stored_study(tmp_path, backbones="abcd", seeds=3, n=40, rated=True, boxes=None, **keys):
    """Write maps and predictions as the stages before do, and run the stage on them."""
    config = study_config(
        {
            "images": "i",
            "ratings": "r",
            "out": "s",
            "bootstrap": 30,
            "inference_images": 10,
            "backbones": [{"name": "vgg16", "label": one} for one in backbones],
            **keys,
        },
        tmp_path,
        "test",
    )
    folder = StudyFolder(config.out)
    folder.root.mkdir()
    rng = np.random.default_rng(0)
    names = [f"{i:03d}.png" for i in range(n)]
    seen, predictions = rng.normal(size=(1, n, 7, 7)), []
    for label in backbones:
        maps = seen + rng.normal(size=(1, n, 7, 7)) + rng.normal(size=(seeds, n, 7, 7))
        if label == "a" and n > 2:
            maps[:, 2] = 0.0
        arrays = {"ais": maps if rated else maps * np.nan, "evidence": -maps}
        arrays |= {f"{kind}_place": values for kind, values in arrays.items()}
        arrays["activation"] = rng.normal(size=(n, 7, 7))
        where = {"seed": list(range(seeds)), "image": names}
        if boxes:
            edges = zip(("left", "top", "right", "bottom"), boxes[label], strict=True)
            where |= {f"crop_{edge}": np.full(n, float(value)) for edge, value in edges}
            where |= {"width_px": np.full(n, 200.0), "height_px": np.full(n, 100.0)}
        specs = {
            name: ArraySpec(tuple(zip(DIMENSIONS[name], values.shape, strict=True)), name)
            for name, values in arrays.items()
        }
        store = ChunkStore(folder.root, f"maps.zarr/{label}", {"key": label}, n)
        store.prepare(specs, where, {"backbone": label})
        store.write(0, arrays)
        store.finish()
        values = {"prediction": rng.normal(size=n), "rating": 0.0 if rated else np.nan}
        predictions += [
            pd.DataFrame({"image": names, "backbone": label, "seed": str(seed), **values})
            for seed in range(seeds)
        ]
    pd.concat(predictions).to_csv(folder.predictions, index=False)
    agree_backbones(folder, config, Serial(), ProgressReporter())
    return folder, config, read(folder)


def test_p_is_corrected_over_the_pairs_of_each_map_and_metric(tmp_path) -> None:
    _, _, tables = stored_study(tmp_path, n=16)
    agreement = tables["agreement"]
    assert len(agreement) == 4 * 4 * 6
    for _, rows in agreement.groupby(["map", "metric"]):
        np.testing.assert_allclose(rows["p_corrected"], false_discovery_control(rows["p"]))
    assert (agreement.query("metric == 'cosine'")["p"] == 1e-4).all()
    pairs = list(combinations("abcd", 2))
    for _, rows in agreement.groupby(["map", "metric"], sort=False):
        assert list(zip(rows["backbone_a"], rows["backbone_b"], strict=True)) == pairs


def test_metrics_of_pixels_are_inferred_from_some_images_of_the_seed(tmp_path) -> None:
    _, config, tables = stored_study(tmp_path, n=16, metrics=["cosine", "emd"])
    rows = tables["agreement"].query("backbone_a != 'a' and map == 'evidence'")
    by_metric = rows.set_index("metric")["chance_n"]
    assert set(by_metric["cosine"]) == {16}
    assert set(by_metric["emd"]) == {10}
    reliability = tables["reliability"].query("backbone != 'a'").set_index("metric")
    assert set(reliability.loc["cosine", "n"]) == {16}
    assert set(reliability.loc["emd", "n"]) == {10}
    assert set(tables["baselines"].query("backbone != 'a'")["n"]) == {16}
    folder = StudyFolder(config.out)
    other = config.model_copy(update={"inference_images": 11})
    assert agree_dependencies(folder, other) != agree_dependencies(folder, config)


def test_a_flat_map_is_left_out_and_counted(tmp_path) -> None:
    _, _, tables = stored_study(tmp_path, metrics=["cosine"])
    agreement = tables["agreement"].set_index(["map", "backbone_a", "backbone_b"])
    assert agreement.loc[("ais", "a", "b"), ["n", "n_undefined", "chance_n"]].tolist() == [
        39,
        1,
        39,
    ]
    assert agreement.loc[("ais", "b", "c"), "chance_n"] == 40
    assert set(tables["variance"]["n"]) == {39}
    images = tables["images"].query("map == 'ais'").set_index("image")["n_pairs"]
    assert images["002.png"] == 3
    assert set(images.drop("002.png")) == {6}


def test_one_seed_has_no_reliability_but_shares_of_images(tmp_path) -> None:
    _, _, tables = stored_study(tmp_path, seeds=1, n=16)
    assert tables["reliability"][["mean", "low", "high", "stepped_up"]].isna().all().all()
    columns = ["reliability_a", "disattenuated", "disattenuated_low", "disattenuated_high"]
    assert tables["agreement"][columns].isna().all().all()
    cosine = tables["agreement"].query("metric == 'cosine'")
    variance = tables["variance"].query("map == 'ais'").set_index("component")["share"]
    assert variance[["backbone", "image x backbone", "seed"]].isna().all()
    assert variance[["shared", "image"]].notna().all()
    assert variance.dropna().sum() == pytest.approx(1)
    assert cosine["single_seed"].notna().all()


def test_images_without_ratings_have_evidence_alone(tmp_path) -> None:
    _, _, tables = stored_study(tmp_path, rated=False, n=16, metrics=["cosine", "ssim"])
    kinds = tables["agreement"].set_index("map")
    assert kinds.loc["ais", ["mean", "chance", "p", "p_corrected"]].isna().all().all()
    assert kinds.loc["evidence", ["mean", "chance", "p", "p_corrected"]].notna().all().all()
    assert kinds["same_side_share"].isna().all()
    assert set(tables["clusters"]["map"]) == {"evidence", "evidence_place"}
    assert tables["images"]["rating"].isna().all()
    assert tables["variance"].query("map == 'ais'")["share"].isna().all()


@pytest.mark.parametrize(("backbones", "n"), [("a", 5), ("ab", 1), ("ab", 2), ("b", 1)])
def test_too_little_gives_empty_cells_and_no_error(tmp_path, backbones, n) -> None:
    _, _, tables = stored_study(tmp_path, backbones=backbones, n=n, seeds=2)
    for name, columns in TABLES.items():
        assert tuple(tables[name]) == columns
    if len(backbones) == 1:
        assert all(tables[name].empty for name in ("agreement", "clusters", "images"))
        variance = tables["variance"].set_index(["map", "component"])["share"]
        assert variance.dropna().index.tolist() == [
            (kind, "seed") for kind in (*KINDS, "ais_place", "evidence_place")
        ]
        assert tables["baselines"]["mean"].notna().all()


def test_no_draws_give_no_intervals(tmp_path) -> None:
    _, _, tables = stored_study(tmp_path, backbones="bc", bootstrap=0, metrics=["cosine"])
    for name in ("agreement", "reliability", "baselines", "variance"):
        assert tables[name][["low", "high"]].isna().all().all()
    assert tables["agreement"]["mean"].notna().all()


def test_networks_with_other_crops_are_compared_where_both_saw_the_photograph(tmp_path) -> None:
    boxes = {"b": (50, 0, 150, 100), "c": (60, 10, 140, 90), "d": (50, 0, 150, 100)}
    _, config, tables = stored_study(
        tmp_path, backbones="bcd", seeds=2, n=12, boxes=boxes, metrics=["cosine", "emd"]
    )
    rows = tables["agreement"].query("map == 'evidence'")
    rows = rows.set_index(["metric", "backbone_a", "backbone_b"])
    assert rows.loc["cosine", "compared_share"].tolist() == [0.32, 0.5, 0.32]
    single = {}
    for label in "bcd":
        with open_maps(StudyFolder(config.out).maps, label) as dataset:
            single[label] = dataset["evidence"].values.astype(float)
    part = np.array([boxes["c"]] * 12, dtype=float)
    own = np.array([boxes["b"]] * 12, dtype=float)
    framed = {"b": np.asarray(onto_part(single["b"], own, part)[:, :]), "c": single["c"]}
    mean = {label: one.mean(0) for label, one in framed.items()}
    expected = pair_values(mean, ["cosine", "emd"]).groupby("metric")["value"].mean()
    plain = pair_values({x: single[x].mean(0) for x in "bd"}, ["cosine", "emd"])
    for metric in ("cosine", "emd"):
        row = rows.loc[(metric, "b", "c")]
        assert row["mean"] == pytest.approx(expected[metric], abs=1e-6)
        assert rows.loc[(metric, "b", "d"), "mean"] == pytest.approx(
            plain.set_index("metric")["value"][metric].mean()
        )
        own_values = reliability({"b": framed["b"], "c": framed["c"]}, [metric])["mean"]
        if metric == "cosine":  # emd is from some of the images
            assert [row["reliability_a"], row["reliability_b"]] == pytest.approx(
                own_values.tolist(), abs=1e-6
            )
    assert rows.loc[("emd", "b", "c"), "reliability_a"] != pytest.approx(
        rows.loc[("emd", "b", "d"), "reliability_a"], abs=1e-6
    )
    shares = tables["variance"].query("map == 'evidence'").set_index("component")["share"]
    assert shares.sum() == pytest.approx(1)
