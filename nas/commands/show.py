"""``nas show``: a network, on the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.commands.declare import declared
from nas.commands.networks import find_arch, find_family
from nas.commands.options import JsonOption
from nas.errors import command
from nas.files import is_directory, is_file


@declared()
def show(
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help="A preset, a run, a JSON file, or an architecture's text.")
    ],
    classes: Annotated[int, typer.Option(min=1, max=10_000_000, help="Outputs of the classifier.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Show a network: its stages, FLOPs, parameters, activations."""
    if is_directory(Path(arch)) and (best := of_another_kind(Path(arch))):
        show_choices(best, as_json=as_json)
        return
    import reports
    from nas.screens.terminal import Terminal
    from nas.screens.words import Steps, print_parts
    from search_spaces import cost

    spec = find_arch(arch)
    price = cost(spec, classes)
    if as_json:
        typer.echo(
            json.dumps({"arch": str(spec), **price._asdict(), "resolution": spec.resolution}, indent=2)
        )
        return
    console = Terminal()
    size = (
        f"{price.flops:,} FLOPs (multiply-adds), {price.params:,} params, {price.activations:,} activations "
        f"at {spec.resolution} px with {classes} classes, {spec.activation}"
    )
    print_parts(console, [size, "", reports.stage_table(spec, classes), ""])
    console.print(str(spec), soft_wrap=True)  # whole, to be copied: only the terminal wraps it
    notes = []
    if found := find_family(arch):
        family, name = found
        notes = [f"{name} of the family {', '.join(family)}: choose with RUN:MODEL"]
    steps = [("Train it to the end", command("train", arch)), ("Scale it", command("scale --base", arch))]
    print_parts(console, ["", *notes, Steps(steps)])


def of_another_kind(directory: Path) -> dict[str, Any] | None:
    """The best network of a run as text, with its choices and costs, if it is no ``ArchSpec``; else None."""
    from nas.runs.next_steps import is_arch
    from nas.runs.run import open_run
    from nas.runs.spaces import decisions_of
    from nas.spec.own import is_own

    if not is_file(directory / "run.db"):
        return None
    run = open_run(directory).snapshot()
    if not is_own(run.settings.space) or is_arch((best := run.best_trial())["arch"]):
        return None
    decisions = decisions_of(run.settings, run.config)
    chosen = {one.name: one.choices[at] for one, at in zip(decisions, best["actions"], strict=False)}
    facts = {name: float(best[name]) for name in ("accuracy", *run.known_costs)}
    return {"arch": best["arch"], "trial": int(best["trial"]), "choices": chosen, **facts}


def show_choices(best: dict[str, Any], *, as_json: bool) -> None:
    """Prints what ``of_another_kind`` gives."""
    from nas.screens.terminal import Terminal
    from nas.screens.words import print_parts
    from reports import cost_text, cost_title, plain

    if as_json:
        typer.echo(json.dumps(plain(best), indent=2))
        return
    costs = [name for name in best if name not in ("arch", "trial", "choices", "accuracy")]
    facts = "".join(f", {cost_title(name)} {cost_text(name, best[name])}" for name in costs)
    lines = [f"Trial {best['trial']}: accuracy {best['accuracy']:.4f}{facts}", ""]
    console = Terminal()
    print_parts(console, [*lines, *(f"{name}: {choice}" for name, choice in best["choices"].items()), ""])
    console.print(best["arch"], soft_wrap=True, markup=False, highlight=False)
