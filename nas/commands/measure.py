"""``nas measure``: latency and memory of networks on a device, and models of them."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from nas.commands.arguments import parse_seconds
from nas.commands.declare import declared
from nas.commands.networks import find_arch
from nas.commands.options import JsonOption
from nas.errors import InputError, command_line
from nas.files import is_directory

if TYPE_CHECKING:
    from nas.deploy.device import Conditions, Device
    from search_spaces import SearchSpace

DEVICE = (
    "cpu (onnxruntime), torch-cpu, cuda, command:'PROGRAM {onnx}', table:FILE or predictor:FILE (of --fit)."
)


@dataclass(frozen=True)
class MeasureOptions:
    """What ``nas measure`` is asked."""

    archs: Annotated[
        list[str] | None,
        Argument(metavar="ARCH", help="Presets, runs, JSON files or texts; none with --networks."),
    ] = None
    front: Annotated[
        bool, Option("--front", help="Measure all networks of a run's front; nas report shows them.")
    ] = False
    device: Annotated[str, Option(help=DEVICE)] = "cpu"
    threads: Annotated[int, Option(help="Threads of one network, each on a core of its own.")] = 1
    batch: Annotated[int, Option(help="Images at a time; latencies are those of the whole batch.")] = 1
    classes: Annotated[
        int | None, Option(show_default="1000; a run's with --front", help="Outputs of the classifier.")
    ] = None
    resolution: Annotated[
        int | None, Option(min=1, show_default="the networks' own", help="Of the images, in pixels.")
    ] = None
    seconds: Annotated[float, Option(help="How long each network runs at least.")] = 3.0
    timeout: Annotated[
        str, Option(metavar="TIME", help="A measurement that takes longer is an error: 90s, 10m.")
    ] = "10m"
    reference: Annotated[
        str,
        Option(metavar="ARCH|none", help="Runs in between; ratios to it hold on a noisy machine too."),
    ] = "efficientnet-lite0"
    space: Annotated[
        str | None, Option(help="Where --networks are drawn; with a table, whose decisions its columns are.")
    ] = None
    networks: Annotated[
        int | None, Option(metavar="N", help="Measure N random networks of --space, in place of ARCH.")
    ] = None
    fit: Annotated[
        Path | None, Option(metavar="FILE", help="Fit a predictor on these, for --device predictor:FILE.")
    ] = None
    run: Annotated[
        Path | None,
        Option(show_default="runs/TIME-measure", help="Where --networks are kept; if there, it goes on."),
    ] = None
    sample_seed: Annotated[int, Option(help="Draws the networks.")] = 0


@declared()
def measure(options: MeasureOptions, as_json: JsonOption = False) -> None:
    """Measure the latency and the memory of networks, here or on any device.

    Examples: nas measure efficientnet-b0 runs/first --device cpu; nas measure runs/first --front;
    nas measure --space mnas --networks 300 --fit latency.json
    """
    from nas.deploy.devices import open_device
    from nas.runs.spaces import known_space

    if options.front:
        measure_front(options, as_json=as_json)
        return
    if bool(options.archs) == (options.networks is not None):
        given = "both" if options.archs else "neither"
        raise InputError(f"archs must be given, or `networks` to draw from `space`, got {given}")
    if options.networks is None and (options.fit or options.run):
        field = "fit" if options.fit else "run"
        raise InputError(f"{field} needs --networks, got {getattr(options, field)}")
    conditions = conditions_of(options, 1000)
    space = None if options.space is None else known_space(options.space)
    if space is not None:
        space = space.at(options.resolution or space.resolution, conditions.classes)
    device = open_device(options.device, conditions, space)
    if options.networks is None:
        measure_given(options, device, conditions, as_json=as_json)
    elif space is None:
        raise InputError(f"networks must be drawn from a --space, got {options.networks} and none")
    else:
        measure_drawn(options, options.networks, space, device, conditions, as_json=as_json)


def conditions_of(options: MeasureOptions, classes: int) -> Conditions:
    """How networks are measured; ``classes`` is what is usual."""
    from nas.deploy.device import Conditions

    return Conditions(
        threads=options.threads,
        batch=options.batch,
        classes=classes if options.classes is None else options.classes,
        seconds=options.seconds,
        timeout=parse_seconds(options.timeout, "timeout"),
        reference=None if options.reference == "none" else find_arch(options.reference, "reference"),
    )


def measure_front(options: MeasureOptions, *, as_json: bool) -> None:
    """Measures the networks of a run's front, keeps the results in the run, and prints them."""
    from nas.launch import measured_front
    from nas.runs.device_results import device_facts
    from nas.runs.run import open_run
    from nas.screens.measure import Surveying, front_json, print_front
    from nas.screens.terminal import Terminal

    texts = options.archs or []
    if len(texts) != 1:
        raise InputError(f"front must stand with one run, got {len(texts)} networks or runs")
    for name in ("resolution", "space", "networks"):
        if (value := getattr(options, name)) is not None:
            raise InputError(f"{name} must be left out with `front`, got {value}")
    run = open_run(texts[0])
    conditions = conditions_of(options, measured_front.classes_of(run))
    console = Terminal(quiet=as_json)
    try:
        with Surveying(console, len(measured_front.front_networks(run))) as screen:
            found = measured_front.measure_front(run, options.device, conditions, screen.on_row)
    except KeyboardInterrupt:
        console.print("Interrupted; what was measured is kept in the run.")
        raise typer.Exit(130) from None
    facts = device_facts(open_run(texts[0]))["measured_on"]
    if as_json:
        typer.echo(json.dumps(front_json(found, facts), indent=2))
    else:
        print_front(console, found, facts, run.directory)


