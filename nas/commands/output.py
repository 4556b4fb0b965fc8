"""Where results go: standard output, or a file that is written whole; and the images that were left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from nas.errors import InputError, WriteError, encoded, shown
from nas.files import is_directory, replace

NAMED = 20
"""Broken images that are named one by one."""


def refuse_both(csv: Path | None, *, as_json: bool) -> None:
    """InputError if both CSV and JSON are asked for, or the CSV file cannot be one."""
    if csv and as_json:
        raise InputError(f"csv must stand without `as_json`, got {csv}")
    if csv and str(csv) != "-" and (is_directory(csv) or not is_directory(csv.absolute().parent)):
        raise InputError(f"csv must be a file in a folder that is there, got {csv}")


def write_text(path: Path, text: str) -> None:
    """Writes ``text`` to a file, whole or not at all, or to standard output for ``-``.

    Raises:
        InputError: if the file cannot be written.
    """
    if str(path) == "-":
        typer.echo(text, nl=False)
        return
    try:
        replace(path, encoded(text), shared=True)
    except WriteError as error:
        raise InputError(f"csv must be a file that can be written ({error.reason}), got {path}") from None


def say_broken(broken: Mapping[str, str]) -> None:
    """Names the images that could not be read, and why, on standard error, and counts them."""
    for path, reason in list(broken.items())[:NAMED]:
        typer.echo(shown(f"nas: {path} was left out ({reason})"), err=True)
    if broken:
        more = f", {len(broken) - NAMED:,} more than are named" if len(broken) > NAMED else ""
        typer.echo(f"nas: {len(broken):,} could not be read{more}", err=True)
