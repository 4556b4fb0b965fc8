"""``nas spaces``: the search spaces there are, one of them, or one that somebody wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas.commands.arguments import checked
from nas.commands.declare import declared
from nas.commands.search import TOML, find_space
from nas.errors import InputError

if TYPE_CHECKING:
    from search_spaces import SearchSpace

MANY = 12
"""Choices of a decision that are listed."""


@declared()
def spaces(
    space: Annotated[
        str | None,
        typer.Argument(
            metavar="SPACE", help="One space, or FILE.toml or FILE.py:NAME to check.", show_default="all"
        ),
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(metavar="SPACE", help="Print a space as TOML, to begin a file of your own with."),
    ] = None,
) -> None:
    """List the search spaces and the networks that have names; or check and describe one space.

    Example: nas spaces --show mnas > mine.toml; nas spaces mine.toml
    """
    if show is not None:
        if space is not None:
            raise InputError(f"show must stand without `space`, got {space}")
        print_text(show)
    elif space is not None:
        print_space(space)
    else:
        print_spaces()


def print_spaces() -> None:
    """Prints the spaces of this package, their sizes, and the networks that have names."""
    import reports
    from nas.screens.terminal import Terminal
    from nas.screens.words import Steps, print_parts
    from search_spaces import PRESETS, SPACES

    steps = Steps(
        [
            ("Search one", "nas search --space mnas"),
            ("Write your own", "nas spaces --show mnas > mine.toml"),
            ("Look at a preset", "nas show efficientnet-b0"),
        ]
    )
    presets = f"Presets: {', '.join(PRESETS)}"
    print_parts(Terminal(), [reports.space_table(SPACES.values()), presets, "", steps])


def print_text(name: str) -> None:
    """Prints a space as TOML."""
    from search_spaces.toml_text import write_space

    space = find(name, "show")
    with checked():
        text = write_space(space)
    file = f"{name.partition(':')[0].removesuffix(TOML)}-mine{TOML}"
    typer.echo(f"# nas spaces --show {name} > {file}; change it; nas spaces {file}", nl=True)
    typer.echo(text, nl=False)


def print_space(name: str) -> None:
    """Prints the size of a space, its decisions, and its cheapest and its most expensive network."""
    import reports
    from nas.errors import command_line
    from nas.screens.terminal import Terminal
    from nas.screens.words import Steps, print_parts
    from reports.numbers import count
    from search_spaces.extremes import extremes

    space = find(name, "space")
    size = f"{space.size:,}" if space.size < 1e6 else f"{space.size:.3g}"
    facts, ends = f"{space.name}: {len(space.decisions)} decisions, {size} action sequences", []
    if space.has_archs:
        resolution = " or ".join(f"{each}" for each in space.resolutions or (space.resolution,))
        facts += f", {resolution} px, {space.num_classes} classes"
    if space.slots:
        ends = [
            f"{title} network, {count(priced.flops)} FLOPs: {space.decode(priced.actions)}"
            for title, priced in zip(("Smallest", "Largest"), extremes(space), strict=True)
        ]
    else:
        ends = [f"First network: {space.first}"]
    evaluator = [] if space.has_archs else ["--evaluator", "FILE.py:NAME"]
    steps = Steps([("Search it", command_line("search", "--space", name, *evaluator))])
    print_parts(Terminal(), [facts, "", reports.decision_table(space.decisions, MANY), "", *ends, "", steps])


def find(name: str, field: str) -> SearchSpace:
    """The space that ``name``, the value of ``field``, names; InputError if there is none."""
    from nas.runs.spaces import known_space

    try:
        found = find_space(name)
        return known_space(found.name, found.text)
    except InputError as error:
        raise InputError(f"{field}{str(error).removeprefix('space')}") from None
