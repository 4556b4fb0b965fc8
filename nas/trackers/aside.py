"""Runs a tracker beside the search, which neither waits for it nor ends with it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from nas.spec.listener import Listener

MOST_EVENTS = 100_000
"""A tracker that is further behind is left out; an event takes about 1 kB."""
PATIENCE = 60.0
"""Seconds without any progress after which a tracker is no longer waited for at the end."""
HOOKS = tuple(name for name in vars(Listener) if not name.startswith("_"))


class Listeners(Listener):
    """Tells a screen every event, and then every tracker."""

    def __init__(self, screen: Listener, trackers: Sequence[Aside]) -> None:
        self.screen, self.trackers = screen, trackers

    def close(self) -> None:
        """Waits until all trackers have been told all that happened, if they go on at all."""
        for one in self.trackers:
            one.close()
        self.complain()

    def complain(self) -> None:
        """Says, once, which trackers have failed."""
        for one in self.trackers:
            if one.wrong and not one.complained:
                one.complained = True
                self.screen.say(f"Tracker {one.name} is left out from here on: {one.wrong}")


class Aside(Listener):
    """Hands events on to ``listener`` in a thread of its own, until one of them fails.

    Attributes:
        wrong: why it is left out, in one line; None while it is not.
    """

    def __init__(self, name: str, listener: Listener, patience: float = PATIENCE) -> None:
        self.name, self.listener, self.patience = name, listener, patience
        self.wrong: str | None = None
        self.complained = False
        self._wanted = {
            hook for hook in HOOKS if getattr(type(listener), hook) is not getattr(Listener, hook)
        }
        self._events: queue.Queue[tuple[str, Sequence[Any]] | None] = queue.Queue(MOST_EVENTS)
        self._thread = threading.Thread(target=self._work, name=f"nas tracker {name}", daemon=True)
        self._moved = 0.0

    def put(self, hook: str, event: Sequence[Any]) -> None:
        """Hands an event on, if the listener wants it; never waits."""
        if hook not in self._wanted or self.wrong:
            return
        if not self._thread.ident:  # as late as possible: images are read by processes that are forked
            self._thread.start()
        try:
            self._events.put_nowait((hook, event))
        except queue.Full:
            self.wrong = f"it is {MOST_EVENTS:,} events behind"

    def close(self) -> None:
        """Waits until everything has been handed on, as long as there is progress."""
        if not self._thread.ident:
            return
        self._moved = time.monotonic()
        while self._thread.is_alive() and time.monotonic() < self._moved + self.patience:
            try:
                self._events.put(None, timeout=0.1)
                break
            except queue.Full:
                pass
        while self._thread.is_alive() and time.monotonic() < self._moved + self.patience:
            self._thread.join(0.1)
        if self._thread.is_alive():
            self.wrong = self.wrong or f"it has not answered for {self.patience:g} s"

    def _work(self) -> None:
        while (event := self._events.get()) is not None and not self.wrong:
            try:
                getattr(self.listener, event[0])(*event[1])
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the search goes on
                self.wrong = f"{type(error).__name__} ({' '.join(str(error).split()) or 'no message'})"
            self._moved = time.monotonic()


def _to_all(hook: str) -> Callable[..., None]:
    """The method of ``Listeners`` for one kind of event."""

    def tell(self: Listeners, *event: Any) -> None:
        getattr(self.screen, hook)(*event)
        for one in self.trackers:
            one.put(hook, event)
        self.complain()

    return tell


for _name in HOOKS:
    setattr(Listeners, _name, _to_all(_name))
