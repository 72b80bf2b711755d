"""Backbones by name, with the weights that were asked for."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import torch

from aisthesis.backbones.family import Family, own_recipe
from aisthesis.backbones.frozen import Backbone
from aisthesis.backbones.initialise import random_network
from aisthesis.backbones.known import KNOWN, KnownBackbone
from aisthesis.backbones.layers import Layer, Scan, scan_network
from aisthesis.backbones.official import find_official, obtain_official
from aisthesis.backbones.recipe import Network, Recipe
from aisthesis.backbones.state import SUFFIXES, StateFile, load_state, read_state
from aisthesis.backbones.timm_networks import PREFIX as TIMM
from aisthesis.backbones.timm_networks import timm_recipe
from aisthesis.backbones.torchvision_networks import PREFIX as TORCHVISION
from aisthesis.backbones.torchvision_networks import (
    is_torchvision_network,
    known_recipe,
    torchvision_recipe,
)
from aisthesis.backbones.weights import WeightsFile, WeightsRecord
from aisthesis.errors import AisthesisError, RequestError, nearest, or_list
from aisthesis.images import Transform, View
from aisthesis.parts import is_own

__all__ = [
    "backbone",
    "check_backbone",
    "layers_and_taken",
    "list_layers",
    "transform_of",
    "weights_file",
]

#: Networks of other libraries, by what stands before their names.
FAMILIES = {
    TORCHVISION: Family(torchvision_recipe, "torchvision's networks of classification"),
    TIMM: Family(timm_recipe, "timm's networks"),
}
NO_LAYER = "none"
DEFAULT, RANDOM = "default", "random"


def backbone(
    name: str,
    *,
    layer: str | None = None,
    weights: str | Path = DEFAULT,
    weights_dir: str | Path | None = None,
    seed: int = 0,
    input_px: int | None = None,
    view: View | None = None,
    device: str | torch.device = "cpu",
) -> Backbone:
    """Make a backbone by name; the layer is looked for before any weights are read or fetched.

    Parameters
    ----------
    name : str
        One of the seven, `torchvision:NAME` (a classification network) or `timm:NAME`.
    layer : str, optional
        Dotted path, `deepest`, or `none` for prediction only. Without it one of the seven takes
        its own layer, and any other network its deepest.
    weights : {"default", "random"} or path
        The official file; the library's own random initialisation by `seed`, with BatchNorm
        statistics from noise images; or a `.safetensors`, `.pth` or `.pt` state dict. A classifier
        in it is passed over. For InceptionV3 and GoogLeNet the weights are taken to be of the
        TensorFlow port, whose input is normalised otherwise (torchvision's `transform_input`).
    weights_dir : path, optional
        A folder of already downloaded official files, looked at before the torch hub cache.
    seed : int, optional
        Seed of random weights; unused otherwise.
    input_px : int, optional
        Side of the crop, instead of the backbone's own; the resize is scaled with it.
    view : {"crop", "squash", "pad"}, optional
        Another view of photographs than the weights' own: see `Transform`.
    device : str or torch.device, optional
        Where the network goes; "auto" is a CUDA device where there is one, else the CPU.

    Raises
    ------
    RequestError
        If a name, layer, file or device is wrong; the nearest right ones are named.
    AisthesisError
        If official weights are neither here nor to be had, or are damaged.
    """
    place = _device(device)
    recipe = _recipe(name, input_px)
    layer = _layer_asked_for(recipe, layer)
    transform = recipe.transform if view is None else recipe.transform.seeing(view)
    if recipe.builds_on_meta and layer is not None:
        _meta_scan(recipe).layer(layer)
    network, record = _with_weights(recipe, weights, weights_dir, seed)
    made = Backbone(
        network.module.to(place),
        layer=layer,
        transform=transform,
        name=name,
        network=recipe.network,
        weights=record,
        copy=False,
    )
    _check_declared(made, KNOWN.get(name), input_px)
    return made


def check_backbone(
    name: str,
    *,
    layer: str | None = None,
    weights: str | Path = DEFAULT,
    weights_dir: str | Path | None = None,
    input_px: int | None = None,
) -> None:
    """Refuse what `backbone` would refuse, without making the network.

    Name, layer and the presence of the weights are looked at; official weights that are not here
    are fetched, so that a long run does not find out late that they cannot be had. Whether a local
    state dict fits is only known when it is loaded.

    Raises
    ------
    RequestError, AisthesisError
        As `backbone`.
    """
    recipe = _recipe(name, input_px)
    layer = _layer_asked_for(recipe, layer)
    if recipe.builds_on_meta and layer is not None:
        if is_own("backbone", name):
            _meta_scan(recipe).layer(layer)
        else:
            _look_for_layer(name, input_px, layer)
    if weights == DEFAULT:
        if not recipe.cached():
            obtain_official(_official_file(recipe), weights_dir)
    elif weights != RANDOM:
        _path_of(weights)


def weights_file(
    name: str, *, weights: str | Path = DEFAULT, weights_dir: str | Path | None = None
) -> Path | None:
    """Where the file of a backbone's weights is on this disk; None for random or absent ones.

    Raises
    ------
    RequestError
        If there is no such backbone, or no such file.
    """
    if weights == RANDOM:
        return None
    if weights != DEFAULT:
        return _path_of(weights)
    recipe = _recipe(name, None)
    return find_official(_official_file(recipe), weights_dir) or recipe.cached()


def transform_of(name: str, *, input_px: int | None = None, view: View | None = None) -> Transform:
    """Give the transform of a named network, which is not made."""
    own = _recipe(name, input_px).transform
    return own if view is None else own.seeing(view)


def list_layers(name: str, *, input_px: int | None = None) -> list[Layer]:
    """Every layer of a named network that can be taken, in the network's own order.

    Parameters
    ----------
    name, input_px
        As for `backbone`.

    Returns
    -------
    list of Layer
        Path, class and (C, h, w) of each layer that runs once and gives channels on a grid. No
        weights are read; most networks are not even given memory.
    """
    recipe = _recipe(name, input_px)
    scan = _meta_scan(recipe) if recipe.builds_on_meta else _real_scan(recipe)
    return list(scan.layers.values())


def layers_and_taken(name: str) -> tuple[list[Layer], str]:
    """As `list_layers`, and the path of the one that is taken by itself, or else the deepest."""
    recipe = _recipe(name, None)
    scan = _meta_scan(recipe) if recipe.builds_on_meta else _real_scan(recipe)
    own = KNOWN[name].layer if name in KNOWN else None
    taken = scan.deepest() if own is None else scan.layer(own)
    return list(scan.layers.values()), taken.path


def _recipe(name: str, input_px: int | None) -> Recipe:
    if name in KNOWN:
        return known_recipe(KNOWN[name], input_px)
    prefix = f"{name.partition(':')[0]}:"
    if prefix in FAMILIES:
        return FAMILIES[prefix].recipe_of(name, input_px)
    if is_own("backbone", name):
        return own_recipe(name, input_px)
    near = nearest(name, KNOWN) or list(KNOWN)
    if is_torchvision_network(name):
        near.insert(0, f"{TORCHVISION}{name}")
    raise RequestError(
        f"there is no backbone {name!r}; the nearest: {or_list(near)}, or any other network as "
        f"{TORCHVISION}NAME or {TIMM}NAME"
    )


def _layer_asked_for(recipe: Recipe, layer: str | None) -> str | None:
    layer = recipe.layer if layer is None else layer
    for known in KNOWN.values():
        hints = dict(known.wrong_layers)
        if recipe.network == f"torchvision {known.network}" and layer in hints:
            raise RequestError(f"there is no layer {layer!r} in {recipe.name}: {hints[layer]}")
    return None if layer == NO_LAYER else layer


@lru_cache(maxsize=256)
def _look_for_layer(name: str, input_px: int | None, layer: str) -> None:
    """Refuse a layer that an installed library's network has not; found once a process."""
    _meta_scan(_recipe(name, input_px)).layer(layer)


def _meta_scan(recipe: Recipe) -> Scan:
    """Scan the network without memory or arithmetic."""
    with torch.device("meta"):
        module = recipe.build().module.eval()
        return _scan(recipe, module, torch.zeros(2, 3, *recipe.transform.size_px))


def _real_scan(recipe: Recipe) -> Scan:
    with torch.random.fork_rng(devices=[]):
        module = recipe.build().module.eval()
    return _scan(recipe, module, torch.zeros(2, 3, *recipe.transform.size_px))


def _scan(recipe: Recipe, module: torch.nn.Module, images: torch.Tensor) -> Scan:
    try:
        return scan_network(module, images, called=recipe.name)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise RequestError(
            f"{recipe.name} cannot take images of {recipe.transform.crop_px} px: "
            f"{' '.join(str(error).split())}; leave input_px out for its own size"
        ) from error


def _with_weights(
    recipe: Recipe, weights: str | Path, weights_dir: str | Path | None, seed: int
) -> tuple[Network, WeightsRecord]:
    if weights == RANDOM:
        if not isinstance(seed, int):
            raise RequestError(f"the seed of random weights should be a whole number, not {seed!r}")
        return random_network(recipe, seed), WeightsRecord("random", f"seed {seed}")
    if weights == DEFAULT:
        file = _official_file(recipe)
        here = find_official(file, weights_dir) or recipe.cached()
        path = here or obtain_official(file, weights_dir)
        state = read_state(path, file.sha256_prefix)
        record = WeightsRecord("official", file.url, file_sha256=state.sha256)
    else:
        state = read_state(_path_of(weights))
        record = WeightsRecord("file", str(weights), file_sha256=state.sha256)
    return _loaded(recipe, state), record


def _loaded(recipe: Recipe, state: StateFile) -> Network:
    place = "meta" if recipe.builds_on_meta else "cpu"
    with torch.random.fork_rng(devices=[]), torch.device(place):
        network = recipe.build()
    load_state(network.module, state, network.dropped)
    return network


def _official_file(recipe: Recipe) -> WeightsFile:
    if recipe.official is None:
        raise RequestError(
            f"there are no official weights for {recipe.name}; give the path of a state dict, "
            f'or weights="{RANDOM}"'
        )
    return recipe.official


def _path_of(weights: str | Path) -> Path:
    path = Path(weights).expanduser()
    if path.is_file() or path.suffix in SUFFIXES:
        return path
    raise RequestError(
        f'weights should be "{DEFAULT}", "{RANDOM}" or the path of a state dict '
        f"({', '.join(SUFFIXES)}), but there is no file {weights}"
    )


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].split(". ")[0]
        raise RequestError(
            f"the device {str(device)!r} cannot be used here ({reason}); "
            'use "cpu", or "auto" for the best there is'
        ) from error
    return place


def _check_declared(made: Backbone, known: KnownBackbone | None, input_px: int | None) -> None:
    """Hold the network against what is declared about it."""
    if known is None:
        return
    declared: dict[str, object] = {
        "embedding size": known.embedding_dim,
        "number of parameters": known.n_parameters,
    }
    found: dict[str, object] = {
        "embedding size": made.embedding_dim,
        "number of parameters": made.n_parameters,
    }
    if made.layer == known.layer and input_px in (None, known.input_px):
        declared["map shape"], found["map shape"] = known.map_shape, made.map_shape
    wrong = [
        f"{what} {found[what]} instead of {declared[what]}"
        for what in declared
        if found[what] != declared[what]
    ]
    if wrong:
        raise AisthesisError(
            f"{made.name} is not the network that is declared: {'; '.join(wrong)}; "
            f"torchvision {version('torchvision')} may have changed it"
        )
