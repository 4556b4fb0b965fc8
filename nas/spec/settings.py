"""All that decides how a run goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import Field

from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.resources import Resources
from nas.spec.scaling import Scaling
from search_spaces.rules import OneOf, read_json, validated

SCHEDULERS = ("fifo", "asha")


@validated
class Audit:
    """What ``nas audit`` was asked, besides the networks and the schedule that all of them are trained by.

    Args:
        seeds: trainings of each network.
        long: the longer schedule; None for none.
        reference: known accuracies of the networks, in their order; none or one each.
        source: the file that they are from.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    seeds: Annotated[int, Field(ge=1)] = 3
    long: Recipe | None = None
    reference: tuple[float, ...] = ()
    source: str = ""


@validated
class Settings:
    """All that decides how a search goes; the same settings, on one worker, give the same trials.

    Args:
        confirmations: networks to train again at the end, each on ``confirm_seeds`` fresh seeds.
        scheduler: ``fifo`` trains every trial to its end, ``asha`` stops those that are behind.
        networks: architectures, as text, that are then the space, each tried in turn.
        scaling: of a scaling run; its candidates are then the space, likewise.
        audit: of an audit, whose networks are ``networks``.
        data_seed: draws the parts of the images; None takes ``seed``, which draws all else.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    space: str
    trials: Annotated[int, Field(ge=1)]
    data: str
    evaluator: str
    controller: str
    objective: Objective
    recipe: Recipe
    seed: Annotated[int, Field(ge=0)] = 0
    confirmations: Annotated[int, Field(ge=0, title="confirm")] = 0
    confirm_seeds: Annotated[int, Field(ge=1)] = 1
    controller_settings: Mapping[str, str | int | float] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    scheduler: Annotated[str, OneOf(SCHEDULERS)] = "fifo"
    networks: tuple[str, ...] = ()
    scaling: Scaling | None = None
    audit: Audit | None = None
    data_seed: int | None = None

    def __post_init__(self) -> None:
        if self.scheduler == "asha" and self.resources.address == "inline":
            raise ValueError("scheduler asha is Ray Tune's and needs `address` local or auto, got inline")

    @property
    def kind(self) -> str:
        """The kind of run, an entry of ``nas.runs.kinds.KINDS``; derived, so that older runs have one too."""
        if self.scaling:
            return "scaling"
        if self.audit:
            return "audit"
        return "training" if self.networks else "search"

    @property
    def reference(self) -> int | None:
        """The resolution that stands for the recipe's, see ``Recipe.shrink``: a scaling run's base has it."""
        return self.scaling.arch.resolution if self.scaling else None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """The inverse of ``to_json``, also for older runs; further keys are left alone.

        Raises:
            ValueError: if a field is missing, unknown, of another type or out of range.
        """
        if "proxy" in data:  # the recipe's name in the first runs
            data = {"recipe": data["proxy"], **data}
        return read_json(cls, {name: data[name] for name in cls.__dataclass_fields__ if name in data})
