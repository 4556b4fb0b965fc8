"""Makes the search of a run from its settings: its controller, restored from its journal."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import controllers
from nas.errors import InputError
from nas.files import say_unlocked
from nas.launch.measures import for_controller
from nas.launch.own_code import own_controller
from nas.runs.kinds import KINDS, space_of
from nas.search.confirm import Confirm
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.measures import Measures
from nas.search.trainings import Trainings
from nas.spec import own
from nas.spec.listener import Listener
from nas.spec.settings import Settings
from search_spaces import ArchSpec, Built, SearchSpace
from search_spaces.choices_text import parse_choices
from search_spaces.rules import parse_settings


def resolve_controller(settings: Settings) -> Settings:
    """``settings`` with the controller's defaults filled in; InputError if it or a setting is unknown.

    A controller of the user's own is made once, to see whether it can be.
    """
    if KINDS[settings.kind].given:
        return settings
    if own.is_code(settings.controller):
        if settings.controller_settings:
            rule = "must be left out with a controller of your own"
            raise InputError(f"controller_settings {rule}, got {', '.join(settings.controller_settings)}")
        _, sha256 = own_controller(settings, space_of(settings))
        return dataclasses.replace(settings, files={**settings.files, "controller": sha256})
    try:
        kind = controllers.find_kind(settings.controller).settings
    except ValueError as error:
        raise InputError(f"controller: {error}") from None
    try:
        given: Any = parse_settings(kind, settings.controller_settings)
    except ValueError as error:
        raise InputError(f"controller_settings: {error}") from None
    return dataclasses.replace(settings, controller_settings=dataclasses.asdict(given))


def make_controller(settings: Settings, space: SearchSpace, measures: Measures) -> controllers.Controller:
    """The controller of ``settings``, with what is known before any training: the objective and costs.

    Raises:
        InputError: if it is the user's own code, and has changed.
    """
    if KINDS[settings.kind].given:
        return controllers.GridSearch(space)
    if own.is_code(settings.controller):
        return own_controller(settings, space)[0]
    return controllers.make(
        settings.controller,
        space,
        seed=settings.seed,
        **for_controller(settings.objective, space, measures),
        settings=settings.controller_settings,
    )


def open_journal(directory: Path, listener: Listener) -> Journal:
    """The run's journal; says it where locks do not work. Errors as ``Journal``."""
    journal = Journal(directory)
    if not journal.locked:
        say_unlocked(listener.say)
    if words := journal.storage.words(directory):
        listener.say(words)
    return journal


def make_search(
    settings: Settings, space: SearchSpace, journal: Journal, listener: Listener, measures: Measures
) -> Search:
    """The search of ``settings``, restored from its journal, with the ``measures`` known before a trial."""
    stops_early = settings.scheduler == "asha" and settings.trains
    return Search(
        space,
        make_controller(settings, space, measures),
        settings.objective,
        journal,
        Trainings(
            settings.trials,
            settings.seed,
            Confirm(
                settings.confirmations,
                settings.confirm_seeds,
                {name: known_network(text, space) for name, text in settings.baselines.items()},
            ),
            epochs=settings.recipe.epochs if stops_early else None,
            repeats=KINDS[settings.kind].given,
        ),
        listener=listener,
        measures=measures,
    )


def known_network(text: str, space: SearchSpace) -> Built:
    """A network to compare with: an ``ArchSpec``, or else the one that has these decisions in ``space``."""
    return ArchSpec.parse(text) if space.has_archs else space.decode(parse_choices(text, space))
