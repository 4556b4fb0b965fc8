"""The fine-tuned weights that a run's candidates inherited."""

from __future__ import annotations

from pathlib import Path

from nas.files import is_file
from nas.runs.run import Run
from nas.runs.training_results import training_facts, training_verdict
from nas.spec.init import Init
from nas.spec.settings import Settings
from nas.spec.source import SOURCE
from nas.training.weights import NAME


def source_of(directory: Path, settings: Settings) -> Init | None:
    """The weights that the run's networks began with: fine-tuned ones, if it made them."""
    there = directory / SOURCE
    if settings.init is None or settings.tuned is None or not is_file(there / NAME):
        return settings.init
    return Init(str(there.absolute()), tuned_from=settings.init.name)


def source_line(directory: Path) -> str:
    """How accurate the source's own network is, fine-tuned, in one sentence."""
    run = Run(directory)
    verdict = training_verdict(training_facts(run))
    name = run.settings.init.name if run.settings.init else "The source"
    return f"{name} itself, fine-tuned on these images: {verdict[0].lower()}{verdict[1:]}"


def source_lines(run: Run) -> list[str]:
    """``source_line`` of a run whose source is finished; otherwise nothing."""
    there = run.directory / SOURCE
    return [source_line(there)] if is_file(there / "best.json") else []
