"""``nas show`` and ``nas spaces``: networks and spaces, on the terminal."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nas.commands.arguments import find_arch, find_family
from nas.commands.declare import declared
from nas.commands.options import JsonOption


@declared()
def show(
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help="A preset, a run, a JSON file, or an architecture's text.")
    ],
    classes: Annotated[int, typer.Option(min=1, max=10_000_000, help="Outputs of the classifier.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Show a network: its stages, FLOPs, parameters, activations."""
    import reports
    from nas.screens.terminal import Terminal
    from search_spaces import cost

    spec = find_arch(arch)
    price = cost(spec, classes)
    if as_json:
        typer.echo(
            json.dumps({"arch": str(spec), **price._asdict(), "resolution": spec.resolution}, indent=2)
        )
    else:
        console = Terminal()
        console.print(reports.stage_table(spec, classes))
        console.print(
            f"\n{price.flops:,} FLOPs (multiply-adds), {price.params:,} params, {price.activations:,} "
            f"activations at {spec.resolution} px with {classes} classes, {spec.activation}\n\n{spec}",
            soft_wrap=True,
        )
        if found := find_family(arch):
            family, name = found
            console.print(
                f"\n{name} of the family {', '.join(family)}: choose with RUN:MODEL", soft_wrap=True
            )


def spaces() -> None:
    """List the search spaces, their sizes, and the networks that have names."""
    import reports
    from nas.screens.terminal import Terminal
    from search_spaces import PRESETS, SPACES

    console = Terminal()
    console.print(reports.space_table(SPACES.values()))
    console.print(f"Presets: {', '.join(PRESETS)}", soft_wrap=True)