def measure_given(options: MeasureOptions, device: Device, conditions: Conditions, *, as_json: bool) -> None:
    """Measures the networks that are named, or looks them up, and prints them."""
    from nas.deploy.devices import LOCAL
    from nas.screens.measure import Row, measure_json, print_measurements
    from nas.screens.terminal import Terminal

    texts = options.archs or []
    archs = [find_arch(text, "archs") for text in texts]
    if options.resolution is not None:
        archs = [replace(arch, resolution=options.resolution) for arch in archs]
    if device.measures:
        found = [device.measure(arch) for arch in archs]
        rows = [
            Row(text, arch, one.milliseconds, one)
            for text, arch, one in zip(texts, archs, found, strict=True)
        ]
    else:
        known = device.predict(archs)
        rows = [Row(text, arch, float(ms), None) for text, arch, ms in zip(texts, archs, known, strict=True)]
    facts: dict[str, Any] = {"device": device.name}
    if device.measures:
        facts |= {"batch": conditions.batch, "classes": conditions.classes}
    if device.name in LOCAL:
        facts["threads"] = options.threads
    reference = options.reference if device.measures else "none"
    if as_json:
        typer.echo(json.dumps(measure_json(rows, facts, reference), indent=2))
    else:
        print_measurements(Terminal(), rows, facts, reference)


def refuse_drawn(options: MeasureOptions, networks: int, space: SearchSpace, device: Device) -> None:
    """InputError if random networks cannot be measured, or no predictor fitted to them."""
    from nas.deploy.latency_model import LEAST_NETWORKS, refuse_file

    if not device.measures:
        raise InputError(f"device must be one that measures, such as cpu, got {device.name}")
    if options.sample_seed < 0:
        raise InputError(f"sample_seed must be at least 0, got {options.sample_seed}")
    if options.fit is not None:
        if networks < LEAST_NETWORKS:
            raise InputError(f"networks must be at least {LEAST_NETWORKS} to fit, got {networks}")
        if not space.slots:
            raise InputError(f"space must be one of stages to fit, got {space.name}")
        refuse_file(options.fit)


def measure_drawn(
    options: MeasureOptions,
    networks: int,
    space: SearchSpace,
    device: Device,
    conditions: Conditions,
    *,
    as_json: bool,
) -> None:
    """Measures random networks of a space into a directory, and fits a predictor if that is asked for."""
    from nas.deploy.latency_model import write_model
    from nas.deploy.survey import asked_of, fit_survey, survey
    from nas.launch.draw import draw_networks
    from nas.launch.new_run import Place
    from nas.screens.measure import Surveying, model_json, print_model
    from nas.screens.terminal import Terminal
    from search_spaces import ArchSpec

    refuse_drawn(options, networks, space, device)
    archs = [ArchSpec.parse(text) for text in draw_networks(space, networks, options.sample_seed)]
    directory = options.run or next(one for one in Place(None, "measure").choices() if not is_directory(one))
    asked = asked_of(space, device, conditions, options.sample_seed)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Terminal(quiet=as_json)
    try:
        with Surveying(console, networks) as screen:
            table = survey(archs, device, directory, asked, screen.on_row)
    except KeyboardInterrupt:
        words = [word for word in sys.argv[2:] if options.run] or [*sys.argv[2:], "--run", str(directory)]
        console.print(
            f"Interrupted; what was measured is kept. Go on with: {command_line('measure', *words)}"
        )
        raise typer.Exit(130) from None
    if options.fit is None:
        console.print(f"{len(table)} networks are in {shlex.quote(str(directory / 'latency.csv'))}")
        if as_json:
            typer.echo(table.to_json(orient="records", indent=2))
        return
    model = fit_survey(table, space, device, conditions)
    write_model(options.fit, model)
    if as_json:
        typer.echo(json.dumps(model_json(model), indent=2))
    else:
        print_model(console, model, options.fit, directory)
