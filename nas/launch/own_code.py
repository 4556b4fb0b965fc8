"""The user's own code, FILE.py:NAME. It runs only because somebody names it now, never because a run does."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import sys
import traceback
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from controllers import Controller
from nas.errors import InputError, NasError, RunError
from nas.search import snapshot
from nas.spec import own
from nas.spec.settings import Settings
from search_spaces import Actions, SearchSpace
from search_spaces.names import unknown

METHODS = ("ask", "tell", "state_dict", "load_state_dict")


def load(text: str, field: str, sha256: str = "") -> tuple[Any, str]:
    """Runs a file, and gives what has the name in it, and the file's SHA-256.

    Args:
        text: FILE.py:NAME, the value of ``field``.
        sha256: that the file must have; empty for any.

    Raises:
        InputError: in one line, with the file and the line, if it cannot be run, or is another file now.
    """
    file, _, name = text.rpartition(":")
    try:
        source = Path(file).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{field} must be a file that can be read ({reason}), got {text}") from None
    found = hashlib.sha256(source).hexdigest()
    if sha256 not in ("", found):
        raise InputError(f"{field} must be the code that the run began with, got another in {file}")
    # A space and an evaluation of one file must know each other's classes; a controller is made anew each
    # time, also from what its file keeps.
    module = None if field == "controller" else own.kept(file)
    if module is None or module.__name__ != module_name(file, source, field):
        module = run(file, source, field)
    if field != "controller":
        own.keep(file, module)
    if not hasattr(module, name):
        known = vars(module).items()
        names = [each for each, value in known if not inspect.ismodule(value) and each[:1] != "_"]
        raise InputError(f"{field}: {unknown('name', name, names)}: {file}")
    return getattr(module, name), found


def run(file: str, source: bytes, field: str) -> types.ModuleType:
    """The module that ``source``, the contents of ``file``, makes; errors as ``load``."""
    module = types.ModuleType(module_name(file, source, field))
    module.__dict__.update(__file__=file, __source__=source)
    sys.modules[module.__name__] = module  # where pickle and dataclasses look
    try:
        with beside(file), told(f"{field} must be Python that runs", file, InputError):
            exec(compile(source, file, "exec"), module.__dict__)  # noqa: S102 - the user named it
    except SyntaxError as error:
        raise InputError(f"{field} must be Python ({error.msg}): {file}, line {error.lineno}") from None
    return module


def module_name(file: str, source: bytes, field: str) -> str:
    """The same in every process that runs ``source``, so that what one pickles another can read."""
    which = "nas_controller_" if field == "controller" else "nas_own_"
    return which + hashlib.sha256(file.encode() + source).hexdigest()[:16]


def place_of(made: Any, file: str = "") -> str:
    """``FILE, line N`` of a function, or of the ``__init__`` of a class; the file alone if it has no line."""
    function = made if inspect.isroutine(made) else getattr(type(made), "__call__", None)  # noqa: B004
    function = vars(made).get("__init__") if isinstance(made, type) else function
    code = getattr(function, "__code__", None)
    if code is None or (file and code.co_filename != file):
        return file or "Python"
    return f"{code.co_filename}, line {code.co_firstlineno}"


@contextlib.contextmanager
def beside(file: str) -> Iterator[None]:
    """Lets ``file`` import its neighbours, as a script does."""
    sys.path.insert(0, str(Path(file).parent))
    try:
        yield
    finally:
        sys.path.remove(str(Path(file).parent))


@contextlib.contextmanager
def told(rule: str, file: str, kind: type[NasError]) -> Iterator[None]:
    """Whatever ``file`` raises in here becomes one line of ``kind``, with the line of the file."""
    try:
        yield
    except (NasError, SyntaxError):
        raise
    except (Exception, SystemExit) as error:
        raise kind(f"{rule}, got {said(error)}: {raised_at(error, file)}") from error


def said(error: BaseException) -> str:
    """``ValueError (its message)``."""
    return f"{type(error).__name__} ({' '.join(str(error).split()) or 'no message'})"


def raised_at(error: BaseException, file: str) -> str:
    """``FILE, line N``: the last line of ``file`` that an error went through; of the user's, if empty."""
    frames, ours = traceback.extract_tb(error.__traceback__), str(Path(__file__).parents[1])
    lines = [one for one in frames if (one.filename == file if file else not one.filename.startswith(ours))]
    return f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else file or "Python"


def own_controller(settings: Settings, space: SearchSpace) -> tuple[Controller, str]:
    """The user's controller for ``space``, and the SHA-256 of its file.

    Raises:
        InputError: if there is none, or it is not made by ``NAME(space, seed=0)``, or lacks a method.
    """
    text, field = settings.controller, "controller"
    made, sha256 = load(text, field, settings.files.get(field, ""))
    file, _, name = text.rpartition(":")
    where = place_of(made, file)
    try:
        inspect.signature(made).bind(space, seed=0)
    except (TypeError, ValueError):
        got = f"{name}{inspect.signature(made)}" if callable(made) else type(made).__name__
        raise InputError(f"{field} must be made by {name}(space, seed=0), got {got}: {where}") from None
    with told(f"{field} must be made without an error", file, InputError):
        controller = made(space, seed=settings.seed)
    missing = [method for method in METHODS if not callable(getattr(controller, method, None))]
    if missing:
        raise InputError(
            f"{field} must have {', '.join(METHODS)}; {name} lacks {', '.join(missing)}: {where}"
        )
    return Guarded(controller, space, file), sha256


class Guarded:
    """A user's controller whose mistakes end the run in one line, with the line of the file."""

    def __init__(self, controller: Controller, space: SearchSpace, file: str) -> None:
        self._controller, self._space, self._file = controller, space, file

    def ask(self) -> Actions:
        with told("ask must give actions of the space", self._file, RunError):
            return self._space.check(tuple(self._controller.ask()))

    def tell(self, actions: Actions, reward: float | None) -> None:
        with told("tell must take what was asked", self._file, RunError):
            self._controller.tell(actions, reward)

    def state_dict(self) -> dict[str, Any]:
        with told("state_dict must give plain values and arrays", self._file, RunError):
            state = self._controller.state_dict()
            snapshot.write(state)
            return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        with told("load_state_dict must take what state_dict gave", self._file, RunError):
            self._controller.load_state_dict(state)
