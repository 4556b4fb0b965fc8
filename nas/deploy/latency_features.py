"""What a latency is explained by: how much of each kind of work the layers of a network do, and where.

Three groups of names: ``pointwise`` is an amount in the whole network, ``stage3 pointwise`` in one stage, and
``stage3 first k5`` a count of layers with one choice, or with a whole design:
``stage3 first mb6 k5 se``.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nas.errors import InputError
from search_spaces import SearchSpace
from search_spaces.arch import BOTTLENECK, LayerSpec, StageSpec
from search_spaces.cost import se_channels, se_cost
from search_spaces.cost_table import StageTable

Array = NDArray[np.float64]
HEAD = "head channels"
VECTOR = 16
"""Channels that a vector unit computes together (AVX-512; a multiple of NEON's 4): others are filled up."""
MOST_NAMES = 150
"""More than the names of one slot."""


def filled(channels: int) -> int:
    """``channels`` as they are computed: whole vectors."""
    return -(-channels // VECTOR) * VECTOR


def layer_amounts(spec: LayerSpec, size: int) -> dict[str, float]:
    """What one layer on an input of side ``size`` does: multiply-adds, elements and calls, by kind.

    ``pointwise`` and ``conv`` count once as they are and once with filled vectors.
    """
    area_in, area = size * size, (-(-size // spec.stride)) ** 2
    given, made, kernel = spec.in_channels, spec.channels, spec.kernel
    inside = made
    amounts: defaultdict[str, float] = defaultdict(float, {"layers": 1})

    def conv(kind: str, inputs: int, outputs: int, positions: int, taps: int = 1) -> None:
        amounts[kind] += taps * inputs * outputs * positions
        amounts[f"{kind} filled"] += taps * filled(inputs) * filled(outputs) * positions
        amounts["weights"] += taps * inputs * outputs

    if spec.op in ("mbconv", "separable"):
        inside = given * spec.expand_ratio
        if spec.expand_ratio > 1:
            conv("expand", given, inside, area_in)
            amounts["expanded elements"] = inside * area_in
            amounts["expansions"] = 1
        amounts[f"depthwise k{kernel} s{spec.stride}"] = kernel**2 * inside * area
        amounts[f"depthwise k{kernel} filled"] = kernel**2 * filled(inside) * area
        amounts["depthwise inputs"] = inside * area_in
        amounts["filled elements"] = filled(inside) * (area + area_in * (spec.expand_ratio > 1))
        conv("project", inside, made, area)
        amounts["outputs"] = made * area
    elif spec.op == "bottleneck":
        inside = made // BOTTLENECK
        conv("expand", given, inside, area_in)
        conv(f"conv k{kernel}", inside, inside, area, kernel**2)
        conv("project", inside, made, area)
        if not spec.residual:
            conv("project", given, made, area)
    else:
        conv(f"conv k{kernel}", given, made, area, kernel**2)
        amounts[f"conv k{kernel} inputs"] = given * area_in
        amounts["convs"] = 1
    amounts["elements"] = inside * area
    if spec.se_ratio:
        amounts["se layers"], amounts["se elements"] = 1, inside * area
        amounts["se"] = se_cost(inside, se_channels(given, spec.se_ratio))[0]
    if spec.residual:
        amounts["additions"], amounts["added elements"] = 1, made * area
    return dict(amounts)


def stage_features(slot: int, stage: StageSpec, in_channels: int, size: int) -> dict[str, float]:
    """What the stage of a slot, numbered from 0, adds to the features of its network."""
    features: defaultdict[str, float] = defaultdict(float)
    for number, layer in enumerate(stage.layers(in_channels)):
        place = f"stage{slot + 1} {'further' if number else 'first'}"
        op = f"mb{layer.expand_ratio}" if layer.op == "mbconv" else layer.op
        kernel, se = f"k{layer.kernel}", "se" if layer.se_ratio else "plain"
        for design in (op, kernel, se, f"{op} {kernel} {se}"):
            features[f"{place} {design}"] += 1
        for kind, amount in layer_amounts(layer, size).items():
            features[kind] += amount
            features[f"stage{slot + 1} {kind}"] += amount
        size = -(-size // layer.stride)
    return dict(features)


def group_of(name: str) -> str:
    """``network``, ``stage``, ``choice`` or ``design``: which group a feature is of."""
    words = name.split()
    if not words[0].startswith("stage"):
        return "network"
    if words[1] not in ("first", "further"):
        return "stage"
    return "choice" if len(words) == 3 else "design"


class Features:
    """The features of the networks of a space, in one fixed order of ``names``.

    Raises:
        InputError: if the space is not built slot by slot.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.names = [HEAD]
        number = {HEAD: 0}
        width = MOST_NAMES * max(1, len(space.slots))

        def stage(slot: int, spec: StageSpec, in_channels: int, size: int) -> Array:
            values = np.zeros(width)
            for name, value in stage_features(slot, spec, in_channels, size).items():
                if name not in number:
                    number[name] = len(number)
                    self.names.append(name)
                values[number[name]] = value
            return values

        def head(in_channels: int, _size: int) -> Array:
            values = np.zeros(width)
            values[0] = in_channels
            return values

        try:
            self.table = StageTable(space, np.zeros(width), stage, head)
        except ValueError as error:
            raise InputError(f"space must be one of stages ({error}), got {space.name}") from None

    def __call__(self, actions: ArrayLike) -> Array:
        """Features `[N, F]` of ``actions`` `[N, D]`."""
        return np.asarray(self.table(actions)[:, : len(self.names)], np.float64)
