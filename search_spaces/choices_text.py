"""The choices of a network as text: ``scaler=none model=svc C=1.0``.

The text of a network of the user's own cannot be read back; its decisions can.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from search_spaces.names import unknown
from search_spaces.space import Actions, Choice, Decision, SearchSpace


def choices_text(choices: Mapping[str, object]) -> str:
    """Choices by the names of their decisions, as ``parse_choices`` reads them."""
    return " ".join(shlex.quote(f"{name}={choice}") for name, choice in choices.items())


def split_choices(text: str) -> list[str]:
    """The texts of several networks, which have commas in between; ValueError if a quote is not closed."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=",")
    lexer.whitespace_split, lexer.commenters = True, ""
    networks: list[list[str]] = [[]]
    for word in lexer:
        if word.strip(","):
            networks[-1].append(shlex.quote(word))
        else:
            networks.append([])
    return [" ".join(words) for words in networks]


def parse_choices(text: str, space: SearchSpace) -> Actions:
    """The actions that ``text`` names, a choice for each decision of ``space``.

    Decisions may be left out that make no difference under the others.

    Raises:
        ValueError: if there is no such decision or choice, or one that makes a difference is missing.
    """
    given: dict[str, int] = {}
    by_name = {decision.name: decision for decision in space.decisions}
    for word in shlex.split(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"must read DECISION=CHOICE ..., got {word!r}")
        if name not in by_name:
            raise ValueError(unknown("decision", name, by_name))
        if name in given:
            raise ValueError(f"must name every decision once, got {name} twice")
        given[name] = _index(by_name[name], value)
    actions = tuple(given.get(name, 0) for name in by_name)
    for place, decision in enumerate(space.decisions):
        if decision.name not in given and _matters(space, actions, place):
            raise ValueError(f"must say which {decision.name}, as it makes a difference, got {text!r}")
    return actions


def _index(decision: Decision, value: str) -> int:
    """Which choice ``value`` is."""
    texts = [str(choice) for choice in decision.choices]
    if value in texts:
        return texts.index(value)
    for index, choice in enumerate(decision.choices):
        if _equal(choice, value):
            return index
    raise ValueError(f"must have {decision.name} in {decision.choices}, got {value!r}")


def _equal(choice: Choice, value: str) -> bool:
    """Whether ``value`` is the number ``choice``, however it is written."""
    try:
        return not isinstance(choice, str | bool) and float(choice) == float(value)
    except (TypeError, ValueError):
        return False


def _matters(space: SearchSpace, actions: Actions, place: int) -> bool:
    """Whether another choice of the decision at ``place`` gives another network."""
    others = range(len(space.decisions[place].choices))
    networks = {str(space.decode((*actions[:place], other, *actions[place + 1 :]))) for other in others}
    return len(networks) > 1
