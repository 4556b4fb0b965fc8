import itertools
import os
import pickle
import subprocess
import sys

import pytest
import torch
from bandits import early, every_controller
from places import ROOT

from controllers import CONTROLLERS, EvolutionSettings, GridSearch, RNNSettings, make
from controllers.testing import BANDIT, CONTRACT_SPACES, ControllerContract, bandit, play, same
from search_spaces.rules import parse_settings


class TestEveryController(ControllerContract):
    """Ours, by the suite that others can run on theirs."""

    @pytest.fixture(autouse=True, params=CONTROLLERS)
    def one(self, request):
        self.name = request.param

    def make(self, space, seed):
        return early(self.name, space, seed)


class TestGridSearch(ControllerContract):
    """It has no seed."""

    seeded = False

    def make(self, space, seed):
        return GridSearch(space)


CONTINUE = """
import pickle, sys
from bandits import early
from controllers.testing import CONTRACT_SPACES, play
continued = []
for name, space, state, moves, pending in pickle.load(sys.stdin.buffer):
    controller = early(name, CONTRACT_SPACES[space], seed=99)
    controller.load_state_dict(state)
    continued.append((play(controller, moves, pending), controller.state_dict()))
sys.stdout.buffer.write(pickle.dumps(continued))
"""


def test_controllers_restored_in_a_new_process_continue_identically():
    before = [("ask", 0)] * 9 + [("tell", 2), ("ask", 0), ("fail", 1)] * 9
    after = [("ask", 0), ("tell", 5), ("tell", 0), ("ask", 0)] * 6
    sent, expected = [], []
    for name, space in itertools.product(CONTROLLERS, CONTRACT_SPACES):
        controller, pending = early(name, CONTRACT_SPACES[space]), []
        play(controller, before, pending)
        sent.append((name, space, controller.state_dict(), after, pending.copy()))
        expected.append((play(controller, after, pending), controller.state_dict()))
    # A different number of threads and different hashes must not matter.
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(torch.get_num_threads() + 1),
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]),
    }
    command = [sys.executable, "-c", CONTINUE]
    done = subprocess.run(command, input=pickle.dumps(sent), env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    for case, continued, here in zip(sent, pickle.loads(done.stdout), expected, strict=True):
        assert continued[0] == here[0], case[:2]
        assert same(continued[1], here[1]), case[:2]


@every_controller
def test_a_state_of_something_else_is_refused(name):
    state = early(name, BANDIT).state_dict()
    with pytest.raises(ValueError, match="must have space 'other', got 'bandit'"):
        early(name, bandit(4, 2, 1, 3, name="other")).load_state_dict(state)
    with pytest.raises(ValueError, match="must have decisions"):
        early(name, bandit(4, 2, 1, 2)).load_state_dict(state)
    with pytest.raises(ValueError, match="must have controller"):
        early(name, BANDIT).load_state_dict({**state, "controller": "annealing"})


@every_controller
@pytest.mark.parametrize(
    ("actions", "reward", "rule"),
    [
        ((0, 0, 0), 0.5, "takes 4 actions, got 3"),
        ((0, 0, 0, 3), 0.5, r"arm3 must be an index in \[0, 3\), got 3"),
        ((0, 0, 0, 0), float("nan"), "reward must be finite, or None for a failed trial, got nan"),
    ],
)
def test_a_wrong_result_is_refused_with_its_rule(name, actions, reward, rule):
    with pytest.raises(ValueError, match=rule):
        early(name, BANDIT).tell(actions, reward)


# Making one


def test_an_unknown_controller_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="unknown controller 'rn'; did you mean 'rnn'\\? Known: rnn, random"):
        make("rn", BANDIT)
    with pytest.raises(ValueError, match=r"unknown controller 'xyz'. Known: "):
        make("xyz", BANDIT)


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("rnn", {"clp": 0.1}, "unknown setting 'clp'; did you mean 'clip'\\? Known: algorithm, hidden_units"),
        ("random", {"clip": 0.1}, "unknown setting 'clip'. Known: none"),
        ("rnn", {"clip": 0}, "clip must be between 0 and 1, got 0.0"),
        ("rnn", {"clip": "wide"}, "clip must be of type float, got 'wide'"),
        ("rnn", {"epochs": 2.5}, "epochs must be of type int, got 2.5"),
        ("rnn", {"epochs": True}, "epochs must be of type int, got True"),
        ("rnn", {"update_every": 0}, "update_every must be at least 1, got 0"),
        ("rnn", {"init_range": "inf"}, "init_range must be positive and finite, got inf"),
        ("rnn", {"learning_rate": "nan"}, "learning_rate must be positive and at most 1, got nan"),
        ("dyna", {"learning_rate": 1e300}, "learning_rate must be positive and at most 1, got 1e\\+300"),
        ("dyna", {"hidden_units": 10**9}, "hidden_units must be at least 1 and at most 4096, got 1000000000"),
        ("rnn", {"embedding_units": 0}, "embedding_units must be at least 1 and at most 4096, got 0"),
        ("rnn", {"entropy_weight": -1}, "entropy_weight must be finite and not negative, got -1.0"),
        ("rnn", {"baseline_decay": 1.0}, r"baseline_decay must be in \[0, 1\), got 1.0"),
        ("rnn", {"algorithm": "a2c"}, r"algorithm must be one of \('ppo', 'reinforce'\), got 'a2c'"),
        ("evolution", {"population": 0}, "population must be at least 1, got 0"),
        ("evolution", {"sample": 21}, "sample must be at least 1 and at most the population, 20, got 21"),
    ],
)
def test_a_wrong_setting_is_refused(name, values, rule):
    with pytest.raises(ValueError, match=rule):
        make(name, BANDIT, settings=values)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        make("random", BANDIT, seed=-1)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        EvolutionSettings().population = 3


