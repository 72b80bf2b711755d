"""From images and similarity judgments to channel scores, retained channels and their worth."""

from __future__ import annotations

import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisthesis.ablation.plan import AblationPlan, ablation_plan
from aisthesis.backbones import KNOWN, Backbone
from aisthesis.config import AlignmentConfig
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.execution.jobs import Chunk, loaded_for
from aisthesis.execution.progress import ProgressReporter, Silent
from aisthesis.images import ImageFolder, batches
from aisthesis.importance.similarity import (
    DenseEmbeddings,
    Embeddings,
    OwnedEmbeddings,
    alignment_scores,
    best_size,
    collect_embeddings,
    dissimilarity_of,
    ranked,
    retained_dissimilarity,
    retention_curve,
    retention_sizes,
    triplet_scores,
    validate,
)
from aisthesis.importance.similarity.collect import IN_MEMORY_BYTES, Keeper, scratch_bytes
from aisthesis.names.labels import slug
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.alignment_folder import AlignmentFolder
from aisthesis.store.files import plain_errors
from aisthesis.store.folder import digest_of
from aisthesis.store.whole import whole_file
from aisthesis.studies.shared.ablation_plans import sample_pixels
from aisthesis.studies.shared.boxes import seen_shares
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.memory_format import memory_format
from aisthesis.studies.shared.network import NetworkSpec
from aisthesis.studies.shared.unchanged import refuse_changed
from aisthesis.studies.similarity.inputs import AlignmentInputs
from aisthesis.studies.similarity.kept import Aligned, write_aligned

__all__ = [
    "SIZES_OF_DENSE",
    "AlignedNetwork",
    "ChannelsJob",
    "align_dependencies",
    "channels_entry",
    "embedding_plan",
    "require_layers",
]

# Every set of retained channels is a run of the network's end where channels own no entries.
SIZES_OF_DENSE = 24

_OPTIONS = {
    "measure", "removal", "retained", "folds", "repeats", "sizes", "seed", "kind", "places",
}  # fmt: skip


def align_dependencies(
    config: AlignmentConfig, inputs: AlignmentInputs, spec: NetworkSpec
) -> dict[str, str]:
    """All that the scores and maps of a backbone depend on, by name."""
    return {
        "images and judgments": inputs.digest,
        "options": digest_of(config.model_dump(mode="json", include=_OPTIONS)),
        **spec.dependencies,
        "layer": spec.asked.layer or "its own",
        **code_dependencies("the alignment", __name__),
    }


def channels_entry(label: str) -> str:
    """What the ledger calls a backbone's scores."""
    return f"align/{slug(label)}"


def require_layers(config: AlignmentConfig) -> None:
    """Refuse backbones that only predict, before any work is done.

    Raises
    ------
    RequestError
        With their labels.
    """
    without = [
        asked.label
        for asked in config.backbones
        if asked.layer == "none"
        or (asked.layer is None and asked.name in KNOWN and KNOWN[asked.name].layer is None)
    ]
    if without:
        raise RequestError(
            f"{', '.join(without)} {'has' if len(without) == 1 else 'have'} no layer whose "
            "channels could be removed; name one with `layer`, or leave the backbone out"
        )


def embedding_plan(backbone: Backbone, folder: ImageFolder | None = None) -> AblationPlan:
    """Find how the channels of the backbone's layer are removed from its whole embedding.

    Raises
    ------
    RequestError
        If the backbone has no layer.
    """
    if backbone.trunk_layer is None:
        raise RequestError(
            f"{backbone.name} has no layer whose channels could be removed; name one with `layer`"
        )
    return ablation_plan(
        backbone.trunk,
        backbone.trunk_layer,
        sample_pixels(backbone, folder),
        channel_axis=backbone.layout.channel_axis if backbone.layout else None,
    )


@dataclass(frozen=True)
class AlignedNetwork:
    """A network with how its channels are removed: what jobs on similarity judgments load.

    Attributes
    ----------
    spec : NetworkSpec
    """

    spec: NetworkSpec

    @property
    def identity(self) -> str:
        """Equal where `load` gives the same."""
        return digest_of("alignment", self.spec.identity)

    def load(self) -> tuple[Backbone, AblationPlan]:
        """Build the network on its device and find how channels are removed."""
        backbone = self.spec.build()
        return backbone, embedding_plan(backbone, ImageFolder(self.spec.images))


