"""How the texts of arguments and options are read: 400M, NAME=VALUE, kind:FILE, a recipe."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import InputError
from nas.files import exists, is_file, read_text, refusal

if TYPE_CHECKING:
    from nas.spec.init import Init
    from nas.spec.recipe import Recipe


@contextlib.contextmanager
def checked(field: str = "") -> Iterator[None]:
    """A ValueError in here is the user's mistake: its text begins with a field, or is about ``field``."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{field}: {error}" if field else str(error)) from None


TIME = re.compile(r"(?=.)(?:(\d+\.?\d*|\.\d+)h)?(?:(\d+\.?\d*|\.\d+)m)?(?:(\d+\.?\d*|\.\d+)s)?")


def parse_count(text: str, field: str = "target_flops") -> float:
    """``400M``, ``0.4G`` or ``4e8`` as a number."""
    from nas.spec.targets import COUNTS

    scale = COUNTS.get(text[-1:].lower())
    try:
        return float(text[:-1]) * scale if scale else float(text)
    except ValueError:
        raise InputError(f"{field} must be a number like 400M, 0.4G or 4e8, got {text!r}") from None


def parse_bytes(text: str) -> int:
    """The size of the cache in bytes: ``20G`` or ``20e9``."""
    size = parse_count(text, "cache_size")
    if not 1 <= size < math.inf:
        raise InputError(f"cache_size must be at least 1 byte, and finite, got {text!r}")
    return int(size)


def parse_seconds(text: str, field: str) -> float:
    """``90s``, ``10m``, ``1.5h`` or ``1h30m`` in seconds; InputError if it is no time above 0."""
    found = TIME.fullmatch(text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total < 1e9:
        raise InputError(f"{field} must be a time above 0 like 90s, 10m, 1.5h or 1h30m, got {text!r}")
    return total


def read_resources(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of resources that are given, by name, with their texts read.

    Raises:
        InputError: if one is no size or time.
    """
    given = {name: value for name, value in given.items() if value is not None}
    read: dict[str, Any] = {
        "cache_size": parse_bytes,
        "trial_timeout": lambda text: parse_seconds(text, "trial_timeout"),
    }
    return {name: read[name](value) if name in read else value for name, value in given.items()}


def parse_numbers(text: str) -> list[float]:
    """``1.2,1.1,1.15``; nothing if one of them is no number."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def pairs(texts: list[str] | None, field: str) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping."""
    values: dict[str, str] = {}
    for text in texts or []:
        name, _, values[name] = text.partition("=")
        if not (name and values[name]):
            raise InputError(f"{field} must read NAME=VALUE, got {text!r}")
    return values


def absolute(source: str) -> str:
    """``kind:FILE`` with the file's absolute path, so that a run can be resumed from anywhere.

    ``hf:NAME`` stays if there is no file of this name.

    Raises:
        InputError: if the system cannot look the path up, or it is a pipe or a device where files are read.
    """
    kind, colon, file = source.partition(":")
    if not colon or not file or kind == "python":
        return source
    try:
        path = Path(file).expanduser().absolute()
    except RuntimeError as error:
        raise InputError(f"{kind} must be a path with a home that exists ({error}), got {source}") from None
    if kind == "hf" and not exists(path):
        return source
    reason = refusal(path)
    if reason is None and kind in ("npz", "table", "predictor") and exists(path) and not is_file(path):
        reason = "Not a regular file"
    if reason:
        raise InputError(f"{kind} must be a path that can be used ({reason}), got {path}")
    return f"{kind}:{path}"


def absolute_device(text: str) -> str:
    """A device with the absolute paths of its files, those among the words of a program too."""
    from nas.deploy.devices import PROGRAM

    if not text.startswith(PROGRAM):
        return absolute(text)
    try:
        words = shlex.split(text.removeprefix(PROGRAM))
    except ValueError:
        return text  # the device says what is wrong
    found = [str(Path(word).absolute()) if is_file(Path(word)) else word for word in words]
    return text if found == words else PROGRAM + " ".join(map(shell_word, found))


def shell_word(word: str) -> str:
    """A word as a shell reads it, in which ``{onnx}`` stays as it is."""
    return word if re.fullmatch(r"[\w@%+=:,./{}-]+", word, re.ASCII) else shlex.quote(word)


def code_of(text: str, field: str) -> str:
    """FILE.py:NAME with the file's absolute path, or python:NAME; empty if ``text`` names no code.

    Raises:
        InputError: if it is a file without a name.
    """
    from nas.spec.own import absolute_code, is_own

    if text.endswith(".py"):
        raise InputError(f"{field} must read FILE.py:NAME, got {text}")
    return absolute_code(text) if is_own(text) else ""


def find_images(text: str) -> tuple[str, str]:
    """The images that ``--data`` names, as a run keeps them, and the SHA-256 of their code, if it is code.

    Raises:
        InputError: as ``absolute`` and ``nas.launch.own_run.take``.
    """
    if code := code_of(text, "data"):
        from nas.launch.own_run import take

        return code, take("data", code)
    return absolute(text), ""


def named_images(text: str) -> str:
    """The images that ``--data`` names where code cannot give them; InputError if it is code."""
    if code_of(text, "data"):
        rule = "must be digits, npz:FILE, folder:DIR or hf:NAME (search, plan and train take your own)"
        raise InputError(f"data {rule}, got {text}")
    return absolute(text)


def read_file(text: str, field: str) -> str:
    """The text of the file that ``text``, the value of ``field``, names; InputError if it cannot be read."""
    try:
        return read_text(Path(text))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{field} must be a file that can be read ({reason}), got {text}") from None


def find_tuned(init: Init | None, *, tune: bool) -> Recipe | None:
    """How the weights that candidates inherit are fine-tuned first; None if there are none, or not."""
    from nas.spec.recipe import FINETUNE

    return FINETUNE if init and tune else None


def with_options(fields: Mapping[str, str], **options: str | None) -> dict[str, str]:
    """The recipe's ``fields``, and over them those that have options of their own, where these are given.

    Raises:
        InputError: if the value of such an option is out of range; its text begins with the option's field.
    """
    from nas.spec.recipe import Recipe
    from search_spaces.rules import parse_settings

    given = {name: value for name, value in options.items() if value is not None}
    with checked():
        parse_settings(Recipe, given)
    return {**fields, **given}


def find_recipe(name: str, values: Mapping[str, str], field: str) -> Recipe:
    """The recipe called ``name`` with ``values``, those of the option ``field``.

    Raises:
        InputError: if there is no such recipe or field, or a value is out of range.
    """
    from nas.spec.recipe import RECIPES, Recipe
    from search_spaces.names import unknown
    from search_spaces.rules import parse_settings

    if name not in RECIPES:
        raise InputError(f"recipe: {unknown('recipe', name, RECIPES)}")
    with checked(field):
        return parse_settings(Recipe, {**dataclasses.asdict(RECIPES[name]), **values})
