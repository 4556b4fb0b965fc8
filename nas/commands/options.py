"""What several commands share: options, and how their texts are read."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nas.errors import InputError

if TYPE_CHECKING:
    from nas.spec.recipe import Recipe
    from nas.spec.settings import Settings
    from scaling_search import Model
    from search_spaces import ArchSpec

T = TypeVar("T")

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
WorkersOption = Annotated[int | None, typer.Option(show_default="as many as fit", help="Trials at a time.")]
CpusOption = Annotated[float, typer.Option(help="CPUs of a trial; its threads are the whole ones.")]
GpusOption = Annotated[
    float | None,
    typer.Option(show_default="1 where there are GPUs", help="GPUs of a trial; 0.25 lets four share one."),
]
CacheOption = Annotated[
    str,
    typer.Option(
        "--cache-size",
        metavar="BYTES",
        help="All packed images on this machine, e.g. 200G; the oldest go first. NAS_CACHE says where.",
    ),
]
DATA = "Images: digits, npz:FILE, folder:DIR (a folder for each class) or hf:NAME (Hugging Face, or files)."
SpaceOption = Annotated[str, typer.Option(help="Search space, see nas spaces.")]
DataOption = Annotated[str, typer.Option(help=DATA)]
TrialsOption = Annotated[
    int | None,
    typer.Option(show_default="24, or 1000 with a table or predictor", help="Networks to propose."),
]
TargetOption = Annotated[str, typer.Option(metavar="COUNT", help="The budget T, in multiply-adds.")]
ExponentOption = Annotated[
    float | None,
    typer.Option(show_default="-0.07, hard: -1", help="How much cost counts against accuracy."),
]
RewardOption = Annotated[
    str,
    typer.Option(
        help="soft: ACC x (FLOPs/T)^w. hard: the same above T, free below. abs: ACC + w |FLOPs/T - 1|."
    ),
]
ControllerOption = Annotated[
    str,
    typer.Option(help="Who proposes: dyna (an RNN with a model of accuracy), rnn (PPO), evolution, random."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the controller, e.g. initial=20."),
]
EvaluatorOption = Annotated[
    str, typer.Option(help="Accuracies: train, table:FILE (look up) or predictor:FILE (fit a regression).")
]
SchedulerOption = Annotated[
    str, typer.Option(help="fifo trains all to the end; asha stops those that are behind.")
]
RecipeOption = Annotated[
    str, typer.Option(help="How each network is trained: proxy (short) or efficientnet (to the end).")
]
ProxyOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A field of the recipe, e.g. epochs=4, width=0.5, resolution=32, fraction=0.5.",
    ),
]
ConfirmOption = Annotated[
    int, typer.Option(help="Networks, the best, to train again at the end, before one is chosen; 0 for none.")
]
ConfirmSeedsOption = Annotated[
    int, typer.Option(help="Fresh seeds for each of these; two or more measure the noise of a seed.")
]
SeedOption = Annotated[int, typer.Option(help="Of everything random in the run.")]
NewRunOption = Annotated[
    Path | None, typer.Option(show_default="runs/TIME-SPACE", help="The run's directory; must not exist.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        show_default="local; inline with a table or predictor",
        help="local: Ray on this machine. auto: the running Ray cluster. inline: no Ray, one by one.",
    ),
]


def search_settings(
    *,
    space: str,
    data: str,
    trials: int | None,
    target_flops: str,
    exponent: float | None,
    reward: str,
    controller: str,
    controller_settings: list[str] | None,
    evaluator: str,
    recipe: str,
    proxy: list[str] | None,
    scheduler: str,
    confirm: int,
    confirm_seeds: int,
    seed: int,
    workers: int | None,
    cpus_per_trial: float,
    gpus_per_trial: float | None,
    address: str | None,
    cache_size: str,
) -> Settings:
    """The settings that the options of ``nas search`` ask for.

    Raises:
        InputError: if a value is out of range or cannot be read.
    """
    from nas.spec.objective import Objective
    from nas.spec.resources import Resources
    from nas.spec.settings import Settings

    trains = evaluator == "train"
    place = address or ("local" if trains else "inline")
    return checked(
        lambda: Settings(
            space=space,
            trials=(24 if trains else 1000) if trials is None else trials,
            data=absolute(data),
            evaluator=absolute(evaluator),
            controller=controller,
            objective=Objective(parse_count(target_flops), exponent, reward),
            recipe=find_recipe(recipe, pairs("--proxy", proxy), "--proxy"),
            seed=seed,
            scheduler=scheduler,
            confirmations=confirm if trains or confirm < 0 else 0,
            confirm_seeds=confirm_seeds,
            controller_settings=pairs("--set", controller_settings),
            resources=Resources(place, workers, cpus_per_trial, gpus_per_trial, parse_bytes(cache_size)),
        )
    )


def parse_count(text: str, option: str = "--target-flops") -> float:
    """``400M``, ``0.4G`` or ``4e8`` as a number."""
    scale = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}.get(text[-1:].lower())
    try:
        return float(text[:-1]) * scale if scale else float(text)
    except ValueError:
        raise InputError(f"{option} must be a number like 400M, 0.4G or 4e8, got {text!r}") from None


def parse_bytes(text: str) -> int:
    """``--cache-size`` in bytes: ``20G`` or ``20e9``."""
    size = parse_count(text, "--cache-size")
    if not 1 <= size < math.inf:
        raise InputError(f"--cache-size must be at least 1 byte, and finite, got {text!r}")
    return int(size)


def pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping."""
    values: dict[str, str] = {}
    for text in texts or []:
        name, _, values[name] = text.partition("=")
        if not (name and values[name]):
            raise InputError(f"{option} must read NAME=VALUE, got {text!r}")
    return values


