"""Recipes for timm's networks; the only file that imports timm."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from aisthesis.backbones.recipe import Network, Recipe, scaled_px
from aisthesis.backbones.weights import WeightsFile
from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.images import Transform, View

__all__ = ["timm_recipe"]

PREFIX = "timm:"
HUB_FILE = "model.safetensors"
_VIEWS: dict[str, View] = {"center": "crop", "squash": "squash", "border": "pad"}


def timm_recipe(name: str, input_px: int | None = None) -> Recipe:
    """Give the recipe of `timm:NAME`; unless a layer is named, the deepest is taken.

    Parameters
    ----------
    name : str
        `timm:` and timm's name, with or without the tag of its weights
        (`timm:resnet18` or `timm:resnet18.a1_in1k`).
    input_px : int, optional
        Side of the crop; networks of a fixed size are built for it.

    Raises
    ------
    RequestError
        If timm is not installed or has no such network (the nearest are named), or the network
        does not take three-channel images.
    """
    timm = _timm(name)
    network = name.removeprefix(PREFIX)
    config = _config(timm, network)
    transform = _transform(config, input_px)
    sizes = {"img_size": input_px} if config.get("fixed_input_size") and input_px else {}
    tag = config.get("tag")
    full_name = f"{config['architecture']}.{tag}" if tag else config["architecture"]
    repository = config.get("hf_hub_id")
    return Recipe(
        name=name,
        network=f"timm {full_name}",
        build=lambda: _build(timm, network, config, sizes),
        transform=transform,
        layer="deepest",
        official=_official_file(repository, full_name),
        cached=lambda: _in_hub_cache(repository),
        builds_on_meta=False,  # buffers that are not in the state dict would stay empty
    )


def _timm(name: str) -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise RequestError(
            f"{name} needs timm, which is not installed: pip install 'aisthesis[timm]'"
        ) from error
    return timm


def _config(timm: ModuleType, network: str) -> dict[str, Any]:
    architecture, _, tag = network.partition(".")
    if not timm.is_model(architecture):
        names = timm.list_models()
        near = [PREFIX + found for found in nearest(architecture, names)]
        raise RequestError(
            f"timm has no network {architecture!r}; the nearest: {or_list(near) or 'none'}"
        )
    tags = [found for found in timm.list_pretrained(architecture + "*") if "." in found]
    own_tags = [found for found in tags if found.partition(".")[0] == architecture]
    if tag and network not in own_tags:
        near = [PREFIX + found for found in nearest(network, own_tags) or own_tags[:3]]
        raise RequestError(
            f"timm has no weights {tag!r} for {architecture}; "
            f"the nearest: {or_list(near) or 'none'}"
        )
    config = timm.get_pretrained_cfg(network, allow_unregistered=False)
    settings = config.to_dict() if config is not None else {}
    if settings.get("input_size", (3,))[0] != 3:
        raise RequestError(
            f"{PREFIX}{network} takes {settings['input_size'][0]} channels, not colour images"
        )
    return {**settings, "architecture": architecture}


def _build(
    timm: ModuleType, network: str, config: dict[str, Any], sizes: dict[str, int]
) -> Network:
    module: nn.Module = timm.create_model(network, pretrained=False, num_classes=0, **sizes)
    classifier = config.get("classifier") or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    kept = dict(module.named_parameters())
    return Network(module, tuple(name for name in names if not _holds_any(kept, name)))


def _holds_any(parameters: dict[str, nn.Parameter], path: str) -> bool:
    return any(name.startswith(f"{path}.") for name in parameters)


def _transform(config: dict[str, Any], input_px: int | None) -> Transform:
    """What `timm.data.create_transform` makes of a configuration, pixel by pixel."""
    from timm.data import resolve_data_config

    data = resolve_data_config({}, pretrained_cfg=config)
    mode, share = data["crop_mode"], data["crop_pct"]
    height, width = data["input_size"][1:]
    view = _VIEWS.get(mode)
    partly_seen = mode == "border" or height != width
    if view is None or (partly_seen and share != 1) or (mode == "center" and height != width):
        raise RequestError(
            f"{PREFIX}{config['architecture']} goes with a transform that is not known here: "
            f"crop_mode {mode!r}, crop_pct {share}, {height} × {width} px; give it as "
            "ais.Backbone(network, transform=ais.Transform(...))"
        )
    normal: dict[str, Any] = {
        "mean": tuple(data["mean"]),
        "std": tuple(data["std"]),
        "interpolation": data["interpolation"],
    }
    if height != width:
        if input_px is not None:
            raise RequestError(
                f"{PREFIX}{config['architecture']} reads {height} × {width} px, no square; "
                "leave input_px out for its own size"
            )
        return Transform((height, width), (height, width), **normal, view=view)
    resize_px, crop_px = scaled_px(int(height / share), height, input_px)
    if mode == "squash" and share != 1:
        return Transform((resize_px, resize_px), crop_px, **normal)
    return Transform(
        resize_px, crop_px, **normal, view=view, fill="black" if resize_px < crop_px else None
    )


def _official_file(repository: str | None, full_name: str) -> WeightsFile | None:
    if not repository:
        return None
    url = f"https://huggingface.co/{repository}/resolve/main/{HUB_FILE}"
    return WeightsFile(url, f"{full_name}.safetensors", cache_name=f"timm_{full_name}.safetensors")


def _in_hub_cache(repository: str | None) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(repository, HUB_FILE) if repository else None
    return Path(found) if isinstance(found, str) else None
