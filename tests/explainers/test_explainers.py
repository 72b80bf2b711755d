from __future__ import annotations

import builtins
import dataclasses

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from aisthesis.errors import RequestError
from aisthesis.explainers.base import ExplainedNetwork
from aisthesis.explainers.controls import CentrePrior, RandomMap
from aisthesis.explainers.grad_cam import GradCam
from aisthesis.explainers.gradients import GradientTimesInput, IntegratedGradients
from aisthesis.explainers.lime import Lime
from aisthesis.explainers.masking import multiscale, occlusion
from aisthesis.explainers.registry import TITLES, explainers_named
from aisthesis.names.explainers import BASE, EXPLAINERS, checked_names

SMALL = {"cells": 12, "lime_samples": 40, "lime_superpixels": 9, "occlusion_px": 8,
         "multiscale_px": (3, 9), "stride_px": 8, "integration_steps": 8}  # fmt: skip


def maps_of(explainer, subject, images, seeds=None):
    return explainer(
        subject, images, seeds=seeds or list(range(len(images))), advance=lambda share: None
    )


@pytest.mark.parametrize("name", [name for name in EXPLAINERS if name not in BASE])
def test_every_explainer_shows_one_face(subject, images, name):
    pytest.importorskip("captum")
    pytest.importorskip("skimage")
    (explainer,) = explainers_named([name], **SMALL)
    before = {key: value.clone() for key, value in subject.model.state_dict().items()}
    pixels, done = images.clone(), []
    maps = explainer(subject, images, seeds=[5, 6, 7], advance=done.append)
    assert maps.shape == (3, *explainer.grid(subject))
    assert maps.dtype == images.dtype
    assert torch.isfinite(maps).all()
    assert not maps.requires_grad
    assert sum(done) == pytest.approx(3)
    assert (explainer.name, explainer.title) == (name, TITLES[name])
    assert (explainer.passes(subject) > 0) != explainer.control
    assert explainer.signed or not (maps < 0).any()
    again = maps_of(explainer, subject, images, [5, 6, 7])
    torch.testing.assert_close(maps, again, rtol=0, atol=0)
    # Nothing that was handed over is changed.
    assert torch.equal(images, pixels)
    assert all(torch.equal(before[k], v) for k, v in subject.model.state_dict().items())
    assert not any(p.requires_grad for p in subject.model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in subject.model.modules())


def test_one_image_alone_has_the_map_that_it_has_among_others(subject, images):
    pytest.importorskip("captum")
    for explainer in explainers_named(["all"], **SMALL):
        together = maps_of(explainer, subject, images, [5, 6, 7])
        alone = maps_of(explainer, subject, images[1:2], [6])
        torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_grad_cam_equals_captum_and_keeps_the_sign(subject, images):
    attr = pytest.importorskip("captum.attr")
    ours = maps_of(GradCam(), subject, images)
    layer = subject.model.get_submodule(subject.layer)
    peer = attr.LayerGradCam(subject.model, layer).attribute(images.requires_grad_(True))
    torch.testing.assert_close(ours, peer[:, 0].detach(), rtol=1e-5, atol=1e-5)
    assert (ours < 0).any()
    rectified = GradCam(rectified=True)
    assert not rectified.signed
    assert torch.equal(maps_of(rectified, subject, images), ours.clamp(min=0))


def test_grad_cam_equals_pytorch_grad_cam(subject, images):
    peers = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import RawScoresOutputTarget

    model = subject.model
    # pytorch-grad-cam keeps the layer's output without copying it, so nothing may overwrite it.
    model.features[4] = nn.ReLU()
    ours = maps_of(GradCam(rectified=True), subject, images)
    wrapped = nn.Sequential(model, nn.Unflatten(0, (-1, 1)))
    with peers.GradCAM(wrapped, [model.features[3]]) as cam:
        cam.activations_and_grads(images.requires_grad_(True))
        peer = cam(images, [RawScoresOutputTarget()] * len(images))
    size = images.shape[-2:]
    resized = F.interpolate(ours[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    low, high = resized.amin((1, 2), keepdim=True), resized.amax((1, 2), keepdim=True)
    # It shifts and scales every map to 0 .. 1 before and after resizing it.
    torch.testing.assert_close(
        (resized - low) / (high - low), torch.from_numpy(peer), rtol=1e-5, atol=1e-5
    )


def test_grad_cam_of_a_layer_with_channels_last(subject, images):
    class Last(nn.Module):
        def forward(self, x):
            return x.movedim(1, 3)

    class First(nn.Module):
        def forward(self, x):
            return x.movedim(3, 1)

    wanted = maps_of(GradCam(), subject, images)
    subject.model.features.insert(4, Last())
    subject.model.features.insert(5, First())
    moved = dataclasses.replace(subject, layer="features.4", to_map=lambda y: y.movedim(3, 1))
    torch.testing.assert_close(maps_of(GradCam(), moved, images), wanted)


def test_integrated_gradients_equal_a_sum_by_hand_and_add_up(subject, images):
    pytest.importorskip("captum")
    from numpy.polynomial.legendre import leggauss

    method = IntegratedGradients(steps=16, cells=12)
    found = method.on_pixels(subject, images, lambda share: None)
    nodes, weights = leggauss(16)
    total = torch.zeros_like(images)
    for node, weight in zip(nodes, weights, strict=True):
        point = ((node + 1) / 2 * images).requires_grad_(True)
        (gradient,) = torch.autograd.grad(subject.model(point).sum(), point)
        total += weight / 2 * gradient
    # Of the map's maximum: single values near zero are differences of larger ones.
    by_hand = (total * images).sum(1)
    assert (found - by_hand).abs().max() < 1e-5 * by_hand.abs().max()
    with torch.no_grad():
        difference = subject.model(images) - subject.model(torch.zeros_like(images))
    torch.testing.assert_close(found.sum((1, 2)), difference, rtol=0.05, atol=0.01)
    # 48 px on 12 cells: the mean over blocks of 4 x 4.
    blocks = found.unflatten(2, (12, 4)).unflatten(1, (12, 4)).mean((2, 4))
    torch.testing.assert_close(maps_of(method, subject, images), blocks)


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "squeezenet1_0"])
def test_known_networks_equal_captum(name):
    """Grad-CAM and Integrated Gradients of networks with strides, shortcuts and BatchNorm.

    In float64: in float32 another batch size rounds otherwise, a ReLU whose input is almost zero
    then falls to the other side, and single pixels' gradients jump.
    """
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    quick = {"init_weights": False} if name == "vgg11_bn" else {}
    network = torchvision.models.get_model(name, num_classes=1, **quick).requires_grad_(False)
    if name == "vgg11_bn":
        network.classifier = nn.Linear(512 * 49, 1)  # 119 million numbers fewer
    layer = {"resnet18": "1.layer4.1.conv1", "vgg11_bn": "1.features.25"}.get(name, "1.features.9")
    model = nn.Sequential(nn.Identity(), network, nn.Flatten(0)).eval().double()
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    subject = ExplainedNetwork(model, layer, lambda output: output, 64, (1, 1))
    ours = maps_of(GradCam(), subject, images)
    peer = attr.LayerGradCam(model, model.get_submodule(layer)).attribute(images)[:, 0].detach()
    assert ours.shape == peer.shape
    assert (ours - peer).abs().max() < 1e-5 * peer.abs().max()
    ours = IntegratedGradients(steps=8, at_once=3).on_pixels(subject, images, lambda share: None)
    peer = attr.IntegratedGradients(model).attribute(images, baselines=0.0, n_steps=8).sum(1)
    assert (ours - peer).abs().max() < 1e-5 * peer.abs().max()
    assert peer.abs().max() > 0


