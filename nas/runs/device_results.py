"""What a device measured of a search's front, beside what was predicted, as facts and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.runs.run import Run
from reports.measured import latest
from reports.numbers import plural


def device_facts(run: Run) -> dict[str, Any]:
    """``measured_on`` and its facts as JSON values; nothing if nothing was measured.

    networks: of the run that were measured. median_error, largest_error: of the latencies that were
    predicted, without their signs; best_error: of the chosen network, with its sign; None if unknown.
    """
    networks = run.networks()
    if "latency_measured" not in networks:
        return {}
    known = networks.dropna(subset=["latency_measured"])
    errors = known["latency_error"].dropna().abs()
    best = run.best_trial()["latency_error"]
    return {
        "measured_on": {
            "device": str(latest(run.measurements())["device"].iloc[-1]),
            "networks": len(known),
            "median_error": float(errors.median()) if len(errors) else None,
            "largest_error": float(errors.max()) if len(errors) else None,
            "best_error": float(best) if best == best else None,
        }
    }


def device_lines(run: Run) -> list[str]:
    """``device_facts`` in words; nothing if nothing was measured."""
    facts = device_facts(run).get("measured_on")
    return [device_sentence(facts)] if facts else []


def device_sentence(facts: Mapping[str, Any]) -> str:
    """``device_facts`` in words."""
    where = f"{plural(facts['networks'], 'network')} measured on {facts['device']}"
    if facts["median_error"] is None:
        return f"{where}."
    line = (
        f"{where}: the latencies that the search went by are off by {share(facts['median_error'])} in the "
        f"median, {share(facts['largest_error'])} at most"
    )
    best = facts["best_error"]
    return f"{line}." if best is None else f"{line}; that of the best by {share(best)}."


def share(error: float) -> str:
    """A relative error without its sign: ``2.3 %``."""
    return f"{100 * abs(error):.1f} %"
