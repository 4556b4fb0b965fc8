"""A search space is data (named decisions) and one pure function from choices to a network.

    actions (indices) --decode--> choices --build--> Built --price--> costs by name

Controllers see only the decisions. Networks are ``ArchSpec`` in our spaces, which also ``encode`` them.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from search_spaces.arch import ArchSpec, LayerSpec, StageSpec
from search_spaces.canonical_form import canonical
from search_spaces.cost import Cost
from search_spaces.cost import cost as closed_form
from search_spaces.limits import MOST_SHOWN

if TYPE_CHECKING:
    from search_spaces.stages import SpaceForm

Choice = str | int | float
Actions = tuple[int, ...]
"""One index into ``choices`` per decision."""
Frame = Callable[[tuple[StageSpec, ...]], ArchSpec]
Built = Any
"""An ``ArchSpec``; in a space of one's own, any hashable object whose ``str`` tells it from all others."""
Build = Callable[[tuple[Choice, ...]], Built]
Price = Callable[[Built], Cost | Mapping[str, float]]


@dataclass(frozen=True)
class Decision:
    """One named choice. Controllers may use the order of numbers; options without an order are strings.

    Raises:
        ValueError: if there are no choices, or one is repeated.
    """

    name: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices or len(set(self.choices)) != len(self.choices):
            raise ValueError(f"decision {self.name!r} needs distinct choices, got {self.choices}")


@dataclass(frozen=True)
class Slot:
    """A place in the network: its decisions, and the stage that their choices build, or None for no stage.

    Every stage of a slot has the same stride.
    """

    decisions: tuple[Decision, ...]
    stage: Callable[..., StageSpec | None]

    @functools.cached_property
    def stages(self) -> dict[Actions, StageSpec | None]:
        """Every combination of this slot's actions, with its stage; the last decision changes fastest."""
        return {
            actions: self.stage(*(d.choices[a] for d, a in zip(self.decisions, actions, strict=True)))
            for actions in itertools.product(*(range(len(d.choices)) for d in self.decisions))
        }


@dataclass(frozen=True)
class SearchSpace:
    """Named decisions and the network that their choices build.

    Args:
        name: the key in ``SPACES``.
        decisions: in the order in which a controller makes them.
        build: from the chosen values, one per decision, to a network.
        slots: where the stages come from, if each depends on its own decisions only, as in
            ``staged``; they make ``encode`` and the vectorised cost fast.
        num_classes: classes of the task that the space was published for; costs include that classifier.
        in_channels: of its images; costs include that stem.
        form: the same as data, if it can be written so.
        resolutions: in pixels, if there are several: the first decision is which of them.
        cost: what a network costs, by name; an ``ArchSpec`` also has the costs of the closed form.
    """

    name: str
    decisions: tuple[Decision, ...]
    build: Build
    slots: tuple[Slot, ...] = ()
    num_classes: int = 1000
    in_channels: int = 3
    form: SpaceForm | None = field(default=None, compare=False, repr=False)
    resolutions: tuple[int, ...] = ()
    cost: Price | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "decisions", tuple(self.decisions))
        names = [decision.name for decision in self.decisions]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"space {self.name!r} needs decisions of distinct names, got {names}")

    @property
    def size(self) -> int:
        """The number of action sequences; several may give the same network."""
        return math.prod(len(decision.choices) for decision in self.decisions)

    @property
    def has_archs(self) -> bool:
        """Whether its networks are ``ArchSpec``."""
        return isinstance(self.first, ArchSpec)

    @property
    def resolution(self) -> int:
        """Of its networks, in pixels: the largest choice; of the first one in a list of networks."""
        return max(self.resolutions) if self.resolutions else self.first.resolution

    def at(self, resolution: int, num_classes: int) -> SearchSpace:
        """The same networks at another ``resolution``, in pixels, for a task with ``num_classes``.

        Of several resolutions the largest becomes this one, and the others change in proportion.
        """
        own = self.resolution
        build = functools.partial(_resized, self.build, resolution, own)
        changed = tuple(_in_proportion(each, resolution, own) for each in self.resolutions)
        return dataclasses.replace(self, build=build, num_classes=num_classes, resolutions=changed)

    def of_resolution(self, choice: int) -> SearchSpace:
        """The networks of one of ``resolutions``, by its index, without that decision."""
        build = functools.partial(_with_first, self.build, self.decisions[0].choices[choice])
        return dataclasses.replace(self, decisions=self.decisions[1:], build=build, resolutions=())

    def price(self, network: Built) -> dict[str, float]:
        """What is known of a network's cost before any trial, by name; empty if nothing is."""
        known: dict[str, float] = {}
        if isinstance(network, ArchSpec):
            known |= closed_form(network, self.num_classes, self.in_channels)._asdict()
        if self.cost is not None:
            found = self.cost(network)
            known |= found._asdict() if isinstance(found, Cost) else found
        return known

    @functools.cached_property
    def priced(self) -> tuple[str, ...]:
        """The names of the costs that are known of its networks before any trial, by that of the first."""
        return tuple(self.price(self.first))

    def sample(self, rng: np.random.Generator) -> Actions:
        """Actions drawn uniformly, each decision independently."""
        return tuple(int(rng.integers(len(decision.choices))) for decision in self.decisions)

    def check(self, actions: Sequence[int]) -> Actions:
        """``actions`` as a tuple of ints.

        Raises:
            ValueError: if there is not one index per decision, or an index is out of range.
        """
        if len(actions) != len(self.decisions):
            raise ValueError(f"space {self.name!r} takes {len(self.decisions)} actions, got {len(actions)}")
        for decision, action in zip(self.decisions, actions, strict=True):
            if not 0 <= action < len(decision.choices) or int(action) != action:
                raise ValueError(
                    f"{decision.name} must be an index in [0, {len(decision.choices)}), got {action!r}"
                )
        return tuple(map(int, actions))

    def check_all(self, rows: Sequence[Actions]) -> None:
        """``check`` for many actions at once. Errors as ``check``."""
        limits = [len(decision.choices) for decision in self.decisions]
        if not rows or (set(map(len, rows)) == {len(limits)} and (np.array(rows) < limits).all()):
            return
        for actions in rows:
            self.check(actions)

    def choices(self, actions: Sequence[int]) -> tuple[Choice, ...]:
        """The chosen values, one per decision."""
        return tuple(d.choices[a] for d, a in zip(self.decisions, self.check(actions), strict=True))

    def decode(self, actions: Sequence[int]) -> Built:
        """The network of ``actions``; actions that give the same network give equal specs, or equal texts.

        Raises:
            ValueError: as ``check``.
        """
        built = self.build(self.choices(actions))
        return canonical(built) if isinstance(built, ArchSpec) else built

    @property
    def first(self) -> Built:
        """The network of the first choice of each decision."""
        return self.decode([0] * len(self.decisions))

    def encode(self, arch: ArchSpec) -> Actions:
        """The first actions that decode to the same network as ``arch``.

        Raises:
            ValueError: if the space does not hold ``arch``.
        """
        wanted = canonical(arch)
        if wanted.resolution in self.resolutions:
            choice = self.resolutions.index(wanted.resolution)
            return (choice, *self.of_resolution(choice).encode(arch))
        held = (
            ()
            if self.resolutions
            else _parse_layers(self.slots, wanted)
            if self.slots
            else self._all_actions()
        )
        for actions in held:
            if self.decode(actions) == wanted:
                return actions
        raise ValueError(f"space {self.name!r} does not hold {str(arch)[:MOST_SHOWN]}")

    def _all_actions(self) -> Iterator[Actions]:
        if self.size > 1_000_000:
            raise ValueError(
                f"space {self.name!r} has no slots and is too large to search ({self.size:,} sequences)"
            )
        return itertools.product(*(range(len(d.choices)) for d in self.decisions))


