"""An audit: networks of a space, each trained on several seeds, and what that says about the proxy.

    draw_networks --Settings.networks--> the one search loop --> run.db --findings--> audit.json, audit.csv

The longer schedule is an audit of its own in ``RUN/long``, on the same networks and images and other seeds.
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
from nas.runs.run import Run
from nas.runs.search_results import trial_facts, trial_state
from nas.spec.seeds import trial_seed
from nas.spec.settings import Settings
from reports.page import AuditRun, Page

LONG = "long"
"""The directory of the longer schedule in that of the run."""


@dataclass(frozen=True)
class Findings:
    """What an audit found so far.

    Args:
        table: a row per network: ``network``, ``arch``, ``flops``, ``params``; the accuracies ``seed_1``
            and so on, their mean ``accuracy`` with ``accuracy_error``, ``trainings`` and ``rank``; where they
            are known, ``long_1`` and so on, ``long_accuracy`` and ``reference``.
        long, with_long: of the longer schedule, and the proxy against it; None as long as there is none.
        with_reference: the proxy against known accuracies, likewise.
    """

    settings: Settings
    table: pd.DataFrame
    proxy: reports.Consistency
    long: reports.Consistency | None = None
    with_long: reports.Agreement | None = None
    with_reference: reports.Agreement | None = None


def longer(settings: Settings) -> Settings | None:
    """The longer schedule's run; None if none was asked for."""
    if settings.audit is None or settings.audit.long is None:
        return None
    return dataclasses.replace(
        settings,
        recipe=settings.audit.long,
        audit=dataclasses.replace(settings.audit, long=None),
        # Equal seeds would initialise a network alike, and the two schedules would share their luck.
        seed=trial_seed(settings.seed, settings.trials),
        data_seed=settings.seed if settings.data_seed is None else settings.data_seed,
    )


def long_run(run: Run) -> Run | None:
    """The run by the longer schedule, in the directory of ``run``; None if there is none."""
    there = longer(run.settings) and (run.directory / LONG / "run.db").is_file()
    return Run(run.directory / LONG) if there else None


def findings(run: Run) -> Findings:
    """What the audit in ``run`` says so far; the same every time.

    Raises:
        InputError: if a file is damaged.
    """
    settings = run.settings
    assert settings.audit is not None
    seeds = settings.audit.seeds
    trials = run.trials()
    table = reports.by_network(trials, settings.networks, seeds)
    shown = _with_means(table)
    found = Findings(settings, shown, reports.examine(table, trials, np.random.default_rng(0)))
    if long := long_run(run):
        others = long.trials()
        if (others["status"] == "done").any():
            other = reports.by_network(others, settings.networks, seeds)
            renamed = {f"seed_{number}": f"long_{number}" for number in range(1, seeds + 1)}
            columns = other.rename(columns=renamed)[[*renamed.values()]]
            shown = shown.join(columns.assign(long_accuracy=columns.mean(axis=1)))
            found = dataclasses.replace(
                found,
                table=shown,
                long=reports.examine(other, others, np.random.default_rng(0)),
                with_long=reports.agree(table, other, np.random.default_rng(0)),
            )
    if settings.audit.reference:
        known = np.array(settings.audit.reference)
        agreement = reports.agree(table, known, np.random.default_rng(0))
        found = dataclasses.replace(found, table=shown.assign(reference=known), with_reference=agreement)
    return found


def _with_means(table: pd.DataFrame) -> pd.DataFrame:
    """``by_network`` with the mean, its error and its rank."""
    accuracies = reports.seeds_of(table)
    means = pd.Series(reports.row_means(accuracies))
    return table.assign(
        network=np.arange(len(table)),
        accuracy=means,
        accuracy_error=reports.errors_of(accuracies),
        trainings=np.isfinite(accuracies).sum(axis=1),
        rank=means.rank(ascending=False, method="min").astype("Int64"),
    )[["network", *table, "accuracy", "accuracy_error", "trainings", "rank"]]


def audit_facts(run: Run, _random: Run | None) -> dict[str, Any]:
    """``trial_facts``, and ``audit.json``."""
    return {**trial_facts(run), "audit": as_json(findings(run))}


def audit_state(run: Run) -> dict[str, Any]:
    """``trial_state``, of the longer schedule too; the audit is over when both are."""
    facts, long = trial_state(run), long_run(run)
    if long is None:
        return facts
    over, further = facts.pop("over"), trial_state(long)
    return {**facts, "long": further, "over": over and further["over"]}


def audit_page(page: Page, run: Run, _random: Run | None) -> Page:
    """The page with the findings; ``audit.csv`` has the networks, and what is known of them."""
    config = {**page.config, "networks": len(run.settings.networks)}
    config["audit"] = {name: value for name, value in config["audit"].items() if name != "reference"}
    found = findings(run)
    return dataclasses.replace(page, config=config, audit=AuditRun(found.table, tuple(verdict(found))))


def write_audit(run: Run) -> None:
    """Writes ``pareto.csv``, ``audit.csv`` and ``audit.json``."""
    run.write_pareto()
    found = findings(run)
    write_csv(run.directory / "audit.csv", found.table)
    write_json(run.directory / "audit.json", as_json(found))


def as_json(found: Findings) -> dict[str, Any]:
    """``audit.json``; what is not known is null."""
    settings = found.settings
    assert settings.audit is not None
    facts = {
        "space": settings.space,
        "data": settings.data,
        "networks": len(settings.networks),
        "seeds": settings.audit.seeds,
        "recipe": dataclasses.asdict(settings.recipe),
        "long_recipe": dataclasses.asdict(settings.audit.long) if settings.audit.long else None,
        "reference": settings.audit.source or None,
        "proxy": dataclasses.asdict(found.proxy),
        "long": dataclasses.asdict(found.long) if found.long else None,
        "with_long": dataclasses.asdict(found.with_long) if found.with_long else None,
        "with_reference": dataclasses.asdict(found.with_reference) if found.with_reference else None,
        "cost_ratio": cost_ratio(found),
        "verdict": verdict(found),
    }
    known: dict[str, Any] = reports.plain(facts)
    return known


def verdict(found: Findings) -> list[str]:
    """In words, line by line; the last one says whether the proxy is any good."""
    audit = found.settings.audit
    assert audit is not None
    lines = [
        reports.trainings_line(found.proxy, len(found.settings.networks), audit.seeds),
        *reports.consistency_lines(found.proxy),
    ]
    others = {}
    if audit.long and found.with_long:
        ours, theirs = dataclasses.asdict(found.settings.recipe), dataclasses.asdict(audit.long)
        changed = ", ".join(f"{name}={value}" for name, value in theirs.items() if ours[name] != value)
        times = f"{cost_ratio(found):.2g} times the time"
        what = f"The longer schedule ({', '.join(filter(None, (changed, times)))})"
        lines.append(reports.agreement_line(what, found.with_long))
        others["the longer schedule"] = found.with_long
    if found.with_reference:
        lines.append(reports.agreement_line(f"{Path(audit.source).name}", found.with_reference))
        others["the reference"] = found.with_reference
    return [*lines, reports.verdict_line(found.proxy, others)]


def cost_ratio(found: Findings) -> float:
    """Seconds of a longer training over those of a short one."""
    return found.long.seconds_mean / found.proxy.seconds_mean if found.long else math.nan
