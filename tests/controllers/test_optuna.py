"""Optuna's samplers as controllers, and ``dyna`` as an Optuna sampler."""

import importlib
import json
import subprocess
import sys

import optuna
import pytest
from places import MACRO_TABLE, ROOT

import controllers
from controllers.optuna import DynaSampler
from controllers.samplers import OptunaController, known_samplers
from controllers.testing import BANDIT, ControllerContract, asks, bandit, reward_of, run
from search_spaces import SPACES, cost
from search_spaces.rules import parse_settings

optuna.logging.set_verbosity(optuna.logging.ERROR)
MACRO = SPACES["nasbench-macro"]
EARLY = {"TPESampler": {"n_startup_trials": 4}, "NSGAIISampler": {"population_size": 4}, "RandomSampler": {}}


class TestSamplers(ControllerContract):
    """Optuna's samplers keep the contract of controllers."""

    @pytest.fixture(autouse=True, params=EARLY)
    def one(self, request):
        self.name = request.param

    def make(self, space, seed):
        return controllers.make(f"optuna:{self.name}", space, seed=seed, settings=EARLY[self.name])


@pytest.mark.parametrize("name", ["GridSampler", "BruteForceSampler", "NSGAIIISampler", "QMCSampler"])
def test_a_sampler_goes_on_when_it_has_tried_everything(name):
    controller = controllers.make(f"optuna:{name}", bandit(2, 2))
    assert len(asks(controller, 12)) == 12


def test_every_known_sampler_can_be_made():
    assert {"TPESampler", "GPSampler", "CmaEsSampler", "NSGAIISampler", "GridSampler"} <= set(
        known_samplers()
    )
    for name in set(known_samplers()) - {"CmaEsSampler"}:  # which needs another package
        assert isinstance(controllers.make(f"optuna:{name}", BANDIT), OptunaController)


def test_a_sampler_is_told_failures_as_failed_and_the_others_as_they_are():
    controller = controllers.make("optuna:TPESampler", BANDIT)
    asked = [controller.ask() for _ in range(3)]
    controller.tell(asked[0], 0.5)
    controller.tell(asked[1], None)
    controller.tell((3, 1, 0, 2), 0.7)
    controller.tell((3, 0, 0, 2), None)
    states = [(trial.state.name, trial.value) for trial in controller._study.trials]
    assert states == [("COMPLETE", 0.5), ("FAIL", None), ("RUNNING", None), ("COMPLETE", 0.7), ("FAIL", None)]


def test_settings_are_those_of_the_sampler_with_its_defaults():
    kind = controllers.find_kind("optuna:TPESampler").settings
    settings = parse_settings(kind, {"n_startup_trials": "3"})
    assert (settings.n_startup_trials, settings.n_ei_candidates) == (3, 24)
    sampler = controllers.make("optuna:TPESampler", BANDIT, settings={"n_startup_trials": 3})._study.sampler
    assert sampler._n_startup_trials == 3


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("TPEsampler", {}, "unknown sampler of Optuna 'TPEsampler'; did you mean 'TPESampler'\\? Known: "),
        ("BaseSampler", {}, "unknown sampler of Optuna 'BaseSampler'"),
        ("PartialFixedSampler", {}, "unknown sampler of Optuna 'PartialFixedSampler'"),
        ("nsgaii", {}, "unknown sampler of Optuna 'nsgaii'"),
        ("TPESampler", {"n_startup": 3}, "unknown setting 'n_startup'; did you mean 'n_startup_trials'\\? "),
        ("TPESampler", {"n_startup_trials": "x"}, "n_startup_trials must be of type int, got 'x'"),
    ],
)
def test_a_sampler_or_setting_that_is_wrong_is_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        controllers.make(f"optuna:{name}", BANDIT, settings=settings)


def test_a_history_that_does_not_repeat_itself_is_refused():
    state = controllers.make("optuna:TPESampler", BANDIT).state_dict()
    state["events"] = [("ask", (0, 0, 0, 0)), ("ask", (3, 1, 0, 2)), ("ask", (0, 0, 0, 0))]
    with pytest.raises(
        ValueError, match="must repeat itself, and event 0 differs: was it saved with another Op"
    ):
        controllers.make("optuna:TPESampler", BANDIT).load_state_dict(state)


def test_without_optuna_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for module in ("controllers.samplers", "controllers.optuna"):
        monkeypatch.delitem(sys.modules, module)
    line = r"Optuna must be installed: pip install 'nas-scaling\[optuna\]'"
    with pytest.raises(ValueError, match=line):
        controllers.make("optuna:TPESampler", BANDIT)
    with pytest.raises(ImportError, match=line):
        importlib.import_module("controllers.optuna")


def test_optuna_is_imported_for_its_samplers_only():
    script = "import sys, controllers; controllers.make('random', None or __import__('search_spaces').MNAS)"
    script = script.replace(
        "None or __import__('search_spaces').MNAS", "__import__('search_spaces').SPACES['mnas']"
    )
    script += "\nassert not {'optuna', 'pytest'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


# Dyna as a sampler

TABLE = {
    tuple(map(int, code)): rows["mean_acc"] / 100
    for code, rows in json.loads(MACRO_TABLE.read_text()).items()
}


def reward(actions):
    return TABLE[actions] * (cost(MACRO.decode(actions), 10).flops / 55.4e6) ** -0.07


def objective(accuracy, flops):
    return accuracy * (flops / 55.4e6) ** -0.07


def price(actions):
    return cost(MACRO.decode(actions), 10)


