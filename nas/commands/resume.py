"""``nas resume``: goes on with a run that was interrupted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from nas.commands.arguments import absolute, checked, code_of, read_resources
from nas.commands.declare import declared
from nas.commands.options import AS_SEARCH, MaxHoursOption, QuietOption, RunArgument
from nas.commands.running import interruptible, watch
from nas.commands.values import TRACKERS
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.spec.listener import Listener
    from nas.spec.settings import Settings


MOVED = "The run's own, named again: it runs without --trust-code, and may be in another place."


@dataclass(frozen=True)
class ResumeOptions:
    """Where the images are, and where the trials that are left run; None leaves it as before."""

    data: Annotated[
        str | None,
        Option(show_default="as before", help="Where the same images are now, if they were moved."),
    ] = None
    max_hours: MaxHoursOption = None
    track: Annotated[
        list[str] | None,
        Option(
            metavar=TRACKERS, show_default="as before", help="As for nas search; none goes on without any."
        ),
    ] = None
    trust_code: Annotated[
        bool,
        Option(
            "--trust-code",
            help="Run the run's own code: a space, evaluator, controller or tracker of FILE.py:NAME, a "
            "device's command:PROGRAM.",
        ),
    ] = False
    space: Annotated[str | None, Option(metavar="FILE.py:NAME", show_default="as before", help=MOVED)] = None
    evaluator: Annotated[str | None, Option(metavar="FILE.py:NAME", show_default="as before", help=MOVED)] = (
        None
    )
    workers: Annotated[int | None, Option(show_default="as before", help=AS_SEARCH)] = None
    cpus_per_trial: Annotated[float | None, Option(show_default="as before", help=AS_SEARCH)] = None
    gpus_per_trial: Annotated[float | None, Option(show_default="as before", help=AS_SEARCH)] = None
    address: Annotated[str | None, Option(show_default="as before", help=AS_SEARCH)] = None
    cache_size: Annotated[str | None, Option(metavar="BYTES", show_default="as before", help=AS_SEARCH)] = (
        None
    )
    max_retries: Annotated[int | None, Option(show_default="as before", help=AS_SEARCH)] = None
    trial_timeout: Annotated[str | None, Option(metavar="TIME", show_default="as before", help=AS_SEARCH)] = (
        None
    )


@declared()
def resume(run: RunArgument, options: ResumeOptions, quiet: QuietOption = False) -> None:
    """Finish an interrupted search or training, exactly as it would have gone."""
    with interruptible():
        resumed(run, options, quiet=quiet)


def resumed(run: RunArgument, options: ResumeOptions, *, quiet: bool = False) -> Run:
    """Finishes an interrupted search or training, exactly as it would have gone."""
    from nas.launch.resume import Again
    from nas.launch.resume import resume as resume_run
    from nas.launch.scaling_latency import add_latencies, lacks_latencies
    from nas.runs.config import read_settings
    from nas.runs.run import open_run
    from nas.screens.views import VIEWS
    from nas.trackers.chosen import choose

    given = read_resources(dataclasses.asdict(options))
    given["max_hours"] = options.max_hours  # it is one command's: what an earlier one was given is over
    before = read_settings(run)
    if options.max_hours is not None and before.kind != "search":
        raise InputError(f"max_hours must be left out where nothing is searched, got {options.max_hours:g}")
    data, _ = given.pop("data", None), given.pop("track", None)
    code = named_again({field: given.pop(field, None) for field in ("space", "evaluator")}, before)
    del given["trust_code"]
    with checked():
        resources = dataclasses.replace(before.resources, **given)
    chosen = choose(options.track) if options.track else choose(*tracked_before(before, options))
    screen = VIEWS[before.kind].screen(quiet=quiet)
    screen.on_made(run)
    again = Again(resources, data and moved_images(data, before), options.trust_code, code)

    def work(listener: Listener) -> Run:
        if not lacks_latencies(run):
            resume_run(run, listener, again)
        add_latencies(run, listener, trusted=again.trusted)
        return open_run(run)

    return watch(screen, work, chosen)


def tracked_before(before: Settings, options: ResumeOptions) -> tuple[Sequence[str], str]:
    """The trackers that the run began with, and the SHA-256 of their code.

    Raises:
        InputError: if there is code among them, and it is not trusted.
    """
    from nas.spec.own import is_code

    code = [name for name in before.track if is_code(name)]
    if code and not options.trust_code:
        raise InputError(f"trust_code must be given to run the code of {code[0]}")
    return before.track, before.files.get("track", "")


def moved_images(text: str, before: Settings) -> str:
    """Where a run's images are now; code that gives them must be what it was."""
    from nas.launch.own_run import take

    if code := code_of(text, "data"):
        take("data", code, before.files.get("data", ""))
    return code or absolute(text)


def named_again(named: dict[str, str | None], before: Settings) -> dict[str, str]:
    """The space and the evaluation that the user names again, by field; their code must be what it was.

    Raises:
        InputError: if the run has none of its own there, or as ``nas.launch.own_run.take``.
    """
    from nas.launch.own_run import take
    from nas.spec.own import is_code, is_own, name_of

    found = {}
    for field, text in named.items():
        if text is None:
            continue
        code = code_of(text, field)
        if not code or not is_own(getattr(before, field)):
            raise InputError(
                f"{field} must be left out unless the run has one of its own, FILE.py:NAME, got {text}"
            )
        began = name_of(getattr(before, field))
        if is_code(code) and name_of(code) != began:
            raise InputError(f"{field} must name {began}, with which the run began, got {text}")
        take(field, code, before.files.get(field, ""))
        found[field] = code
    return found
