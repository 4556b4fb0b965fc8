"""Writes and reads ``family.json`` and ``family.csv``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from nas.errors import InputError
from nas.files import is_file, read_json, read_text, write_csv, write_json
from scaling_search import Coefficients, Model, from_json, to_json
from search_spaces import cost


def family_frame(family: Mapping[str, Model]) -> pd.DataFrame:
    """``family.csv``: one row per model, with its channels and repeats stage by stage."""
    first = next(iter(family.values()))
    base = cost(first.arch, first.num_classes).flops
    measured = all(model.latency for model in family.values())
    rows = []
    for name, model in family.items():
        values, arch = model.to_json(), model.arch
        rows.append(
            {
                "model": name,
                **{key: values[key] for key in ("phi", "depth", "width", "resolution")},
                "stem_channels": arch.stem_channels,
                "channels": " ".join(str(stage.channels) for stage in arch.stages),
                "head_channels": arch.head_channels,
                "repeats": " ".join(str(stage.repeats) for stage in arch.stages),
                **{key: values[key] for key in ("flops", "params", "activations")},
                "growth": values["flops"] / base,
                "nominal_growth": float("nan") if model.phi is None else 2.0**model.phi,
                **(_latency_columns(model, first) if measured else {}),
                "dropout": model.dropout,
                "arch": values["arch"],
            }
        )
    return pd.DataFrame(rows)


def _latency_columns(model: Model, first: Model) -> dict[str, float]:
    """What a model takes, in milliseconds, and how many times as long as the first one."""
    assert model.latency
    assert first.latency
    return {"latency": model.latency, "latency_growth": model.latency / first.latency}


def coefficients_line(coefficients: Coefficients) -> str:
    """The coefficients, and the factor by which they multiply FLOPs per unit of phi."""
    return f"alpha, beta, gamma = {coefficients}, alpha * beta^2 * gamma^2 = {coefficients.product:.3f}"


def write_family(directory: Path, family: Mapping[str, Model], coefficients: Coefficients) -> None:
    """Writes ``family.json`` and ``family.csv``."""
    write_json(directory / "family.json", to_json(family, coefficients))
    write_csv(directory / "family.csv", family_frame(family))


def keep_latencies(directory: Path, family: Mapping[str, Model]) -> dict[str, Model]:
    """``family`` with the latencies that the one in ``directory`` has of the same networks."""
    file = directory / "family.json"
    before = read_family(file)[0].values() if is_file(file) else ()
    known = {(model.arch, model.num_classes): model.latency for model in before}
    return {
        name: replace(model, latency=known.get((model.arch, model.num_classes), model.latency))
        for name, model in family.items()
    }


def is_family(file: Path) -> bool:
    """Whether a file is meant to be a ``family.json``, valid or not."""
    try:
        return is_file(file) and '"coefficients"' in read_text(file)
    except (OSError, UnicodeDecodeError):
        return False


def read_family(file: Path) -> tuple[dict[str, Model], Coefficients]:
    """The inverse of ``write_family``; InputError if the file is missing or damaged."""
    try:
        return from_json(read_json(file))
    except (OSError, ValueError) as error:
        raise InputError(f"arch must be a readable family ({error}): {file}") from None