def on_macro(trial):
    """The reward of a network of NAS-Bench-Macro, asked in Optuna's way."""
    chosen = [trial.suggest_categorical(d.name, d.choices) for d in MACRO.decisions]
    return reward(tuple(d.choices.index(c) for d, c in zip(MACRO.decisions, chosen, strict=True)))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("knowledge", [{}, {"objective": objective, "price": price}], ids=["alone", "priced"])
def test_dyna_as_a_sampler_gives_seed_for_seed_what_dyna_gives(seed, knowledge):
    directly = run(controllers.make("dyna", MACRO, seed=seed, **knowledge), 50, reward)
    sampler = DynaSampler(MACRO, seed=seed, **knowledge)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(on_macro, n_trials=50)
    assert [trial.value for trial in study.trials] == directly


def test_distributions_by_name_and_a_space_are_the_same_to_it():
    found = []
    for space in (
        BANDIT,
        {d.name: optuna.distributions.CategoricalDistribution(d.choices) for d in BANDIT.decisions},
    ):
        study = optuna.create_study(direction="maximize", sampler=DynaSampler(space, seed=3))
        study.optimize(
            lambda trial: sum(trial.suggest_categorical(d.name, d.choices) for d in BANDIT.decisions), 15
        )
        found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]


def mixed(trial):
    """The best is 10 + 3 + 1, less what a logarithmic float adds."""
    depth = trial.suggest_int("depth", 2, 10, step=2)
    rate = trial.suggest_float("rate", 0.0, 3.0, step=0.5)
    kind = trial.suggest_categorical("kind", [None, True, "a", 2.5])
    trial.suggest_float("drawn", 1e-4, 1e-1, log=True)
    return depth + rate + (kind is True)


def test_it_learns_ints_floats_and_categories_of_a_space_that_it_sees_in_the_first_trial():
    study = optuna.create_study(direction="maximize", sampler=DynaSampler(seed=0))
    study.optimize(mixed, n_trials=40)
    assert study.best_value >= 13.5
    random = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    random.optimize(mixed, n_trials=40)
    mean = [sum(trial.value for trial in each.trials[20:]) / 20 for each in (study, random)]
    assert mean[0] > mean[1] + 1


def test_a_study_that_minimises_is_turned_around():
    study = optuna.create_study(sampler=DynaSampler(seed=0))
    study.optimize(lambda trial: -mixed(trial), n_trials=30)
    assert study.best_value <= -13


def test_several_jobs_share_one_sampler():
    study = optuna.create_study(direction="maximize", sampler=DynaSampler(MACRO, seed=0))
    study.optimize(on_macro, n_trials=24, n_jobs=3)
    params = [tuple(trial.params.values()) for trial in study.trials]
    assert len(params) == len({*params}) == 24  # no network is proposed while another job trains it


def test_failed_pruned_and_enqueued_trials_are_told():
    told = []

    def fails(trial):
        value = mixed(trial)
        if trial.number == 3:
            raise optuna.TrialPruned
        if trial.number == 4:
            raise RuntimeError("out of memory")
        return float("inf") if trial.number == 5 else value

    study = optuna.create_study(direction="maximize", sampler=DynaSampler(seed=0))
    study.enqueue_trial({"depth": 10, "rate": 3.0, "kind": True, "drawn": 0.01})
    study.optimize(fails, n_trials=2)
    controller = study.sampler._controller
    tell = controller.tell
    controller.tell = lambda actions, reward: (told.append((actions, reward)), tell(actions, reward))
    study.enqueue_trial({"depth": 8, "rate": 0.5, "kind": "a", "drawn": 0.01})
    study.optimize(fails, n_trials=6, catch=RuntimeError)
    assert [value for _, value in told] == [
        study.trials[1].value,
        8.5,
        None,
        None,
        None,
        study.trials[6].value,
    ]
    assert told[1][0] == (3, 1, 2)


def test_a_study_that_is_loaded_goes_on_with_what_it_knows(tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    for seed in (0, 1):
        study = optuna.create_study(
            direction="maximize", sampler=DynaSampler(MACRO, seed=seed), storage=storage, study_name="s",
            load_if_exists=True,
        )  # fmt: skip
        study.optimize(on_macro, n_trials=15)
    assert len(study.trials) == 30
    told = [value for _, value in study.sampler._controller.state_dict()["told"]]
    assert told == [trial.value for trial in study.trials[:29]]
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 30


def test_what_has_no_choices_or_several_objectives_is_refused():
    with pytest.raises(
        ValueError, match="x must be categorical, or int or float with a step and at most 1000"
    ):
        DynaSampler({"x": optuna.distributions.FloatDistribution(0, 1)})
    with pytest.raises(ValueError, match="unknown setting 'initials'; did you mean 'initial'"):
        DynaSampler(BANDIT, settings={"initials": 3})
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=DynaSampler(BANDIT, seed=0))
    with pytest.raises(ValueError, match="a study with DynaSampler must have one objective, got 2"):
        study.optimize(lambda trial: (trial.suggest_int("x", 0, 1), 1), n_trials=1)


def test_only_numbers_have_an_order_for_it():
    sampler = DynaSampler(
        {
            "i": optuna.distributions.IntDistribution(2, 6, step=2),
            "b": optuna.distributions.CategoricalDistribution([1, True, None]),
        },
        seed=0,
    )
    decisions = sampler._controller.space.decisions
    assert [d.choices for d in decisions] == [(2, 4, 6), ("0: 1", "1: True", "2: None")]
    assert reward_of((0, 0)) == 0.5
