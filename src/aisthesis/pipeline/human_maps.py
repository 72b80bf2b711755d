"""Where a study knows where people look: do the maps say it?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from aisthesis.config import HumanMapsConfig, StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of, write_csv
from aisthesis.engine.code import code_parts
from aisthesis.engine.ledger import file_digest
from aisthesis.engine.maps_store import open_maps
from aisthesis.engine.processes import allowed_cores, in_turn_or_processes
from aisthesis.explainer_names import EXPLAINERS, UNSIGNED
from aisthesis.human_maps import HumanMaps, human_map_table, human_maps
from aisthesis.images import Transform
from aisthesis.pipeline.agree import mapped_labels
from aisthesis.pipeline.explainers import methods_root
from aisthesis.pipeline.inputs import Inputs
from aisthesis.pipeline.localise import stored_maps
from aisthesis.pipeline.methods import maps_parts

__all__ = ["check_human_maps", "compare_with_people", "human_maps_parts"]

#: So many maps take about as long as helper processes need to start.
_WORTH_PROCESSES = 1000


def human_maps_parts(folder: StudyFolder, config: StudyConfig) -> dict[str, str]:
    """What the stage's table depends on, by name."""
    asked = config.human_maps
    code = code_parts("the comparison with people", __name__)
    options = digest_of(config.bootstrap, config.seed)
    if asked is None:
        return maps_parts(folder, config) | code | {"human maps": "none", "options": options}
    how = asked.model_dump(mode="json", exclude={"path"})
    held = digest_of(how, _digest_of(asked.path))
    return maps_parts(folder, config) | code | {"human maps": held, "options": options}


def _digest_of(path: Path) -> str:
    """Digest of a file, or of the names and bytes of a folder's."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    return digest_of([(one.relative_to(path).as_posix(), file_digest(one)) for one in files])


def check_human_maps(config: StudyConfig, inputs: Inputs) -> None:
    """Refuse human maps that cannot be used before anything long is done.

    Raises
    ------
    RequestError
        As `aisthesis.human_maps.human_maps`; maps by image are read when they are compared.
    """
    if config.human_maps is not None:
        _read(config.human_maps, inputs)


def _read(asked: HumanMapsConfig, inputs: Inputs) -> HumanMaps:
    """Find out what a study's human maps are, and read a list of fixations."""
    columns = asked.model_dump(include={"image", "x", "y", "subject"})
    return human_maps(
        asked.path, inputs.sizes, kind=asked.kind, columns=columns, blur_px=asked.blur_px,
        folder=inputs.folder,
    )  # fmt: skip


def compare_with_people(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, narrator: Narrator
) -> None:
    """Compare every backbone's maps with where people look; write `human_maps.csv`.

    Raises
    ------
    RequestError
        If the human maps cannot be read, or are of none of the explained images.
    """
    if config.human_maps is None:
        return
    people = _read(config.human_maps, inputs)
    for line in people.said:
        narrator.warn(f"human maps: {line}")
    labels = mapped_labels(folder, config)
    jobs = [(folder, config, inputs, people, label) for label in labels]
    many = len(labels) * len(inputs.names) >= _WORTH_PROCESSES
    with narrator.steps("maps against people", len(jobs)) as advance:
        tables = in_turn_or_processes(_compared, jobs, allowed_cores() if many else 1, advance)
    folder.record(human_maps={"kind": people.kind, "said": list(people.said)})
    if tables:
        write_csv(folder.human_maps, pd.concat(tables, ignore_index=True))


def _compared(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, people: HumanMaps, label: str
) -> pd.DataFrame:
    """Compare one backbone's maps."""
    names, maps = stored_maps(folder, config, label)
    transform = Transform(**folder.provenance()["backbones"][label]["transform"])
    return human_map_table(
        label,
        maps,
        people.seen(names, transform, inputs.sizes),
        unsigned=[name for name in maps if _unsigned(folder, label, name)],
        n_resamples=config.bootstrap,
        seed=config.seed,
    )


def _unsigned(folder: StudyFolder, label: str, method: str) -> bool:
    """Whether a method's maps have no sign, by what is known or stored of them."""
    if method in UNSIGNED or method in EXPLAINERS:
        return method in UNSIGNED
    with open_maps(methods_root(folder, label), method) as dataset:
        return dataset.attrs.get("signed") in (False, 0)
