"""The page's sections on a run's trials: summary, front, failures, time, configuration."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.frames import speed
from reports.numbers import cost_text, count, duration, listing, memory, percent, plus_minus, reward_title
from reports.numbers import points as points_better
from reports.page.drawing import LEGEND, draw
from reports.page.markup import Html, join, tag
from reports.page.parts import ARCHITECTURE, copyable, data_table, facts, hint, plot, section, tiles, titled
from reports.page.points import COSTS, Points, accuracy_text, drawable, evenly, names_of
from reports.tables import CHANCES, ON_DEVICE, device_text, known_in

MOST_DRAWINGS = 6
"""Drawings of front networks that are visible at first; the others unfold."""
MOST_ROWS = 100
"""Front networks in the table and among the drawings; ``pareto.csv`` has all."""
MOST_FAILURES = 20


def summary(trials: pd.DataFrame, points: Points, noise: str, *, ranked: bool = True) -> Html:
    """The run in a few numbers, and how far to trust them; ``ranked`` says whether rewards mean anything."""
    best = points.table.to_dict("records")[points.best]
    reward = plus_minus(best["reward"], best["reward_error"] if best["trainings"] > 1 else None)
    status = ", ".join(f"{number:,} {name}" for name, number in trials["status"].value_counts().items())
    repeats = int(trials["repeat_of"].notna().sum())
    sizes = sizes_text(points, best)
    trial = f"trial {best['trial']}"
    numbers = [
        (reward_title(best), reward, trial),
        (f"its {points.measured}", accuracy_text(best), sizes),
    ]
    if not (ranked and points.rewarded):
        numbers = [(f"best {points.measured}", accuracy_text(best), f"{trial}, {sizes}")]
    numbers += [
        ("Pareto front", f"{points.front_size:,}", f"in {listing(points.objectives)}"),
        ("trials", f"{len(trials):,}", status + (f"; {repeats:,} repeats" if repeats else "")),
        ("compute", duration(float(trials["seconds"].sum())), "in trials, one after the other"),
    ]
    return join(tiles(numbers), tag("p", noise, class_="noise") if noise else "")


def sizes_text(points: Points, row: Mapping[Any, Any]) -> str:
    """What a network costs: the costs that the run aimed at, then FLOPs and parameters."""
    names = dict.fromkeys([*points.aims, *(name for name in ("flops", "params") if name in points.costs)])
    plain = {"flops": "FLOPs", "params": "parameters"}
    return ", ".join(
        f"{count(row[name])} {plain[name]}"
        if name in plain
        else f"{points.costs[name]} {cost_text(name, row[name])}"
        for name in names
    )


def parallel_section(points: Points) -> Html:
    """Networks as lines between parallel axes."""
    words = hint(
        "Each line is a network, its colour the stronger the more accurate it is; the better end of each "
        "axis is at the top. Drag along an axis to keep the networks there alone."
    )
    return section(
        "All costs",
        words,
        tag("div", plot("parallel", f"{title(points.against)}, as axes"), class_="scroll"),
    )


def pareto_section(points: Points) -> Html:
    """The interactive scatter plot, and beside it the pinned network."""
    first = next(iter(points.aims), "")
    choices = (_choice("cost", cost, name, checked=cost == first) for cost, name in points.costs.items())
    names = {"accuracy": points.measured}
    numbers = names_of(points)
    pinned = tag(
        "aside",
        tag("h3", tag("span", data_pin="trial"), tag("span", data_pin="mark", class_="mark")),
        facts([(names.get(name, name), tag("span", data_pin=name)) for name in numbers], "facts pinned"),
        tag("div", data_pin="drawing"),
        copyable("", whole=True),
        id="pinned",
        aria_live="polite",
    )
    shown = f"{len(points.table):,} networks are shown"
    if points.left_out:
        shown += f"; {points.left_out:,} are left out, most of them far from every front"
    switch = tag("fieldset", tag("legend", f"{title(points.measured)} against"), *choices, class_="switch")
    second = ""
    if len(points.costs) > 1:
        further = [_choice("second", "", "nothing else", checked=True)]
        further += [_choice("second", cost, name) for cost, name in points.costs.items()]
        second = tag("fieldset", tag("legend", "and, as colour,"), *further, class_="switch")
    words = hint("Hover over a network to see it, click to pin it. ", shown, ".")
    left = tag(
        "div",
        switch,
        second,
        plot("front", f"{title(points.measured)} against cost, and the Pareto front"),
        words,
    )
    return section("Pareto front", tag("div", left, pinned, class_="beside"))


def _choice(name: str, value: str, text: str, *, checked: bool = False) -> Html:
    """A radio button."""
    button = tag("input", type="radio", name=name, value=value, checked="" if checked else None)
    return tag("label", button, tag("span", text))


def front_section(points: Points) -> Html:
    """The front of the costs that the run aimed at, as a table and as drawings."""
    front = points.front[evenly(len(points.front), MOST_ROWS)]
    rows = points.table.iloc[front].to_dict("records")
    chances = {column: title for column, title in CHANCES.items() if column in points.table}
    device = {name: words for name, words in ON_DEVICE.items() if known_in(points.table, name)}
    rewards = ["reward"] if points.rewarded else []
    costs = points.shown
    header = ["trial", points.measured, *costs.values(), *device.values(), *rewards, *chances.values()]
    header.append(ARCHITECTURE)
    body = [
        (
            tag("button", str(row["trial"]), type="button", class_="pin", data_row=number),
            accuracy_text(row),
            *(cost_text(cost, row[cost]) for cost in costs),
            *(device_text(name, row[name]) for name in device),
            *([f"{row['reward']:.4f}"] if rewards else []),
            *("" if pd.isna(row[column]) else percent(row[column]) for column in chances),
            row["arch"],
        )
        for number, row in zip(front, rows, strict=True)
    ]
    words = f"The front of {points.against}. "
    words += "Chances follow from the measured noise. " if chances else ""
    if points.front_size > len(rows):
        words += f"{points.front_size - len(rows):,} more, evenly spread, are in pareto.csv."
    cards = [_card(row, points) for row in rows]
    drawings = tag("div", *cards[:MOST_DRAWINGS], class_="cards")
    if cards[MOST_DRAWINGS:]:
        more = tag("summary", f"{len(cards) - MOST_DRAWINGS} more")
        folded = tag("details", more, tag("div", *cards[MOST_DRAWINGS:], class_="cards"))
        drawings = join(drawings, folded)
    explained = hint(
        "From the image at the top to the classifier: one block per stage, as wide as its channels, with one "
        "bar per layer. MBConv6 5×5 expands its input 6 times and has a kernel of 5 pixels."
    )
    table = section("Networks of the front", hint(words), data_table(header, body, "front"))
    if not any(drawable(row["arch"]) for row in rows):  # networks of another kind
        return table
    return join(
        table,
        section("Drawings of the front", explained, tag("p", LEGEND), drawings),
    )


def known_section(known: Sequence[Mapping[str, Any]], measured: str) -> Html:
    """Known networks that were trained under the same conditions, and how much better the choice is."""
    rows = [
        (
            row["name"],
            accuracy_text({**row, "measured": None}),
            *("" if row[cost] is None else count(row[cost]) for cost in COSTS),
            "" if row["reward"] is None else f"{row['reward']:.4f}",
            points_better(row["difference"], row["difference_error"]),
            row["arch"],
        )
        for row in known
    ]
    header = ["network", measured, *COSTS.values(), "reward", "better by", ARCHITECTURE]
    words = hint(
        "Trained in the same way as the candidates. Better by: how many points better the chosen network is."
    )
    return section("Known networks", words, data_table(header, rows, "known"))


def title(measured: str) -> str:
    """``measured`` at the beginning of a line."""
    return measured[0].upper() + measured[1:]


def _card(row: Mapping[Any, Any], points: Points) -> Html:
    rows = drawable(row["arch"])
    heading = tag("h3", f"Trial {row['trial']}")
    costs = sizes_text(points, row).replace(", ", " · ").replace("parameters", "params")
    picture = draw(rows, f"Network of trial {row['trial']}") if rows else tag("p", "No architecture")
    return tag("article", heading, tag("p", f"{accuracy_text(row)} · {costs}"), picture, class_="card")


def failures_section(trials: pd.DataFrame) -> Html:
    """Failed trials by error; errors that differ only in numbers count as one."""
    failed = trials[trials["status"] == "failed"]
    if failed.empty:
        return section("Failures", tag("p", "No trial failed."))
    errors = failed["error"].fillna("no message").astype(str)
    kinds = errors.str.replace(r"\d+", "0", regex=True)
    counts = kinds.value_counts()
    rows = []
    for kind, number in counts.head(MOST_FAILURES).items():
        of_kind = kinds == kind
        shown = ", ".join(map(str, failed.loc[of_kind, "trial"].head(10)))
        more = f" and {number - 10:,} more" if number > 10 else ""
        example = tag("span", errors[of_kind].iloc[0][:2000], class_="error")
        rows.append((f"{number:,}", example, shown + more))
    left = len(counts) - MOST_FAILURES
    return section(
        "Failures",
        tag("p", f"{len(failed):,} of {len(trials):,} trials failed."),
        data_table(("trials", "error", "which"), rows, "failures"),
        hint(f"{left} rarer errors are left out.") if left > 0 else "",
    )


def time_section(
    trials: pd.DataFrame,
    confirmations: pd.DataFrame,
    config: Mapping[str, Any],
    spent: Sequence[str] = (),
) -> Html:
    """When the run began and ended, and what it cost; ``spent`` are further lines."""
    seconds = trials["seconds"].dropna()
    seconds = seconds[seconds > 0] if (seconds > 0).any() else seconds
    first, last = trials["started"].min(), trials["finished"].max()
    resources = config.get("resources") or {}
    pairs: list[tuple[str, object]] = []
    if not pd.isna(first):
        pairs.append(("started", f"{first:%Y-%m-%d %H:%M:%S} UTC"))
    if not pd.isna(last):
        wall = (last - first).total_seconds()
        pairs += [("last result", f"{last:%Y-%m-%d %H:%M:%S} UTC"), ("from first to last", duration(wall))]
        if wall > 0 and len(trials) > 1:
            hourly = 3600 * trials["finished"].notna().sum() / wall
            pairs.append(("finished per hour", f"{hourly:,.0f} trials"))
    pairs.append(("in trials", duration(float(trials["seconds"].sum()))))
    if len(confirmations):
        again = duration(float(confirmations["seconds"].sum()))
        pairs.append(("in further training runs", f"{again}, {len(confirmations)} of them"))
    cpus = resources.get("cpus_per_trial")
    if config.get("space") == "train":  # the workers share one training run
        cpus = (cpus or 0) * (resources.get("workers") or 1)
    hours = float(trials["seconds"].sum() + confirmations["seconds"].sum()) / 3600 * float(cpus or 0)
    if hours >= 0.005:
        pairs.append(("CPU core hours", f"{hours:,.2f}"))
    if len(seconds) and len(trials) > 1:
        pairs.append(("a trial, median", duration(float(seconds.median()))))
    measured = speed(trials) or {}
    if rate := measured.get("images_per_second"):
        pairs.append(("images per second, median", f"{rate:,.0f}"))
    if most := measured.get("peak_memory"):
        pairs.append(("memory of a trial, at most", memory(most)))
    pairs.append(("workers", trials.loc[trials["repeat_of"].isna(), "worker"].nunique()))
    return section("Time and compute", facts(pairs), *(tag("p", line) for line in spent))


def configuration_section(config: Mapping[str, Any]) -> Html:
    """The command that repeats the run, and everything in ``config.json``."""
    words = [str(word) for word in config.get("command") or []]
    command = shlex.join(["nas", *words[1:]]) if words else ""
    repeat = join(
        tag("p", "This command repeats it, with another --run if this one is still there:"),
        copyable(command, whole=True),
    )
    nested = {name: value for name, value in config.items() if isinstance(value, Mapping)}
    plain = {name: config[name] for name in config if name not in {"command", *nested}}
    blocks = [
        titled(name.replace("_", " "), facts(_flat(values), "facts config"))
        for name, values in {"settings": plain, **nested}.items()
        if values
    ]
    files = [tag("p", line) for line in file_lines(config)]
    return section("Configuration", repeat if words else "", *files, tag("div", *blocks, class_="columns"))


def file_lines(config: Mapping[str, Any]) -> list[str]:
    """Which files of the user's own the run used, code among them, each with its SHA-256."""
    lines = []
    for name, sha256 in (config.get("files") or {}).items():
        value = config.get(name, "")
        file = value if isinstance(value, str) else ", ".join(str(one) for one in value if ".py:" in str(one))
        what = "ran the code" if ".py:" in file else "read"
        lines.append(f"As {name} it {what} {file} (SHA-256 {sha256}).")
    return lines


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Nested settings with names like ``versions.torch``, and their values as text."""
    lines: list[tuple[str, object]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{name}.")
        else:
            lines.append((prefix + str(name), value if isinstance(value, str) else json.dumps(value)))
    return lines
