"""The command ``nas``. Exit codes: 0 done, 1 the run failed, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import contextlib
import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import nas
from nas.commands.audit import audit
from nas.commands.evaluate import evaluate
from nas.commands.export import export
from nas.commands.measure import measure
from nas.commands.plan import plan
from nas.commands.predict import predict
from nas.commands.report import report
from nas.commands.resume import resume
from nas.commands.runs import runs
from nas.commands.scale import scale
from nas.commands.search import search
from nas.commands.show import show
from nas.commands.spaces import spaces
from nas.commands.train import train
from nas.errors import InputError, NasError, shown
from nas.screens.terminal import guarded

LONGEST = 2000
"""Characters of a message: what a user gave may be of any length."""


def _version(asked: bool) -> None:
    """Prints the version, and ends."""
    if asked:
        typer.echo(f"nas {nas.__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


COMMANDS = (
    *(search, plan, resume, audit, train, evaluate, predict, export, measure),
    *(scale, report, runs, show, spaces),
)
for command in COMMANDS:
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
    with guarded() as output:
        code = _run()
        output.flush()
        if output.error and not isinstance(output.error, BrokenPipeError):  # head and less may stop reading
            _fail(f"standard output could not be written ({output.error.strerror})")
            code = code or 1
    sys.exit(code)


def _run() -> int:
    """Runs the command that ``sys.argv`` names; its exit code."""
    usage_error: Any = typer.BadParameter.__bases__[0]  # of whichever click typer brings along
    command = typer.main.get_command(app)
    try:
        _refuse_empty(sys.argv[1:])
        return command.main(prog_name="nas", standalone_mode=False) or 0
    except NasError as error:
        _fail(str(error))
        return 2 if isinstance(error, InputError) else 1
    except usage_error as error:
        if message := error.format_message():  # there is none where no command was named, and help is printed
            _fail(f"{message}{_value(error)}")
        return 2
    except OSError as error:
        _fail(_reason(error))
        return 1 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO) else 2
    except KeyboardInterrupt:
        return 130


def _fail(text: str) -> None:
    """Prints one line on stderr, without its middle if it is very long, and if that can be written."""
    text = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    with contextlib.suppress(OSError):
        print(shown(f"nas: {' '.join(text.splitlines())}"), file=sys.stderr, flush=True)


def _reason(error: OSError) -> str:
    """What the system refused; every file has its own message, but for those that nobody thought of."""
    try:
        Path.cwd()
    except OSError:
        return "the current directory must exist, and it was removed"
    return f"{error.filename or 'the system'} cannot be used ({error.strerror or error})"


def _refuse_empty(arguments: list[str]) -> None:
    """InputError if one of ``arguments`` is empty: as a path it would be the current directory."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        name, equals, value = argument.partition("=")
        if not argument or (equals and not value and name.startswith("--")):
            named = name or (before if before.startswith("-") else "an argument")
            raise InputError(f"{named} must not be empty")


def _value(error: Any) -> str:
    """What the user gave for the option that a usage error is about, which the error itself leaves out."""
    from search_spaces.limits import shown  # imports NumPy

    names = getattr(getattr(error, "param", None), "opts", [])
    for argument, following in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in names:
            return f", got {shown(value if equals else following)}"
    return ""
