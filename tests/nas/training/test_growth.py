"""A network that can do more than the one that it inherits from begins with the same function."""

import dataclasses

import numpy as np
import pytest
import torch
from heirs import IMAGES, STAGES, assert_same_function, heir, narrow, pretrained, small
from strategies import random_archs

from search_spaces import SPACES, ArchSpec, canonical, resize


def grows(one, other):
    """Whether a stage of the design ``other`` can do all that one of the design ``one`` can."""
    if (one.op, one.skip, one.stride) != (other.op, other.skip, other.stride):
        return False
    if other.repeats < one.repeats or (one.skip == "none" and other.repeats > one.repeats):
        return False
    if min(one.expand_ratio, other.expand_ratio) == 1 and one.expand_ratio != other.expand_ratio:
        return False
    if one.op == "conv" and bool(one.se_ratio) != bool(other.se_ratio):
        return False
    fields = ("kernel", "expand_ratio", "channels", "se_ratio")
    return all(getattr(one, name) <= getattr(other, name) for name in fields)


def residuals(arch):
    """Whether the first layer of each stage is residual; the others' skip is the stage's."""
    widths = [arch.stem_channels, *(stage.channels for stage in arch.stages)]
    return [stage.layers(width)[0].residual for width, stage in zip(widths, arch.stages, strict=False)]


def growing_pairs(space, count, seed=0):
    """Networks a quarter as wide as those of ``space``, each with a larger one of the same residuals."""
    rng = np.random.default_rng(seed)
    frame = dataclasses.replace(narrow(random_archs(space, 1))[0], head_channels=64)
    while count:
        pair = []
        for slot in space.slots:
            stages = [dataclasses.replace(s, channels=s.channels // 4) for s in slot.stages.values()]
            one = stages[rng.integers(len(stages))]
            larger = [stage for stage in stages if grows(one, stage)]
            pair.append((one, larger[rng.integers(len(larger))]))
        source, arch = (dataclasses.replace(frame, stages=stages) for stages in zip(*pair, strict=True))
        wider = {"stem_channels": int(rng.choice([8, 10])), "head_channels": int(rng.choice([64, 80]))}
        arch = dataclasses.replace(arch, **wider)
        if residuals(source) == residuals(arch):
            count -= 1
            yield canonical(source), canonical(arch)


@pytest.mark.parametrize(("space", "count"), [("mnas-lite", 100), ("mnas", 20)])
def test_what_grows_keeps_the_function(space, count):
    for source, arch in growing_pairs(SPACES[space], count):
        network = pretrained(source)
        assert_same_function(network, heir(source, network, arch))


@pytest.mark.parametrize(
    "stages",
    [
        ("mb1_r1_k5_s1_c8", "mb3_r2_k7_s2_c12", "mb3_r2_k5_s1_c16"),
        ("mb1_r2_k3_s1_c8", "mb3_r5_k3_s2_c12", "mb3_r3_k3_s1_c16"),
        ("mb1_r1_k3_s1_c8", "mb4_r2_k3_s2_c12", "mb6_r2_k3_s1_c16"),
        ("mb1_r1_k3_s1_c8", "mb3_r2_k3_s2_c20", "mb3_r2_k3_s1_c24"),
        ("mb1_r1_k3_s1_c8_se0.25", "mb3_r2_k3_s2_c12_se0.25", "mb3_r2_k3_s1_c16_se0.5"),
        ("mb1_r1_k3_s1_c8_se0.25", "mb6_r3_k5_s2_c20_se0.5", "mb6_r4_k7_s1_c24_se1.0"),
    ],
    ids=["kernel", "layers", "expansion", "channels", "gates", "all"],
)
def test_each_kind_of_growth_keeps_the_function_and_can_be_trained(stages):
    source = small(*STAGES)
    network, arch = pretrained(source), small(*stages)
    new = heir(source, network, arch)
    assert_same_function(network, new)
    for _ in range(2):  # the first step trains what reads the new channels, the second what writes them
        new.zero_grad()
        new(IMAGES).square().sum().backward()
        with torch.no_grad():
            for weight in new.parameters():
                weight -= 1e-3 * weight.grad
    idle = [name for name, weight in new.named_parameters() if not weight.grad.any()]
    assert not idle


RESNET = "res32-relu-stem8k7pool-bottleneck_r1_k3_s1_c16-bottleneck_r2_k3_s2_c32-head0"
MOBILENET = "res32-relu-stem8-separable_r1_k3_s1_c12_noskip-separable_r2_k3_s2_c16_noskip-head0"


@pytest.mark.parametrize(
    ("source", "arch"),
    [
        (RESNET, RESNET.replace("r2_k3", "r4_k5")),
        (RESNET, RESNET.replace("c16", "c24").replace("c32", "c48").replace("stem8", "stem12")),
        (MOBILENET, MOBILENET.replace("k3", "k5").replace("c12", "c20").replace("c16", "c24")),
    ],
    ids=["deeper", "wider", "separable"],
)
def test_the_papers_other_bases_keep_the_function_when_they_grow(source, arch):
    source, arch = map(ArchSpec.parse, (source, arch))
    network = pretrained(source)
    assert_same_function(network, heir(source, network, arch))


@pytest.mark.parametrize("arch", [RESNET, MOBILENET])
def test_the_papers_other_bases_keep_everything_of_themselves_and_slices_work(arch):
    arch = ArchSpec.parse(arch)
    network = pretrained(arch)
    same = heir(arch, network, arch).state_dict()
    for name, tensor in network.state_dict().items():
        assert "num_batches" in name or torch.equal(same[name], tensor), name
    slim = resize(arch, 0.5, divisor=2)
    kept = heir(arch, network, slim)
    assert kept(IMAGES).isfinite().all()
    wide = network.classifier.weight
    assert all(any(torch.equal(column, own) for own in wide.T) for column in kept.classifier.weight.T)


def test_an_expansion_of_1_grows_exactly_where_relu_follows_relu():
    source, arch = (
        small(f"{first}_r1_k3_s1_c12_se0.25", *STAGES[1:], activation="relu") for first in ("mb1", "mb4")
    )
    network = pretrained(source)
    assert_same_function(network, heir(source, network, arch))
