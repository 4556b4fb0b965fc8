"""The page's section on the controller: how certain it is, and what it came to prefer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.marginals import Marginals
from reports.numbers import percent
from reports.page.markup import Html, tag
from reports.page.parts import hint, plot, section
from reports.page.plots import Figure, axis, figure, label, line
from search_spaces import Decision

MOST_CHOICES = 7
"""If a decision has more choices, the rarest are drawn as one."""
HEIGHT, WIDTH = 40, 100  # of a drawing of shares, which is stretched to fit


def groups_of(decisions: Sequence[Decision]) -> dict[str, list[int]]:
    """Decisions grouped by the part of their names before the underscore: ``stage1_op`` is in ``stage1``."""
    groups: dict[str, list[int]] = {}
    for number, decision in enumerate(decisions):
        group = decision.name.partition("_")[0] if "_" in decision.name else ""
        groups.setdefault(group, []).append(number)
    return groups


def entropy_figure(found: Marginals) -> Figure:
    """Entropy of the proposals over that of uniform ones, with a thin line per group of decisions."""
    groups = groups_of(found.decisions)
    entropy = found.entropy()  # [W, D]
    traces = []
    if len(groups) > 1:
        for name, members in groups.items():
            thin = line(found.ends, entropy[:, list(members)].mean(1), label(name), "var(--rest)", "lines")
            traces.append(thin | {"line": {"color": "var(--rest)", "width": 1}, "showlegend": False})
    traces.append(line(found.ends, entropy.mean(1), "mean of all decisions", "var(--front)", "lines"))
    if len(traces) > 1:
        traces[0].update(name="each stage", showlegend=True, hovertemplate="%{x:.0f}: %{y:.4f}")
    return figure(traces, axis("trial"), axis("entropy, 1 is uniform", range=[0, 1.05]))


def controller_section(found: Marginals) -> Html:
    """Entropy, and the shares of every decision's choices over time."""
    stages = []
    for group, members in groups_of(found.decisions).items():
        cells = [_decision(found.decisions[number], found.shares[number]) for number in members]
        heading = tag("h3", group) if group else ""
        stages.append(tag("div", heading, tag("div", *cells, class_="shares"), class_="stage"))
    words = "The share of each choice, from the first trial on the left to the last on the right. "
    return section(
        "What the controller came to prefer",
        hint(f"From the choices it proposed, in windows of {found.size} trials."),
        plot("entropy", "Entropy of the proposals over time"),
        hint(words, "The numbers are those of the last window."),
        *stages,
    )


def _decision(decision: Decision, shares: NDArray[np.float64]) -> Html:
    """One decision's shares `[W, C]` over time, with the last ones as numbers."""
    names = [f"{choice:g}" if isinstance(choice, float) else str(choice) for choice in decision.choices]
    if len(names) > MOST_CHOICES:
        order = np.argsort(-shares[-1], kind="stable")
        kept, others = np.sort(order[: MOST_CHOICES - 1]), order[MOST_CHOICES - 1 :]
        names = [*(names[index] for index in kept), f"{len(others)} others"]
        shares = np.column_stack([shares[:, kept], shares[:, others].sum(1)])
    title = decision.name.partition("_")[2] or decision.name
    most = int(shares[-1].argmax())
    items = (
        tag(
            "li",
            tag("i", class_=f"swatch c{index + 1}"),
            tag("span", name),
            tag("b", percent(shares[-1, index])),
            class_="most" if index == most else None,
        )
        for index, name in enumerate(names)
    )
    return tag("figure", tag("figcaption", title), _areas(shares, f"Shares of {title}"), tag("ul", *items))


def _areas(shares: NDArray[np.float64], title: str) -> Html:
    """Shares `[W, C]` as stacked areas, the first choice at the bottom."""
    x = np.linspace(0, WIDTH, len(shares))
    edges = HEIGHT * (1 - np.column_stack([np.zeros(len(shares)), shares.cumsum(1)]))  # [W, C + 1]
    borders = [[f"{a:.1f} {b:.1f}" for a, b in zip(x, edge, strict=True)] for edge in edges.T]
    areas = [
        tag("path", d=f"M{'L'.join([*upper, *reversed(lower)])}Z", class_=f"choice c{number}")
        for number, (lower, upper) in enumerate(itertools.pairwise(borders), 1)
    ]
    box = f"0 0 {WIDTH} {HEIGHT}"
    return tag("svg", *areas, viewBox=box, preserveAspectRatio="none", role="img", aria_label=title)
