"""Which parts of a study are the user's own, when their code is brought, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aisthesis.agreement.metrics import metric_facts, metrics_named
from aisthesis.backbones import Backbone
from aisthesis.config import CommonConfig, StudyConfig
from aisthesis.errors import RequestError
from aisthesis.explainers.registry import explainers_named
from aisthesis.parts import (
    bring,
    denied,
    given_name,
    identity_of,
    is_own,
    is_reference,
    only_remembered,
)
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.shared.catalogue import asked_transform, weights_identity

__all__ = ["own_parts", "parts_at_hand", "plain_keys", "record_parts"]

Config = CommonConfig
_KINDS = {"backbones": "backbone", "metrics": "metric", "explainers": "explainer"}
#: Sections of the study file that name one part, and its key in them.
_IN_SECTIONS = {"columns": "reader", "fit": "head"}


def plain_keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a study with objects of the user's own by their names, and paths as text."""
    plain = {key: _as_text(value) for key, value in keys.items() if value is not None}
    for key, kind in _KINDS.items():
        if isinstance(plain.get(key), list | tuple):
            plain[key] = [
                one if isinstance(one, str | Mapping) or hasattr(one, "model_dump")
                else _named(kind, one)
                for one in plain[key]
            ]  # fmt: skip
    for section, kind in _IN_SECTIONS.items():
        held = plain.get(section)
        if isinstance(held, Mapping) and callable(held.get(kind)):
            plain[section] = {**held, kind: given_name(kind, held[kind])}
    return plain


def _as_text(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    return value


def _named(kind: str, given: Any) -> Any:
    name = given_name(kind, given)
    return {"name": name, "label": given.name} if isinstance(given, Backbone) else name


def own_parts(config: Config) -> list[tuple[str, str]]:
    """Kind and name of the parts of a study that are the user's own."""
    named = [("backbone", one.name) for one in config.backbones]
    named += [("metric", name) for name in getattr(config, "metrics", ())]
    named += [("explainer", name) for name in getattr(config, "explainers", ())]
    own = [(kind, name) for kind, name in dict.fromkeys(named) if _is_own(kind, name)]
    sections = ((kind, getattr(config, section, None)) for section, kind in _IN_SECTIONS.items())
    given = [(kind, getattr(held, kind)) for kind, held in sections if held is not None]
    return own + [(kind, str(name)) for kind, name in given if name]


def _is_own(kind: str, name: str) -> bool:
    return is_own(kind, name) if ":" in name else is_own(kind, name) and not _is_known(kind, name)


def _is_known(kind: str, name: str) -> bool:
    """Whether the package itself has a part of this name, which an entry point does not replace."""
    from aisthesis.agreement.metrics import METRICS
    from aisthesis.backbones import KNOWN
    from aisthesis.names.explainers import EXPLAINERS

    return name in {"metric": METRICS, "explainer": EXPLAINERS, "backbone": KNOWN}[kind]


@contextmanager
def parts_at_hand(
    config: Config, folder: StudyFolder, settings_of: Path | None, beside: Path | None
) -> Iterator[None]:
    """Bring the parts of a study's own, or none where its settings come from its folder.

    Parameters
    ----------
    settings_of : Path or None
        The folder that the settings come out of, which may be somebody else's.
    beside : Path or None
        Where modules are looked for too: the folder of the study file.

    Raises
    ------
    RequestError
        If a part is not there or is none, before anything is computed.
    """
    if settings_of is not None:
        with only_remembered(folder.provenance().get("parts")):
            yield
        return
    for kind, name in own_parts(config):
        bring(kind, name, beside)
        if config.engine != "serial" and kind != "reader" and name.startswith("given:"):
            raise RequestError(
                f"the {kind} {name.partition(':')[2]} is an object of this program, which other "
                "processes do not have; put it into a module and name it `module:attribute`, or "
                'take engine = "serial"'
            )
    if isinstance(config, StudyConfig):
        metrics_named(config.metrics)
        for one in explainers_named([name for name in config.explainers if is_reference(name)]):
            _ = one.title  # says what is wrong with it
    yield


def record_parts(folder: StudyFolder, config: Config) -> None:
    """Keep what a later opening of the folder, which runs no code of it, has to know."""
    own = own_parts(config)
    if denied() or not own:
        return
    seed, weights_dir = config.seed, config.weights_dir
    networks = {
        one.label: {
            "weights": weights_identity(one, weights_dir=weights_dir, seed=seed),
            "transform": asked_transform(one).as_dict(),
        }
        for one in config.backbones
        if ("backbone", one.name) in own
    }
    folder.record(
        parts={
            "identities": {f"{kind} {name}": identity_of(kind, name) for kind, name in own},
            "networks": networks,
            "metrics": metric_facts(name for kind, name in own if kind == "metric"),
        }
    )
