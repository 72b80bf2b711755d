"""What a study's record says of its inputs, and what a reader must know first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aisthesis.config import StudyConfig
from aisthesis.judgments.ratings.understood import lines_on
from aisthesis.provenance.versions import without_nan
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.ratings.inputs.together import InputsTogether

__all__ = ["record_inputs", "record_together", "warnings_of"]


def record_inputs(folder: StudyFolder, config: StudyConfig, inputs: Inputs) -> None:
    """Write what was read into `provenance.json`."""
    images: dict[str, Any] = {
        "folder": str(config.images),
        "n": len(inputs.names),
        "skipped": [{"image": name, "reason": why} for name, why in inputs.skipped],
    }
    first = inputs.splits[0]
    splits = {part: len(getattr(first, part)) for part in ("train", "validation", "test")}
    folder.record(
        images=images,
        ratings=_ratings(config, inputs),
        splits={**splits, "seed": config.seed, "seeds": config.seeds},
        warnings=warnings_of(folder, config, inputs),
    )


def record_together(
    folder: StudyFolder, configs: Mapping[str, StudyConfig], together: InputsTogether
) -> None:
    """Write what was read of several properties into the `provenance.json` of the whole study."""
    config, any_inputs = next(iter(configs.values())), next(iter(together.each.values()))
    skipped = [{"image": name, "reason": why} for name, why in any_inputs.skipped]
    folder.record(
        images={"folder": str(config.images), "n": len(together.listed.names), "skipped": skipped},
        properties={
            "rated": {name: _ratings(configs[name], one) for name, one in together.each.items()},
            "n_common": len(together.common),
            "in_words": together.in_words(),
        },
    )


def _ratings(config: StudyConfig, inputs: Inputs) -> dict[str, Any]:
    """How the ratings of one property were read, and their range."""
    ceiling, single = inputs.ratings.noise_ceiling, inputs.ratings.single
    rated = inputs.rating[inputs.rated]
    named = single is not None and inputs.ratings.layout != "anonymous"
    return {
        "file": ", ".join(map(str, config.ratings_files)),
        "n_images": len(rated),
        "n_raters": int(single["rater"].nunique()) if single is not None and named else None,
        "layout": inputs.ratings.layout,
        "read_as": lines_on(inputs.ratings),
        "noise_ceiling": without_nan(ceiling.as_dict()) if ceiling else None,
        "min": float(rated.min()),
        "max": float(rated.max()),
    }


def warnings_of(folder: StudyFolder, config: StudyConfig, inputs: Inputs) -> list[str]:
    """What a reader must know before anything else."""
    warnings = list(inputs.ratings.cautions)
    if inputs.skipped:
        n = len(inputs.skipped)
        warnings.append(f"{n} broken image{'s were' if n > 1 else ' was'} skipped")
    for backbone in config.backbones:
        weights = folder.backbone_record(backbone.label).get("weights", {})
        if weights.get("warning"):
            warnings.append(f"{backbone.label}: {weights['warning']}")
    return warnings
