"""Maps by the other explainers a study asks for: each in a group of its own, computed once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, StudyConfig, slug
from aisthesis.engine import Narrator, StudyFolder, digest_of
from aisthesis.engine.maps_store import IMAGES_A_CHUNK, MapsWriter, group_key
from aisthesis.errors import RequestError
from aisthesis.heads import MeanRating, load_head
from aisthesis.images import batches
from aisthesis.maps.explainers import Explainer, Subject, explainers_named
from aisthesis.pipeline.boxes import crop_boxes
from aisthesis.pipeline.catalogue import build
from aisthesis.pipeline.devices import choose_device
from aisthesis.pipeline.explain import explain_key, explained_images, in_units
from aisthesis.pipeline.inputs import Inputs

__all__ = ["asked_explainers", "explain_by_others", "image_seeds", "methods_root", "subject_of"]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 1


def asked_explainers(config: StudyConfig) -> list[Explainer]:
    """Explainers of a study beside AIS and evidence, with its options."""
    options = config.explaining.model_dump()
    return explainers_named(config.explainers, batch_size=config.batch_size, **options)


def methods_root(folder: StudyFolder, label: str) -> Path:
    """Where the groups of a backbone's other explainers are."""
    return folder.maps / slug(label)


def subject_of(backbone: Backbone, heads: Sequence[torch.nn.Module]) -> Subject:
    """The mean prediction of several heads on a backbone, as explainers take it.

    Raises
    ------
    RequestError
        If the backbone has no layer.
    """
    if backbone.map_shape is None:
        raise RequestError(f"{backbone.name} predicts only; name a layer of it to have maps")
    _, rows, columns = backbone.map_shape
    return Subject(
        MeanRating(backbone.trunk, heads),
        f"trunk.{backbone.trunk_layer}",
        backbone.to_map,
        backbone.input_px,
        (rows, columns),
    )


def explain_by_others(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, fitted: str, narrator: Narrator
) -> None:
    """Make the maps of every asked explainer and backbone that are not there yet.

    They explain the prediction averaged over seeds. Backbones without AIS maps have none.
    """
    explainers = asked_explainers(config)
    for asked in config.backbones:
        root = methods_root(folder, asked.label)
        if group_key(folder.maps, asked.label) is None:
            continue
        keys = {one.name: _key(config, asked, fitted, inputs, one) for one in explainers}
        missing = [one for one in explainers if group_key(root, one.name) != keys[one.name]]
        if missing:
            _explain(folder, config, inputs, asked, missing, keys, narrator)


def _key(
    config: StudyConfig, asked: BackboneConfig, fitted: str, inputs: Inputs, one: Explainer
) -> str:
    """Digest of all that an explainer's maps depend on; its options are in its `repr`."""
    options = [part for part in repr(one).split(", ") if not part.startswith("at_once=")]
    return digest_of(_CODE, explain_key(config, asked, fitted, inputs), options)


def _explain(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    asked: BackboneConfig,
    explainers: list[Explainer],
    keys: dict[str, str],
    narrator: Narrator,
) -> None:
    device = choose_device(config.device)
    backbone = build(asked, weights_dir=config.weights_dir, seed=config.seed)
    heads = [load_head(folder.head_file(asked.label, s.fit_seed))[0] for s in inputs.splits]
    subject = subject_of(backbone, heads)
    subject.model.to(device)
    chosen = explained_images(config, inputs)
    names = [inputs.names[i] for i in chosen]
    one_pass = _seconds_of_a_pass(subject, device)
    coordinates = {"image": names} | crop_boxes(inputs.sizes, backbone.transform, names)
    root = methods_root(folder, asked.label)
    record = dict(folder.provenance()["backbones"].get(asked.label, {}).get("explainers", {}))
    for one in explainers:
        started = time.perf_counter()
        passes = one.passes(subject)
        if passes * one_pass * len(names) > 2:
            narrator.say(_announcement(asked.label, one, subject, passes * one_pass * len(names)))
        attributes = {
            "backbone": asked.label,
            "method": one.name,
            "title": one.title,
            "words": one.words,
            "signed": int(one.signed),
            "control": int(one.control),
            "key": keys[one.name],
        }
        with (
            MapsWriter(root, one.name, coordinates, attributes) as writer,
            narrator.steps(f"{asked.label}: {one.title}", len(names)) as advance,
        ):
            for start, maps in _chunks(config, inputs, backbone, subject, one, names, device):
                writer.write(start, {one.name: maps})
                advance(len(maps))
        seconds = round(time.perf_counter() - started, 2)
        grid = list(one.grid(subject))
        record[one.name] = {"grid": grid, "passes": round(passes, 1), "seconds": seconds}
        held = folder.provenance()["backbones"].get(asked.label, {})
        folder.record(backbones={asked.label: held | {"explainers": record}})


def _announcement(label: str, one: Explainer, subject: Subject, seconds: float) -> str:
    plan = subject.plans.get(one.name)
    way = f" {plan.describe()}" if plan is not None else ""
    return f"{label}: {one.title},{way} expected {in_units(seconds)}"


def _seconds_of_a_pass(subject: Subject, device: torch.device) -> float:
    image = torch.zeros(1, 3, subject.input_px, subject.input_px, device=device)
    with torch.no_grad():
        subject.model(image)
        started = time.perf_counter()
        subject.model(image).sum().item()
    return time.perf_counter() - started


def _chunks(
    config: StudyConfig,
    inputs: Inputs,
    backbone: Backbone,
    subject: Subject,
    one: Explainer,
    names: list[str],
    device: torch.device,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (number of the first image, maps) of as many images as the store keeps in a chunk."""
    for start in range(0, len(names), IMAGES_A_CHUNK):
        some = names[start : start + IMAGES_A_CHUNK]
        maps = [
            one(
                subject,
                batch.pixels.to(device),
                seeds=image_seeds(config.seed, backbone.name, batch.names),
                advance=lambda share: None,
            )
            for batch in batches(inputs.folder, some, backbone.transform, config.batch_size)
        ]
        yield start, torch.cat(maps).float().cpu().numpy()


def image_seeds(seed: int, backbone: str, names: Sequence[str]) -> list[int]:
    """One seed an image, whatever the images beside it: its own for every backbone."""
    texts = [f"{seed}/{backbone}/{name}" for name in names]
    return [int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) for text in texts]
