"""One spec for all that build the same network."""

from __future__ import annotations

import dataclasses

from search_spaces.arch import ArchSpec, StageSpec


def canonical(arch: ArchSpec) -> ArchSpec:
    """The same spec for all specs that build the same network, so that it can serve as a key.

    Neighbouring stages are joined if one stage could describe both (240 channels are both 1.25 x 192 and
    0.75 x 320), and ``skip`` is ``identity`` wherever it makes no difference.
    """
    stages: list[StageSpec] = []
    layers = list(arch.layers())
    while layers:
        first, *layers = layers
        follower = first._replace(stride=1, in_channels=first.channels)
        if first.stride == 1 and first.in_channels == first.channels:
            identity = first.residual  # the first layer already shows the stage's skip
        else:
            identity = not (layers and layers[0] == follower._replace(residual=False))
        follower = follower._replace(residual=identity)
        repeats = 1
        while layers and layers[0] == follower:
            layers.pop(0)
            repeats += 1
        skip = "identity" if identity else "none"
        op, kernel, stride, expand_ratio, _, channels, se_ratio, _ = first
        stages.append(StageSpec(op, repeats, kernel, stride, expand_ratio, channels, se_ratio, skip))
    return dataclasses.replace(arch, stages=tuple(stages))
