"""An evaluation of the user's own: ``(network, trial) -> accuracy``, a mapping of measures, or epochs.

    function(trial.arch, trial) --> 0.93
                                --> {"accuracy": 0.93, "f1": 0.91, "train_seconds": 12.5}
                                --> an iterator of either, an epoch each

It runs wherever trials do. A file travels to workers as text and is run there once, before any trial; what
was given in Python travels as Ray sends functions.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from nas.errors import InputError, RunError, TrialError
from nas.launch.own_code import beside, load, place_of, raised_at, run
from nas.launch.own_space import plain_number
from nas.spec import own
from nas.spec.own import file_of, name_of
from nas.spec.targets import COSTS, can_be_cost
from nas.spec.trial import Epoch, Trial
from search_spaces.limits import MOST_FLOPS, shown

MOST_MEASURES = 100
"""Measures of a trial, each of which is a column of the table."""
OVER = object()


def load_evaluator(text: str, sha256: str = "") -> tuple[Any, str]:
    """The function FILE.py:NAME, and the SHA-256 of its file. Errors as ``load`` and ``check_function``."""
    function, found = load(text, "evaluator", sha256)
    check_function(function, text)
    return function, found


def check_function(function: Any, text: str) -> None:
    """InputError unless ``function``, which ``text`` names, can be called with a network and a trial."""
    name, file = name_of(text), file_of(text)
    where = place_of(function, file)
    if not callable(function):
        raise InputError(
            f"evaluator must be a function {name}(network, trial), got {shown(function)}: {where}"
        )
    if inspect.iscoroutinefunction(function):
        raise InputError(f"evaluator must be a function that is not async, got {name}: {where}")
    with contextlib.suppress(ValueError):  # some of those in C say nothing of their arguments
        signature = inspect.signature(function)
        try:
            signature.bind(None, None)
        except TypeError:
            raise InputError(
                f"evaluator must be a function {name}(network, trial), got {name}{signature}: {where}"
            ) from None


class OwnEvaluator:
    """The user's function as an evaluator.

    Args:
        function: takes a network and its trial.
        text: FILE.py:NAME or python:NAME.
        space: how the run names its space, whose file makes the networks.

    Raises:
        RunError: by a call, if the file cannot be run where it is called.
    """

    def __init__(self, function: Any, text: str, space: str) -> None:
        self.function, self.text = function, text
        files = dict.fromkeys(filter(None, (file_of(space), file_of(text))))
        self.sources: dict[str, bytes] = {file: own.kept(file).__source__ for file in files}
        self._wrong = ""

    def __getstate__(self) -> dict[str, Any]:
        function = None if file_of(self.text) else self.function
        return {"function": function, "text": self.text, "sources": self.sources, "_wrong": ""}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        try:
            modules = {file: run(file, source, "evaluator") for file, source in self.sources.items()}
            if file := file_of(self.text):
                self.function = getattr(modules[file], name_of(self.text))
        except InputError as error:  # raised by the first trial: where this is unpickled, nobody hears it
            self._wrong = str(error)

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        if self._wrong:
            raise RunError(self._wrong)
        started = time.perf_counter()
        made = self._run(self.function, trial.arch, trial)
        results = made if isinstance(made, Iterator) else iter((made,))
        number = 0
        while (result := self._run(next, results, OVER)) is not OVER:
            number += 1
            yield self._epoch(number, result, time.perf_counter() - started, self._line(made))
        if not number:
            raise TrialError(f"evaluator must give an epoch at least, got none: {self._line(made)}")

    def _run(self, function: Any, *arguments: Any) -> Any:
        """Calls the user's code; what it raises fails the trial, with the line."""
        file = file_of(self.text)
        try:
            with beside(file) if file else contextlib.nullcontext():
                return function(*arguments)
        except (Exception, SystemExit) as error:
            where = raised_at(error, file)
            raise TrialError(f"{type(error).__name__}: {error}: {where}") from error

    def _line(self, made: Any) -> str:
        """Where the function is, or where the generator that it made has stopped."""
        frame = getattr(made, "gi_frame", None)
        if frame is not None:
            return f"{frame.f_code.co_filename}, line {frame.f_lineno}"
        return place_of(self.function, file_of(self.text))

    def _epoch(self, number: int, result: Any, seconds: float, where: str) -> Epoch:
        """What the function gave as an epoch; TrialError if it is none."""
        if isinstance(result, Epoch):
            accuracy = accuracy_of(result.accuracy, where)
            measures = measures_of(result.measures or {}, where)
            return result._replace(epoch=number, accuracy=accuracy, measures=measures)
        given = result if isinstance(result, Mapping) else {"accuracy": result}
        if "accuracy" not in given:
            names = ", ".join(map(str, given)) or "nothing"
            raise TrialError(f"evaluator must give an accuracy among its measures, got {names}: {where}")
        accuracy = accuracy_of(given["accuracy"], where)
        further = measures_of({name: one for name, one in given.items() if name != "accuracy"}, where)
        peak = further.pop("peak_memory", None)
        memory = None if peak is None else int(peak)
        return Epoch(number, None, None, accuracy, seconds, peak_memory=memory, measures=further)


def accuracy_of(value: Any, where: str) -> float:
    """The accuracy; TrialError if it is none."""
    accuracy = plain_number(value)
    if not 0 <= accuracy <= 1:
        raise TrialError(f"evaluator must give an accuracy in [0, 1], got {shown(value)}: {where}")
    return accuracy


def measures_of(given: Mapping[Any, Any], where: str) -> dict[str, float]:
    """The other measures; TrialError if one is none, or cannot be a column of the table."""
    if len(given) > MOST_MEASURES:
        raise TrialError(f"evaluator must give at most {MOST_MEASURES} measures, got {len(given)}: {where}")
    measures = {}
    for name, value in given.items():
        if not isinstance(name, str) or not can_be_cost(name):
            rule = "measures with names in letters, digits and _ that are no other column of the table"
            raise TrialError(f"evaluator must give {rule}, got {shown(name)}: {where}")
        number = plain_number(value)
        if not math.isfinite(number):
            raise TrialError(f"evaluator must give finite numbers, got {name}={shown(value)}: {where}")
        least = 1 if name in COSTS else 0 if name in ("peak_memory", "seconds") else -math.inf
        if number < least or (name in COSTS and not (number.is_integer() and number <= MOST_FLOPS)):
            rule = f"a whole number of {name}" if name in COSTS else f"{name} of at least 0"
            raise TrialError(f"evaluator must give {rule}, got {shown(value)}: {where}")
        measures[name] = number
    if len({name.lower() for name in measures}) < len(measures):
        raise TrialError(f"evaluator must give every measure once, got {', '.join(measures)}: {where}")
    return measures