def checked(make: Callable[[], T], option: str = "--") -> T:
    """``make()``, its ValueError as the user's. Our dataclasses' texts begin with the field."""
    try:
        return make()
    except ValueError as error:
        text = str(error)
        if option == "--":
            name, rest = text.split(" ", 1)
            raise InputError(f"--{name.replace('_', '-')} {rest}") from None
        raise InputError(f"{option}: {text}") from None


def find_family(text: str, option: str = "ARCH") -> tuple[dict[str, Model], str] | None:
    """The family that ``text`` names, and the model of it that is meant: the first, or that behind a colon.

    A family is a ``family.json`` or the directory of a scaling run; None if it is neither.

    Raises:
        InputError: if the file is damaged, or has no such model.
    """
    from nas.runs.family_files import is_family, read_family
    from search_spaces.names import unknown

    head, _, model = text.rpartition(":")
    for path, name in [(Path(text), "")] + [(Path(head), model)] * bool(head):
        file = path / "family.json" if path.is_dir() else path
        if is_family(file):
            family, _ = read_family(file, option)
            if name and name not in family:
                raise InputError(f"{option}: {unknown('model', name, family)}")
            return family, name or next(iter(family))
    return None


def find_arch(text: str, option: str = "ARCH") -> ArchSpec:
    """The network that ``text``, the value of ``option``, names, wherever it stands.

    Raises:
        InputError: if it is no preset, no run, no JSON file with an architecture, and no architecture.
    """
    from search_spaces import PRESETS, ArchSpec
    from search_spaces.names import unknown

    if text in PRESETS:
        return PRESETS[text]
    if found := find_family(text, option):
        family, name = found
        return family[name].arch
    path = Path(text)
    if path.is_dir():
        from nas.runs.run import open_run

        return open_run(path).best()
    if path.is_file():
        try:
            return ArchSpec.from_json(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise InputError(f"{option} must be a JSON file with an architecture ({error}): {path}") from None
    if text.startswith("res") and "-stem" in text:
        try:
            return ArchSpec.parse(text)
        except ValueError as error:
            raise InputError(f"{option}: {error}") from None
    raise InputError(
        f"{option} is no file, no architecture's text, and an {unknown('preset', text, PRESETS)}"
    )


def find_recipe(name: str, fields: Mapping[str, str], option: str) -> Recipe:
    """The recipe called ``name``, the value of ``--recipe``, with ``fields``, those of ``option``.

    Raises:
        InputError: if there is no such recipe or field, or a value is out of range.
    """
    from nas.spec.recipe import RECIPES, Recipe
    from search_spaces.names import unknown
    from search_spaces.rules import parse_settings

    if name not in RECIPES:
        raise InputError(f"--recipe: {unknown('recipe', name, RECIPES)}")
    values = {**dataclasses.asdict(RECIPES[name]), **fields}
    return checked(lambda: parse_settings(Recipe, values), option)


def absolute(source: str) -> str:
    """``kind:FILE`` with the file's absolute path, so that a run can be resumed from anywhere.

    ``hf:NAME`` stays if there is no file of this name.
    """
    kind, colon, file = source.partition(":")
    path = Path(file).expanduser().absolute()
    return f"{kind}:{path}" if colon and file and (kind != "hf" or path.exists()) else source


@contextlib.contextmanager
def interruptible(directory: Path, say: Callable[[str], None]) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, says how to go on; every finished trial is in the journal by then."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        if (directory / "run.db").exists():
            say(f"Interrupted; what was finished is kept. Go on with: nas resume {directory}")
        raise typer.Exit(130) from None
