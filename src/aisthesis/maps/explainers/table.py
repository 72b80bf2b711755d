"""The explainers by name, with the options of a study."""

from __future__ import annotations

from collections.abc import Sequence

from aisthesis.explainer_names import BASE, checked_names
from aisthesis.maps.explainers.controls import CentrePrior, RandomMap
from aisthesis.maps.explainers.face import Explainer, optional
from aisthesis.maps.explainers.grad_cam import GradCam
from aisthesis.maps.explainers.gradients import GradientTimesInput, IntegratedGradients
from aisthesis.maps.explainers.lime import Lime
from aisthesis.maps.explainers.masking import multiscale, occlusion
from aisthesis.maps.explainers.own import own_explainer

__all__ = ["TITLES", "explainers_named", "require_libraries"]

_LIBRARIES = {
    "integrated_gradients": ("captum.attr",),
    "gradient_x_input": ("captum.attr",),
    "lime": ("captum.attr", "skimage.segmentation"),
}
TITLES = {
    "ais": "AIS",
    "evidence": "Evidence",
    "ais_place": "AIS by place",
    "evidence_place": "Evidence by place",
    "grad_cam": GradCam.title,
    "integrated_gradients": IntegratedGradients.title,
    "gradient_x_input": GradientTimesInput.title,
    "lime": Lime.title,
    "occlusion": "Occlusion",
    "multiscale": "Multiscale masking",
    "random": RandomMap.title,
    "centre_prior": CentrePrior.title,
}


def explainers_named(
    names: Sequence[str],
    *,
    cells: int = 56,
    integration_steps: int = 32,
    lime_samples: int = 200,
    lime_superpixels: int = 50,
    occlusion_px: int = 32,
    multiscale_px: Sequence[int] = (3, 17, 65),
    stride_px: float | None = None,
    batch_size: int = 8,
) -> list[Explainer]:
    """Make the explainers that are asked for beside AIS and evidence.

    Parameters
    ----------
    names
        Out of `EXPLAINERS`, or of the user's own; those of `BASE` are left out, as exact ablation
        makes them.
    cells
        Rows and columns that the maps of pixel methods are averaged over.
    integration_steps, lime_samples, lime_superpixels, occlusion_px, multiscale_px, stride_px
        Options of the single explainers.
    batch_size
        Images run together.

    Raises
    ------
    RequestError
        For an unknown name; the nearest right one is said.
    """
    every: dict[str, Explainer] = {
        one.name: one
        for one in (
            GradCam(),
            IntegratedGradients(steps=integration_steps, cells=cells, at_once=batch_size),
            GradientTimesInput(cells=cells),
            Lime(lime_superpixels, lime_samples, cells=cells, at_once=batch_size),
            occlusion(occlusion_px, stride_px),
            multiscale(tuple(multiscale_px), stride_px),
            RandomMap(),
            CentrePrior(),
        )
    }
    wanted = [name for name in checked_names(names) if name not in BASE]
    return [every[name] if name in every else own_explainer(name) for name in wanted]


def require_libraries(names: Sequence[str]) -> None:
    """Refuse explainers whose library is not installed, before anything is computed.

    Raises
    ------
    RequestError
        If it is not; the message says what to install.
    """
    for name in names:
        for module in _LIBRARIES.get(name, ()):
            optional(module, name)
