"""The search space that a run's settings name, and its decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.errors import InputError
from nas.spec import own
from nas.spec.settings import Settings
from search_spaces import SPACES, ArchSpec, Decision, SearchSpace
from search_spaces.around import AROUND, around
from search_spaces.names import unknown
from search_spaces.toml_form import read_space


def known_space(name: str, text: str = "") -> SearchSpace:
    """One of ``SPACES``, that around a network, that of a TOML ``text``, or the user's own.

    Raises:
        InputError: if there is none, or it is code, which this command has not run.
    """
    if own.is_own(name):
        if (space := own.kept("space")) is None:
            raise InputError(f"space must be known without running code, got {name}")
        found: SearchSpace = space
        return found
    try:
        if text:
            return read_space(text, name)
        if name.startswith(AROUND):
            return around(ArchSpec.parse(name.removeprefix(AROUND)))
    except ValueError as error:
        raise InputError(f"space: {error}") from None
    if name not in SPACES:
        raise InputError(
            f"space: {unknown('space', name, [*SPACES, f'{AROUND}ARCH', 'FILE.toml', 'FILE.py:NAME'])}"
        )
    return SPACES[name]


def decisions_of(settings: Settings, config: Mapping[str, Any]) -> tuple[Decision, ...]:
    """The decisions of the space of ``settings``; none if there is no such space.

    Args:
        config: the run's ``config.json``, which keeps those of a space in code: no report runs that.
    """
    if own.is_own(settings.space):
        try:
            noted = config.get("decisions", {})
            return tuple(Decision(name, tuple(choices)) for name, choices in noted.items())
        except (AttributeError, TypeError, ValueError):
            return ()
    try:
        return known_space(settings.space, settings.space_text).decisions
    except InputError:
        return ()


def noted(space: SearchSpace) -> dict[str, Any]:
    """What ``config.json`` keeps of a space in code: its decisions, and the names of the costs it knows."""
    decisions = {
        decision.name: [one if isinstance(one, str | int | float) else str(one) for one in decision.choices]
        for decision in space.decisions
    }
    return {"decisions": decisions, "priced": list(space.priced)}
