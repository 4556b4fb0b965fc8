"""``nas predict``: the classes of images, by a trained network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from nas.commands.declare import declared
from nas.commands.network_options import DeviceOption
from nas.commands.options import JsonOption, RunArgument
from nas.commands.output import refuse_both, say_broken, write_text
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.launch.judge import Prediction


@dataclass(frozen=True)
class PredictOptions:
    """What ``nas predict`` is asked."""

    run: RunArgument
    paths: Annotated[
        list[str],
        Argument(metavar="PATH...", help="Image files, folders of them, or patterns such as '*.jpg'."),
    ]
    csv: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            show_default="standard output, but a table on a terminal",
            help="Write CSV there; - is standard output.",
        ),
    ] = None
    as_json: JsonOption = False
    top: Annotated[int, Option(min=1, metavar="K", help="The K most probable classes of each image.")] = 1
    least_confident: Annotated[
        int | None,
        Option(min=1, metavar="N", help="Only the N images of the least probability, the least first."),
    ] = None
    device: DeviceOption = "auto"


@declared(run="RUN", directory="RUN", path="PATH")
def predict(options: PredictOptions) -> None:
    """Name the class of each image, and its probability, by a trained network.

    Files that cannot be read are named on standard error and passed over.

    Example: nas predict runs/first photos --csv classes.csv
    """
    from nas.screens.metrics import csv_text, predictions_json, predictions_table
    from nas.screens.terminal import Terminal
    from nas.screens.words import print_parts

    refuse_both(options.csv, as_json=options.as_json)
    found, broken = named(options)
    console = Terminal()
    if options.as_json:
        typer.echo(json.dumps(predictions_json(options.run, found, broken), indent=2))
    elif str(options.csv) == "-" or not (options.csv or console.is_terminal):
        typer.echo(csv_text(found, spelled=console.is_terminal), nl=False)
    elif options.csv is None:
        print_parts(console, [predictions_table(found)])


def predicted(options: PredictOptions, *, quiet: bool = False) -> dict[str, Any]:
    """Names the class of each image, and its probability, by a trained network; as JSON values."""
    from nas.screens.metrics import predictions_json

    refuse_both(options.csv, as_json=False)
    return predictions_json(options.run, *named(options, quiet=quiet))


def named(options: PredictOptions, *, quiet: bool = False) -> tuple[list[Prediction], dict[str, str]]:
    """The classes of the images, which are written to a file if one is asked for, and why some have none."""
    from nas.launch.judge import image_files, trained_network
    from nas.launch.judge import predict as name_classes
    from nas.screens.metrics import csv_text, least_confident
    from nas.screens.progress import Screen

    files = image_files(options.paths)
    classifier = trained_network(options.run, options.device)
    with Screen(quiet=quiet) as screen:
        found, broken = name_classes(classifier, files, options.top, screen)
    say_broken(broken)
    if not found:
        raise InputError(f"path must hold an image that can be read, got {len(files)} that cannot")
    number = len(found)
    if options.least_confident is not None:
        found = least_confident(found, options.least_confident)
    if options.csv and str(options.csv) != "-":
        write_text(options.csv, csv_text(found))
        screen.say(f"{number:,} images read; their classes are in {options.csv}")
    return found, broken
