"""A scaling run: which networks a search for (alpha, beta, gamma) compares, and the family it gives.

    base --Grid, STRATEGIES--> candidates of equal FLOPs --Search--> means --choose--> family
    base --points--> networks along lines --Search--> means along each line

The candidates are a search space of one decision, so the one search loop trains them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, NamedTuple

from pydantic import Field

from nas.spec.recipe import Recipe
from scaling_search import (
    PHIS,
    PUBLISHED_COEFFICIENTS,
    ROUNDINGS,
    STRATEGIES,
    Coefficients,
    Grid,
    Model,
    Point,
    distinct,
    member,
    near,
    points,
    scale,
    scale_to,
    spread,
    within,
    within_budgets,
)
from scaling_search.compound import MOST, Rounding
from search_spaces import ArchSpec, SearchSpace, canonical, cost, listed
from search_spaces.limits import MOST_CLASSES, MOST_PIXELS
from search_spaces.names import unknown
from search_spaces.rules import AtMost, OneOf, validated

PROXY = Recipe(resolution=40, divisor=2, epochs=3, fraction=0.4, batch_size=64)
"""The default if the base is not a run: short, and at 40 px sizes round less unevenly than at 32 (LOG.md)."""
UNFAIR = 1.5
"""The ``unevenness`` from which the user is warned."""


class Candidate(NamedTuple):
    """A network to compare, the strategies that propose it, and the triples that give it, best first."""

    arch: ArchSpec
    strategy: str
    triples: tuple[Coefficients, ...]


@validated
class Scaling:
    """What ``nas scale`` was asked.

    Args:
        base: the network to scale, as text.
        phi: the scale at which candidates are compared.
        strategies: ``compound`` or names of ``STRATEGIES``; the first one's coefficients give the family.
        coefficients: those of ``compound``, in place of the grid.
        modelled: a model of all training runs gives the grid's coefficients; older runs, and those that look
            accuracies up, take those of the best network.
        grid: the triples of ``compound``.
        sweep: the lines of a sweep, in place of networks of equal FLOPs, see ``scaling_search.sweep``; its
            ``compound`` has ``coefficients``, or the published ones.
        rounding: of repeats, see ``scale``.
        multiple: resolutions are multiples of this many pixels.
        late_depth: layers are added to later stages, in the grid and in the family, see ``scale``.
        phis: phi of each model in the family.
        budgets: FLOPs that the models after the base keep within, in place of ``phis``; rising.
        seeds: training runs of each candidate.
        largest: the highest resolution, in pixels, that the grid and the family may reach; None for any.
        num_classes: of the task; FLOPs include that classifier.
        check: the conditions of a second, smaller design: ``phi`` or ``epochs``, and that phi, or how many
            times the epochs; None for no check.
        most: networks of the grid that are compared, as different as possible; None for all.
        latencies: milliseconds of the base and of the grid's networks, by their texts; candidates then have
            equal latency in place of FLOPs.
        device: gives the latencies of these, and of the family's models; empty for none.
        reference_ms, latency_classes: what the reference took between these, on this machine, 0 for none; and
            the outputs of their classifiers, 0 where nothing was measured.
    """

    base: str
    phi: Annotated[float, Field(gt=0, lt=math.inf)] = 1.0
    strategies: tuple[str, ...] = ("compound",)
    coefficients: Coefficients | None = None
    modelled: bool = False
    grid: Grid = field(default_factory=Grid)
    rounding: Annotated[str, OneOf(tuple(ROUNDINGS))] = "ceil"
    multiple: Annotated[int, Field(ge=1), AtMost(MOST_PIXELS)] = 8
    late_depth: bool = False
    phis: Mapping[str, Annotated[float, AtMost(MOST)]] = field(default_factory=lambda: dict(PHIS))
    budgets: tuple[float, ...] = ()
    seeds: Annotated[int, Field(ge=1), AtMost(1000)] = 2
    largest: Annotated[int | None, Field(ge=1, title="max_resolution")] = None
    num_classes: Annotated[int, Field(ge=1), AtMost(MOST_CLASSES)] = 1000
    sweep: str = ""
    check: (
        tuple[Annotated[str, OneOf(("phi", "epochs"))], Annotated[float, Field(gt=0), AtMost(1000)]] | None
    ) = None
    most: Annotated[int | None, Field(ge=1)] = None
    latencies: Mapping[str, Annotated[float, Field(gt=0, lt=math.inf)]] = field(default_factory=dict)
    device: str = ""
    reference_ms: Annotated[float, Field(ge=0, lt=math.inf)] = 0.0
    latency_classes: Annotated[int, Field(ge=0), AtMost(MOST_CLASSES)] = 0

    def __post_init__(self) -> None:
        ArchSpec.parse(self.base)
        for name in self.strategies:
            if name not in ("compound", *STRATEGIES):
                raise ValueError(f"strategy: {unknown('strategy', name, ['compound', *STRATEGIES])}")
        if not self.strategies or len(set(self.strategies)) < len(self.strategies):
            raise ValueError(f"strategy must name one or more, each once, got {list(self.strategies)}")

    @property
    def arch(self) -> ArchSpec:
        """The base; unlike the candidates, it may not be canonical."""
        return ArchSpec.parse(self.base)

    @property
    def base_flops(self) -> int:
        """FLOPs of the base."""
        return cost(self.arch, self.num_classes).flops

    @property
    def target_flops(self) -> float:
        """FLOPs that every candidate should have: the base's times ``grid.product ** phi``, or a sweep's."""
        if self.sweep:
            return self.base_flops
        try:
            return self.base_flops * float(self.grid.product**self.phi)
        except OverflowError:
            return math.inf

    def latency(self, arch: ArchSpec) -> float:
        """Milliseconds of the base, or of a network of the grid."""
        return self.latencies[str(canonical(arch))]

    @property
    def target_latency(self) -> float:
        """Milliseconds that every candidate should take: the base's times ``grid.product ** phi``."""
        return self.latency(self.arch) * float(self.grid.product**self.phi)

    @property
    def how(self) -> Rounding:
        """How sizes are rounded and layers added, as ``scale`` and what calls it take it."""
        return {"rounding": self.rounding, "multiple": self.multiple, "late_depth": self.late_depth}

    @property
    def last_phi(self) -> float:
        """phi of the largest model; for a budget about that, as each step of phi doubles the FLOPs."""
        return math.log2(self.budgets[-1] / self.base_flops) if self.budgets else max(self.phis.values())

    @functools.cached_property
    def classes(self) -> dict[ArchSpec, list[Coefficients]]:
        """Every distinct network of the grid and its triples; ValueError if the grid is empty."""
        triples = self.grid.triples()
        found = distinct(self.arch, triples, self.phi, **self.how)
        highest = max(self.largest or math.inf, self.arch.resolution)
        kept = {arch: triples for arch, triples in found.items() if arch.resolution <= highest}
        if not kept:
            least = min(arch.resolution for arch in found)
            raise ValueError(f"grid must have a network of at most {highest} pixels, got {least} and more")
        return kept

    @functools.cached_property
    def candidates(self) -> list[Candidate]:
        """The networks to compare, all of about ``target_flops``.

        If several triples give one network, the one whose product is nearest to the grid's comes first:
        only that one keeps doubling the FLOPs at larger phi.

        Raises:
            ValueError: if a strategy cannot come near the target on this base.
        """
        found: dict[ArchSpec, Candidate] = {}
        for point in self.points:
            key = point.arch
            found.setdefault(key, Candidate(key, point.line, (point.factors,)))
        for strategy in () if self.sweep else self.strategies:
            fixed = self.coefficients if strategy == "compound" else STRATEGIES[strategy]
            kept = self.within if fixed is None else {self._matched(strategy, fixed): [fixed]}
            for arch, triples in kept.items():
                key = canonical(arch)
                triples = sorted(triples, key=lambda triple: abs(triple.product - self.grid.product))
                if key in found:
                    found[key] = found[key]._replace(strategy=f"{found[key].strategy}, {strategy}")
                else:
                    found[key] = Candidate(key, strategy, tuple(triples))
        return list(found.values())

    @functools.cached_property
    def points(self) -> list[Point]:
        """The networks of the sweep, line by line; none without one. ValueError as ``points``."""
        if not self.sweep:
            return []
        return points(
            *(self.arch, self.sweep, self.coefficients or PUBLISHED_COEFFICIENTS),
            **self.how,
            num_classes=self.num_classes,
        )

    @property
    def within(self) -> dict[ArchSpec, list[Coefficients]]:
        """The networks of the grid that are compared; ValueError if there are none."""
        tolerance = self.grid.flops_tolerance
        if self.latencies:
            growth = {arch: self.latency(arch) / self.target_latency for arch in self.classes}
            rule = f"a latency within {100 * tolerance:g} % of {self.target_latency:.3g} ms"
            kept = near(self.classes, growth, tolerance, rule)
        else:
            kept = within(self.classes, self.target_flops, tolerance, self.num_classes)
        if self.most is None or len(kept) <= self.most:
            return kept
        return {arch: kept[arch] for arch in spread(self.arch, [*kept], self.most)}

    def scaled(self, triple: Coefficients) -> ArchSpec:
        """The base scaled by ``triple`` at ``phi``; unlike the candidates, it may not be canonical."""
        return scale(self.arch, triple, self.phi, **self.how)

    def _matched(self, strategy: str, coefficients: Coefficients) -> ArchSpec:
        """The base scaled by ``coefficients`` to about ``target_flops``; ValueError if none comes near."""
        target = self.target_flops
        arch = scale_to(self.arch, coefficients, target, **self.how, num_classes=self.num_classes)
        ratio = cost(arch, self.num_classes).flops / target
        if abs(ratio - 1) > self.grid.flops_tolerance:
            raise ValueError(
                f"base is too coarse to scale by {strategy}: the nearest network has {ratio:.2f} times "
                f"{target:,.0f} FLOPs, and {100 * self.grid.flops_tolerance:g} % is the tolerance"
            )
        return arch

    @property
    def settled(self) -> Coefficients | None:
        """The coefficients if a single triple is asked for, so that nothing is trained; otherwise None."""
        if self.sweep or len(self.strategies) > 1:
            return None
        return STRATEGIES.get(self.strategies[0], self.coefficients)

    def space(self) -> SearchSpace:
        """The candidates as a space of one decision."""
        texts = [str(candidate.arch) for candidate in self.candidates]
        return listed("scaling", texts, self.num_classes)

    def family(self, coefficients: Coefficients) -> dict[str, Model]:
        """The family's models, scaled by ``coefficients``; errors as ``member`` and ``within_budgets``."""

        def at(phi: float) -> Model:
            return member(
                *(self.arch, coefficients, phi),
                **self.how,
                largest=self.largest,
                num_classes=self.num_classes,
            )

        if self.budgets:
            return within_budgets(at, self.budgets)
        return {name: at(phi) for name, phi in self.phis.items()}

    def trained_growth(self, proxy: Recipe) -> dict[str, float]:
        """For each candidate, the FLOPs of the network trained in its place, relative to the base's.

        The classifier is not counted: it is small, and only the data knows the number of classes.
        """

        def trained(arch: ArchSpec) -> int:
            return cost(proxy.shrink(arch, self.arch.resolution), num_classes=1).flops

        base = trained(self.arch)
        return {str(candidate.arch): trained(candidate.arch) / base for candidate in self.candidates}


def unevenness(scaling: Scaling, proxy: Recipe) -> float:
    """The largest ratio of a candidate's FLOPs as trained to its own, over the smallest; 1 is fair.

    Sizes of small networks round coarsely, and a small image's last feature map has only one or four pixels.
    """
    trained = scaling.trained_growth(proxy)
    shares = [
        trained[str(candidate.arch)] / cost(candidate.arch, scaling.num_classes).flops
        for candidate in scaling.candidates
    ]
    return max(shares) / min(shares)


def fairness(scaling: Scaling, proxy: Recipe) -> str | None:
    """A warning, with a fairer resolution, if ``unevenness`` is at least ``UNFAIR``; otherwise None."""
    if unevenness(scaling, proxy) < UNFAIR:
        return None
    growth = scaling.trained_growth(proxy).values()
    sizes = range(proxy.resolution, 2 * proxy.resolution + 1, 8)
    better = min(sizes, key=lambda size: unevenness(scaling, dataclasses.replace(proxy, resolution=size)))
    return (
        f"These networks have equal FLOPs, but the proxy trains them at {min(growth):.2f} to "
        f"{max(growth):.2f} times the base's: its small sizes round coarsely. "
        f"--proxy resolution={better} would be fairer."
    )