def test_settings_are_read_from_text_by_the_type_of_their_default():
    values = {"clip": "0.1", "epochs": "3", "algorithm": "reinforce", "learning_rate": 1, "update_every": 5.0}
    expected = RNNSettings(clip=0.1, epochs=3, algorithm="reinforce", learning_rate=1.0, update_every=5)
    parsed = parse_settings(RNNSettings, values)
    assert parsed == expected
    assert type(parsed.update_every) is int


def test_defaults_of_the_rnn_are_the_papers():
    defaults = RNNSettings()
    assert (defaults.algorithm, defaults.hidden_units, defaults.init_range) == ("ppo", 100, 0.1)
    assert (defaults.clip, defaults.learning_rate, defaults.entropy_weight) == (0.2, 3.5e-4, 1e-5)
    assert (defaults.baseline_decay, defaults.update_every) == (0.95, 20)


def test_only_policies_import_torch():
    script = (
        "import sys, controllers, search_spaces\n"
        "space = search_spaces.SPACES['mnas']\n"
        "for name in controllers.CONTROLLERS:\n"
        "    if name not in ('dyna', 'rnn'): controllers.make(name, space).ask()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_a_grid_search_asks_every_network_once_a_pass():
    space = bandit(2, 3, 2)
    controller = GridSearch(space)
    first, second = ([controller.ask() for _ in range(12)] for _ in range(2))
    assert first == second == list(itertools.product(range(2), range(3), range(2)))


def test_a_restored_grid_search_goes_on():
    space = bandit(2, 3)
    controller, restored = GridSearch(space), GridSearch(space)
    for _ in range(4):
        controller.tell(controller.ask(), None)
    restored.load_state_dict(pickle.loads(pickle.dumps(controller.state_dict())))
    assert restored.ask() == controller.ask() == (1, 1)
    with pytest.raises(ValueError, match="the state to load must have"):
        GridSearch(bandit(3, 3)).load_state_dict(controller.state_dict())
    with pytest.raises(ValueError, match="must be an index"):
        controller.tell((0, 9), 1.0)
