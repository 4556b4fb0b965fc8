"""``--help-proxy`` and ``--help-set``: the fields that NAME=VALUE options take."""

from __future__ import annotations

from typing import Any

import typer


def print_recipe(asked: bool) -> None:
    """Prints the fields of a recipe, and ends."""
    if asked:
        from nas.spec.recipe import RECIPES, Recipe

        _print("The recipe proxy; NAME=VALUE changes a field", Recipe)
        others = ", ".join(name for name in RECIPES if name != "proxy")
        typer.echo(f"Other recipes, with other defaults (--recipe): {others}")
        raise typer.Exit


def print_controllers(asked: bool) -> None:
    """Prints the settings of every controller, and ends."""
    if asked:
        from controllers import CONTROLLERS

        for name, made in CONTROLLERS.items():
            _print(f"--controller {name}", made.settings)
        raise typer.Exit


def _print(title: str, kind: type[Any]) -> None:
    from nas.screens.words import make_console, print_parts
    from reports.fitted import FittedTable
    from search_spaces.rules import field_rules

    table = FittedTable("field")
    for name in ("default", "range", "meaning"):
        table.add_words(name)
    for row in field_rules(kind):
        default = str(row.default).lower() if isinstance(row.default, bool) else f"{row.default}"
        table.add_row(row.name, default, row.rule, row.meaning)
    print_parts(make_console(), [title, table if table.rows else "There are none.", ""])
