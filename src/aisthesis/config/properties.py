"""A study of several properties of the same images as one study of each."""

from __future__ import annotations

from aisthesis.config.ratings import StudyConfig
from aisthesis.names.labels import slug

__all__ = ["NETWORK", "PEOPLE", "PROPERTIES", "SIZE", "SPLIT_FILE", "property_configs"]

#: Folder in a study of several properties that holds one study of each.
PROPERTIES = "properties"

#: Images of all properties and which of them are held out, in the folder of the whole study.
SPLIT_FILE = "split.csv"
#: Whose values are correlated, in `properties.csv`.
PEOPLE, NETWORK = "human ratings", "predictions"
#: Maps of how much a place matters, whichever way: the magnitude of the evidence by place.
SIZE = "evidence_place_size"


def property_configs(config: StudyConfig) -> dict[str, StudyConfig]:
    """Give the study of each property by its name; empty where the images have one.

    Each has its own ratings and its own folder, `properties/NAME`. They have the images, the test
    images (`split.csv`) and everything else in common; an image that one property lacks is
    predicted, and its evidence shown, but its ratings count for the others alone.
    """
    return {name: _of_property(config, name) for name in config.properties}


def _of_property(config: StudyConfig, name: str) -> StudyConfig:
    changes = {
        "out": config.out / PROPERTIES / slug(name),
        "title": f"{config.title or config.out.name}: {name}",
        "split": config.out / SPLIT_FILE,
        "unrated": "explain",
    }
    if isinstance(config.ratings, dict):
        changes["ratings"] = config.ratings[name]
    else:
        changes["columns"] = config.columns.model_copy(update={"rating": name})
    return config.model_copy(update=changes)
