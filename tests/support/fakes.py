"""Small stand-ins for slow parts, and searches in separate processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import pandas as pd
from places import MACRO_TABLE
from sklearn.datasets import load_digits

from controllers import make
from nas import Objective, open_run
from nas.search.confirm import Confirm
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.tables import Table
from nas.search.trainings import Trainings
from nas.spec.listener import Listener
from nas.spec.trial import Epoch
from search_spaces import SPACES

QUICK = ["--set", "batch_size=32", "--set", "bn_momentum=0.1", "--set", "ema=0.9", "--threads", 1]
"""Options of a short training run."""
TABLE = ["--space", "nasbench-macro", "--evaluator", f"table:{MACRO_TABLE}"]
"""Options of a search that trains nothing."""


def fake_accuracy(trial):
    """Reproducible; depends mostly on the network and a little on the seed."""
    network = zlib.crc32(str(trial.arch).encode()) / 2**32
    return 0.1 + 0.8 * network + 0.01 * (trial.seed % 7) / 7


class Heard(Listener):
    """Keeps messages, and passes progress on."""

    def __init__(self, progress=lambda done, total: None):
        self.said = []
        self.hand_on = progress

    def say(self, text):
        self.said.append(text)

    def progress(self, doing, done, total):
        self.hand_on(done, total)


class Fake:
    """An evaluator that records what it trains, and fails or dies at given trials."""

    def __init__(self, fail=(), die_at=None):
        self.trained = []
        self.fail = fail
        self.die_at = die_at

    def __call__(self, trial):
        if trial.trial == self.die_at:
            raise KeyboardInterrupt
        self.trained.append((trial.trial, trial.seed, trial.confirms))
        yield Epoch(1, 2.0, 1.0, 0.1, 0.0)
        if trial.trial in self.fail:
            raise ArithmeticError("loss is nan in epoch 2")
        yield Epoch(2, 1.0, 0.5, fake_accuracy(trial), 0.0)


def few_images(path):
    """Writes 300 real scans of digits to an npz file; the options of a search that trains on them quickly."""
    images, labels = load_digits(return_X_y=True)
    np.savez(path, train_x=images[:300].reshape(-1, 8, 8).astype("uint8"), train_y=labels[:300])
    return ["--data", f"npz:{path.name}", "--proxy", "resolution=8", "--proxy", "epochs=2"]


def new_search(
    directory,
    *,
    create,
    space="nasbench-macro",
    controller="rnn",
    trials=30,
    seed=0,
    confirmations=0,
    confirm_seeds=1,
    confirm=None,
    epochs=None,
    **options,
):
    """A journal and a search over it; the caller closes the journal."""
    journal = Journal(directory, create=create)
    found = SPACES[space]
    trainings = Trainings(trials, seed, confirm or Confirm(confirmations, confirm_seeds), epochs)
    controller = make(controller, found, seed=seed)
    return journal, Search(found, controller, Objective(55e6), journal, trainings, **options)


def start(directory, *arguments, **environment):
    """``nas`` in a separate process, as in a terminal: Ctrl-C reaches it even if these tests ignore it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": {**os.environ, **environment}}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command = [sys.executable, "-m", "nas", *map(str, arguments)]
        return subprocess.Popen(command, cwd=directory, text=True, **pipes)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for_trials(run, number, process):
    """Waits until ``number`` trials of ``run`` are done."""
    while process.poll() is None:
        if (run / "best.json").exists():
            break
        try:
            if (open_run(run).trials()["status"] == "done").sum() >= number:
                return
        except Exception:  # noqa: BLE001 - it is not there yet
            time.sleep(0.01)
    raise AssertionError(process.communicate())


def epochs_of(run):
    """The number of epochs in the journal."""
    try:
        return len(open_run(run).epochs())
    except Exception:  # noqa: BLE001 - it is not there yet
        return 0


def compare(a, b):
    """Asserts that two runs have the same trials and learning curves, apart from times and memory."""
    measured = ["seconds", "images_per_second", "peak_memory"]
    times = [*measured, "started", "finished"]
    pd.testing.assert_frame_equal(*(open_run(run).trials().drop(columns=times) for run in (a, b)))
    pd.testing.assert_frame_equal(*(open_run(run).epochs().drop(columns=measured) for run in (a, b)))


@contextlib.contextmanager
def interrupted_at(monkeypatch, number):
    """Ctrl-C while the trial of this number is looked up in a table."""

    def interrupted(self, trial, found=Table.__call__):
        if trial.trial == number:
            raise KeyboardInterrupt
        return found(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "__call__", interrupted)
        yield
