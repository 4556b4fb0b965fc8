"""What an audit found: networks of a space, each trained on several seeds, and how far to trust the proxy.

    draw_networks --Settings.networks--> the one search loop --> run.db --findings--> audit.json, audit.csv

The longer schedule is an audit of its own in ``RUN/long``: the same networks and images, other seeds.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import reports
from nas.files import write_csv, write_json
from nas.runs.next_steps import Steps, audit_steps, unfinished_steps
from nas.runs.run import Run
from nas.runs.search_results import trial_facts, trial_state
from nas.runs.search_words import nothing_yet, so_far
from nas.runs.second_part import SecondPart, with_fresh_seeds
from nas.spec.settings import Settings
from reports.page import AuditRun, Page


@dataclass(frozen=True)
class Findings:
    """What an audit has found so far.

    Args:
        table: a row per network: ``network``, ``arch``, ``flops``, ``params``; the accuracies ``seed_1``,
            ``seed_2``, ..., their mean ``accuracy`` with ``accuracy_error``, ``trainings`` and ``rank``; if
            they are known, ``long_1``, ..., ``long_accuracy`` and ``reference``.
        long, with_long: the longer schedule, and the proxy against it; None until it has a finished trial.
        with_reference: the proxy against known accuracies; None without a reference.
    """

    settings: Settings
    table: pd.DataFrame
    proxy: reports.Consistency
    long: reports.Consistency | None = None
    with_long: reports.Agreement | None = None
    with_reference: reports.Agreement | None = None


def longer(settings: Settings) -> SecondPart | None:
    """The longer schedule; None if none was asked for."""
    audit = settings.audit
    if audit is None or audit.long is None:
        return None
    seeds = audit.long_seeds or audit.seeds
    long = with_fresh_seeds(
        settings,
        trials=seeds * len(settings.networks),
        recipe=audit.long,
        audit=dataclasses.replace(audit, seeds=seeds, long=None, long_seeds=None),
    )
    return SecondPart("long", "The longer schedule", long)


def long_run(run: Run) -> Run | None:
    """The run of the longer schedule; None if there is none."""
    second = longer(run.settings)
    return second.run(run) if second else None


def findings(run: Run) -> Findings:
    """What the audit has found so far; deterministic.

    Raises:
        InputError: if a file is damaged.
    """
    settings = run.settings
    assert settings.audit is not None
    table, proxy = _by_network(run.trials(), settings)
    errors = run.networks().set_index("arch")["accuracy_error"]
    shown, long = _with_means(table, errors), long_run(run)
    found: dict[str, Any] = {}
    if long and ((trials := long.trials())["status"] == "done").any():
        other, found["long"] = _by_network(trials, long.settings)
        found["with_long"] = reports.agree(table, other, np.random.default_rng(0))
        columns = other.filter(regex="^seed_").rename(columns=lambda name: name.replace("seed", "long"))
        shown = shown.join(columns.assign(long_accuracy=columns.mean(axis=1)))
    if settings.audit.reference:
        known = np.array(settings.audit.reference)
        found["with_reference"] = reports.agree(table, known, np.random.default_rng(0))
        shown = shown.assign(reference=known)
    return Findings(settings, shown, proxy, **found)


def _by_network(trials: pd.DataFrame, settings: Settings) -> tuple[pd.DataFrame, reports.Consistency]:
    """``reports.by_network`` for one schedule, and its consistency."""
    assert settings.audit is not None
    table = reports.by_network(trials, settings.networks, settings.audit.seeds)
    return table, reports.examine(table, trials, np.random.default_rng(0))


def _with_means(table: pd.DataFrame, errors: pd.Series[float]) -> pd.DataFrame:
    """``reports.by_network`` with each network's number, mean accuracy, its error, and rank.

    ``errors`` are those of ``Run.networks``, by architecture: a network has one everywhere.
    """
    accuracies = reports.seeds_of(table)
    means = pd.Series(reports.row_means(accuracies))
    return table.assign(
        network=np.arange(len(table)),
        accuracy=means,
        accuracy_error=table["arch"].map(errors),
        trainings=np.isfinite(accuracies).sum(axis=1),
        rank=means.rank(ascending=False, method="min").astype("Int64"),
    )[["network", *table, "accuracy", "accuracy_error", "trainings", "rank"]]


def audit_facts(run: Run, _random: Run | None) -> dict[str, Any]:
    """``trial_facts``, and ``audit.json``."""
    return {**trial_facts(run), "audit": as_json(findings(run))}


def audit_state(run: Run) -> dict[str, Any]:
    """``trial_state``, also of the longer schedule; the audit is over when both are."""
    second = longer(run.settings)
    return second.state(run) if second else trial_state(run)


def audit_page(page: Page, run: Run, _random: Run | None) -> Page:
    """The page with the findings; its configuration leaves networks and references to ``audit.csv``."""
    config = {**page.config, "networks": len(run.settings.networks)}
    config["audit"] = {name: value for name, value in config["audit"].items() if name != "reference"}
    found = findings(run)
    return dataclasses.replace(page, config=config, audit=AuditRun(found.table, tuple(verdict(found)[:-1])))


def write_audit(run: Run) -> None:
    """Writes ``pareto.csv``, ``audit.csv`` and ``audit.json``."""
    run.write_pareto()
    found = findings(run)
    write_csv(run.directory / "audit.csv", found.table)
    write_json(run.directory / "audit.json", as_json(found))


def as_json(found: Findings) -> dict[str, Any]:
    """``audit.json``; unknown values are null."""
    settings = found.settings
    assert settings.audit is not None
    measures = {name: getattr(found, name) for name in ("proxy", "long", "with_long", "with_reference")}
    facts = {
        "space": settings.space,
        "data": settings.data,
        "networks": len(settings.networks),
        "seeds": settings.audit.seeds,
        "recipe": dataclasses.asdict(settings.recipe),
        "long_recipe": dataclasses.asdict(settings.audit.long) if settings.audit.long else None,
        "reference": settings.audit.source or None,
        **{name: dataclasses.asdict(measure) if measure else None for name, measure in measures.items()},
        "cost_ratio": cost_ratio(found),
        "verdict": verdict(found),
    }
    return dict(reports.plain(facts))


def verdict(found: Findings) -> list[str]:
    """The findings in words, line by line; the last line says whether the proxy is any good."""
    audit = found.settings.audit
    assert audit is not None
    lines = [
        reports.trainings_line(found.proxy, len(found.settings.networks), audit.seeds),
        *reports.consistency_lines(found.proxy),
    ]
    others = {}
    if audit.long and found.with_long:
        ours, theirs = dataclasses.asdict(found.settings.recipe), dataclasses.asdict(audit.long)
        changed = [f"{name}={value}" for name, value in theirs.items() if ours[name] != value]
        what = ", ".join([*changed, f"{cost_ratio(found):.2g} times the time"])
        lines.append(reports.agreement_line(f"The longer schedule ({what})", found.with_long))
        others["the longer schedule"] = found.with_long
    if found.with_reference:
        lines.append(reports.agreement_line(Path(audit.source).name, found.with_reference))
        others["the reference"] = found.with_reference
    return [*lines, reports.verdict_line(found.proxy, others)]


def audit_verdict(run: Run) -> str:
    """Whether the proxy is any good, in one sentence."""
    if run.networks().empty:
        return nothing_yet(run)
    early, line = so_far(run), verdict(findings(run))[-1]
    if not early and not audit_state(run)["over"]:
        early = "So far, while the longer schedule goes on, "
    return f"{early}{line[0].lower()}{line[1:]}" if early else line


def audit_next(run: Run) -> Steps:
    """What to do next after an audit; another audit first if this one is not good enough."""
    if not audit_state(run)["over"]:
        return unfinished_steps(run)
    return audit_steps(run.settings, findings(run).proxy)


def cost_ratio(found: Findings) -> float:
    """Mean seconds of a training run under the longer schedule over those under the short one."""
    return found.long.seconds_mean / found.proxy.seconds_mean if found.long else math.nan
