"""``nas show``: a network, on the terminal."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from nas.commands.arguments import find_arch, find_family
from nas.commands.declare import declared
from nas.commands.options import JsonOption
from nas.errors import command


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
