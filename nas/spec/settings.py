"""Everything that determines a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any

from pydantic import Field

from nas.spec.init import Init
from nas.spec.objective import Objective
from nas.spec.own import is_own
from nas.spec.recipe import Recipe
from nas.spec.resources import Resources
from nas.spec.scaling import Scaling
from nas.spec.task import Task
from search_spaces import ArchSpec
from search_spaces.rules import AtMost, OneOf, read_json, validated
from search_spaces.toml_form import read_space


@validated
class Audit:
    """What ``nas audit`` was asked, apart from the networks and the schedule that trains them all.

    Args:
        seeds: training runs of each network.
        long: the longer schedule, if any.
        long_seeds: its training runs of each network; None for ``seeds``.
        reference: known accuracies of the networks, in their order; may be empty.
        source: the file with these accuracies.
    """

    seeds: Annotated[int, Field(ge=1), AtMost(1000)] = 3
    long: Recipe | None = None
    long_seeds: Annotated[int | None, Field(ge=1), AtMost(1000)] = None
    reference: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()
    source: str = ""


SEEKS_FRONT = ("dyna", "random")
"""Controllers that need no reward to climb."""


@validated
class Settings:
    """Everything that determines a run; the same settings, on one worker, give the same trials.

    Args:
        space_text: the whole TOML file of a space that was read from one, which is then not needed again.
        files: SHA-256 of a device, and of the user's own code, by the name of the field that names the file.
        confirmations: networks to train again at the end, each on ``confirm_seeds`` fresh seeds.
        baselines: known networks, as text by name, to train beside these on as many seeds; or, where networks
            are no ``ArchSpec``, their decisions: ``scaler=none model=svc``.
        scheduler: ``fifo`` trains every trial to its end, ``asha`` stops the worse ones early.
        networks: architectures, as text, to try in turn in place of a space.
        scaling: for a scaling run, whose candidates are tried in turn.
        audit: for an audit, which trains ``networks``.
        data_seed: for the split of the images; None takes ``seed``, which draws everything else.
        task: what the images ask of networks; None where nothing is trained, and in older runs.
        init: the pretrained weights that networks begin with; None for fresh ones.
        tuned: how the weights' own network is first fine-tuned on the images, for candidates to inherit from
            the result; None where weights are taken as they are, and in older runs.
        teacher: for a training run, the trained network whose outputs it learns too; None for labels alone.
        patience: a training run ends after this many epochs without a better accuracy; 0 for never.
        device: what predicts ``latency``, ``table:FILE`` or ``predictor:FILE``, or measures it in each trial;
            empty for none.
        reference_ms: the latency of the reference network when the run began; 0 where nothing is measured.
        track: the trackers that are told of the run: names, and FILE.py:NAME.
        keep: for a training run, the weights of its ``best`` epoch or of its ``last``, as in older runs.
    """

    space: str
    trials: Annotated[int, Field(ge=1), AtMost(10**9)]
    data: str
    evaluator: str
    controller: str
    objective: Objective
    recipe: Recipe
    seed: Annotated[int, Field(ge=0)] = 0
    confirmations: Annotated[int, Field(ge=0, title="confirm"), AtMost(10**9)] = 0
    confirm_seeds: Annotated[int, Field(ge=1), AtMost(1000)] = 1
    baselines: Mapping[str, str] = field(default_factory=dict)
    controller_settings: Mapping[str, bool | str | int | float] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    scheduler: Annotated[str, OneOf(("fifo", "asha"))] = "fifo"
    networks: tuple[str, ...] = ()
    scaling: Scaling | None = None
    audit: Audit | None = None
    data_seed: Annotated[int | None, Field(ge=0)] = None
    task: Task | None = None
    init: Init | None = None
    teacher: Init | None = None
    tuned: Recipe | None = None
    keep: Annotated[str, OneOf(("best", "last"))] = "last"
    patience: Annotated[int, Field(ge=0), AtMost(1_000_000)] = 0
    space_text: str = ""
    device: str = ""
    reference_ms: Annotated[float, Field(ge=0)] = 0.0
    files: Mapping[str, str] = field(default_factory=dict)
    track: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("seed", "data_seed"):
            if (value := getattr(self, name) or 0) >= 2**63:  # more than SQLite and torch take
                raise ValueError(f"{name} must be below 2^63, got {value}")
        known = [text for text in self.baselines.values() if not (is_own(self.space) and "=" in text)]
        for network in (*self.networks, *known):
            ArchSpec.parse(network)
        for name in ("init", "teacher"):
            if (weights := getattr(self, name)) and self.evaluator != "train":
                raise ValueError(f"{name} must be left out where nothing is trained, got {weights.source}")
        if (metric := self.recipe.metric) != "accuracy":
            if self.evaluator != "train":
                raise ValueError(f"metric must be accuracy where nothing is trained, got {metric}")
            if self.kind == "training":
                raise ValueError(f"metric must be accuracy where one network is trained, got {metric}")
        if self.device and "latency" not in self.objective.costs:
            raise ValueError(f"device must stand with a target of its latency, got {self.device}")
        if self.objective.seeks_front and self.kind == "search" and self.controller not in SEEKS_FRONT:
            raise ValueError(
                f"controller must be one of {SEEKS_FRONT} where `reward` is pareto, got {self.controller}"
            )
        if self.scheduler == "asha" and self.resources.address == "inline":
            raise ValueError("scheduler asha is Ray Tune's and needs `address` local or auto, got inline")

    @property
    def kind(self) -> str:
        """The key of the run's kind in ``nas.runs.kinds.KINDS``; derived, so that older runs have it too."""
        if self.scaling:
            return "sweep" if self.scaling.sweep else "scaling"
        if self.audit:
            return "audit"
        return "training" if self.networks else "search"

    @property
    def trains(self) -> bool:
        """Whether networks are trained, here or by the user's own evaluation, and not looked up."""
        return self.evaluator == "train" or is_own(self.evaluator)

    @property
    def split_seed(self) -> int:
        """The seed of the split of the images."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def reference(self) -> int | None:
        """The ``reference`` of ``Recipe.shrink``, where networks differ in resolution; otherwise None.

        It is the resolution of a scaling run's base, or the largest of a space that has several.
        """
        if self.scaling:
            return self.scaling.arch.resolution
        resolutions = read_space(self.space_text, self.space).resolutions if self.space_text else ()
        if not resolutions:
            return None
        return self.task.resolution if self.task and self.task.resolution else max(resolutions)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """The inverse of ``to_json``, also for older runs; ignores other keys. Errors as ``read_json``."""
        if "proxy" in data:  # the recipe's name in the first runs
            data = {"recipe": data["proxy"], **data}
        return read_json(cls, {name: data[name] for name in cls.__dataclass_fields__ if name in data})
