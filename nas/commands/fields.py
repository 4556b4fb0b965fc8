"""``--help-proxy`` and ``--help-set``: the fields that NAME=VALUE options take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
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


def print_training(asked: bool) -> None:
    """Prints the fields of the recipe of a whole training run, and ends."""
    if asked:
        from nas.spec.recipe import EFFICIENTNET, Recipe

        _print(
            "The recipe efficientnet; NAME=VALUE changes a field", Recipe, dataclasses.asdict(EFFICIENTNET)
        )
        raise typer.Exit


def print_controllers(asked: bool) -> None:
    """Prints the settings of every controller, and ends."""
    if asked:
        from controllers import CONTROLLERS

        for name, made in CONTROLLERS.items():
            _print(f"--controller {name}", made.settings)
        raise typer.Exit


def _print(title: str, kind: type[Any], defaults: Mapping[str, Any] = MappingProxyType({})) -> None:
    from nas.screens.terminal import Terminal
    from nas.screens.words import print_parts
    from reports.fitted import FittedTable
    from search_spaces.rules import field_rules

    table = FittedTable("field")
    for name in ("default", "range", "meaning"):
        table.add_words(name)
    for row in field_rules(kind):
        value = defaults.get(row.name, row.default)
        default = str(value).lower() if isinstance(value, bool) else f"{value}"
        table.add_row(row.name, default, row.rule, row.meaning)
    print_parts(Terminal(), [title, table if table.rows else "There are none.", ""])
