"""``report.html`` of a run: what it says, collected; how it looks is ``reports.page``."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import scaling_search
from nas.errors import RunError
from nas.files import replace
from nas.runs import training_results
from nas.runs.audit_results import findings
from nas.runs.audit_results import verdict as verdict_of_audit
from nas.runs.config import read_settings
from nas.runs.family_files import family_frame, read_family
from nas.runs.run import Run
from nas.runs.scaling_results import compare, grid_frame, verdict
from nas.runs.search_results import baseline
from nas.spec.scaling import Scaling
from reports.page import AuditRun, Page, ScalingRun, TrainingRun, render
from search_spaces import SPACES

UNMEASURED = "Seed noise was not measured: no network was trained on a second seed."


def write_page(run: Run, random: Run | None = None) -> Path:
    """Writes ``report.html`` into the run's directory, whole or not at all.

    Args:
        random: a random search to compare with, in place of the run's own first trials.

    Raises:
        InputError: if no trial is done, ``config.json`` or ``family.json`` is damaged, or ``random`` is no
            random search of the same kind.
        RunError: if it cannot be written.
    """
    path = run.directory / "report.html"
    replace(path, render(collect(run, random)).encode(), shared=True)
    return path


def collect(run: Run, random: Run | None = None) -> Page:
    """What the page of ``run`` is made of; arguments and errors as of ``write_page``."""
    run = run.snapshot()
    best = run.best_trial()
    settings = read_settings(run.directory)
    training = _training(run) if settings.trains_one else None
    space = SPACES.get(settings.space)
    noise = run.seed_noise()
    trials = run.trials()
    scaling = settings.scaling
    config = run.config
    if settings.audit:  # audit.csv has the networks, and what is known of them
        config |= {"networks": len(settings.networks)}
        config["audit"].pop("reference")
    return Page(
        name=run.directory.resolve().name,
        written=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        config=config,
        trials=trials,
        networks=run.networks(),
        best=int(best["trial"]),
        epochs=run.epochs(),
        confirmations=run.confirmations(),
        decisions=space.decisions if space and not settings.listed else (),
        noise="" if settings.audit else str(noise or ("" if scaling else UNMEASURED)),
        random_best=None if settings.listed else _random_best(baseline(run, random)),
        scaling=_scaling(run, trials, scaling) if scaling else None,
        audit=_audit(run) if settings.audit else None,
        training=training,
    )


def _training(run: Run) -> TrainingRun:
    facts = training_results.summary(run)
    return TrainingRun(facts, run.epochs(), facts["test_accuracy"])


def _random_best(facts: Mapping[str, Any]) -> pd.DataFrame | None:
    """``trial`` and ``expected``, the best reward that random search would have by then."""
    if facts["random"] is None:
        return None
    return pd.DataFrame(
        {"trial": [count - 1 for count in facts["counts"]], "expected": facts["random_so_far"]}
    )


def _scaling(run: Run, trials: pd.DataFrame, scaling: Scaling) -> ScalingRun | None:
    """None as long as there is nothing to compare."""
    try:
        compared = compare(trials, scaling, read_settings(run.directory).recipe)
    except RunError:
        return None
    family, coefficients = None, ""
    if (run.directory / "family.json").is_file():
        models, triple = read_family(run.directory / "family.json")
        family = family_frame(models)
        coefficients = f"alpha, beta, gamma = {triple}, alpha * beta^2 * gamma^2 = {triple.product:.3f}"
    target, tolerance = scaling.target_flops / scaling.base_flops, scaling.grid.flops_tolerance
    return ScalingRun(
        compared=compared,
        phi=scaling.phi,
        grid=grid_frame(scaling) if "compound" in scaling.strategies and not scaling.coefficients else None,
        band=(target * (1 - tolerance), target * (1 + tolerance)),
        family=family,
        published=family_frame(scaling_search.published()),
        coefficients=coefficients,
        verdict=tuple(re.sub(r" \([*=]\)", "", line) for line in verdict(compared, scaling)),
    )


def _audit(run: Run) -> AuditRun:
    found = findings(run)
    return AuditRun(found.table, tuple(verdict_of_audit(found)))
