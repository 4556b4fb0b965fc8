"""``nas evaluate``: how good a trained network is on labelled images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from nas.commands.arguments import absolute
from nas.commands.declare import declared
from nas.commands.network_options import DeviceOption
from nas.commands.options import DATA, JsonOption, RunArgument
from nas.commands.output import refuse_both, say_broken, write_text
from nas.files import table_text


@dataclass(frozen=True)
class EvaluateOptions:
    """What ``nas evaluate`` is asked."""

    run: RunArgument
    data: Annotated[str | None, Option(show_default="the run's own", help=DATA)] = None
    part: Annotated[
        str | None,
        Option(
            show_default="test; without one, valid of the run's images, or all of others",
            help="Which images: test, valid, or all.",
        ),
    ] = None
    as_json: JsonOption = False
    csv: Annotated[
        Path | None, Option(metavar="FILE", help="Write the classes there; - is standard output.")
    ] = None
    device: DeviceOption = "auto"


@declared(run="RUN", directory="RUN")
def evaluate(options: EvaluateOptions) -> None:
    """Say how good a trained network is on labelled images: accuracy, and precision and recall by class.

    Classes are matched by their names: the images may have some of them, in any order.

    Example: nas evaluate runs/first --data folder:new-photos
    """
    facts = evaluated(options, quiet=options.as_json)
    if options.as_json:
        typer.echo(json.dumps(facts, indent=2))


def evaluated(options: EvaluateOptions, *, quiet: bool = False) -> dict[str, Any]:
    """Says how good a trained network is on labelled images, class by class; as JSON values."""
    from nas.launch.judge import evaluate as judge
    from nas.screens.metrics import judged_json, judged_parts
    from nas.screens.progress import Screen
    from nas.screens.words import print_parts

    refuse_both(options.csv, as_json=options.as_json)
    data = options.data and absolute(options.data)
    with Screen(quiet=quiet or str(options.csv) == "-") as screen:
        judged = judge(options.run, data, options.part, options.device, screen)
    print_parts(screen.console, judged_parts(judged))
    if options.csv:
        write_text(options.csv, table_text(judged.metrics.by_class()))
    say_broken(judged.broken)
    return judged_json(options.run, judged)
