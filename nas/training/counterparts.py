"""Which layer of a pretrained network each layer of another one begins from. No torch.

Both networks are cut at their strides into levels, a level into groups of equal output channels, and a
group into runs of one design. Parts in equal number belong together one to one, and in them the first layer
to the first, the second to the second. If there are not as many groups, layers are matched in their order,
by the most similar channels.

Stages would not do: ``canonical`` joins two where one could describe both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from search_spaces.arch import ArchSpec, LayerSpec

MOST_PAIRS = 250_000  # a second; only networks of many hundreds of layers have more
Layers = list[tuple[int, LayerSpec]]
"""Layers, each with its place in the network."""


def counterparts(source: ArchSpec, arch: ArchSpec) -> list[int | None]:
    """For each layer of ``arch`` the place in ``source.layers()`` of its counterpart, None if it has none.

    The places ascend, and no layer of ``source`` is taken twice. Equal architectures match layer by layer.
    """
    wanted, given = list(enumerate(arch.layers())), list(enumerate(source.layers()))
    found: list[int | None] = [None] * len(wanted)
    for place, origin in _match(wanted, given, (_levels, _groups)):
        found[place] = origin
    return found


def _match(
    wanted: Layers, given: Layers, cuts: Sequence[Callable[[Layers], list[Layers]]]
) -> list[tuple[int, int]]:
    """Pairs of places; ``cuts`` divide both lists into ever smaller parts."""
    if not cuts:
        runs, sources = _runs(wanted), _runs(given)
        if len(runs) != len(sources):
            runs, sources = [wanted], [given]
        return [
            (w[0], g[0]) for ws, gs in zip(runs, sources, strict=True) for w, g in zip(ws, gs, strict=False)
        ]
    parts, sources = cuts[0](wanted), cuts[0](given)
    if len(parts) == len(sources):
        return [pair for w, g in zip(parts, sources, strict=True) for pair in _match(w, g, cuts[1:])]
    if cuts[0] is _levels:  # levels are no guide, but the groups may be: a small image skips a stride
        return _match(wanted, given, cuts[1:])
    return _most_similar(wanted, given)


def _levels(layers: Layers) -> list[Layers]:
    """From stride to stride; the first level, before any stride, may be empty."""
    levels: list[Layers] = [[]]
    for layer in layers:
        if layer[1].stride != 1:
            levels.append([])
        levels[-1].append(layer)
    return levels


def _groups(layers: Layers) -> list[Layers]:
    return [list(group) for _, group in itertools.groupby(layers, lambda layer: layer[1].channels)]


def _runs(layers: Layers) -> list[Layers]:
    def design(layer: tuple[int, LayerSpec]) -> tuple[object, ...]:
        spec = layer[1]
        return spec.op, spec.kernel, spec.expand_ratio, spec.se_ratio

    return [list(run) for _, run in itertools.groupby(layers, design)]


def _most_similar(wanted: Layers, given: Layers) -> list[tuple[int, int]]:
    """The pairs, in order, whose ``_similarity`` is the greatest in all; of equal ones the first layers."""
    if len(wanted) * len(given) > MOST_PAIRS:
        return [(w[0], g[0]) for w, g in zip(wanted, given, strict=False)]
    # best[i][j]: the greatest similarity of wanted[i:] and given[j:].
    best = [[0.0] * (len(given) + 1) for _ in range(len(wanted) + 1)]
    for i, j in itertools.product(reversed(range(len(wanted))), reversed(range(len(given)))):
        pair = best[i + 1][j + 1] + _similarity(wanted[i][1], given[j][1])
        best[i][j] = max(pair, best[i + 1][j], best[i][j + 1])
    pairs = []
    i = j = 0
    while i < len(wanted) and j < len(given):
        if best[i][j] == best[i + 1][j + 1] + _similarity(wanted[i][1], given[j][1]):
            pairs.append((wanted[i][0], given[j][0]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            i += 1
    return pairs


def _similarity(one: LayerSpec, other: LayerSpec) -> float:
    """Positive, so that as many layers as possible find a counterpart: most where both begin a new stream."""
    ratio = min(one.channels, other.channels) / max(one.channels, other.channels)
    alike = (one.residual == other.residual) + (one.op == other.op) + (one.stride == other.stride)
    begin = not one.residual and not other.residual
    return ratio**2 * (1 + alike + 2 * begin)
