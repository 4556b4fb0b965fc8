"""``--track``: the trackers that a user names, and listeners of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nas.errors import InputError
from nas.launch.own_code import load, told
from nas.screens.progress import Screen
from nas.spec.listener import Listener
from nas.spec.own import absolute_code, is_code, name_of
from nas.spec.settings import Settings
from nas.trackers.aside import Aside, Listeners
from search_spaces.names import unknown

SINKS = {
    "tensorboard": ("nas.trackers.to_tensorboard", "TensorBoard"),
    "mlflow": ("nas.trackers.to_mlflow", "MLflow"),
    "wandb": ("nas.trackers.to_wandb", "WandB"),
}
"""Where each tracker is; its own package has the same name, and is imported only if it is asked for."""


@dataclass(frozen=True)
class Chosen:
    """The trackers of a run.

    Args:
        names: as ``Settings.track`` has them; listeners that Python gave have none.
        files: SHA-256 of the user's own code, as in ``Settings.files``.
    """

    trackers: Sequence[Aside] = ()
    names: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def noted(self, settings: Settings) -> Settings:
        """``settings`` that say who tracks the run, so that it is the same when it is resumed."""
        return dataclasses.replace(settings, track=self.names, files={**settings.files, **self.files})


def choose(asked: Sequence[str | Listener] | None, sha256: str = "") -> Chosen:
    """The trackers that ``asked`` names, ready to be told.

    Args:
        asked: names between commas, FILE.py:NAME, and listeners; ``none`` alone for none.
        sha256: that a file of code must have; empty for any.

    Raises:
        InputError: if there is no such tracker, it is not installed, or the file cannot be used.
    """
    given = [one for one in asked or () if isinstance(one, Listener)]
    texts = [text.strip() for one in asked or () if isinstance(one, str) for text in one.split(",")]
    if texts == ["none"]:
        texts = []
    trackers = [Aside(type(one).__name__, one) for one in given]
    names: list[str] = []
    files: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        if is_code(text):
            if files:
                raise InputError(f"track must name one file of code at most, got {text} too")
            listener, files["track"] = own_listener(text, sha256)
            text = absolute_code(text)
            trackers.append(Aside(name_of(text), listener))
        else:
            trackers.append(Aside(text, tracker(text)))
        names.append(text)
    return Chosen(trackers, tuple(names), files)


def tracker(name: str) -> Listener:
    """The tracker of this name; InputError if there is none, or it cannot be used here."""
    from nas.trackers.run_tracker import RunTracker

    if name.endswith(".py"):
        raise InputError(f"track must read FILE.py:NAME, got {name}")
    if name not in SINKS:
        raise InputError(f"track: {unknown('tracker', name, SINKS)}")
    if importlib.util.find_spec(name) is None:
        raise InputError(f"track {name} needs its package: pip install 'nas-scaling[track]'")
    module, kind = SINKS[name]
    found = importlib.import_module(module)
    if reason := getattr(found, "refusal", lambda: None)():
        raise InputError(f"track {name} {reason}")
    return RunTracker(name, getattr(found, kind)())


def own_listener(text: str, sha256: str) -> tuple[Listener, str]:
    """The user's own listener, and the SHA-256 of its file; InputError if it is none."""
    made, found = load(text, "track", sha256)
    file, _, name = text.rpartition(":")
    if not isinstance(made, Listener) and callable(made):
        with told(f"track must be made by {name}() without an error", file, InputError):
            made = made()
    if not isinstance(made, Listener):
        raise InputError(f"track must be a nas.Listener, or make one, got {type(made).__name__}: {text}")
    return made, found


@contextlib.contextmanager
def followed(screen: Screen, chosen: Chosen) -> Iterator[Listener]:
    """A listener that tells the screen and the trackers, and at the end how it was."""
    if not chosen.trackers:
        yield screen
        return
    listener, how = Listeners(screen, chosen.trackers), "failed"
    if screen.directory is not None:  # of a run that is resumed
        listener.on_made(screen.directory)
    try:
        yield listener
        how = "done"
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    except InputError:
        how = ""  # nothing began or went on
        raise
    finally:
        if screen.directory is not None and how:
            listener.on_end(screen.directory, how)
        listener.close()
