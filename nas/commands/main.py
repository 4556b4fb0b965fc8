"""The command ``nas``. Exit codes: 0 done, 1 the run failed, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

import nas
from nas.commands.audit import audit
from nas.commands.plan import plan
from nas.commands.report import report
from nas.commands.resume import resume
from nas.commands.scale import scale
from nas.commands.search import search
from nas.commands.show import show, spaces
from nas.commands.train import train
from nas.errors import InputError, NasError


def _version(asked: bool) -> None:
    """Prints the version, and ends."""
    if asked:
        typer.echo(f"nas {nas.__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


for command in (search, plan, resume, audit, train, scale, report, show, spaces):
    app.command()(command)


@app.callback()
def print_version(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Neural architecture search and compound scaling: find your B0, then scale it."""


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
        if message := error.format_message():  # there is none where no command was named, and help is printed
            typer.echo(f"nas: {message}{_value(error)}", err=True)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _value(error: Any) -> str:
    """What the user gave for the option that a usage error is about, which the error itself leaves out."""
    from search_spaces.limits import shown  # imports NumPy

    names = getattr(getattr(error, "param", None), "opts", [])
    for argument, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in names:
            return f", got {shown(value if equals else following)}"
    return ""
