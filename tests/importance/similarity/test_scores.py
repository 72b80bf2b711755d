"""AIS for similarity judgments against removal by brute force, with networks and with arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aisthesis import ablation_plan
from aisthesis.errors import RequestError
from aisthesis.importance.similarity import (
    DenseEmbeddings,
    OwnedEmbeddings,
    alignment_scores,
    collect,
    collect_embeddings,
    dissimilarity_of,
)
from aisthesis.judgments.similarity.second_order import (
    MEASURES,
    row_agreement,
    second_order,
    valid_pairs,
)

N = 11
UPPER = np.triu_indices(N, 1)


class Pooled(nn.Module):
    """A residual block and a global pool: what remains of a channel is not zero."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3)
        self.norm, self.shortcut = nn.BatchNorm2d(6), nn.Conv2d(8, 6, 3)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        return torch.relu(self.norm(self.conv(x)) + self.shortcut(x)).mean((2, 3))


class Flattened(nn.Module):
    """The maps flattened, and a fully connected layer after them where there is one."""

    def __init__(self, connected: bool) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 7, 3), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.connected = nn.Linear(7 * 36, 20) if connected else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.connected(self.conv(x).flatten(1)))


NETWORKS = {
    "pooled": (Pooled, "conv", OwnedEmbeddings),
    "a block of entries a channel": (lambda: Flattened(False), "conv.2", OwnedEmbeddings),
    "fully connected": (lambda: Flattened(True), "conv.2", DenseEmbeddings),
    "a convolution follows": (lambda: Flattened(True), "conv.0", DenseEmbeddings),
}


