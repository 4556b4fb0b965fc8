"""The process of a caller in Python, in which a run leaves nothing changed."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def left_as_found() -> Iterator[None]:
    """Restores what a run changes: torch's threads and random state, Ray's loggers and its hook.

    Handlers of signals are only set for commands. What Ray reads in the environment stays there.
    """
    import torch

    threads, hook = torch.get_num_threads(), sys.excepthook
    loggers = [logging.getLogger(name) for name in ("ray", "ray.train", "ray.data", "ray.tune")]
    before = [(one.level, list(one.handlers), one.propagate) for one in loggers]
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        sys.excepthook = hook
        for logger, (level, handlers, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate = propagate
