"""Families: a base and its scaled models, by the formula or as published, and their JSON form.

The published table does not follow from the formula. The sizes of EfficientNet-B1 to B7 were rounded, and
their resolutions set, by hand: no phi gives all three sizes of B4, B5, B6 or B7 (see ``explain``).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scaling_search.compound import MOST, Coefficients, limited, scale
from search_spaces import PRESETS, ArchSpec, cost
from search_spaces.limits import MOST_CLASSES, require_size, shown
from search_spaces.presets import EFFICIENTNET_COEFFICIENTS

PHIS = {"B0": 0.0, "B1": 0.5, "B2": 1.0, "B3": 2.0, "B4": 3.5, "B5": 5.0, "B6": 6.0, "B7": 7.0}
"""The phi of each model. Neither the paper nor its code gives it; with these values, one alpha and one
beta reproduce every published depth and width (tensorflow/tpu#390)."""


@dataclass(frozen=True)
class Model:
    """A member of a family.

    Args:
        phi: the exponent of its scaling; None if no phi gives its size.
        depth: multiplier of repeats, before rounding.
        width: multiplier of channels, before rounding.
        dropout: rate before the classifier.
        num_classes: outputs of the classifier, which costs include.
        latency: milliseconds on a device; None if that is not known.
    """

    arch: ArchSpec
    phi: float | None
    depth: float
    width: float
    dropout: float
    num_classes: int = 1000
    latency: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The keys of ``nas show --json``, then the other fields; ``num_classes`` unless it is 1000.

        ``latency`` only if it is known.
        """
        names = ["phi", "depth", "width", "dropout"] + ["num_classes"] * (self.num_classes != 1000)
        names += ["latency"] * (self.latency is not None)
        shown = {name: getattr(self, name) for name in names}
        costs = cost(self.arch, self.num_classes)._asdict()
        return {"arch": str(self.arch), **costs, "resolution": self.arch.resolution, **shown}


def dropout(phi: float) -> float:
    """The dropout rate of the largest published model whose phi is at most ``phi``: 0.2 to 0.5."""
    return 0.2 if phi < PHIS["B2"] else 0.3 if phi < PHIS["B4"] else 0.4 if phi < PHIS["B6"] else 0.5


def member(
    base: ArchSpec,
    coefficients: Coefficients,
    phi: float,
    *,
    rounding: str = "ceil",
    multiple: int = 8,
    late_depth: bool = False,
    largest: int | None = None,
    num_classes: int = 1000,
) -> Model:
    """The model of ``base``'s family by the formula at ``phi``.

    Args:
        largest: a resolution, in pixels, that it does not exceed, see ``limited``; None for no limit.
        num_classes: of the task.

    Raises:
        ValueError: as ``scale``.
    """
    own = limited(base, coefficients, phi, largest, multiple=multiple) if largest else coefficients
    arch = scale(base, own, phi, rounding=rounding, multiple=multiple, late_depth=late_depth)
    return Model(arch, phi, own.alpha**phi, own.beta**phi, dropout(phi), num_classes)


def models(
    base: ArchSpec,
    coefficients: Coefficients,
    phis: Mapping[str, float] = PHIS,
    *,
    rounding: str = "ceil",
    multiple: int = 8,
    num_classes: int = 1000,
) -> dict[str, Model]:
    """The ``member`` of each of ``phis``, by name."""
    return {
        name: member(base, coefficients, phi, rounding=rounding, multiple=multiple, num_classes=num_classes)
        for name, phi in phis.items()
    }


def family(
    base: ArchSpec, coefficients: Coefficients, phis: Mapping[str, float] = PHIS, *, rounding: str = "ceil"
) -> dict[str, ArchSpec]:
    """The networks of ``models``."""
    return {name: model.arch for name, model in models(base, coefficients, phis, rounding=rounding).items()}


def published() -> dict[str, Model]:
    """EfficientNet as released, B0 to B8 and L2, from the official table, not from the formula.

    The phis are those of ``PHIS``, and 8 for B8; L2 has none.
    """
    found = {}
    for preset, (width, depth, _, rate) in EFFICIENTNET_COEFFICIENTS.items():
        name = preset.removeprefix("efficientnet-").upper()
        found[name] = Model(PRESETS[preset], {**PHIS, "B8": 8.0}.get(name), depth, width, rate)
    return found


def to_json(family: Mapping[str, Model], coefficients: Coefficients) -> dict[str, Any]:
    """The contents of ``family.json``."""
    models = {name: model.to_json() for name, model in family.items()}
    return {**models, "coefficients": dataclasses.asdict(coefficients)}


def from_json(data: object) -> tuple[dict[str, Model], Coefficients]:
    """The inverse of ``to_json``.

    Raises:
        ValueError: if a model or the coefficients are missing or damaged, or a cost is wrong.
    """
    if not isinstance(data, Mapping) or "coefficients" not in data or len(data) < 2:
        raise ValueError("a family must be a JSON object of models and 'coefficients'")
    family = {name: _model(name, value) for name, value in data.items() if name != "coefficients"}
    given = data["coefficients"]
    if not isinstance(given, Mapping) or set(given) != {"alpha", "beta", "gamma"}:
        raise ValueError(f"coefficients must be alpha, beta and gamma, got {shown(given)}")
    return family, Coefficients(
        **{name: _number("coefficients", given, name, -math.inf, math.inf) for name in given}
    )


def _model(name: str, data: object) -> Model:
    if not isinstance(data, Mapping):
        raise ValueError(f"{name} must be a JSON object, got {shown(data)}")
    if not (name.isprintable() and 0 < len(name) <= 100):
        raise ValueError(f"a model's name must be 1 to 100 printable characters, got {shown(name)}")
    phi = None if data.get("phi", 0) is None else _number(name, data, "phi", 0, MOST)
    depth, width = (_number(name, data, key, 0, MOST) for key in ("depth", "width"))
    rate = _number(name, data, "dropout", 0, 1)
    classes = data.get("num_classes", 1000)
    require_size(f"{name}'s num_classes", classes, MOST_CLASSES)
    latency = _number(name, data, "latency", 0, math.inf) if "latency" in data else None
    model = Model(ArchSpec.from_json(data), phi, depth, width, rate, classes, latency)
    for key, value in model.to_json().items():
        if key in ("flops", "params", "activations", "resolution") and data.get(key) != value:
            raise ValueError(f"{name}'s {key} must be its network's {value:,}, got {shown(data.get(key))}")
    return model


def _number(name: str, data: Mapping[str, Any], key: str, least: float, most: float) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}'s {key} must be a number, got {shown(value)}")
    if not least <= value <= most:
        raise ValueError(f"{name}'s {key} must lie in [{least}, {most}], got {shown(value)}")
    return value