@dataclass(frozen=True)
class ChannelsJob(AlignedNetwork):
    """Scores, ranks, retains and validates the channels of one backbone; its chunk is all images.

    Attributes
    ----------
    config : AlignmentConfig
    inputs : AlignmentInputs
    dependencies : mapping
        What the scores depend on.
    """

    config: AlignmentConfig
    inputs: AlignmentInputs
    dependencies: Mapping[str, str]

    def work(self, loaded: tuple[Backbone, AblationPlan], chunk: Chunk) -> None:
        """Score the channels without a word."""
        self._score(*loaded, Silent())

    def score(self, reporter: ProgressReporter) -> None:
        """Score the channels in this process and tell how far it is."""
        backbone, plan = loaded_for(self)
        reporter.say(
            f"{self.spec.label}: {plan.channels} channels of {backbone.layer} in {plan.passes:.3g} "
            "forward passes an image"
        )
        reporter.detail(f"{self.spec.label}: {_in_words(plan)}")
        self._score(backbone, plan, reporter)

    def _score(self, backbone: Backbone, plan: AblationPlan, reporter: ProgressReporter) -> None:
        started = time.perf_counter()
        folder, label = AlignmentFolder(self.spec.root), self.spec.label
        with reporter.steps(f"{label}: embeddings", len(self.inputs.names)) as advance:
            embeddings = _embeddings(folder, self.config, self.inputs, backbone, plan, advance)
        aligned = _aligned(self.config, self.inputs, label, embeddings, reporter)
        if aligned.scores.n_flat:
            reporter.warn(
                f"{label}: {aligned.scores.n_flat} images have a constant embedding; left out"
            )
        inputs = self.inputs
        refuse_changed(inputs.folder, inputs.names, inputs.digests)
        record = {
            **aligned.record,
            **_record(backbone, self.spec.asked.name, plan),
            "seen": seen_shares(inputs.sizes, backbone.transform, inputs.names),
            "align_seconds": round(time.perf_counter() - started, 2),
        }
        file = folder.aligned(label)
        write_aligned(file, aligned)
        folder.ledger.enter(channels_entry(label), self.dependencies, [file], record=record)


def _aligned(
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    label: str,
    embeddings: Embeddings,
    reporter: ProgressReporter,
) -> Aligned:
    human = inputs.human
    started = time.perf_counter()
    with reporter.steps(f"{label}: channels", embeddings.channels) as advance:
        scores = alignment_scores(
            embeddings, human, measure=config.measure, removal=config.removal, advance=advance
        )
    triplets = None
    if inputs.choices is not None and len(inputs.choices):
        with reporter.steps(f"{label}: triplets", embeddings.channels) as advance:
            triplets = triplet_scores(
                embeddings, inputs.choices, removal=config.removal, advance=advance
            )
    seconds = round(time.perf_counter() - started, 3)
    owned = isinstance(embeddings, OwnedEmbeddings)
    how = config.retained if config.retained != "auto" else ("columns" if owned else "ablate")
    most = config.sizes if owned else min(config.sizes, SIZES_OF_DENSE)
    sizes = retention_sizes(embeddings.channels, most)
    order = ranked(scores.data_set)
    everyone = np.arange(embeddings.n)
    folds = config.folds * config.repeats
    with _retention_steps(label, embeddings, folds, len(sizes), reporter) as advance:
        curve = retention_curve(
            embeddings, human, order, sizes, (everyone,), measure=config.measure, retained=how,
        )[0]  # fmt: skip
        kept = order[: best_size(sizes, curve)]
        advance(1)
        validation = validate(
            embeddings,
            human,
            sizes=sizes,
            folds=config.folds,
            repeats=config.repeats,
            seed=config.seed,
            measure=config.measure,
            removal=config.removal,
            retained=how,
            advance=advance,
        )
        kept_matrix = retained_dissimilarity(embeddings, kept, retained=how)
    return Aligned(
        label=label,
        scores=scores,
        order=order,
        sizes=sizes,
        curve=curve,
        retained=kept,
        how=how,
        validation=validation,
        embeddings=embeddings.intact,
        human=human,
        network=dissimilarity_of(embeddings.intact),
        kept=kept_matrix,
        record={"scores_seconds": seconds, "retained": how, "owned": owned},
        triplets=triplets,
    )


