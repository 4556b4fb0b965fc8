"""The second part of a run: the same question under other conditions, in a directory inside the run's.

An audit's is a longer schedule, a scaling run's a check at more compute. It is a run of its own, with other
seeds and the same images; ``nas.launch`` finishes it after the first part.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from nas.runs.run import Run
from nas.runs.search_results import trial_state
from nas.spec.seeds import trial_seed
from nas.spec.settings import Settings


@dataclass(frozen=True)
class SecondPart:
    """What the second part of a run is.

    Args:
        name: its directory inside the run's, and its key in the run's state.
        title: in words.
        settings: its settings.
    """

    name: str
    title: str
    settings: Settings

    def run(self, first: Run) -> Run | None:
        """The run of the second part; None if there is none."""
        directory = first.directory / self.name
        return Run(directory) if (directory / "run.db").is_file() else None

    def state(self, first: Run) -> dict[str, Any]:
        """``trial_state`` of both parts; the run is over when both are."""
        facts, second = trial_state(first), self.run(first)
        if second is None:
            return facts
        further = trial_state(second)
        return {**facts, self.name: further, "over": facts["over"] and further["over"]}


def with_fresh_seeds(settings: Settings, **changes: Any) -> Settings:
    """``settings`` with ``changes``, the same split of the images, and seeds of their own.

    With equal seeds, both parts would initialise a network alike and share its luck.
    """
    return dataclasses.replace(
        settings,
        seed=trial_seed(settings.seed, settings.trials),
        data_seed=settings.split_seed,
        **changes,
    )
