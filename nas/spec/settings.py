"""All that decides how a run goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.resources import Resources
from nas.spec.scaling import Scaling

SCHEDULERS = ("fifo", "asha")


@dataclass(frozen=True)
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

    seeds: int = 3
    long: Recipe | None = None
    reference: tuple[float, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Audit:
        """The inverse of ``dataclasses.asdict``."""
        long = Recipe(**data["long"]) if data["long"] else None
        return cls(**{**data, "long": long, "reference": tuple(data["reference"])})


@dataclass(frozen=True)
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
    trials: int
    data: str
    evaluator: str
    controller: str
    objective: Objective
    recipe: Recipe
    seed: int = 0
    confirmations: int = 0
    confirm_seeds: int = 1
    controller_settings: Mapping[str, str | int | float] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    scheduler: str = "fifo"
    networks: tuple[str, ...] = ()
    scaling: Scaling | None = None
    audit: Audit | None = None
    data_seed: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("trials", 1), ("confirmations", 0), ("confirm_seeds", 1), ("seed", 0)):
            if getattr(self, name) < least:
                option = {"confirmations": "confirm"}.get(name, name)
                raise ValueError(f"{option} must be at least {least}, got {getattr(self, name)}")
        if self.scheduler not in SCHEDULERS:
            raise ValueError(f"scheduler must be one of {SCHEDULERS}, got {self.scheduler!r}")
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
        """The inverse of ``to_json``; further keys are left alone.

        Raises:
            KeyError, TypeError, ValueError: if a field is missing, unknown or out of range.
        """
        # fields that older runs lack
        added = ("scheduler", "scaling", "confirm_seeds", "networks", "audit", "data_seed")
        data = {"recipe": data.get("proxy"), **data}  # its name in them
        values = {
            f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data or f.name not in added
        }
        values["objective"] = Objective(**values["objective"])
        values["recipe"] = Recipe(**values["recipe"])
        values["resources"] = Resources(**values["resources"])
        values["networks"] = tuple(values.get("networks", ()))
        if values.get("scaling"):
            values["scaling"] = Scaling.from_json(values["scaling"])
        if values.get("audit"):
            values["audit"] = Audit.from_json(values["audit"])
        return cls(**values)
