"""What the work on a run took: how busy its workers were, the controller, and what was lost."""

from __future__ import annotations

from typing import Any

from nas.runs.run import Run
from reports.numbers import duration, percent, plural


def spent_facts(run: Run) -> dict[str, Any]:
    """What is known of it, as JSON values; older runs say nothing.

    Returns:
        ``spent``, once the run is over: the ``seconds`` that processes worked on it, the mean number of
        ``workers``, the share of their time in which they were ``busy`` with training runs that ended, and
        ``controller_seconds``; ``retries``: how many training runs were lost with their worker, by reason;
        ``stopped``: after how many trials ``max_hours`` ended it, and how many it should have had.
    """
    facts: dict[str, Any] = {}
    retries = run.retries()
    if run.ended:
        took = run.sessions().drop(columns=["session", "ended"]).sum()
        facts["spent"] = {
            "seconds": float(took["seconds"]),
            "workers": float(took["worker_seconds"] / took["seconds"]) if took["seconds"] else 0.0,
            "busy": float(took["busy_seconds"] / took["worker_seconds"]) if took["worker_seconds"] else 0.0,
            "controller_seconds": float(took["controller_seconds"]),
        }
    if len(retries):
        alike = retries["reason"].str.replace(r"\d+", "0", regex=True)
        facts["retries"] = {str(same.iloc[0]): len(same) for _, same in retries["reason"].groupby(alike)}
    if run.ended == "max_hours":
        facts["stopped"] = {"after": len(run.trials()), "of": run.settings.trials}
    return facts


def spent_lines(run: Run) -> list[str]:
    """The same in words, without ``stopped``."""
    facts, lines = spent_facts(run), []
    if spent := facts.get("spent"):
        seconds, controller = duration(spent["seconds"]), duration(spent["controller_seconds"])
        if run.settings.evaluator == "train":
            busy = percent(spent["busy"])
            lines.append(f"Workers were busy {busy} of {seconds}; the controller took {controller}.")
        else:  # accuracies that are looked up keep nobody busy
            lines.append(f"The controller took {controller} of {seconds}.")
    if retries := facts.get("retries"):
        number = sum(retries.values())
        why = "; ".join(f"{count} because {reason}" for reason, count in retries.items())
        was = "was lost with its" if number == 1 else "were lost with their"
        lines.append(f"{plural(number, 'training run')} {was} worker or machine and ran again: {why}.")
    return lines


def stopped_line(run: Run) -> str | None:
    """That the run ended before all its trials; otherwise None."""
    if (stopped := spent_facts(run).get("stopped")) is None:
        return None
    after, of = stopped["after"], plural(stopped["of"], "trial")
    return f"It stopped after {after} of {of} because of --max-hours."
