"""``nas runs``: the runs that there are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from nas.commands.declare import declared
from nas.commands.options import JsonOption
from nas.errors import InputError

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[DIR]|RUN...", show_default="runs", help="The directory of the runs; to delete, runs."
    ),
]
DeleteOption = Annotated[bool, typer.Option("--delete", help="Delete these runs, after a question.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Delete without a question.")]


@declared(directory="DIR")
def runs(
    paths: Paths = None, delete: DeleteOption = False, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """List the runs of a directory, the latest first: kind, space, data, state, best accuracy, age and size.

    Example: nas runs
    """
    from nas.runs.listing import list_runs
    from nas.screens.runs import runs_table
    from nas.screens.terminal import Terminal
    from nas.screens.words import print_parts

    paths = paths or []
    if delete:
        delete_runs(paths, yes=yes, as_json=as_json)
        return
    if yes:
        raise InputError("yes must stand with `delete`")
    if len(paths) > 1:
        raise InputError(f"directory must be one, got {' '.join(map(str, paths))}")
    found = list_runs(paths[0] if paths else Path("runs"))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
    else:
        print_parts(Terminal(), [runs_table(found) if found else "There are no runs."])


def delete_runs(paths: list[Path], *, yes: bool, as_json: bool) -> None:
    """Deletes all of ``paths`` or, if one of them is none that can be, nothing.

    Raises:
        InputError: if one of them is no run or is running, or nobody can be asked.
    """
    from nas.runs.listing import delete, look_at, refuse_undeletable
    from nas.screens.runs import runs_table
    from nas.screens.terminal import Terminal
    from nas.screens.words import print_parts

    if as_json:
        raise InputError("as_json must stand without `delete`")
    if not paths:
        raise InputError("delete must name the runs to delete, got none")
    for path in paths:
        refuse_undeletable(path)
    if not yes:
        print_parts(Terminal(), [runs_table([look_at(path) for path in paths])])
        try:
            answer = input("Delete, with all that is in there? [y/N] ")
        except EOFError:
            raise InputError("delete must be confirmed, or stand with `yes`, got no answer") from None
        if answer.strip().lower() not in ("y", "yes"):
            typer.echo("Nothing was deleted.")
            return
    for path in paths:
        delete(path)
        typer.echo(f"Deleted {path}")
