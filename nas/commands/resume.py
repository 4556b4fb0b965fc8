"""``nas resume``: goes on with a run that was interrupted."""

from __future__ import annotations

import dataclasses
from typing import Any

from nas.commands.arguments import absolute, checked, parse_bytes, parse_seconds
from nas.commands.declare import declared
from nas.commands.options import QuietOption, ResumeOptions, RunArgument
from nas.commands.running import watch
from nas.errors import InputError


@declared()
def resume(run: RunArgument, options: ResumeOptions, quiet: QuietOption = False) -> None:
    """Finish an interrupted search or training, exactly as it would have gone."""
    from nas.launch import launch
    from nas.runs.config import read_settings
    from nas.screens.views import VIEWS

    given: dict[str, Any] = dataclasses.asdict(options)
    given = {name: value for name, value in given.items() if value is not None}
    given["max_hours"] = options.max_hours  # it is one command's: what an earlier one was given is over
    if options.cache_size is not None:
        given["cache_size"] = parse_bytes(options.cache_size)
    if options.trial_timeout is not None:
        given["trial_timeout"] = parse_seconds(options.trial_timeout, "trial_timeout")
    before = read_settings(run)
    if options.max_hours is not None and before.kind != "search":
        raise InputError(f"max_hours must be left out where nothing is searched, got {options.max_hours:g}")
    data = given.pop("data", None)
    with checked():
        resources = dataclasses.replace(before.resources, **given)
    screen = VIEWS[before.kind].screen(quiet=quiet)
    screen.on_made(run)
    watch(screen, lambda: launch.resume(run, screen, resources, data and absolute(data)))
