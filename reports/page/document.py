"""The page, put together from its sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import pandas as pd

from reports.marginals import marginals
from reports.page.audit import AuditRun, audit_figures, audit_section
from reports.page.controller import controller_section, entropy_figure
from reports.page.drawing import define
from reports.page.markup import Html, embedded_json, join, tag
from reports.page.parts import hint, next_section, plot, section, words
from reports.page.plots import Figure, curves_figure, front_figure, parallel_figure, progress_figure
from reports.page.points import choose_points, points_json
from reports.page.scaling import ScalingRun, scaling_figures, scaling_sections
from reports.page.sections import (
    configuration_section,
    failures_section,
    front_section,
    known_section,
    parallel_section,
    pareto_section,
    summary,
    time_section,
    title,
)
from reports.page.sweep import SweepRun, sweep_figure, sweep_section
from reports.page.training import TrainingRun, training_figures, training_sections
from search_spaces import Decision

MOST_PLAIN = 2
"""With more costs than that, networks are shown as lines between parallel axes, too."""


@dataclass(frozen=True)
class Page:
    """What a page is made of.

    Args:
        name: the run's.
        written: date and time, as text.
        config: ``config.json``.
        trials: from ``Run.trials``, at least one.
        networks: from ``Run.networks``, at least one; ``p_best`` and ``p_front`` are shown if it has them.
        best: the trial whose network was chosen.
        epochs: from ``Run.epochs``.
        confirmations: from ``Run.confirmations``.
        decisions: the search space's; empty if it is unknown or no controller made them.
        verdict: what was found, in one sentence.
        notes: lines that belong to it.
        steps: what to do next: words, and the command.
        noise: how large seed noise is, in words; empty if there is nothing to say.
        known: networks that the choice is compared with: name, arch, costs, accuracy, difference, ...
        random_best: ``trial`` and ``expected``, the best reward that random search would have by then.
        scaling, sweep, audit, training: results of a run of this kind.
        measured: what accuracies are, such as ``macro F1``.
        aims: the costs that the run aimed at.
        maximize: those of them of which more is better.
        rewarded: whether a reward weighs accuracy against costs; otherwise it is the accuracy.
        spent: how busy the workers were and what was lost, in words.
    """

    name: str
    written: str
    config: Mapping[str, Any]
    trials: pd.DataFrame
    networks: pd.DataFrame
    best: int
    epochs: pd.DataFrame
    confirmations: pd.DataFrame
    decisions: tuple[Decision, ...] = field(default=())
    verdict: str = ""
    notes: tuple[str, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()
    noise: str = ""
    known: Sequence[Mapping[str, Any]] = ()
    random_best: pd.DataFrame | None = None
    scaling: ScalingRun | None = None
    sweep: SweepRun | None = None
    audit: AuditRun | None = None
    training: TrainingRun | None = None
    measured: str = "accuracy"
    aims: tuple[str, ...] = ("flops",)
    maximize: tuple[str, ...] = ()
    rewarded: bool = True
    spent: tuple[str, ...] = ()


def render(page: Page) -> str:
    """The page as HTML, with everything it needs inside.

    Text from the run is escaped. With very many trials, points that would overlap are left out, and the page
    says how many.
    """
    if page.training:
        return _render_training(page, page.training)
    points = choose_points(
        page.networks,
        page.best,
        measured=page.measured,
        aims=page.aims,
        rewarded=page.rewarded,
        maximize=page.maximize,
    )
    table, blocks = points_json(points)
    progress, dots = progress_figure(
        page.trials, page.random_best, "reward" if page.rewarded else page.measured
    )
    figures: dict[str, Figure] = {
        f"front-{cost}": front_figure(points, cost, page.known) for cost in points.costs
    }
    figures["progress"] = progress
    parts = []
    if page.scaling:
        figures |= scaling_figures(page.scaling)
        parts.append(scaling_sections(page.scaling))
    if page.sweep:
        figures["sweep"] = sweep_figure(page.sweep, page.measured)
        parts.append(sweep_section(page.sweep, page.measured))
    if page.audit:
        figures |= audit_figures(page.audit, page.measured)
        parts.append(audit_section(page.audit))
    unranked = page.audit or page.sweep
    parts.append(summary(page.trials, points, page.noise, ranked=not unranked))
    if points.costs:
        parts.append(pareto_section(points))
    if len(points.aims) > MOST_PLAIN:
        figures["parallel"] = parallel_figure(points)
        parts.append(parallel_section(points))
    if not unranked:  # where networks are given, nothing makes progress
        parts.append(_progress_section(dots, "Reward" if page.rewarded else title(page.measured)))
    parts.append(front_section(points))
    if page.known:
        parts.append(known_section(page.known, page.measured))
    front = points.table.iloc[points.front]
    if curves := curves_figure(page.epochs, front, page.best, page.measured):
        figures["curves"] = curves[0]
        parts.append(_curves_section(curves[1], page.measured))
    if found := marginals(page.trials, page.decisions):
        figures["entropy"] = entropy_figure(found)
        parts.append(controller_section(found))
    parts += [
        failures_section(page.trials),
        time_section(page.trials, page.confirmations, page.config, page.spent),
        configuration_section(page.config),
        define(blocks),
    ]
    data = {"figures": figures, "points": table, "heights": [block.height for block in blocks]}
    return _document(page, join(*parts), data)


def _render_training(page: Page, training: TrainingRun) -> str:
    """The page of one training run: nothing is compared, so there are no points to pin."""
    body = join(
        training_sections(training),
        time_section(page.trials, page.confirmations, page.config),
        configuration_section(page.config),
    )
    return _document(page, body, {"figures": training_figures(training), "points": None, "heights": []})


def _progress_section(dots: int, name: str) -> Html:
    left = f"{dots:,} dots are left out, evenly." if dots else ""
    return section("Progress", plot("progress", f"{name} per trial and the best so far"), hint(left))


def _curves_section(left_out: int, measured: str) -> Html:
    left = f"{left_out} curves are left out, evenly over the front." if left_out else ""
    words = f"Validation {measured} after each epoch, for the networks of the front; ★ is the best. "
    return section("Learning curves of the front", hint(words, left), plot("curves", "Learning curves"))


def _document(page: Page, body: Html, data: Mapping[str, Any]) -> str:
    from plotly.offline import get_plotlyjs  # here, because only a page needs it

    config = page.config
    searched = not (page.scaling or page.sweep or page.audit or page.training)
    keys = ["space"] * (page.audit is not None or searched) + ["controller"] * searched
    keys += ["evaluator"] * (page.training is None) + ["data"] * (config.get("evaluator") == "train")
    facts = " · ".join(f"{key} {config[key]}" for key in keys if config.get(key))
    kinds = {
        "Compound scaling": page.scaling,
        "Sweep": page.sweep,
        "Audit": page.audit,
        "Training": page.training,
    }
    kind = next((name for name, part in kinds.items() if part), "Architecture search")
    header = tag(
        "header", tag("p", kind, class_="kind"), tag("h1", page.name), tag("p", facts, class_="what"),
        hint(f"Written {page.written}"),
    )  # fmt: skip
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{page.name} · {kind.lower()}"),
        tag("style", Html(_asset("page.css"))),
    )
    scripts = join(
        tag("script", embedded_json(data), type="application/json", id="data"),
        tag("script", Html(get_plotlyjs())),
        tag("script", Html(_asset("page.js"))),
    )
    found = tag("p", words(page.verdict), class_="verdict") if page.verdict else ""
    notes = (hint(words(line)) for line in page.notes)
    steps = next_section(page.steps) if page.steps else ""
    tooltip = tag("div", id="hover", hidden="")
    content = tag("body", tag("main", header, found, *notes, steps, body), tooltip, scripts)
    return f"<!doctype html>\n{tag('html', tag('head', head), content, lang='en')}\n"


def _asset(name: str) -> str:
    return (resources.files("reports.page") / name).read_text(encoding="utf-8")
