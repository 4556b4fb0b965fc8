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
        _print_recipes("proxy")


def print_training(asked: bool) -> None:
    """Prints the fields of the recipe of a whole training run, and ends."""
    if asked:
        _print_recipes("scratch")


def _print_recipes(name: str) -> None:
    """Prints the fields, with the defaults of a recipe and of the one beside ``--init``, and ends."""
    from nas.spec.recipe import RECIPES, Recipe, default_recipe

    pretrained = default_recipe(name, pretrained=True)
    title = f"The recipe {name}, or with --init {pretrained}; NAME=VALUE changes a field"
    first, second = (dataclasses.asdict(RECIPES[one]) for one in (name, pretrained))
    _print(title, Recipe, {field: _default(first[field], second[field]) for field in first})
    others = ", ".join(one for one in RECIPES if one not in (name, pretrained))
    typer.echo(f"Other recipes, with other defaults (--recipe): {others}")
    raise typer.Exit


def _default(first: object, second: object) -> str:
    return _text(first) if first == second else f"{_text(first)}, or {_text(second)}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


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
        table.add_row(row.name, _text(defaults.get(row.name, row.default)), row.rule, row.meaning)
    print_parts(Terminal(), [title, table if table.rows else "There are none.", ""])
