"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from reports.fitted import FittedTable, SideBySide
from reports.numbers import HIGHEST, cost_text, cost_title, count, front_title, percent, plus_minus
from search_spaces import ArchSpec, Decision, SearchSpace
from search_spaces.cost import head_cost, stage_cost, stem_cost

MOST_NETWORKS = 50
"""Networks of an audit on the screen; ``audit.csv`` has all."""
MOST_SEEDS = 5
"""Columns of single training runs."""


def sketch(arch: str) -> str:
    """The stages in a few characters each: ``6x2k5+`` is MBConv6, two layers, kernel 5, with SE.

    A text that is no architecture, as in a ``run.db`` edited by hand, stays as it is.
    """
    try:
        spec = ArchSpec.parse(arch)
    except ValueError:
        return arch
    names = {"conv": "c", "linear": "l", "separable": "sep", "bottleneck": "res"}
    return " ".join(
        f"{names.get(stage.op, str(stage.expand_ratio))}x{stage.repeats}k{stage.kernel}"
        + "+" * bool(stage.se_ratio)
        for stage in spec.stages
    )


def has_stages(networks: pd.DataFrame) -> bool:
    """Whether one of the networks, by its ``arch``, is an architecture, which has stages."""
    return any(sketch(arch) != arch for arch in networks["arch"])


STAGES = "stages"
"""The title of the column of sketches."""
STAGES_LEGEND = (
    "Stages: 6x2k5+ is MBConv with expansion 6, 2 layers and kernel 5; + is squeeze-and-excitation. "
    "c is a convolution, l one without activation."
)
NARROWEST = 26
"""A column of sketches is not narrower: three or four stages on a line."""
SIZES = {"flops": "FLOPs", "params": "params"}
"""The titles of what is known of every network, but for those of a space of the user's own."""
CHANCES = {"p_front": "P(front)", "p_best": "P(best)"}
"""The titles of a network's probabilities to be on the front and the best."""
ON_DEVICE = {"latency_measured": "measured", "latency_error": "error"}
"""The titles of what a device measured after the search, and of how far off its prediction was."""


def known_in(networks: pd.DataFrame, name: str) -> bool:
    """Whether some network has a value in the column ``name``."""
    return name in networks and bool(networks[name].notna().any())


def device_text(name: str, value: float) -> str:
    """A measured latency, or a prediction's error; empty if it is unknown."""
    if pd.isna(value):
        return ""
    return f"{100 * value:+.1f} %" if name == "latency_error" else cost_text(name, value)


def front_table(
    front: pd.DataFrame,
    best: int | None = None,
    target: float | None = None,
    *,
    known: Sequence[Mapping[str, Any]] = (),
    measured: str = "accuracy",
    costs: Sequence[str] = ("flops",),
    maximize: Sequence[str] = (),
    rewarded: bool = True,
) -> FittedTable:
    """A Pareto front, one row per network; ``best`` is the chosen trial, which is marked.

    Errors, what a device measured, and the chances of being on the front or the best are shown if ``front``
    has them. Networks up to ``target``, in FLOPs, stand above a row with its number, the others below it.
    ``known`` networks, with a ``name``, come last.

    Args:
        measured: what accuracies are.
        costs: of the front; beside FLOPs and params, they have columns of their own.
        maximize: those of them of which more is better.
        rewarded: whether rewards say more than accuracies do.
    """
    further = [name for name in costs if name not in SIZES]
    sizes = {name: title for name, title in SIZES.items() if known_in(front, name) or front.empty}
    chances = {name: title for name, title in CHANCES.items() if name in front}
    on_device = {name: title for name, title in ON_DEVICE.items() if known_in(front, name)}
    rewards = ["reward"] * rewarded
    table = FittedTable(
        "trial", measured, *map(cost_title, further), *on_device.values(), *sizes.values(), *rewards,
        *chances.values(),
        least=("params", "reward", "P(front)"),
        title=f"Pareto front: {front_title(measured, costs, maximize)}",
    )  # fmt: skip
    table.add_words(STAGES if front.empty or has_stages(front) else "network", NARROWEST)

    def add(first: str, row: Mapping[Any, Any]) -> None:
        """Adds a row with what is known of ``row``."""

        def cell(name: str, words: Callable[[Any], str]) -> str:
            return "" if pd.isna(row.get(name)) else words(row[name])

        table.add_row(
            first,
            cell("accuracy", lambda accuracy: plus_minus(accuracy, row.get("accuracy_error"))),
            *(cell(name, partial(cost_text, name)) for name in further),
            *(cell(name, partial(device_text, name)) for name in on_device),
            *(cell(name, count) for name in sizes),
            *(cell(name, "{:.4f}".format) for name in rewards),
            *(cell(name, percent) for name in chances),
            cell("arch", sketch),
        )

    shown: list[tuple[str, Mapping[Any, Any]]] = [
        (f"{'*' if row['trial'] == best else ''}{row['trial']}", row) for row in front.to_dict("records")
    ]
    if target is not None and "flops" in sizes:
        shown.insert(sum(row["flops"] <= target for _, row in shown), ("target", {"flops": target}))
    for first, row in [*shown, *((network["name"], network) for network in known)]:
        add(first, row)
    return table