def staged(
    name: str,
    slots: Sequence[Slot],
    frame: Frame,
    num_classes: int = 1000,
    form: SpaceForm | None = None,
    resolutions: tuple[int, ...] = (),
) -> SearchSpace:
    """A space whose networks are ``frame`` around one stage per slot, each chosen by its own decisions."""
    slots = tuple(slots)
    decisions = tuple(decision for slot in slots for decision in slot.decisions)
    build = functools.partial(_build_slots, slots, frame)
    if resolutions:
        decisions = (Decision("resolution", resolutions), *decisions)
        build = functools.partial(_build_sized, build)
    return SearchSpace(name, decisions, build, slots, num_classes, form=form, resolutions=resolutions)


def _in_proportion(each: int, resolution: int, own: int) -> int:
    return max(1, round(each * resolution / own))


def _resized(build: Build, resolution: int, own: int, choices: tuple[Choice, ...]) -> ArchSpec:
    arch: ArchSpec = build(choices)
    return dataclasses.replace(arch, resolution=_in_proportion(arch.resolution, resolution, own))


def _with_first(build: Build, first: Choice, choices: tuple[Choice, ...]) -> Built:
    return build((first, *choices))


def _build_sized(build: Build, choices: tuple[Choice, ...]) -> ArchSpec:
    arch: ArchSpec = build(choices[1:])
    return dataclasses.replace(arch, resolution=int(choices[0]))


def _build_slots(slots: tuple[Slot, ...], frame: Frame, choices: tuple[Choice, ...]) -> ArchSpec:
    left = iter(choices)
    stages = [slot.stage(*itertools.islice(left, len(slot.decisions))) for slot in slots]
    return frame(tuple(filter(None, stages)))


def _parse_layers(slots: tuple[Slot, ...], arch: ArchSpec) -> Iterator[Actions]:
    """The actions of every way to divide the layers of ``arch`` among the slots, in order."""
    layers = arch.layers()

    def parse(slot: int, start: int, in_channels: int) -> Iterator[Actions]:
        if slot == len(slots):
            if start == len(layers):
                yield ()
            return
        lengths, actions = _actions_for(slots[slot], in_channels)
        runs = (layers[start : start + length] for length in lengths)
        for first, run in sorted((actions[run], run) for run in set(runs) if run in actions):
            for rest in parse(slot + 1, start + len(run), run[-1].channels if run else in_channels):
                yield first + rest

    return parse(0, 0, arch.stem_channels)


@functools.lru_cache(maxsize=256)
def _actions_for(slot: Slot, in_channels: int) -> tuple[list[int], dict[tuple[LayerSpec, ...], Actions]]:
    """Lengths of the runs of layers that the slot can build, longest first, and each run's first actions."""
    found: dict[tuple[LayerSpec, ...], Actions] = {}
    for actions, stage in slot.stages.items():
        found.setdefault(stage.layers(in_channels) if stage else (), actions)
    return sorted({len(run) for run in found}, reverse=True), found


def listed(name: str, archs: Sequence[str], num_classes: int = 1000) -> SearchSpace:
    """A space of one decision: which of ``archs``, given as text."""
    decision = Decision("network", tuple(archs))
    return SearchSpace(name, (decision,), lambda chosen: ArchSpec.parse(str(chosen[0])), (), num_classes)
