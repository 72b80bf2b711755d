"""Channels one can look at: their effects, where they are active, and what is said of them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import aisthesis as ais
from aisthesis.report.pictures.channel_cards import channel_cards
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.studies.ratings.showing.top_channels import active_box, channel_effects

VGG = "miniature:vgg16"


def test_effects_are_means_with_the_sign_and_reliability_of_their_seeds() -> None:
    delta = np.random.default_rng(0).normal(size=(3, 20, 4))
    delta[:, :, 0] -= 5  # without the channel the prediction falls: it raises the rating
    delta[2, :, 1] = 0.25  # one seed on which the effect does not vary
    table = channel_effects(delta, 100)
    np.testing.assert_allclose(table["effect"], -delta.mean((0, 1)))
    assert table["seeds_same_sign"][0] == 3
    expected = [
        np.corrcoef(delta[a, :, 2], delta[b, :, 2])[0, 1] for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert table["reliability"][2] == pytest.approx(np.mean(expected))
    assert math.isnan(table["reliability"][1])
    assert channel_effects(delta[:1], 0)["reliability"].isna().all()


def test_a_box_is_round_the_most_active_cells_inside_the_photograph() -> None:
    activity = np.zeros((10, 10))
    activity[0, 0], activity[0, 1], activity[9, 9] = 1.0, 0.6, 0.9  # the last is another region
    box = active_box(activity, (0, 0, 100, 100), (100, 100))
    assert box == (0.0, 0.0, 30.0, 30.0)  # three tenths of the sides at least
    whole = np.ones((4, 4))
    assert active_box(whole, (20, 0, 120, 100), (140, 100)) == (20, 0, 120, 100)
    assert active_box(0 * whole, (20, 0, 120, 100), (140, 100)) == (20, 0, 120, 100)


def rows(**values):
    first = {
        "backbone": "a", "channel": 7, "rank": 1, "effect": -0.5, "low": -0.6, "high": -0.4,
        "n": 9, "seeds_same_sign": 2, "n_seeds": 3, "reliability": 0.71, "image": "x.png",
        "image_rank": 1, "image_effect": -0.9, "box_left": 0, "box_top": 0,
        "box_right": 4, "box_bottom": 4, "width_px": 8, "height_px": 8,
    }  # fmt: skip
    return pd.DataFrame([first | values])


def words(table):
    return channel_cards(table, Photographs(None))[0].channels[0].words


def test_a_card_says_direction_interval_and_seeds() -> None:
    said = words(rows())
    assert said.startswith("lowers the prediction by 0.5 on average")
    assert "−0.6 to −0.4" in said
    assert "same sign in 2 of 3 seeds, correlation of the seeds over images 0.71" in said
    assert "may be zero" in words(rows(high=0.1))
    assert "seeds" not in words(rows(n_seeds=1, seeds_same_sign=1, reliability=math.nan))
    assert "interval" not in words(rows(low=math.nan, high=math.nan))
    assert words(rows(effect=0.5, low=0.4, high=0.6)).startswith("raises")


def test_a_study_shows_its_channels(study) -> None:
    found = ais.channels(study, VGG)
    delta = study.maps.dataset(VGG)["delta_prediction"]
    effect = -delta.mean(("seed", "image")).values
    order = np.argsort(-np.abs(effect), kind="stable")[: len(found.table)]
    assert list(found.table["channel"]) == list(order)
    np.testing.assert_allclose(found.table["effect"], effect[order], rtol=1e-4)
    first = found.images[found.images["channel"] == order[0]]
    by_image = (-delta.mean("seed").isel(channel=order[0]) * np.sign(effect[order[0]])).to_series()
    assert list(first["image"]) == list(by_image.nlargest(len(first)).index)
    crop = found.crop(int(order[0]))
    row = first.iloc[0]
    assert crop.width == pytest.approx(row["box_right"] - row["box_left"], abs=1)
    assert found._repr_html_().count("<img") == len(found.images)
    page = study.folder.report.read_text(encoding="utf-8")
    assert 'id="channels"' in page
    assert f"channel {order[0]}</strong>" in page
    with pytest.raises(ais.RequestError, match=f"did you mean {VGG}"):
        ais.channels(study, "miniature:vgg61")
    with pytest.raises(ais.RequestError, match="rank of an image"):
        found.crop(10_000)
