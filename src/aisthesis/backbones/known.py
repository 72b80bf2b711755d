"""The seven backbones of the method, as data (nothing here loads a network)."""

from __future__ import annotations

from dataclasses import dataclass

from aisthesis.backbones.weights import WeightsFile

__all__ = ["KNOWN", "KnownBackbone"]

_TORCHVISION = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class KnownBackbone:
    """What is declared about a backbone; the network itself is held against it at run time.

    Parameters
    ----------
    name, network : str
        The backbone's name and torchvision's name of its network.
    transform_of : str
        The torchvision weights whose transform its images go through.
    layer : str or None
        Layer that is explained unless another is asked for; None: prediction only.
    input_px : int
        Side of the square crop that the network sees.
    map_shape : tuple of int or None
        (C, h, w) of the layer's output.
    embedding_dim, n_parameters : int
        Size of the embedding, and parameters of the network without its classifier.
    weights : WeightsFile
        The official file.
    note : str
        What its user should know.
    has_classifier : bool
        Whether the official file holds a classifier.
    wrong_layers : tuple of (str, str)
        Layers that people ask for although they do not exist, each with what is meant.
    """

    name: str
    network: str
    transform_of: str
    layer: str | None
    input_px: int
    map_shape: tuple[int, int, int] | None
    embedding_dim: int
    n_parameters: int
    weights: WeightsFile
    note: str = ""
    has_classifier: bool = True
    wrong_layers: tuple[tuple[str, str], ...] = ()


def _torchvision_file(name: str) -> WeightsFile:
    # torchvision's file names end in the first eight characters of the file's SHA-256.
    stem = name.removesuffix(".pth")
    return WeightsFile(_TORCHVISION + name, name, sha256_prefix=stem.rsplit("-", 1)[1])


_ALL = (
    KnownBackbone(
        name="vgg16",
        network="vgg16",
        transform_of="VGG16_Weights.IMAGENET1K_V1",
        layer="features.28",
        input_px=224,
        map_shape=(512, 14, 14),
        embedding_dim=4096,
        n_parameters=134_260_544,
        weights=_torchvision_file("vgg16-397923af.pth"),
    ),
    KnownBackbone(
        name="vgg19",
        network="vgg19",
        transform_of="VGG19_Weights.IMAGENET1K_V1",
        layer="features.28",
        input_px=224,
        map_shape=(512, 14, 14),
        embedding_dim=4096,
        n_parameters=139_570_240,
        weights=_torchvision_file("vgg19-dcbb9e9d.pth"),
        note="features.28 is conv5_1, not the deepest convolution; features.34 (deepest) is, and "
        "gives maps of the same shape",
    ),
    KnownBackbone(
        name="resnet152",
        network="resnet152",
        transform_of="ResNet152_Weights.IMAGENET1K_V2",
        layer="layer4.2.conv3",
        input_px=224,
        map_shape=(2048, 7, 7),
        embedding_dim=2048,
        n_parameters=58_143_808,
        weights=_torchvision_file("resnet152-f82ba261.pth"),
        note="layer4.2.conv3 may also be written features.7.2.conv3",
    ),
    KnownBackbone(
        name="densenet161",
        network="densenet161",
        transform_of="DenseNet161_Weights.IMAGENET1K_V1",
        layer="features.denseblock4.denselayer24.conv2",
        input_px=224,
        map_shape=(48, 7, 7),
        embedding_dim=2208,
        n_parameters=26_472_000,
        weights=_torchvision_file("densenet161-8d451a50.pth"),
        note="features.denseblock4.denselayer32.norm1, named in the original description, does "
        "not exist; its 48 × 7 × 7 is the output of denselayer24.conv2",
        wrong_layers=(
            (
                "features.denseblock4.denselayer32.norm1",
                "the original description names it, but the fourth block of DenseNet161 has 24 "
                "layers; 48 × 7 × 7 is the output of features.denseblock4.denselayer24.conv2 "
                "(48 is the growth rate), and that layer is meant",
            ),
        ),
    ),
    KnownBackbone(
        name="efficientnet_b3",
        network="efficientnet_b3",
        transform_of="EfficientNet_B3_Weights.IMAGENET1K_V1",
        layer="features.8.0",
        input_px=256,
        map_shape=(1536, 8, 8),
        embedding_dim=1536,
        n_parameters=10_696_232,
        weights=_torchvision_file("efficientnet_b3_rwightman-b3899882.pth"),
        note="its official transform is 300 px, which gives 10 × 10 maps; 8 × 8 needs 256 px",
    ),
    KnownBackbone(
        name="barlow_twins",
        network="resnet50",
        transform_of="ResNet50_Weights.IMAGENET1K_V1",
        layer="layer4.2.conv3",
        input_px=224,
        map_shape=(2048, 7, 7),
        embedding_dim=2048,
        n_parameters=23_508_032,
        weights=WeightsFile(
            "https://dl.fbaipublicfiles.com/barlowtwins/"
            "ep1000_bs2048_lrw0.2_lrb0.0048_lambd0.0051/resnet50.pth",
            "resnet50.pth",
            cache_name="barlow_twins_ep1000_resnet50.pth",
        ),
        note="layer4.2.conv3 may also be written features.7.2.conv3; its official file has no "
        "hash in its name, so the digest of the file in use is recorded instead",
        has_classifier=False,
    ),
    KnownBackbone(
        name="inception_v3",
        network="inception_v3",
        transform_of="Inception_V3_Weights.IMAGENET1K_V1",
        layer=None,
        input_px=299,
        map_shape=None,
        embedding_dim=2048,
        n_parameters=21_785_568,
        weights=_torchvision_file("inception_v3_google-0cc3c7bd.pth"),
        note="prediction only unless a layer is named: its parallel branches make maps diffuse",
    ),
)

KNOWN: dict[str, KnownBackbone] = {known.name: known for known in _ALL}