@contextmanager
def _retention_steps(
    label: str, embeddings: Embeddings, folds: int, sizes: int, reporter: ProgressReporter
) -> Iterator[Callable[[int], None]]:
    """Count folds or, where every set of channels is a run of the network, images."""
    keeper = embeddings.keep if isinstance(embeddings, DenseEmbeddings) else None
    if not isinstance(keeper, Keeper):
        with reporter.steps(f"{label}: folds", 1 + folds) as advance:
            yield advance
        return
    reporter.say(
        f"{label}: {(folds + 1) * sizes} sets of retained channels run through the end of the "
        f"network, up to {keeper.at_once} in a pass over the images"
    )
    total = keeper.images(sizes) + keeper.images(folds * sizes) + keeper.images(1)
    with reporter.steps(f"{label}: retained channels", total) as advance:
        keeper.advance = advance
        try:
            yield lambda n: None
        finally:
            keeper.advance = lambda n: None


def _embeddings(
    folder: AlignmentFolder,
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    backbone: Backbone,
    plan: AblationPlan,
    advance: Callable[[int], None],
) -> Embeddings:
    """Embeddings with every channel removed; kept where one pass gives them all."""
    name = f"channels-{slug(backbone.name)}-{backbone.fingerprint[:16]}-{inputs.images_digest}"
    cached, entry = folder.cache / f"{name}.npz", f"cache/{name}"
    dependencies = {"name": name, **code_dependencies("the alignment", __name__)}
    kept = _read_owned(cached) if folder.ledger.state(entry, dependencies).done else None
    if kept is not None:
        advance(len(inputs.names))
        return kept
    device = choose_device(config.device)

    def pixels() -> Iterable[torch.Tensor]:
        found = batches(inputs.folder, inputs.names, backbone.transform, config.batch_size)
        return (batch.pixels.to(device) for batch in found)

    scratch = folder.cache / f".{name}.scratch.npy"
    if plan.kind != "channelwise":
        size = scratch_bytes(plan, len(inputs.names), backbone.embedding_dim)
        _require_room(folder.cache, size)
    with plain_errors(scratch), torch.no_grad():
        embeddings = collect_embeddings(
            plan, pixels, len(inputs.names), scratch=scratch, advance=advance
        )
    # An open file stays readable without its name, and goes when nobody reads it any more; where
    # the system does not let go of the name, the next run writes over it.
    with suppress(PermissionError):
        scratch.unlink(missing_ok=True)
    # The file is named by the images that were checked, so it must hold theirs.
    refuse_changed(inputs.folder, inputs.names, inputs.digests)
    if isinstance(embeddings, OwnedEmbeddings):
        _write_owned(cached, embeddings)
        folder.ledger.enter(entry, dependencies, [cached])
    return embeddings


def _require_room(where: Path, size: int) -> None:
    """Refuse before the work what the disk could not hold at its end."""
    free = shutil.disk_usage(where).free
    if IN_MEMORY_BYTES < size > free:
        raise AisthesisError(
            f"the effects of all channels on all embeddings take {size / 1e9:.1f} GB, but {where} "
            f"has room for {free / 1e9:.1f} GB; free some, or take fewer images"
        )


def _read_owned(path: Path) -> OwnedEmbeddings | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as held:
            return OwnedEmbeddings(
                held["intact"], held["emptied"], held["owner"], int(held["channels"])
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None  # a damaged cache is computed again


def _write_owned(path: Path, embeddings: OwnedEmbeddings) -> None:
    with plain_errors(path), whole_file(path) as partial:
        np.savez(
            partial,
            intact=embeddings.intact,
            emptied=embeddings.emptied,
            owner=embeddings.owner,
            channels=embeddings.channels,
        )


def _in_words(plan: AblationPlan) -> str:
    return plan.describe().replace("module.", "")


def _record(backbone: Backbone, name: str, plan: AblationPlan) -> dict[str, Any]:
    return {
        **backbone.as_dict(),
        "name": name,
        "embedding": backbone.embedding_dim,
        "input_px": backbone.input_px,
        "parameters": backbone.n_parameters,
        "memory_format": memory_format(backbone),
        "ablation": {"plan": _in_words(plan), "forward_passes": plan.passes},
    }
