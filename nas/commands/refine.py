"""``nas scale --refine``: a search around the network that a scaling run chose."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.spec.settings import Settings


def refined_settings(run: Run) -> Settings:
    """A search around the network that a scaling run chose, by the same recipe on the same images."""
    from nas.commands.options import SearchOptions
    from nas.commands.search import CENTER, default_trials
    from nas.launch.searching import resolve_controller
    from nas.runs.scaling_results import compared_run, scaling_of
    from nas.runs.second_part import with_fresh_seeds
    from nas.runs.source import source_of
    from nas.spec.objective import Objective
    from search_spaces import canonical, cost
    from search_spaces.around import AROUND

    settings, scaling = run.settings, scaling_of(run.settings)
    center, default = canonical(scaling.scaled(compared_run(run)[2])), SearchOptions("")
    return resolve_controller(
        with_fresh_seeds(
            settings,
            space=f"{AROUND}{center}",
            trials=default_trials(trains=settings.trains),
            controller=default.controller,
            controller_settings={},
            objective=Objective(float(cost(center, scaling.num_classes).flops)),
            recipe=dataclasses.replace(
                settings.recipe,
                resolution=settings.recipe.shrink(center, scaling.arch.resolution).resolution,
            ),
            scaling=None,
            init=source_of(run.directory, settings),
            tuned=None,
            task=None,
            confirmations=default.confirm if settings.evaluator == "train" else 0,
            confirm_seeds=default.confirm_seeds,
            baselines={CENTER: str(center)},
        )
    )
