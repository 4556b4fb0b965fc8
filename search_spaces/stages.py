"""A staged space as data: in every stage what is fixed and what is chosen, inside one skeleton.

    SpaceForm --space_from--> SearchSpace, whose ``form`` it is

``search_spaces.toml_form`` reads and writes the same as TOML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from search_spaces.arch import WITH_SE, ArchSpec, StageSpec
from search_spaces.rounding import round_channels
from search_spaces.space import Choice, Decision, SearchSpace, Slot, staged

FIELDS = ("op", "kernel", "expand_ratio", "se_ratio", "skip", "layers", "channels", "filters")
"""What a stage may fix or choose, in the order of its decisions."""
CALLED = {"se_ratio": "se"}
"""What a field is called in the name of its decision, where that is not its own name."""
DEFAULTS: Mapping[str, Choice] = {"se_ratio": 0.0, "skip": "identity", "filters": 1.0}
SKELETON = ("resolution", "activation", "stem_channels", "head_channels")
STEM: Mapping[str, int] = {"stem_stride": 2, "stem_kernel": 3, "stem_pool": False}
"""What a skeleton may say besides, and what it is otherwise."""
EXPANDING = "mbconv"
"""The op with an expand_ratio, which may stand in its name: ``mbconv6``."""


@dataclass(frozen=True)
class Row:
    """One choice of a decision, and the fields of its stage that it sets."""

    choice: Choice
    sets: Mapping[str, Choice]


@dataclass(frozen=True)
class StageDecision:
    """A decision of a stage, by its full name."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class StageForm:
    """A stage of a space: what is fixed, by field, and its decisions, in order.

    Args:
        name: begins the names of its decisions.
        stride: of its first layer; it is no choice, as the strides belong to the skeleton.
        fixed: values of ``FIELDS``. ``layers`` may be 0: the stage is then absent. ``filters`` multiplies
            ``channels``, rounded to a multiple of 8.
    """

    name: str
    stride: int
    fixed: Mapping[str, Choice]
    decisions: tuple[StageDecision, ...]


@dataclass(frozen=True)
class SpaceForm:
    """A staged space.

    Args:
        skeleton: the arguments of ``ArchSpec`` beside its stages, by name.
        classes: ``SearchSpace.num_classes``.
        resolutions: in pixels, if it is a decision; the skeleton has one of them.
    """

    name: str
    skeleton: Mapping[str, Any]
    stages: tuple[StageForm, ...]
    classes: int = 1000
    resolutions: tuple[int, ...] = ()


def stage_form(
    name: str, stride: int, options: Mapping[str, Choice | Sequence[Choice]], *more: StageDecision
) -> StageForm:
    """A stage from the ``options`` of its fields; several values of one are a decision.

    Args:
        more: decisions that set several fields at once, or are called otherwise.
    """
    fixed: dict[str, Choice] = {}
    decisions = []
    for field in (field for field in FIELDS if field in options):
        value = options[field]
        choices = (value,) if isinstance(value, str | int | float) else tuple(value)
        if len(choices) == 1:
            fixed[field] = choices[0]
        else:
            rows = tuple(Row(choice, {field: choice}) for choice in choices)
            decisions.append(StageDecision(plain_name(name, field), rows))
    return StageForm(name, stride, fixed, (*decisions, *more))


def plain_name(stage: str, field: str) -> str:
    """The name of the decision that sets one field of a stage to the choice itself."""
    return f"{stage}_{CALLED.get(field, field)}"


def space_from(form: SpaceForm) -> SearchSpace:
    """The space that ``form`` describes."""
    slots = [
        Slot(
            tuple(Decision(one.name, tuple(row.choice for row in one.rows)) for one in stage.decisions),
            partial(
                _stage,
                stage.stride,
                stage.fixed,
                tuple({row.choice: row.sets for row in one.rows} for one in stage.decisions),
            ),
        )
        for stage in form.stages
    ]
    return staged(form.name, slots, partial(ArchSpec, **form.skeleton), form.classes, form, form.resolutions)


def expand_ratio_of(op: str) -> int | None:
    """The expand_ratio that the name of an op holds: 6 for ``mbconv6``."""
    digits = op.removeprefix(EXPANDING)
    return int(digits) if digits != op and digits.isascii() and digits.isdigit() else None


def _stage(
    stride: int,
    fixed: Mapping[str, Choice],
    sets: Sequence[Mapping[Choice, Mapping[str, Choice]]],
    *chosen: Choice,
) -> StageSpec | None:
    """The stage of the values ``chosen``; fields that its op does not have are left out.

    So a choice that only exists with another one, such as an expand_ratio where op may be conv, makes no
    difference where it does not exist.
    """
    values: dict[str, Any] = {**DEFAULTS, **fixed}
    for rows, choice in zip(sets, chosen, strict=True):
        values.update(rows[choice])
    if values["layers"] == 0:
        return None
    op, expand_ratio = values["op"], expand_ratio_of(values["op"])
    if expand_ratio is not None:
        op = EXPANDING
    elif op == EXPANDING:
        expand_ratio = values.get("expand_ratio")
        if expand_ratio is None:
            raise ValueError("expand_ratio is missing: op mbconv needs one, or is written as mbconv6")
    channels = values["channels"]
    if values["filters"] != 1.0:
        channels = round_channels(values["filters"] * channels)
    shape = (values["layers"], values["kernel"], stride, expand_ratio or 1, channels)
    se_ratio = values["se_ratio"] if op in WITH_SE else 0.0
    skip = "identity" if op == "bottleneck" else values["skip"]
    return StageSpec(op, *shape, se_ratio, skip)