def epochs_table(curve: Iterable[Mapping[str, Any]]) -> FittedTable:
    """A learning curve, one row per epoch."""
    table = FittedTable("epoch", "training loss", "validation loss", "validation accuracy", "seconds")
    for row in curve:
        numbers = (f"{row[name]:.4f}" for name in ("train_loss", "valid_loss", "accuracy"))
        table.add_row(str(row["epoch"]), *numbers, f"{row['seconds']:.1f}")
    return table


def ranking_table(
    ranked: pd.DataFrame, costs: Sequence[str], before: int, measured: str = "accuracy"
) -> FittedTable:
    """Networks under another objective, the best first; ``before`` is the former choice, which is marked.

    Args:
        ranked: ``rank``, ``trial``, ``accuracy``, the ``costs``, ``reward``, ``old_reward``, ``arch``.
    """
    titles = map(cost_title, costs)
    on_device = {name: title for name, title in ON_DEVICE.items() if known_in(ranked, name)}
    table = FittedTable(
        "rank", "trial", measured, *titles, *on_device.values(), "reward", "before", least=("before",)
    )
    table.add_words(STAGES if ranked.empty or has_stages(ranked) else "network", NARROWEST)
    for row in ranked.to_dict("records"):
        table.add_row(
            str(row["rank"]),
            f"{'*' if row['trial'] == before else ''}{row['trial']}",
            plus_minus(row["accuracy"], row.get("accuracy_error")),
            *(cost_text(cost, row[cost]) for cost in costs),
            *(device_text(name, row[name]) for name in on_device),
            f"{row['reward']:.4f}",
            f"{row['old_reward']:.4f}",
            sketch(row["arch"]),
        )
    return table


def audit_table(networks: pd.DataFrame, measured: str = "accuracy") -> FittedTable:
    """The best ``MOST_NETWORKS`` of ``nas.runs.audit_results.Findings.table``, the best first."""
    seeds = [name for name in map(str, networks) if name.startswith("seed_")]
    shown = {name: name.replace("_", " ") for name in seeds} if 1 < len(seeds) <= MOST_SEEDS else {}
    shown |= {"long_accuracy": "longer", "reference": "reference"}
    shown = {name: title for name, title in shown.items() if name in networks}
    table = FittedTable(
        "rank", "network", measured, *shown.values(), "FLOPs", "params",
        least=("params", *(shown[name] for name in reversed(seeds) if name in shown)),
    )  # fmt: skip
    ordered = networks.sort_values(["rank", "network"])
    for row in ordered.head(MOST_NETWORKS).to_dict("records"):
        table.add_row(
            known(row["rank"], str),
            str(row["network"]),
            "" if pd.isna(row["accuracy"]) else plus_minus(row["accuracy"], row["accuracy_error"]),
            *(known(row[name], "{:.4f}".format) for name in shown),
            *(known(row[name], count) for name in ("flops", "params")),
        )
    return table


