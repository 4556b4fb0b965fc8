"""Sweeps: networks along lines from a base, to see what each dimension gives for its compute.

    "depth, width=1,2,4 | resolution=1,1.3" --points--> networks, each with its line and its factors

A line is a dimension with the factors it takes (``width=1,1.4,2``), several that grow together
(``depth=1.4 + width=1.2``), or a way to scale without values (``depth``, ``compound``): then its networks
have about ``GROWTHS`` times the FLOPs that the line begins with. What stands after ``|`` is held fixed: each
combination of these factors has the lines once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Unpack

from scaling_search.compound import MOST, STRATEGIES, Coefficients, Rounding, phi_to, scale
from search_spaces import ArchSpec, canonical
from search_spaces.limits import shown
from search_spaces.names import unknown

GROWTHS = (1.0, 2.0, 4.0, 8.0)
MOST_NETWORKS = 200
DIMENSIONS = ("depth", "width", "resolution")

SWEEPS = {
    "figure3": "width=1,1.4,1.8,2.6,3.8,5, depth=1,2,3,4,6,8, resolution=1,1.3,1.5,1.7,1.9,2.2,2.5",
    "figure4": "width=1,1.4,1.8,2.6,3.8 | depth=1,2 x resolution=1,1.3",
    "figure8": "depth, width, resolution, compound",
    "table3": "depth=4, width=2, resolution=2, depth=1.4 + width=1.2 + resolution=1.3",
    "table7": "depth=4, width=2, resolution=2, depth=1.4 + width=1.2 + resolution=1.3",
}
"""The paper's figures and tables. Table 3 gives the compound factors of MobileNetV1 alone, and for it no
network that is scaled by depth; here they are those of table 7 for every base.

Source: Tan & Le 2019, arXiv:1905.11946; figure 4 begins and ends as its caption says."""

Factors = dict[str, tuple[float, ...]]
"""The values that each dimension takes."""


@dataclass(frozen=True)
class Point:
    """A network of a sweep.

    Args:
        line: its line, in words.
        factors: of depth, width and resolution, before rounding.
    """

    line: str
    factors: Coefficients
    arch: ArchSpec


def points(
    base: ArchSpec,
    sweep: str,
    compound: Coefficients,
    *,
    num_classes: int = 1000,
    **how: Unpack[Rounding],
) -> list[Point]:
    """The networks of a sweep, line by line; the base comes first, as a line of its own, if no line has it.

    Args:
        sweep: see the module, or a key of ``SWEEPS``.
        compound: the coefficients of ``compound``.
        num_classes: of the task; FLOPs include that classifier.

    Raises:
        ValueError: if the text cannot be read, or a network would be larger than it may be.
    """
    lines, fixed = _parse(SWEEPS.get(sweep.strip(), sweep))

    def factors(line: str | Factors, held: Coefficients) -> Iterator[Coefficients]:
        """Those of a line's networks, the first one's first."""
        if not isinstance(line, str):
            for values in zip(*line.values(), strict=True):
                yield _times(held, dict(zip(line, values, strict=True)))
            return
        start, way = scale(base, held, 1.0, **how), {"compound": compound, **STRATEGIES}[line]
        yield held
        for growth in GROWTHS[1:]:
            phi = phi_to(start, way, growth, num_classes=num_classes, **how)
            grown = [value**phi for value in vars(way).values()]
            yield _times(held, dict(zip(DIMENSIONS, grown, strict=True)))

    found: dict[tuple[str, ArchSpec], Point] = {}
    for held, line in itertools.product(fixed, lines):
        name = _name(line, held, crossed=len(fixed) > 1)
        for own in factors(line, held):
            try:
                arch = canonical(scale(base, own, 1.0, **how))
            except ValueError as error:
                limit = str(error).partition("(")[2].rpartition(")")[0]
                raise ValueError(
                    f"sweep must leave networks within their limits ({limit}), got {name} by {own}"
                ) from None
            found.setdefault((name, arch), Point(name, own, arch))
            if len(found) > MOST_NETWORKS:
                raise ValueError(f"sweep must have at most {MOST_NETWORKS} networks, got more")
    first = Point("base", Coefficients(1, 1, 1), canonical(base))
    return [*([] if any(point.arch == first.arch for point in found.values()) else [first]), *found.values()]


def _times(held: Coefficients, factors: dict[str, float]) -> Coefficients:
    values = zip(DIMENSIONS, vars(held).values(), strict=True)
    return Coefficients(*(value * factors.get(name, 1.0) for name, value in values))


def _parse(text: str) -> tuple[list[str | Factors], list[Coefficients]]:
    """The lines, each a way to scale or factors that grow together, and the combinations held fixed."""
    varied, bar, after = text.partition("|")
    lines: list[str | Factors] = []
    for part in _parts(varied, text):
        name = part.strip()
        if "=" not in name:
            ways = ("compound", *STRATEGIES)
            if name not in ways:
                raise ValueError(f"sweep: {unknown('dimension', name, [*ways, *SWEEPS])}")
            line: str | Factors = name
        else:
            line = _factors(name.split("+"), text)
            lengths = {dimension: len(values) for dimension, values in line.items()}
            if len(set(lengths.values())) > 1:
                raise ValueError(
                    f"sweep must give dimensions that grow together equally many values, got {shown(name)}"
                )
        if line in lines:
            raise ValueError(f"sweep must name each line once, got {shown(name)} twice")
        lines.append(line)
    held = _factors(after.split(" x "), text) if bar else {}
    for line in lines:
        if held.keys() & ({line} if isinstance(line, str) else line.keys()):
            raise ValueError(f"sweep must vary a dimension or hold it fixed, not both, got {shown(text)}")
    combinations = [dict(zip(held, values, strict=True)) for values in itertools.product(*held.values())]
    return lines, [_times(Coefficients(1, 1, 1), combination) for combination in combinations]


def _parts(text: str, whole: str) -> list[str]:
    """The lines of a list in which values are separated by commas too: a number belongs to what is before."""
    found: list[str] = []
    for part in text.split(","):
        if found and "=" in found[-1] and _number(part.partition("+")[0]) is not None:
            found[-1] += f",{part}"
        else:
            found.append(part)
    if not all(part.strip() for part in found):
        raise ValueError(f"sweep must name dimensions, as in width,depth,resolution, got {shown(whole)}")
    return found


def _factors(parts: list[str], text: str) -> Factors:
    found: Factors = {}
    for part in parts:
        name, equals, values = (side.strip() for side in part.partition("="))
        if name not in DIMENSIONS:
            raise ValueError(f"sweep: {unknown('dimension', name, DIMENSIONS)}")
        numbers = [_number(value) for value in values.split(",")]
        known = tuple(value for value in numbers if value is not None and 1 <= value <= MOST)
        if not equals or len(known) < len(numbers):
            raise ValueError(f"sweep must give {name} factors from 1 to {MOST}, got {shown(part.strip())}")
        if name in found:
            raise ValueError(f"sweep must name each dimension of a line once, got {shown(text)}")
        found[name] = known
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _name(line: str | Factors, held: Coefficients, *, crossed: bool) -> str:
    """``width``, ``depth + width`` or ``width | depth 2 x resolution 1.3``."""
    name = line if isinstance(line, str) else " + ".join(line)
    if not crossed:
        return name
    values = zip(DIMENSIONS, vars(held).values(), strict=True)
    fixed = [f"{dimension} {value:g}" for dimension, value in values if dimension not in name]
    return f"{name} | {' x '.join(fixed)}"
