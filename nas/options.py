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
    from nas.recipe import Recipe
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
    from nas.errors import unknown
    from nas.families import is_family, read_family

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
    from nas.errors import unknown
    from search_spaces import PRESETS, ArchSpec

    if text in PRESETS:
        return PRESETS[text]
    if found := find_family(text, option):
        family, name = found
        return family[name].arch
    path = Path(text)
    if path.is_dir():
        from nas.run import open_run

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
    from controllers import parse_settings
    from nas.errors import unknown
    from nas.recipe import RECIPES, Recipe

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
