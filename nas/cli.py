"""The command ``nas``. Exit codes: 0 done, 1 the run failed, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli_report import report
from nas.cli_scale import scale
from nas.cli_train import train
from nas.errors import InputError, NasError
from nas.options import (
    CpusOption,
    GpusOption,
    JsonOption,
    QuietOption,
    RunArgument,
    WorkersOption,
    absolute,
    checked,
    find_arch,
    find_family,
    find_recipe,
    interruptible,
    pairs,
    parse_count,
)

app = typer.Typer(
    help="Neural architecture search and compound scaling: find your B0, then scale it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def search(
    space: Annotated[str, typer.Option(help="Search space, see nas spaces.")],
    data: Annotated[
        str, typer.Option(help="Images: digits, or npz:FILE with train_x and train_y.")
    ] = "digits",
    trials: Annotated[
        int | None,
        typer.Option(show_default="24, or 1000 with a table or predictor", help="Networks to propose."),
    ] = None,
    target_flops: Annotated[
        str, typer.Option(metavar="COUNT", help="The budget T, in multiply-adds.")
    ] = "400M",
    exponent: Annotated[
        float | None,
        typer.Option(show_default="-0.07, hard: -1", help="How much cost counts against accuracy."),
    ] = None,
    reward: Annotated[
        str,
        typer.Option(
            help="soft: ACC x (FLOPs/T)^w. hard: the same above T, free below. abs: ACC + w |FLOPs/T - 1|."
        ),
    ] = "soft",
    controller: Annotated[str, typer.Option(help="Who proposes: rnn (PPO), random or evolution.")] = "rnn",
    controller_settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="A setting of the controller, e.g. update_every=10."
        ),
    ] = None,
    evaluator: Annotated[
        str,
        typer.Option(help="Accuracies: train, table:FILE (look up) or predictor:FILE (fit a regression)."),
    ] = "train",
    recipe: Annotated[
        str, typer.Option(help="How each network is trained: proxy (short) or efficientnet (to the end).")
    ] = "proxy",
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A field of the recipe, e.g. epochs=4, width=0.5, resolution=32, fraction=0.5.",
        ),
    ] = None,
    confirm: Annotated[
        int,
        typer.Option(help="Networks, the best, to train again at the end, before one is chosen; 0 for none."),
    ] = 3,
    confirm_seeds: Annotated[
        int, typer.Option(help="Fresh seeds for each of these; two or more measure the noise of a seed.")
    ] = 2,
    seed: Annotated[int, typer.Option(help="Of everything random in the run.")] = 0,
    run: Annotated[
        Path | None, typer.Option(show_default="runs/TIME-SPACE", help="The run's directory; must not exist.")
    ] = None,
    workers: WorkersOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = None,
    address: Annotated[
        str | None,
        typer.Option(
            show_default="local; inline with a table or predictor",
            help="local: Ray on this machine. auto: the running Ray cluster. inline: no Ray, one by one.",
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Search a space for the best network: propose, train, reward, learn.

    Example: nas search --space mnas
    """
    from nas import launch
    from nas.config import Resources, Settings
    from nas.objective import Objective
    from nas.screen import Screen

    trains = evaluator == "train"
    place = address or ("local" if trains else "inline")
    settings = checked(
        lambda: Settings(
            space=space,
            trials=(24 if trains else 1000) if trials is None else trials,
            data=absolute(data),
            evaluator=absolute(evaluator),
            controller=controller,
            objective=Objective(parse_count(target_flops), exponent, reward),
            recipe=find_recipe(recipe, pairs("--proxy", proxy), "--proxy"),
            seed=seed,
            confirmations=confirm if trains or confirm < 0 else 0,
            confirm_seeds=confirm_seeds,
            controller_settings=pairs("--set", controller_settings),
            resources=Resources(place, workers, cpus_per_trial, gpus_per_trial),
        )
    )
    directory = run or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{space}"
    with Screen(quiet=quiet) as screen, interruptible(directory, screen.say):
        screen.finished(launch.start(settings, directory, screen))


@app.command()
def resume(
    run: RunArgument,
    workers: WorkersOption = None,
    cpus_per_trial: Annotated[
        float | None, typer.Option(show_default="as before", help="As for nas search.")
    ] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(show_default="as before", help="As for nas search.")
    ] = None,
    address: Annotated[str | None, typer.Option(show_default="as before", help="As for nas search.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Finish an interrupted search or training, exactly as it would have gone."""
    import dataclasses

    from nas import launch
    from nas.config import read_settings
    from nas.screen import Screen
    from nas.screen_training import TrainingScreen

    given: dict[str, Any] = {
        "workers": workers,
        "cpus_per_trial": cpus_per_trial,
        "gpus_per_trial": gpus_per_trial,
        "address": address,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    before = read_settings(run)
    resources = checked(lambda: dataclasses.replace(before.resources, **changes))
    kind = TrainingScreen(before.recipe.epochs, quiet=quiet) if before.trains_one else Screen(quiet=quiet)
    with kind as screen, interruptible(run, screen.say):
        screen.finished(launch.resume(run, screen, resources))


app.command()(train)
app.command()(scale)
app.command()(report)


@app.command()
def show(
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help="A preset, a run, a JSON file, or an architecture's text.")
    ],
    classes: Annotated[int, typer.Option(min=1, help="Outputs of the classifier.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Show a network: its stages, FLOPs, parameters, activations."""
    from rich.console import Console

    import reports
    from search_spaces import cost

    spec = find_arch(arch)
    price = cost(spec, classes)
    if as_json:
        typer.echo(
            json.dumps({"arch": str(spec), **price._asdict(), "resolution": spec.resolution}, indent=2)
        )
    else:
        console = Console(highlight=False)
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


@app.command()
def spaces() -> None:
    """List the search spaces, their sizes, and the networks that have names."""
    from rich.console import Console

    import reports
    from search_spaces import PRESETS, SPACES

    console = Console(highlight=False)
    console.print(reports.space_table(SPACES.values()))
    console.print(f"Presets: {', '.join(PRESETS)}", soft_wrap=True)


def main() -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    usage_error: Any = typer.BadParameter.__bases__[0]  # of whichever click typer brings along
    command = typer.main.get_command(app)
    try:
        code = command.main(prog_name="nas", standalone_mode=False)
    except NasError as error:
        typer.echo(f"nas: {error}", err=True)
        code = 2 if isinstance(error, InputError) else 1
    except usage_error as error:
        typer.echo(f"nas: {error.format_message()}{_value(error)}", err=True)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _value(error: Any) -> str:
    """What the user gave for the option that a usage error is about, which the error itself leaves out."""
    names = getattr(getattr(error, "param", None), "opts", [])
    for argument, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in names:
            return f", got {value if equals else following!r}"
    return ""
