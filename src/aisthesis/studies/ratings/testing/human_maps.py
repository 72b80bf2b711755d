"""Where a study knows where people look: do the maps say it?"""

from __future__ import annotations

import pandas as pd

from aisthesis.config import HumanMapsConfig, StudyConfig
from aisthesis.execution.cores import allowed_cores
from aisthesis.execution.processes import Processes
from aisthesis.execution.progress import ProgressReporter
from aisthesis.human_maps import HumanMaps, human_map_table, human_maps
from aisthesis.images import Transform
from aisthesis.names.explainers import EXPLAINERS, UNSIGNED
from aisthesis.provenance.code import code_dependencies
from aisthesis.stats.differences import corrected_over_networks
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder, digest_of, digest_of_files
from aisthesis.store.kept_tables import KeptTables
from aisthesis.store.maps_store import open_maps
from aisthesis.studies.ratings.comparing.agree import mapped_labels
from aisthesis.studies.ratings.comparing.methods import maps_dependencies
from aisthesis.studies.ratings.explaining.explainers import methods_root
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.ratings.testing.localise import stored_maps

__all__ = ["check_human_maps", "compare_with_people", "human_maps_dependencies"]

#: So many maps take about as long as helper processes need to start.
_WORTH_PROCESSES = 1000


def human_maps_dependencies(folder: StudyFolder, config: StudyConfig) -> dict[str, str]:
    """What the stage's table depends on, by name."""
    return maps_dependencies(folder, config) | _asked_dependencies(config)


def _asked_dependencies(config: StudyConfig) -> dict[str, str]:
    """What the rows of every backbone depend on: human maps, options and code."""
    asked, held = config.human_maps, "none"
    if asked is not None:
        how = asked.model_dump(mode="json", exclude={"path"})
        held = digest_of(how, digest_of_files(asked.path))
    options = digest_of(config.bootstrap, config.seed)
    code = code_dependencies("the comparison with people", __name__)
    return code | {"human maps": held, "options": options}


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
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, reporter: ProgressReporter
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
        reporter.warn(f"human maps: {line}")
    asked = _asked_dependencies(config)
    kept = [
        KeptTables(
            folder, "human_maps", one, maps_dependencies(folder, config, one) | asked, ("rows",)
        )
        for one in mapped_labels(folder, config)
    ]
    jobs = [(one, config, inputs, people) for one in kept if not one.done]
    many = len(jobs) * len(inputs.names) >= _WORTH_PROCESSES
    with (
        reporter.steps("maps against people", len(jobs)) as advance,
        Processes(allowed_cores() if many else 1) as processes,
    ):
        for _ in processes.as_finished(_compare, jobs):
            advance(1)
    folder.record(human_maps={"kind": people.kind, "said": list(people.said)})
    if kept:
        tables = [one.read()["rows"] for one in kept]
        table = pd.concat(tables, ignore_index=True)
        table = corrected_over_networks(table, "p_corrected", ("side", "score", "control"))
        write_csv(folder.human_maps, table)


def _compare(kept: KeptTables, config: StudyConfig, inputs: Inputs, people: HumanMaps) -> None:
    """Compare one backbone's maps and keep its rows: more backbones do not change them."""
    kept.keep({"rows": _compared(kept.folder, config, inputs, people, kept.label)})


def _compared(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, people: HumanMaps, label: str
) -> pd.DataFrame:
    """Compare one backbone's maps, a few images at a time."""
    transform = Transform(**folder.provenance()["backbones"][label]["transform"])
    with stored_maps(folder, config, label) as (names, maps):
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
