"""``nas export``: a network as files that need nothing of this project."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from nas.commands.declare import declared
from nas.commands.networks import find_arch, find_family
from nas.commands.options import JsonOption, QuietOption
from nas.errors import InputError, command
from nas.files import exists, is_directory, is_file


@dataclass(frozen=True)
class ExportOptions:
    """What ``nas export`` is asked."""

    arch: Annotated[
        str, Argument(metavar="ARCH", help="A run of nas train; with --untrained also any other network.")
    ]
    to: Annotated[
        str,
        Option(
            metavar="NAME,...",
            help="onnx, pt2 (torch.export), pytorch (plain), timm, litert; several with commas.",
        ),
    ]
    out: Annotated[Path | None, Option(show_default="NAME-onnx", help="A folder to make, for the files.")] = (
        None
    )
    int8: Annotated[
        bool,
        Option("--int8", help="Also ONNX in int8, scaled by training images; says what it costs and gains."),
    ] = False
    untrained: Annotated[
        bool, Option("--untrained", help="A network without weights gets random ones, to be measured, say.")
    ] = False
    quiet: QuietOption = False
    as_json: JsonOption = False


@declared(directory="--out")
def export(options: ExportOptions) -> None:
    """Export a network to ONNX, torch.export, plain PyTorch or timm, each checked against it on real images.

    The folder also gets model_card.md, with the preprocessing, the classes and how it was trained.

    Example: nas export runs/trained --to onnx,pytorch
    """
    from nas.deploy.formats import find_formats

    formats = find_formats(options.to)
    if options.int8 and "onnx" not in formats:
        raise InputError(f"int8 must stand with `to` onnx, got {options.to}")
    trained = is_directory(Path(options.arch)) and is_file(Path(options.arch) / "weights.safetensors")
    if trained == options.untrained:
        raise InputError(refusal_of(options.arch, trained=trained))
    if options.int8 and not trained:
        raise InputError(f"int8 must stand with a trained run, whose images scale it, got {options.arch}")
    classes = (
        None if trained else find_classes(options)
    )  # refuses what is no network before torch is imported

    from nas.launch.export import Request, export_arch, export_run
    from nas.screens.progress import Screen

    name = name_of(options.arch)
    kinds = [*formats, *["int8"] * options.int8]
    request = Request(name, formats, options.out or Path(f"{name}-{'-'.join(kinds)}"), options.int8)
    with Screen(quiet=options.quiet or options.as_json) as screen:
        if classes is None:
            exported = export_run(Path(options.arch), request, screen)
        else:
            exported = export_arch(find_arch(options.arch), classes, request, screen)
    if options.as_json:
        typer.echo(json.dumps(exported.to_json(), indent=2))


def refusal_of(arch: str, *, trained: bool) -> str:
    """Why a network with weights is no untrained one, or the other way round."""
    if trained:
        return f"untrained must stand with a network that has no weights, got {arch}"
    find_arch(arch)  # no network at all has another message
    return (
        f"arch must be a run of nas train, which has weights, or stand with `untrained` for random ones, got "
        f"{arch}; train it with: {command('train', arch)}"
    )


def find_classes(options: ExportOptions) -> int:
    """The classes of a network without weights: those of its family or its run; 1000 of any other."""
    from nas.runs.config import read_settings

    find_arch(options.arch)
    if found := find_family(options.arch):
        family, model = found
        return family[model].num_classes
    directory = Path(options.arch)
    if is_directory(directory) and (task := read_settings(directory).task):
        return task.classes
    return 1000


def name_of(arch: str) -> str:
    """A name for files: of the run, the preset or the file; ``network`` for an architecture's text."""
    head, _, model = arch.rpartition(":")
    if exists(Path(arch)):
        name = Path(arch).absolute().name.removesuffix(".json")
    elif head and exists(Path(head)):
        name = f"{Path(head).absolute().name}-{model}"
    else:
        name = "network" if "-stem" in arch else arch
    return re.sub(r"[^\w-]+", "-", name)
