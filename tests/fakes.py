"""Small stand-ins for what takes long: an accuracy that is a hash of network and seed."""

import zlib

from controllers import make
from nas import Objective
from nas.journal import Journal
from nas.search import Search
from nas.trial import Epoch
from search_spaces import SPACES


def fake_accuracy(trial):
    """Reproducible, of the network for the most part and of the seed for a little."""
    network = zlib.crc32(str(trial.arch).encode()) / 2**32
    return 0.1 + 0.8 * network + 0.01 * (trial.seed % 7) / 7


class Fake:
    """An evaluator that counts what it trains, and fails or dies where it is told to."""

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


def new_search(directory, *, create, space="nasbench-macro", controller="rnn", trials=30, seed=0, **options):
    """A journal and a search over it; the caller closes the journal."""
    journal = Journal(directory, create=create)
    found = SPACES[space]
    return journal, Search(
        found,
        make(controller, found, seed=seed),
        Objective(55e6),
        journal,
        trials=trials,
        seed=seed,
        **options,
    )
