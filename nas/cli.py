"""The command ``nas``. Exit codes: 0 done, 1 the run failed, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli_audit import audit
from nas.cli_plan import plan
from nas.cli_report import report
from nas.cli_scale import scale
from nas.cli_train import train
from nas.errors import InputError, NasError
from nas.options import (
    AddressOption,
    CacheOption,
    ConfirmOption,
    ConfirmSeedsOption,
    ControllerOption,
    CpusOption,
    DataOption,
    EvaluatorOption,
    ExponentOption,
    GpusOption,
    JsonOption,
    NewRunOption,
    ProxyOption,
    QuietOption,
    RecipeOption,
    RewardOption,
    RunArgument,
    SchedulerOption,
    SeedOption,
    SetOption,
    SpaceOption,
    TargetOption,
    TrialsOption,
    WorkersOption,
    checked,
    find_arch,
    find_family,
    interruptible,
    parse_bytes,
    search_settings,
)

app = typer.Typer(
    help="Neural architecture search and compound scaling: find your B0, then scale it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def search(
    space: SpaceOption,
    data: DataOption = "digits",
    trials: TrialsOption = None,
    target_flops: TargetOption = "400M",
    exponent: ExponentOption = None,
    reward: RewardOption = "soft",
    controller: ControllerOption = "dyna",
    controller_settings: SetOption = None,
    evaluator: EvaluatorOption = "train",
    recipe: RecipeOption = "proxy",
    proxy: ProxyOption = None,
    scheduler: SchedulerOption = "fifo",
    confirm: ConfirmOption = 3,
    confirm_seeds: ConfirmSeedsOption = 2,
    seed: SeedOption = 0,
    run: NewRunOption = None,
    workers: WorkersOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = None,
    address: AddressOption = None,
    cache_size: CacheOption = "50G",
    quiet: QuietOption = False,
) -> None:
    """Search a space for the best network: propose, train, reward, learn.

    Example: nas search --space mnas
    """
    from nas import launch
    from nas.screen import Screen

    settings = search_settings(
        space=space,
        data=data,
        trials=trials,
        target_flops=target_flops,
        exponent=exponent,
        reward=reward,
        controller=controller,
        controller_settings=controller_settings,
        evaluator=evaluator,
        recipe=recipe,
        proxy=proxy,
        scheduler=scheduler,
        confirm=confirm,
        confirm_seeds=confirm_seeds,
        seed=seed,
        workers=workers,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        address=address,
        cache_size=cache_size,
    )
    directory = run or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{space}"
    with Screen(quiet=quiet) as screen, interruptible(directory, screen.say):
        screen.finished(launch.start(settings, directory, screen))


app.command()(plan)


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
    cache_size: Annotated[
        str | None, typer.Option(metavar="BYTES", show_default="as before", help="As for nas search.")
    ] = None,
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
        "cache_size": None if cache_size is None else parse_bytes(cache_size),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    before = read_settings(run)
    resources = checked(lambda: dataclasses.replace(before.resources, **changes))
    kind = TrainingScreen(before.recipe.epochs, quiet=quiet) if before.trains_one else Screen(quiet=quiet)
    with kind as screen, interruptible(run, screen.say):
        screen.finished(launch.resume(run, screen, resources))


app.command()(audit)
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