def test_gradient_x_input_is_what_it_says(subject, images):
    pytest.importorskip("captum")
    point = images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(subject.model(point).sum(), point)
    found = maps_of(GradientTimesInput(cells=48), subject, images)
    torch.testing.assert_close(found, (gradient * images).sum(1))


def test_lime_finds_the_weights_of_a_network_that_is_linear_in_its_superpixels():
    pytest.importorskip("captum")
    pytest.importorskip("skimage")

    class Sum(nn.Module):
        def forward(self, x):
            return x.sum((1, 2, 3))

    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 24, 24, generator=generator) + 1
    subject = ExplainedNetwork(Sum().eval(), "", lambda y: y, 24, (24, 24))
    method = Lime(superpixels=6, samples=300, penalty=1e-6, cells=24)
    (found,) = maps_of(method, subject, image, [3])
    segments = torch.from_numpy(method.segments(image[0]))
    assert segments.unique().tolist() == list(range(int(segments.max()) + 1))
    for number in segments.unique():
        inside = segments == number
        wanted = image[0, :, inside].sum()
        assert float(found[inside].mean()) == pytest.approx(float(wanted), rel=1e-3)


def test_masking_sums_the_drops_of_all_sizes(subject, images):
    both = maps_of(multiscale((3, 9), 8), subject, images)
    one_by_one = sum(maps_of(occlusion(px, 8), _fresh(subject), images) for px in (3, 9))
    torch.testing.assert_close(both, one_by_one)
    masked = images.clone()
    masked[:, :, 20 - 4 : 20 + 5, 28 - 4 : 28 + 5] = 0
    with torch.no_grad():
        drop = subject.model(images) - subject.model(masked)
    found = maps_of(occlusion(9, 8), _fresh(subject), images)[:, 2, 3]
    torch.testing.assert_close(found, drop, rtol=1e-4, atol=1e-6)


def _fresh(subject):
    return dataclasses.replace(subject, plans={})


def test_controls_know_nothing(subject, images):
    random = maps_of(RandomMap(), subject, images, [1, 2, 1])
    assert torch.equal(random[0], random[2])
    assert not torch.equal(random[0], random[1])
    centre = maps_of(CentrePrior(), subject, images)
    assert torch.equal(centre[0], centre[1])
    assert centre[0].argmax() in (11 * 24 + 11, 11 * 24 + 12, 12 * 24 + 11, 12 * 24 + 12)
    torch.testing.assert_close(centre, centre.flip(1, 2))


def test_names_are_checked():
    assert checked_names(["lime"]) == (*BASE, "lime")
    assert checked_names(["all"]) == EXPLAINERS
    with pytest.raises(RequestError, match="did you mean grad_cam"):
        checked_names(["gradcam"])
    assert set(TITLES) == set(EXPLAINERS)


def test_missing_captum_is_said(subject, images, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.startswith("captum"):
            raise ImportError("No module named 'captum'")
        return real(name, *rest, **options)

    import importlib

    monkeypatch.setattr(importlib, "import_module", lambda name: without(name))
    with pytest.raises(RequestError, match=r"needs captum.*aisthesis\[peers\]"):
        maps_of(GradientTimesInput(), subject, images)


def test_several_outputs_are_refused(subject, images):
    model = nn.Sequential(subject.model, nn.Unflatten(0, (-1, 1)))
    several = dataclasses.replace(subject, model=model, layer="0.features.3")
    with pytest.raises(RequestError, match="one prediction per image"):
        maps_of(GradCam(), several, images)
