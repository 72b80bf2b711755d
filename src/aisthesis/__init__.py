"""Where the evidence is: exact channel-ablation maps for networks that predict human judgments.

Public names are loaded when they are first used, so that `import aisthesis` does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aisthesis.loading import loading

__version__ = "0.1.0"

_HOME = {
    "AblationPlan": "aisthesis.ablation",
    "AisthesisError": "aisthesis.errors",
    "Alignment": "aisthesis.studies.similarity.study",
    "Backbone": "aisthesis.backbones",
    "PlaceAblation": "aisthesis.ablation",
    "PlacePlan": "aisthesis.ablation",
    "RatingEnsemble": "aisthesis.heads",
    "RatingModel": "aisthesis.heads",
    "RatingRegressor": "aisthesis.api.regressor",
    "RequestError": "aisthesis.errors",
    "RetainedPredictor": "aisthesis.studies.ratings.retaining.retained",
    "Study": "aisthesis.studies.ratings.study",
    "Transform": "aisthesis.images",
    "ablate": "aisthesis.ablation",
    "ablate_places": "aisthesis.ablation",
    "ablation_plan": "aisthesis.ablation",
    "agree": "aisthesis.agreement",
    "backbone": "aisthesis.studies.ratings.explaining.functions",
    "channels": "aisthesis.studies.ratings.showing.channels",
    "compare": "aisthesis.studies.compare",
    "compare_with_people": "aisthesis.api.with_people",
    "explain": "aisthesis.studies.ratings.explaining.functions",
    "explain_pair": "aisthesis.api.pairs",
    "faithful": "aisthesis.api.measuring",
    "fit": "aisthesis.studies.ratings.explaining.functions",
    "localise": "aisthesis.api.measuring",
    "overlay": "aisthesis.report.pictures.looking",
    "place_plan": "aisthesis.ablation",
    "retain": "aisthesis.studies.ratings.retaining.retained",
    "retained_output": "aisthesis.ablation",
    "show": "aisthesis.report.pictures.looking",
}

if TYPE_CHECKING:
    from aisthesis.ablation.calls import ablate, retained_output
    from aisthesis.ablation.places.ablation import PlaceAblation
    from aisthesis.ablation.places.calls import ablate_places
    from aisthesis.ablation.places.plan import PlacePlan, place_plan
    from aisthesis.ablation.plan import AblationPlan, ablation_plan
    from aisthesis.agreement import agree
    from aisthesis.api.measuring import faithful, localise
    from aisthesis.api.pairs import explain_pair
    from aisthesis.api.regressor import RatingRegressor
    from aisthesis.api.with_people import compare_with_people
    from aisthesis.backbones import Backbone
    from aisthesis.errors import AisthesisError, RequestError
    from aisthesis.heads import RatingEnsemble, RatingModel
    from aisthesis.images import Transform
    from aisthesis.report.pictures.looking import overlay, show
    from aisthesis.studies.compare import compare
    from aisthesis.studies.ratings.explaining.functions import backbone, explain, fit
    from aisthesis.studies.ratings.retaining.retained import RetainedPredictor, retain
    from aisthesis.studies.ratings.showing.channels import channels
    from aisthesis.studies.ratings.study import Study
    from aisthesis.studies.similarity.study import Alignment

__all__ = [
    "AblationPlan",
    "AisthesisError",
    "Alignment",
    "Backbone",
    "PlaceAblation",
    "PlacePlan",
    "RatingEnsemble",
    "RatingModel",
    "RatingRegressor",
    "RequestError",
    "RetainedPredictor",
    "Study",
    "Transform",
    "__version__",
    "ablate",
    "ablate_places",
    "ablation_plan",
    "agree",
    "backbone",
    "channels",
    "compare",
    "compare_with_people",
    "explain",
    "explain_pair",
    "faithful",
    "fit",
    "localise",
    "overlay",
    "place_plan",
    "retain",
    "retained_output",
    "show",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'aisthesis' has no attribute {name!r}")
    with loading():
        value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
