"""The search space that a run's settings name."""

from __future__ import annotations

from nas.errors import InputError
from nas.spec.settings import Settings
from search_spaces import SPACES, ArchSpec, Decision, SearchSpace
from search_spaces.around import AROUND, around
from search_spaces.names import unknown
from search_spaces.toml_form import read_space


def known_space(name: str, text: str = "") -> SearchSpace:
    """One of ``SPACES``, that around a network, or that of a TOML ``text``; InputError if there is none."""
    try:
        if text:
            return read_space(text, name)
        if name.startswith(AROUND):
            return around(ArchSpec.parse(name.removeprefix(AROUND)))
    except ValueError as error:
        raise InputError(f"space: {error}") from None
    if name not in SPACES:
        raise InputError(f"space: {unknown('space', name, [*SPACES, f'{AROUND}ARCH', 'FILE.toml'])}")
    return SPACES[name]


def decisions_of(settings: Settings) -> tuple[Decision, ...]:
    """The decisions of the space of ``settings``; none if there is no such space."""
    try:
        return known_space(settings.space, settings.space_text).decisions
    except InputError:
        return ()
