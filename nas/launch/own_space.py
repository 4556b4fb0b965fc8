"""A search space of the user's own: FILE.py:NAME, or a ``SearchSpace`` that was given in Python."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.errors import InputError, NasError, RunError
from nas.launch.own_code import load, place_of, told
from nas.spec.targets import COSTS, can_be_cost
from search_spaces import ArchSpec, Built, Choice, Cost, SearchSpace
from search_spaces.limits import MOST_FLOPS, shown

BUILT = 16
"""Networks that are built twice, to see whether they are the same."""
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
"""Stands in Python's own text of an object, which differs from process to process."""


def load_space(text: str, sha256: str = "") -> tuple[SearchSpace, str]:
    """The space FILE.py:NAME, and the SHA-256 of its file. Errors as ``load`` and ``own_space``."""
    made, found = load(text, "space", sha256)
    return own_space(made, text.rpartition(":")[0]), found


def own_space(made: Any, file: str = "") -> SearchSpace:
    """``made`` as a space whose mistakes are one line, with the line of the file.

    Args:
        file: where it stands; empty if it was given in Python.

    Raises:
        InputError: if it is no ``SearchSpace``, a network cannot be built, hashed or priced, or two builds of
            the same choices differ.
    """
    if not isinstance(made, SearchSpace):
        where = f": {file}" if file else ""
        raise InputError(f"space must be a SearchSpace, got {type(made).__name__}{where}")
    build, price = OwnBuild(made.build, file, InputError), made.cost and OwnCost(made.cost, file, InputError)
    space = dataclasses.replace(made, build=build, cost=price)
    check_networks(space, place_of(made.build, file))
    price = made.cost and OwnCost(made.cost, file, RunError)
    return dataclasses.replace(made, build=OwnBuild(made.build, file, RunError), cost=price)


def check_networks(space: SearchSpace, where: str) -> None:
    """InputError unless some networks of ``space`` are what networks must be; ``where`` is its ``build``."""
    rng = np.random.default_rng(0)
    some = [(0,) * len(space.decisions), *(space.sample(rng) for _ in range(BUILT - 1))]
    for actions in some:
        network, again = space.decode(actions), space.decode(actions)
        text, other = (str(one).encode("utf-8", "replace").decode() for one in (network, again))
        if not text or network is None or ADDRESS.search(text):
            rule = "must have networks whose text tells them apart (__str__, or tuples and texts)"
            raise InputError(f"space {rule}, got {shown(text)}: {where}")
        if text != other:
            rule = "must have a build that gives the same for the same choices"
            raise InputError(f"space {rule}, got {shown(text)} and {shown(other)}: {where}")
        try:
            hash(network)
        except TypeError:
            rule = "must have networks that can be hashed, such as tuples or frozen dataclasses"
            raise InputError(f"space {rule}, got {type(network).__name__}: {where}") from None
        if isinstance(network, ArchSpec) != space.has_archs:
            raise InputError(f"space must have only networks that are ArchSpecs, or none: {where}")
        space.price(network)


@dataclass(frozen=True)
class OwnBuild:
    """The user's ``build``; what it raises becomes one line of ``kind``."""

    build: Any
    file: str
    kind: type[NasError]

    def __call__(self, choices: tuple[Choice, ...]) -> Built:
        with told("space must have a build that gives a network", self.file, self.kind):
            return self.build(choices)


@dataclass(frozen=True)
class OwnCost:
    """The user's ``cost``: names and positive numbers; what it raises becomes one line of ``kind``."""

    cost: Any
    file: str
    kind: type[NasError]

    def __call__(self, network: Built) -> Mapping[str, float]:
        with told("space must have a cost that gives numbers by name", self.file, self.kind):
            found = self.cost(network)
        found = found._asdict() if isinstance(found, Cost) else found
        if not isinstance(found, Mapping):
            raise self._wrong("a mapping of numbers by name", type(found).__name__)
        costs = {}
        for name, value in found.items():
            if not isinstance(name, str) or not can_be_cost(name) or name == "seconds":
                raise self._wrong("names of costs, in letters, digits and _", shown(name))
            number = plain_number(value)
            if not 0 < number < math.inf:
                raise self._wrong("numbers above 0, and finite", f"{name}={shown(value)}")
            if name in COSTS and not (number.is_integer() and number <= MOST_FLOPS):
                raise self._wrong(f"whole numbers of {', '.join(COSTS)}", f"{name}={shown(value)}")
            costs[name] = number
        return costs

    def _wrong(self, rule: str, got: str) -> NasError:
        return self.kind(f"space must have a cost that gives {rule}, got {got}: {self._where}")

    @property
    def _where(self) -> str:
        return place_of(self.cost, self.file)


def plain_number(value: Any) -> float:
    """A number, of Python, NumPy or torch, as a float; NaN if it is none."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
