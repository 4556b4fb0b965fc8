"""The search space that a run's settings name."""

from __future__ import annotations

from nas.errors import InputError
from search_spaces import SPACES, ArchSpec, Decision, SearchSpace
from search_spaces.around import AROUND, around
from search_spaces.names import unknown


def known_space(name: str) -> SearchSpace:
    """One of ``SPACES``, or that around a network; InputError if there is none of that name."""
    if name.startswith(AROUND):
        try:
            return around(ArchSpec.parse(name.removeprefix(AROUND)))
        except ValueError as error:
            raise InputError(f"space: {error}") from None
    if name not in SPACES:
        raise InputError(f"space: {unknown('space', name, [*SPACES, f'{AROUND}ARCH'])}")
    return SPACES[name]


def decisions_of(name: str) -> tuple[Decision, ...]:
    """The decisions of ``known_space``; none if there is no such space."""
    try:
        return known_space(name).decisions
    except InputError:
        return ()
