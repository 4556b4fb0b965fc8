"""``nas search --like RUN``: the options of an earlier search, for another with changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from nas.commands.defaults import Default, DefaultOptions
from nas.errors import InputError
from nas.files import is_file

if TYPE_CHECKING:
    from nas.spec.settings import Settings


@dataclass(frozen=True)
class RepeatOptions(DefaultOptions):
    """Where the options of a search come from that are not given."""

    like: Annotated[
        Path | None,
        Option(
            metavar="RUN",
            show_default=False,
            help="Repeat a search: its options in place of the defaults, but for --run and --max-hours.",
        ),
    ] = None


def from_run(directory: Path, named: Container[str]) -> dict[str, Default]:
    """The options that give the settings of a search again.

    Args:
        named: options that the user names anew.

    Raises:
        InputError: if it is no run of ``nas search``, or has code that the user does not name.
    """
    from nas.deploy.devices import PROGRAM
    from nas.runs.config import read_settings
    from nas.runs.next_steps import nearest_recipe
    from nas.spec.objective import EXPONENTS
    from nas.spec.own import is_code

    if not is_file(directory / "config.json"):
        raise InputError(f"like must be a run of nas search, got {directory}, where there is no config.json")
    settings = read_settings(directory)
    if settings.kind != "search":
        raise InputError(f"like must be a run of nas search, got {directory}, a run of kind {settings.kind}")
    refuse_code(settings, directory, named)
    recipe, fields = nearest_recipe(settings.recipe)
    resources, init, objective = settings.resources, settings.init, settings.objective
    usual = EXPONENTS.get(objective.kind, 0.0)
    options: dict[str, Any] = {
        **{name: getattr(settings, name) for name in ("space", "trials", "data", "evaluator", "controller")},
        **({"space": str(directory)} if settings.space_text else {}),  # which keeps the text of its file
        "target_flops": objective.target_flops and repr(objective.target_flops),
        "target": [str(target) for target in objective.targets] or None,
        "maximize": ",".join(objective.maximize) or None,
        "device": (not settings.device.startswith(PROGRAM) and settings.device) or None,  # as a controller
        "exponent": None if objective.exponent == usual else objective.exponent,
        "reward": objective.kind,
        "controller_settings": [f"{name}={value}" for name, value in settings.controller_settings.items()],
        "recipe": recipe,
        "proxy": fields,
        "init": init and init.source,
        "init_arch": init and init.arch,
        "tune": settings.tuned is not None or init is None,
        "scheduler": settings.scheduler,
        "confirm": settings.confirmations,
        "confirm_seeds": settings.confirm_seeds,
        "baseline": known(settings),
        "seed": settings.seed,
        "track": [one for one in settings.track if not is_code(one)] or None,
        **{name: value for name, value in dataclasses.asdict(resources).items() if name != "max_hours"},
        "cache_size": str(resources.cache_size),
        "trial_timeout": resources.trial_timeout and f"{resources.trial_timeout:f}s",
    }
    return {
        name: Default(value, f"{name} of {directory}") for name, value in options.items() if value is not None
    }


def refuse_code(settings: Settings, directory: Path, named: Container[str]) -> None:
    """InputError if the run has code that the user does not name: it runs only if somebody does."""
    from nas.spec.own import FIELDS, is_own

    for field in FIELDS:
        if is_own(code := getattr(settings, field)) and field not in named:
            what = {"evaluator": "an evaluator", "data": "data"}.get(field, f"a {field}")
            rule = f"must be a run without {what} in a file, unless `{field}` names it again"
            raise InputError(f"like {rule}, got {directory} with {code}")


def known(settings: Settings) -> str | None:
    """The known networks that were asked for, without those that every search of this kind gets by itself."""
    from nas.commands.search import CENTER
    from search_spaces import PRESETS, PUBLISHED

    names = list(settings.baselines)
    if settings.confirmations == 0 or CENTER in names:
        return None
    narrowed = f"{settings.init.name} x" if settings.init else CENTER
    asked = [name for name in names if not name.startswith(narrowed)]
    if set(asked) == set(PUBLISHED.get(settings.space, ())):
        return None
    return ",".join(name if name in PRESETS else settings.baselines[name] for name in asked) or "none"
