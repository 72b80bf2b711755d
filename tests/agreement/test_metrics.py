"""Every metric against SciPy, scikit-image and scikit-learn on the same pixels."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import pearsonr, spearmanr, wasserstein_distance
from skimage.metrics import structural_similarity
from sklearn.metrics.pairwise import cosine_similarity

from aisthesis.agreement import METRICS, ORIGINAL_METRICS, MapStack, metric, metric_table
from aisthesis.errors import RequestError

REPOSITORY = Path(__file__).resolve().parents[2]
FAST = [name for name in METRICS if name != "spatial_emd"]


def random_maps(n, h, w, seed=0, smooth=0.7):
    noise = np.random.default_rng(seed).normal(size=(n, h, w))
    return gaussian_filter(noise, (0, smooth, smooth))


def reference_pixels(maps, size_px=224):
    """Upsample and z-score in double precision, without the code under test."""
    pixels = torch.nn.functional.interpolate(
        torch.as_tensor(maps, dtype=torch.float64)[:, None],
        size=(size_px, size_px),
        mode="bilinear",
        align_corners=False,
    )[:, 0].numpy()
    centred = pixels - pixels.mean(axis=(1, 2), keepdims=True)
    # Pixels that are equal by construction must tie, whatever their last digits.
    return np.round(centred / pixels.std(axis=(1, 2), keepdims=True), 9)


def joint_range(a, b):
    return max(a.max(), b.max()) - min(a.min(), b.min())


def top(a):
    return a >= np.sort(a.ravel())[-round(0.1 * a.size)]


REFERENCES = {
    "cosine": lambda a, b: cosine_similarity(a.reshape(1, -1), b.reshape(1, -1))[0, 0],
    "pearson": lambda a, b: pearsonr(a.ravel(), b.ravel()).statistic,
    "mse": lambda a, b: ((a - b) ** 2).mean(),
    "emd": lambda a, b: wasserstein_distance(a.ravel(), b.ravel()),
    "ssim": lambda a, b: structural_similarity(a, b, data_range=joint_range(a, b)),
    "ssim_gaussian": lambda a, b: structural_similarity(
        a,
        b,
        data_range=joint_range(a, b),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    ),
    "spearman": lambda a, b: spearmanr(a.ravel(), b.ravel()).statistic,
    "top10_iou": lambda a, b: (top(a) & top(b)).sum() / (top(a) | top(b)).sum(),
}

SIZES = [
    ((14, 14), (14, 14)),
    ((14, 14), (7, 7)),
    ((7, 7), (8, 8)),
    ((13, 13), (7, 7)),
    ((5, 9), (11, 3)),
    ((1, 4), (2, 2)),
]
LARGE = [((56, 56), (7, 7)), ((224, 224), (14, 14))]


@pytest.mark.parametrize(
    ("name", "size_a", "size_b"),
    [(name, *sizes) for name in REFERENCES for sizes in SIZES]
    + [(name, *sizes) for name in ("cosine", "ssim", "ssim_gaussian") for sizes in LARGE],
)
def test_equals_the_reference_on_the_same_pixels(name, size_a, size_b):
    smooth = 4.0 if max(size_a) > 100 else 0.7
    maps_a, maps_b = random_maps(2, *size_a, 1, smooth), random_maps(2, *size_b, 2)
    maps_b[1] += 2 * maps_a[1, : size_b[0], : size_b[1]].mean()
    got = metric(name)(MapStack.of(maps_a), MapStack.of(maps_b)).numpy()
    pairs = zip(reference_pixels(maps_a), reference_pixels(maps_b), strict=True)
    expected = [REFERENCES[name](a, b) for a, b in pairs]
    # A pixel at the threshold may fall on either side of it: a few in ten thousand.
    tolerance = 2e-4 if name == "top10_iou" else 1e-6
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", REFERENCES)
def test_peaked_and_nearly_equal_maps(name):
    maps_a = np.zeros((2, 14, 14))
    maps_a[0, 3, 5] = 1.0
    maps_a[1] = random_maps(1, 14, 14)[0]
    maps_b = maps_a + 1e-4 * random_maps(2, 14, 14, 5)
    got = metric(name)(MapStack.of(maps_a), MapStack.of(maps_b)).numpy()
    pairs = list(zip(reference_pixels(maps_a), reference_pixels(maps_b), strict=True))
    expected = [REFERENCES[name](a, b) for a, b in pairs]
    tolerance = 5e-3 if name == "top10_iou" else 1e-6
    keep = slice(1, 2) if name in ("spearman", "top10_iou") else slice(None)  # ties in the plateau
    np.testing.assert_allclose(got[keep], expected[keep], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("scale", "offset"), [(1e-40, 0.0), (1e30, 0.0), (3.0, 100.0)])
def test_affine_scaling_of_a_map_changes_nothing(name, scale, offset):
    if name == "spatial_emd":
        pytest.importorskip("ot")
    a, b = random_maps(2, 14, 14, 1), random_maps(2, 7, 7, 2)
    plain = metric(name)(MapStack.of(a), MapStack.of(b))
    scaled = metric(name)(MapStack.of(a * scale + offset), MapStack.of(b))
    torch.testing.assert_close(scaled, plain, rtol=0, atol=2e-4 if name == "top10_iou" else 1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_symmetric_and_within_its_bounds_and_best_for_equal_maps(name):
    if name == "spatial_emd":
        pytest.importorskip("ot")
    one = metric(name)
    a, b = MapStack.of(random_maps(3, 14, 14, 1)), MapStack.of(random_maps(3, 7, 7, 2))
    torch.testing.assert_close(one(a, b), one(b, a), rtol=0, atol=1e-6)
    values = torch.cat([one(a, b), one(a, a), one(a, MapStack.of(-a.small))])
    assert (values >= one.low).all()
    assert (values <= one.high).all()
    best = torch.tensor(1.0 if one.direction == "higher" else 0.0, dtype=torch.float64)
    torch.testing.assert_close(one(a, a), best.expand(3), rtol=0, atol=1e-6)
    worse = one(a, b) < best if one.direction == "higher" else one(a, b) > best
    assert worse.all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 15), st.integers(1, 15), st.integers(7, 40))
def test_mse_is_two_times_one_minus_cosine(seed, h, w, size_px):
    maps = np.random.default_rng(seed).normal(size=(2, h, w + 1))
    a, b = MapStack.of(maps[:1], size_px), MapStack.of(maps[1:], size_px)
    cosine, mse = metric("cosine")(a, b), metric("mse")(a, b)
    torch.testing.assert_close(mse, 2 * (1 - cosine), rtol=0, atol=1e-12)
    pixels = [one.pixels().double() for one in (a, b)]
    torch.testing.assert_close(
        (pixels[0] - pixels[1]).square().mean(dim=(1, 2)), mse, rtol=0, atol=1e-5
    )


def test_emd_is_blind_to_place_and_spatial_emd_is_not():
    maps = random_maps(1, 14, 14)
    a, b = MapStack.of(maps), MapStack.of(maps[:, ::-1, ::-1].copy())
    assert metric("emd")(a, b).item() == pytest.approx(0, abs=1e-6)
    pytest.importorskip("ot")
    assert metric("spatial_emd")(a, b).item() > 0.02


@pytest.mark.parametrize("name", METRICS)
def test_undefined_maps_give_nan_and_spoil_no_other(name):
    if name == "spatial_emd":
        pytest.importorskip("ot")
    maps = random_maps(5, 7, 7).astype(np.float32)
    maps[0] = 0.3
    maps[1, 2, 2] = np.nan
    maps[2, 0, 0] = np.inf
    whole = MapStack.of(random_maps(5, 14, 14, 1))
    values = metric(name)(MapStack.of(maps), whole)
    assert values.isnan().tolist() == [True, True, True, False, False]
    alone = metric(name)(MapStack.of(maps[3:]), MapStack.of(random_maps(5, 14, 14, 1)[3:]))
    torch.testing.assert_close(values[3:], alone, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", FAST)
def test_taking_images_takes_what_was_derived(name):
    a, b = MapStack.of(random_maps(4, 7, 7, 1)), MapStack.of(random_maps(4, 7, 7, 2))
    whole = metric(name)(a, b)
    index = torch.tensor([2, 0])
    torch.testing.assert_close(metric(name)(a.take(index), b.take(index)), whole[index])


def test_no_images_give_no_values():
    empty = MapStack.of(np.empty((0, 7, 7)))
    for name in FAST:
        assert metric(name)(empty, empty).shape == (0,)


def test_metrics_state_what_they_are():
    assert ORIGINAL_METRICS == ("cosine", "ssim", "emd", "mse")
    for name, one in METRICS.items():
        assert one.name == name
        assert one.low < one.high
        for words in (one.label, one.formula, one.blind_to, one.undefined_when):
            assert len(words) > 5


def test_the_table_of_metrics_has_all_that_a_reader_is_told():
    table = metric_table().set_index("name")
    assert list(table.index) == list(METRICS)
    assert table.loc["emd", "direction"] == "lower"
    assert "place" in table.loc["emd", "blind_to"]
    assert table.notna().all().all()


def test_the_documented_metrics_are_those_of_the_data():
    script = runpy.run_path(str(REPOSITORY / "tools" / "describe_metrics.py"))
    written = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written == script["as_markdown"](), "run tools/describe_metrics.py"


@pytest.mark.parametrize("name", METRICS)
def test_functions_of_the_cosine_are_its_values(name):
    one = metric(name)
    assert one.needs_pixels == (one.of_cosine is None)
    if one.of_cosine is not None:
        a, b = MapStack.of(random_maps(5, 14, 14, 1)), MapStack.of(random_maps(5, 7, 7, 2))
        cosine = metric("cosine")(a, b).numpy()
        np.testing.assert_allclose(one(a, b), one.of_cosine(cosine), atol=1e-12)


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(RequestError, match=r"no agreement metric 'cosin'; did you mean cosine"):
        metric("cosin")


def test_what_is_no_stack_of_maps_is_refused():
    with pytest.raises(RequestError, match="average the seeds first"):
        MapStack.of(np.zeros((2, 3, 7, 7)))
    with pytest.raises(RequestError, match="numeric maps"):
        MapStack.of(np.array([[["a"]]]))
    with pytest.raises(RequestError, match="size_px"):
        MapStack.of(np.zeros((2, 7, 7)), 0)
    with pytest.raises(RequestError, match="explain the same images"):
        metric("cosine")(MapStack.of(np.zeros((2, 7, 7))), MapStack.of(np.zeros((3, 7, 7))))
    small = MapStack.of(random_maps(1, 4, 4), 5)
    with pytest.raises(RequestError, match="larger size_px"):
        metric("ssim")(small, small)