def judged(n: int = N, seed: int = 0, missing: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.triu(rng.random((n, n)), 1)
    values = values + values.T
    for _ in range(missing):
        i, j = rng.choice(n, 2, replace=False)
        values[i, j] = values[j, i] = np.nan
    return values


def without_channel(network: nn.Module, layer: str, x: torch.Tensor, channel: int) -> np.ndarray:
    """The whole network run with the channel zeroed by a hook."""

    def hook(_module, _inputs, output):
        output = output.clone()
        output[:, channel] = 0
        return output

    handle = network.get_submodule(layer).register_forward_hook(hook)
    with torch.no_grad():
        result = network(x).double().numpy()
    handle.remove()
    return result


def numpy_agreement(z: np.ndarray, human: np.ndarray) -> float:
    return np.corrcoef(np.corrcoef(z)[UPPER], -human[UPPER])[0, 1]


@pytest.fixture(params=NETWORKS)
def case(request):
    torch.manual_seed(1)
    make, layer, kind = NETWORKS[request.param]
    network = make().double().eval()
    x = torch.randn(N, 3, 16, 16, dtype=torch.float64)
    plan = ablation_plan(network, layer, x)
    embeddings = collect_embeddings(plan, lambda: x.split(4), N)
    assert isinstance(embeddings, kind)
    return network, layer, x, embeddings


def test_every_channel_removed_from_the_network_itself(case) -> None:
    network, layer, x, embeddings = case
    human = judged()
    scores = alignment_scores(embeddings, human)
    with torch.no_grad():
        z = network(x).numpy()
    full = numpy_agreement(z, human)
    assert scores.agreement == pytest.approx(full, abs=1e-6)
    others = ~np.eye(N, dtype=bool)
    for channel in range(embeddings.channels):
        removed = without_channel(network, layer, x, channel)
        expected = full - numpy_agreement(removed, human)
        assert scores.data_set[channel] == pytest.approx(expected, abs=1e-6)
        for i in (0, 4, N - 1):
            mixed = z.copy()
            mixed[i] = removed[i]
            rows = [
                np.corrcoef(np.corrcoef(m)[i, others[i]], -human[i, others[i]])[0, 1]
                for m in (z, mixed)
            ]
            assert scores.image[i, channel] == pytest.approx(rows[0] - rows[1], abs=1e-6)


def test_kept_channels_are_those_of_the_network_itself(case) -> None:
    network, layer, x, embeddings = case
    kept = np.zeros((2, embeddings.channels), dtype=bool)
    kept[0, :3] = True
    kept[1, 2:] = True
    found = list(embeddings.keeping(kept))
    for own, values in zip(kept, found, strict=True):
        mask = torch.from_numpy(own).to(x)

        def hook(_module, _inputs, output, mask=mask):
            return output * mask[:, None, None]

        handle = network.get_submodule(layer).register_forward_hook(hook)
        with torch.no_grad():
            expected = network(x).numpy()
        handle.remove()
        np.testing.assert_allclose(values, expected, atol=1e-6)
    half = embeddings.rows(np.array([1, 5, 7]))
    np.testing.assert_allclose(next(half.keeping(kept)), found[0][[1, 5, 7]], atol=1e-9)
    np.testing.assert_allclose(half.without(2), embeddings.without(2)[[1, 5, 7]], atol=1e-9)


def test_effects_that_do_not_fit_into_memory_lie_on_disk(tmp_path, monkeypatch) -> None:
    torch.manual_seed(1)
    network = Flattened(True).double().eval()
    x = torch.randn(N, 3, 16, 16, dtype=torch.float64)
    plan = ablation_plan(network, "conv.2", x)
    held = collect_embeddings(plan, lambda: x.split(4), N)
    # Two sets of kept channels at a time, too, in place of all of them.
    monkeypatch.setattr(collect, "IN_MEMORY_BYTES", 2 * N * 20 * 8)
    scratch = tmp_path / "scratch.npy"
    on_disk = collect_embeddings(plan, lambda: x.split(4), N, scratch=scratch)
    assert isinstance(on_disk.delta, np.memmap)
    a, b = alignment_scores(held, judged()), alignment_scores(on_disk, judged())
    np.testing.assert_array_equal(a.data_set, b.data_set)
    np.testing.assert_array_equal(a.image, b.image)
    kept = np.random.default_rng(0).random((5, 7)) < 0.5
    for one, other in zip(held.keeping(kept), on_disk.keeping(kept), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def pooled(n: int = N, d: int = 24, seed: int = 3) -> OwnedEmbeddings:
    """One entry a channel, some entries that no channel reaches, and channels without an entry."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.concatenate([np.arange(d - 4) + 2, np.full(4, -1)]))
    z, rest = rng.random((n, d)) + 0.2, 0.3 * rng.random((n, d))
    return OwnedEmbeddings(z, np.where(owner < 0, z, rest), owner, d)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("removal", ["ablate", "delete"])
@pytest.mark.parametrize("missing", [0, 12])
def test_every_measure_by_recomputing_every_matrix(measure, removal, missing) -> None:
    embeddings, human = pooled(), judged(missing=missing)
    mask, finite = valid_pairs(human), np.nan_to_num(human)

    def agreement(z):
        return float(second_order(1 - np.corrcoef(z), finite, mask, measure=measure))

    scores = alignment_scores(embeddings, human, measure=measure, removal=removal)
    full = agreement(embeddings.intact)
    rows = row_agreement(1 - np.corrcoef(embeddings.intact), finite, mask, measure=measure)
    np.testing.assert_allclose(scores.agreement, full, atol=1e-10)
    np.testing.assert_allclose(scores.image_agreement, rows, atol=1e-10)
    for channel in range(embeddings.channels):
        removed = embeddings.without(channel)
        if removal == "delete":
            z = np.delete(embeddings.intact, embeddings.columns[channel], axis=1)
        else:
            z = removed
        np.testing.assert_allclose(scores.data_set[channel], full - agreement(z), atol=1e-10)
        for i in range(0, N, 5):
            mixed = embeddings.intact.copy()
            mixed[i] = removed[i]
            own = row_agreement(1 - np.corrcoef(mixed), finite, mask, measure=measure)[i]
            np.testing.assert_allclose(scores.image[i, channel], rows[i] - own, atol=1e-10)


def test_channels_that_the_embedding_does_not_read_score_zero() -> None:
    scores = alignment_scores(pooled(), judged())
    assert (scores.data_set[:2] == 0).all()
    assert (scores.image[:, :2] == 0).all()
    assert (scores.data_set[2:22] != 0).all()


def test_the_scale_of_an_image_and_of_the_judgments_does_not_matter() -> None:
    embeddings, human = pooled(), judged()
    scale = np.geomspace(1e-6, 1e6, N)[:, None]
    other = OwnedEmbeddings(
        embeddings.intact * scale, embeddings.emptied * scale, embeddings.owner, 24
    )
    a, b = alignment_scores(embeddings, human), alignment_scores(other, 7 * human + 3)
    np.testing.assert_allclose(a.data_set, b.data_set, atol=1e-10)
    np.testing.assert_allclose(a.image, b.image, atol=1e-10)


@pytest.mark.parametrize("measure", ["pearson", "spearman"])
def test_an_image_with_a_constant_embedding_is_left_out_and_counted(measure) -> None:
    embeddings, human = pooled(), judged()
    embeddings.intact[3] = 0.5
    embeddings.emptied[3] = 0.5
    scores = alignment_scores(embeddings, human, measure=measure)
    keep = np.delete(np.arange(N), 3)
    others = alignment_scores(embeddings.rows(keep), human[np.ix_(keep, keep)], measure=measure)
    assert scores.n_flat == 1
    np.testing.assert_allclose(scores.data_set, others.data_set, atol=1e-10)
    np.testing.assert_allclose(scores.image[keep], others.image, atol=1e-10)
    assert np.isnan(scores.image[3]).all()
    assert np.isnan(dissimilarity_of(embeddings.intact)[3, 0])


def test_a_channel_without_which_an_image_is_constant_has_no_score() -> None:
    z = np.random.default_rng(0).random((N, 6))
    z[0] = [1, 1, 1, 1, 1, 2]
    emptied = np.ones_like(z)
    scores = alignment_scores(OwnedEmbeddings(z, emptied, np.arange(6), 6), judged())
    assert np.isnan(scores.data_set[5])
    assert np.isfinite(scores.data_set[:5]).all()


def test_the_network_s_matrix_is_that_of_rsatoolbox() -> None:
    rdm = pytest.importorskip("rsatoolbox.rdm", reason="rsatoolbox is not installed")
    data = pytest.importorskip("rsatoolbox.data")
    z = pooled().intact
    expected = rdm.calc_rdm(data.Dataset(z), method="correlation").get_matrices()[0]
    np.testing.assert_allclose(dissimilarity_of(z), expected, atol=1e-12)


def test_faults_are_refused_in_words() -> None:
    dense = DenseEmbeddings(np.ones((N, 3)), np.zeros((2, N, 3)), lambda sets: iter(()))
    with pytest.raises(RequestError, match="use 'ablate'"):
        alignment_scores(dense, judged(), removal="delete")
    with pytest.raises(RequestError, match=r"expected dissimilarities \(11, 11\)"):
        alignment_scores(pooled(), judged(5))
