"""How local is a layer? Erase the raising evidence and see where the layer changes.

    python benchmarks/locality.py [--seed 7] [--images 60]

A heatmap of a layer can only point at evidence if the layer answers to it at its place. The table
gives the share of the layer's change (mean over channels, each in its own SD) that lies outside the
erased evidence and the cells that touch it, beside the share of the map's area that lies there:
equal shares mean that the change is spread over the whole map. Also: how well a ridge regression on
single cells of the layer finds the evidence (pixel AUC on other images). Writes
`results/locality.{json,md}` and `docs/pictures/locality.png`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge

from aisthesis.config import AIS_BACKBONES
from aisthesis.faithfulness import load_masks, pixel_auc
from aisthesis.images import ImageFolder, batches
from aisthesis.maps.resample import upsample
from aisthesis.miniature import miniature_backbone, render_study

SHOWN = ("efficientnet_b3", "resnet152")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        planted = render_study(Path(place) / "p", options.images, seed=options.seed)
        results, pictures = {}, {}
        masks = planted.images.parent / "masks" / "raising"
        for name in AIS_BACKBONES:
            results[name], picture = locality(name, planted.images, masks)
            if name in SHOWN:
                pictures[name] = picture
            print(name, results[name], flush=True)
    options.out.mkdir(exist_ok=True)
    held = {"seed": options.seed, "images": options.images, "backbones": results}
    (options.out / "locality.json").write_text(json.dumps(held, indent=1) + "\n")
    (options.out / "locality.md").write_text(in_words(results))
    draw(pictures, Path(__file__).parents[1] / "docs" / "pictures" / "locality.png")


@torch.no_grad()
def locality(name: str, images: Path, masks: Path) -> tuple[dict, dict]:
    """Share of the layer's change away from the erased evidence, and what a probe finds."""
    backbone, folder = miniature_backbone(name), ImageFolder(images)
    names = list(folder.names)
    mask = torch.from_numpy(load_masks(masks, names, backbone.transform).astype(np.float32))[
        :, None
    ]
    pixels = torch.cat([b.pixels for b in batches(folder, names, backbone.transform, 16)])
    outside = (pixels * (1 - mask)).sum((2, 3), keepdim=True)
    mean = outside / (1 - mask).sum((2, 3), keepdim=True)
    whole = layer_of(backbone, pixels)
    erased = layer_of(backbone, pixels * (1 - mask) + mean * mask)
    sd = whole.std((0, 2, 3), keepdim=True) + 1e-6
    change = ((whole - erased) / sd).abs().mean(1)
    touched = F.max_pool2d(F.adaptive_max_pool2d(mask, whole.shape[2:]), 3, 1, 1)[:, 0]
    has = touched.flatten(1).any(1)
    away = ((change * (1 - touched)).sum((1, 2)) / change.sum((1, 2)))[has]
    area = (1 - touched).mean((1, 2))[has]
    largest = int(mask.flatten(1).sum(1).argmax())
    picture = {"pixels": pixels[largest], "mask": mask[largest, 0], "change": change[largest]}
    return {
        "change_outside": round(float(away.mean()), 3),
        "area_outside": round(float(area.mean()), 3),
        "probe_auc": round(probe(whole, mask), 3),
        "images": int(has.sum()),
    }, picture


def layer_of(backbone, pixels: torch.Tensor) -> torch.Tensor:
    """The layer's output (N, C, h, w)."""
    kept: list[torch.Tensor] = []
    layer = backbone.trunk.get_submodule(backbone.trunk_layer)
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output.clone()))
    try:
        for some in pixels.split(16):
            backbone.trunk(some)
    finally:
        handle.remove()
    return backbone.to_map(torch.cat(kept))


def probe(layer: torch.Tensor, mask: torch.Tensor) -> float:
    """Pixel AUC of a ridge regression from a cell's channels to its share of evidence."""
    share = F.adaptive_avg_pool2d(mask, layer.shape[2:])[:, 0]
    half = len(layer) // 2

    def cells(some: torch.Tensor) -> np.ndarray:
        return some.permute(0, 2, 3, 1).reshape(-1, layer.shape[1]).double().numpy()

    scale = cells(layer[:half]).std(0) + 1e-9
    fitted = Ridge(alpha=10.0).fit(cells(layer[:half]) / scale, share[:half].flatten().numpy())
    found = fitted.predict(cells(layer[half:]) / scale).reshape(-1, *layer.shape[2:])
    held = mask[half:, 0].numpy() > 0
    maps = upsample(torch.from_numpy(found).float(), held.shape[1:]).numpy()
    return float(np.nanmean(pixel_auc(maps, held)))


def in_words(results: dict) -> str:
    """The table for people."""
    lines = [
        "| backbone | change outside the erased evidence | area outside | probe, pixel AUC |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {one['change_outside']:.2f} | {one['area_outside']:.2f} | "
        f"{one['probe_auc']:.2f} |"
        for name, one in results.items()
    ]
    return "\n".join(lines) + "\n"


def draw(pictures: dict, file: Path) -> None:
    """Draw where the layer changes as the evidence of one image is erased."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 1 + len(pictures), figsize=(4 * (1 + len(pictures)), 4.3))
    first = next(iter(pictures.values()))
    mean, sd = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    axes[0].imshow(np.clip(first["pixels"].permute(1, 2, 0).numpy() * sd + mean, 0, 1))
    axes[0].contour(first["mask"].numpy(), [0.5], colors="white", linewidths=1.5)
    axes[0].set_title("outlined: the evidence that is erased")
    for axis, (name, one) in zip(axes[1:], pictures.items(), strict=True):
        side = one["pixels"].shape[-1]
        shown = axis.imshow(one["change"], cmap="magma", extent=(0, side, side, 0), vmin=0)
        axis.contour(one["mask"].numpy(), [0.5], colors="white", linewidths=1.5)
        axis.set_title(f"{name}: change of its layer")
        figure.colorbar(shown, ax=axis, shrink=0.8, label="mean change, SDs of a channel")
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.tight_layout()
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, dpi=90)


if __name__ == "__main__":
    main()