def known(value: Any, show: Callable[[Any], str]) -> str:
    """``value`` as ``show`` writes it; empty if it is missing."""
    return "" if pd.isna(value) else show(value)


def comparison_table(
    compared: pd.DataFrame, costs: Sequence[str] = ("flops",), reward: str = "best reward"
) -> SideBySide:
    """Runs side by side, one column for each row of ``nas.runs.comparison.comparison``.

    Args:
        costs: those of the best networks that are shown, where some run knows them.
        reward: the title of the best networks' rewards.
    """
    formats = {"done": str} | {cost: partial(cost_text, cost) for cost in costs}
    titles = {"done": "trials done", "reward": reward} | {cost: cost_title(cost) for cost in costs}
    single = HIGHEST if reward == HIGHEST else "best reward"
    after = [name for name in map(str, compared) if name.startswith("after_")]
    accuracy = ["accuracy"] * (reward != HIGHEST)
    shown = ["done", "reward", *accuracy]
    shown += [name for name in (*costs, "hypervolume") if known_in(compared, name)] + after
    return SideBySide(
        [titles.get(name, name.replace("after_", f"{single} after ")) for name in shown],
        [
            (row["run"], [known(row[name], formats.get(name) or "{:.4f}".format) for name in shown])
            for row in compared.to_dict("records")
        ],
    )


def stage_table(arch: ArchSpec, num_classes: int = 1000) -> FittedTable:
    """A network stage by stage, with what each costs."""
    sizes = ("input", "kernel", "stride", "layers", "channels", "SE", "skip")
    table = FittedTable("stage", *sizes, "FLOPs", "params", "activations")
    *price, size = stem_cost(arch)
    layer = map(str, (arch.resolution, arch.stem_kernel, arch.stem_stride, 1, arch.stem_channels, "", ""))
    table.add_row("stem, pool" if arch.stem_pool else "stem", *layer, *map(count, price))
    channels = arch.stem_channels
    for stage in arch.stages:
        *price, out = stage_cost(stage, channels, size)
        table.add_row(
            f"MBConv{stage.expand_ratio}" if stage.op == "mbconv" else stage.op,
            *map(str, (size, stage.kernel, stage.stride, stage.repeats, stage.channels)),
            f"{stage.se_ratio:g}" if stage.se_ratio else "",
            "yes" if any(layer.residual for layer in stage.layers(channels)) else "",
            *map(count, price),
        )
        channels, size = stage.channels, out
    price = [*head_cost(arch, channels, size, num_classes)]
    head = ("1", "1", "1", f"{arch.head_channels}") if arch.head_channels else ("", "", "", "")
    table.add_row(
        "head" if arch.head_channels else "classifier", f"{size}", *head, "", "", *map(count, price)
    )
    return table


def decision_table(decisions: Iterable[Decision], most: int) -> FittedTable:
    """Decisions and their choices, of which at most so many are listed."""
    table = FittedTable("decision")
    table.add_words("choices")
    for decision in decisions:
        listed = ", ".join(map(str, decision.choices[:most]))
        more = len(decision.choices) - most
        table.add_row(decision.name, f"{listed} and {more} more" if more > 0 else listed)
    return table


def space_table(spaces: Iterable[SearchSpace]) -> FittedTable:
    """Search spaces and their sizes."""
    table = FittedTable("space", "decisions", "action sequences", "resolution", "classes")
    for space in spaces:
        size = f"{space.size:,}" if space.size < 1e6 else f"{space.size:.3g}"
        table.add_row(
            space.name, f"{len(space.decisions)}", size, f"{space.resolution}", f"{space.num_classes}"
        )
    return table
