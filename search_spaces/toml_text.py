"""A staged space as the TOML text that ``search_spaces.toml_form`` reads."""

from __future__ import annotations

import json
from typing import Any

from search_spaces.space import SearchSpace
from search_spaces.stages import FIELDS, SKELETON, STEM, StageDecision, StageForm, plain_name


def write_space(space: SearchSpace) -> str:
    """The TOML text of a staged space, from which ``read_space`` makes the same decisions and networks.

    Raises:
        ValueError: if the space was not made of stages.
    """
    form = space.form
    if form is None:
        raise ValueError(f"space {space.name!r} is not made of stages that can be written")
    skeleton = {**form.skeleton, "resolution": form.resolutions or form.skeleton["resolution"]}
    lines = [f"classes = {form.classes}"]
    lines += [f"{key} = {_toml(skeleton[key])}" for key in SKELETON]
    lines += [
        f"{key} = {_toml(skeleton[key])}" for key, usual in STEM.items() if skeleton.get(key, usual) != usual
    ]
    for number, stage in enumerate(form.stages, 1):
        lines += ["", "[[stage]]"]
        lines += [f"name = {_toml(stage.name)}"] * (stage.name != f"stage{number}")
        lines.append(f"stride = {stage.stride}")
        plain = {key: one for one in stage.decisions if (key := _plain_field(stage, one))}
        for key in FIELDS:
            if key in plain:
                lines.append(f"{key} = {_toml([row.choice for row in plain[key].rows])}")
            elif key in stage.fixed:
                lines.append(f"{key} = {_toml(stage.fixed[key])}")
        for one in stage.decisions:
            if one not in plain.values():
                rows = [{"choice": row.choice, **row.sets} for row in one.rows]
                inside = [
                    f"  {{ {', '.join(f'{key} = {_toml(value)}' for key, value in row.items())} }},"
                    for row in rows
                ]
                lines += ["", "[[stage.decision]]", f"name = {_toml(one.name)}", "choices = [", *inside, "]"]
    return "\n".join(lines) + "\n"


def _plain_field(stage: StageForm, one: StageDecision) -> str | None:
    """The field that a decision sets to its choices, and is called by."""
    field = next(iter(one.rows[0].sets), "")
    plain = one.name == plain_name(stage.name, field) and len(one.rows) > 1
    return field if plain and all(row.sets == {field: row.choice} for row in one.rows) else None


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)
