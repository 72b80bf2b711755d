"""The study file: what may be asked, checked before anything is loaded."""

from aisthesis.config.columns import Columns, RatingColumns, SimilarityColumns, TableColumns
from aisthesis.config.common import (
    AIS_BACKBONES,
    BackboneConfig,
    CommonConfig,
    DaskConfig,
    PlacesConfig,
)
from aisthesis.config.properties import (
    NETWORK,
    PEOPLE,
    PROPERTIES,
    SIZE,
    SPLIT_FILE,
    property_configs,
)
from aisthesis.config.ratings import (
    METRICS_OF_THE_DESCRIPTION,
    ExplainingConfig,
    FaithfulnessConfig,
    FitConfig,
    HumanMapsConfig,
    StudyConfig,
    read_study_file,
    study_config,
)
from aisthesis.config.section import Section, absolute_paths, checked, read_toml
from aisthesis.config.similarity import AlignmentConfig, alignment_config

__all__ = [
    "AIS_BACKBONES",
    "METRICS_OF_THE_DESCRIPTION",
    "NETWORK",
    "PEOPLE",
    "PROPERTIES",
    "SIZE",
    "SPLIT_FILE",
    "AlignmentConfig",
    "BackboneConfig",
    "Columns",
    "CommonConfig",
    "DaskConfig",
    "ExplainingConfig",
    "FaithfulnessConfig",
    "FitConfig",
    "HumanMapsConfig",
    "PlacesConfig",
    "RatingColumns",
    "Section",
    "SimilarityColumns",
    "StudyConfig",
    "TableColumns",
    "absolute_paths",
    "alignment_config",
    "checked",
    "property_configs",
    "read_study_file",
    "read_toml",
    "study_config",
]
