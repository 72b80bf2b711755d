"""Where the evidence is: exact channel-ablation maps for networks that predict human judgments.

Public names are loaded when they are first used, so that `import aisthesis` does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "AblationPlan": "aisthesis.importance",
    "AisthesisError": "aisthesis.errors",
    "Alignment": "aisthesis.alignment",
    "Backbone": "aisthesis.backbones",
    "PlaceAblation": "aisthesis.importance",
    "PlacePlan": "aisthesis.importance",
    "RatingEnsemble": "aisthesis.heads",
    "RatingModel": "aisthesis.heads",
    "RatingRegressor": "aisthesis.regressor",
    "RequestError": "aisthesis.errors",
    "RetainedPredictor": "aisthesis.retained",
    "Study": "aisthesis.study",
    "Transform": "aisthesis.images",
    "ablate": "aisthesis.importance",
    "ablate_places": "aisthesis.importance",
    "ablation_plan": "aisthesis.importance",
    "agree": "aisthesis.agreement",
    "backbone": "aisthesis.functions",
    "channels": "aisthesis.studies.channels",
    "compare": "aisthesis.studies.compare",
    "compare_with_people": "aisthesis.with_people",
    "explain": "aisthesis.functions",
    "explain_pair": "aisthesis.pairs",
    "faithful": "aisthesis.measuring",
    "fit": "aisthesis.functions",
    "localise": "aisthesis.measuring",
    "overlay": "aisthesis.looking",
    "place_plan": "aisthesis.importance",
    "retain": "aisthesis.retained",
    "retained_output": "aisthesis.importance",
    "show": "aisthesis.looking",
}

if TYPE_CHECKING:
    from aisthesis.agreement import agree
    from aisthesis.alignment import Alignment
    from aisthesis.backbones import Backbone
    from aisthesis.errors import AisthesisError, RequestError
    from aisthesis.functions import backbone, explain, fit
    from aisthesis.heads import RatingEnsemble, RatingModel
    from aisthesis.images import Transform
    from aisthesis.importance import (
        AblationPlan,
        PlaceAblation,
        PlacePlan,
        ablate,
        ablate_places,
        ablation_plan,
        place_plan,
        retained_output,
    )
    from aisthesis.looking import overlay, show
    from aisthesis.measuring import faithful, localise
    from aisthesis.pairs import explain_pair
    from aisthesis.regressor import RatingRegressor
    from aisthesis.retained import RetainedPredictor, retain
    from aisthesis.studies.channels import channels
    from aisthesis.studies.compare import compare
    from aisthesis.study import Study
    from aisthesis.with_people import compare_with_people

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
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
