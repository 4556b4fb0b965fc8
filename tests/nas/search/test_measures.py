"""Costs beyond FLOPs: from a table, a predictor or a trial to the journal and the controller."""

import numpy as np
import pandas as pd
import pytest
from fakes import Fake

from controllers import make
from controllers.random_search import RandomSearch
from nas import InputError, Objective, open_run
from nas.launch.inline import run_inline
from nas.launch.measures import for_controller
from nas.runs.config import write_config
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.measures import NONE, known_cost, of_actions
from nas.search.predictor import Predictor
from nas.search.tables import Table, read_with_costs
from nas.search.trainings import Trainings
from nas.spec.recipe import Recipe
from nas.spec.settings import Settings
from nas.spec.targets import Target
from nas.spec.trial import Epoch
from search_spaces import SPACES, Decision, SearchSpace, cost

MACRO = SPACES["nasbench-macro"]
ACCEL = SPACES["accel-nasbench"]


def latency(archs):
    """Milliseconds of a device that is slow at depth."""
    return np.array([1.0 + cost(arch, 10).activations / 1e6 for arch in archs])


def written(path, space, count, **columns):
    rng = np.random.default_rng(0)
    archs = [*dict.fromkeys(space.decode(space.sample(rng)) for _ in range(count))]
    frame = pd.DataFrame({"arch": map(str, archs), "accuracy": rng.uniform(0.3, 0.7, len(archs))})
    for name, value in columns.items():
        frame[name] = value(archs) if callable(value) else value
    frame.to_csv(path, index=False)
    return archs


def test_a_column_of_a_table_is_a_cost_of_its_trials(tmp_path):
    archs = written(tmp_path / "t.csv", ACCEL, 8, latency=latency)
    table = Table(tmp_path / "t.csv", ACCEL, ("latency",))
    assert [table.costs["latency"][arch] for arch in archs] == pytest.approx(list(latency(archs)))
    assert table.measures == {}  # of most networks it knows nothing before a trial


def test_a_table_of_all_networks_gives_its_costs_before_the_trial(tmp_path):
    space = SPACES["nasbench-macro"]
    codes = np.array(np.meshgrid(*[range(3)] * 8)).reshape(8, -1).T
    archs = [*dict.fromkeys(space.decode(tuple(code)) for code in codes.tolist())]
    frame = pd.DataFrame({"arch": map(str, archs), "accuracy": 0.5, "latency": latency(archs)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = Table(tmp_path / "t.csv", space, ("latency",))
    assert list(table.measures["latency"](archs[:3])) == pytest.approx(list(latency(archs[:3])))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (0.0, "table must have positive numbers in 'latency', got 0: "),
        (-1.0, "table must have positive numbers in 'latency', got -1: "),
        ("fast", "table must have numbers in 'latency' "),
    ],
)
def test_a_column_that_is_no_cost_is_refused(tmp_path, values, message):
    written(tmp_path / "t.csv", ACCEL, 4, latency=values)
    with pytest.raises(InputError, match=message):
        read_with_costs(tmp_path / "t.csv", ACCEL, ("latency",))


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    written(tmp_path / "t.csv", ACCEL, 4, latency=latency)
    with pytest.raises(InputError, match="target: unknown column 'latenzy'; did you mean 'latency'"):
        read_with_costs(tmp_path / "t.csv", ACCEL, ("latenzy",))


def test_a_predictor_predicts_a_column_for_any_network(tmp_path):
    written(tmp_path / "t.csv", ACCEL, 250, latency=latency)
    predictor = Predictor(tmp_path / "t.csv", ACCEL, ("latency",))
    assert predictor.tau_of["latency"] > 0.9
    actions = np.array([ACCEL.sample(np.random.default_rng(9)) for _ in range(5)])
    archs = [ACCEL.decode(tuple(row)) for row in actions.tolist()]
    measure = predictor.measures["latency"]
    np.testing.assert_allclose(measure(archs), latency(archs), rtol=0.1)
    np.testing.assert_allclose(of_actions(ACCEL, measure)(actions), measure(archs))
    np.testing.assert_allclose(of_actions(ACCEL, latency)(actions), latency(archs))  # without of_actions


def test_params_are_known_as_flops_are():
    actions = np.array([MACRO.sample(np.random.default_rng(0)) for _ in range(4)])
    known = [cost(MACRO.decode(tuple(row)), 10).params for row in actions.tolist()]
    assert known_cost(MACRO, "params")(actions).tolist() == known


class Measuring(Fake):
    """An evaluator whose trials also tell their latency."""

    def __call__(self, trial):
        for epoch in super().__call__(trial):
            yield Epoch(*epoch[:-1], measures={"latency": float(latency([trial.arch])[0])})


SOFT = Objective(55e6, targets=(Target("latency", 1.1, -0.5),))
FRONT = Objective(kind="pareto", targets=(Target("latency"), Target("flops")))


def new_run(directory, objective, measures=NONE, *, create=True, trials=14):
    directory.mkdir(exist_ok=True)
    if create:
        settings = Settings(
            space="nasbench-macro", data="digits", evaluator="train", controller="dyna",
            objective=objective, recipe=Recipe(), trials=trials,
        )  # fmt: skip
        write_config(directory, settings.to_json())
    journal = Journal(directory, create=create, measures=objective.measures)
    controller = make("dyna", MACRO, settings={"rounds": 0}, **for_controller(objective, MACRO, measures))
    search = Search(MACRO, controller, objective, journal, Trainings(trials), measures=measures)
    return journal, search


@pytest.mark.parametrize("objective", [SOFT, FRONT], ids=["soft", "pareto"])
@pytest.mark.parametrize("known", [True, False], ids=["predicted", "measured"])
def test_measures_are_columns_of_trials_and_count_in_rewards(tmp_path, objective, known):
    journal, search = new_run(tmp_path / "r", objective, {"latency": latency} if known else NONE)
    with journal:
        run_inline(search, Fake() if known else Measuring())
    run = open_run(tmp_path / "r")
    trials = run.trials()
    assert set(trials["status"]) == {"done"}
    archs = [MACRO.decode(actions) for actions in trials["actions"]]
    assert list(trials["latency"]) == pytest.approx(list(latency(archs)))
    rewards = objective.rewards(trials["accuracy"].to_numpy(), trials)
    assert list(trials["reward"]) == pytest.approx(list(rewards))
    assert run.known_costs == ("flops", "params", "activations", "latency")
    assert run.costs == objective.costs


@pytest.mark.parametrize("objective", [SOFT, FRONT], ids=["soft", "pareto"])
@pytest.mark.parametrize("known", [True, False], ids=["predicted", "measured"])
def test_an_interrupted_search_resumes_to_the_same_measures(tmp_path, objective, known):
    measures, kind = ({"latency": latency}, Fake) if known else (NONE, Measuring)
    journal, search = new_run(tmp_path / "whole", objective, measures)
    with journal:
        run_inline(search, kind())
    journal, search = new_run(tmp_path / "r", objective, measures)
    with journal, pytest.raises(KeyboardInterrupt):
        run_inline(search, kind(die_at=11))
    journal, search = new_run(tmp_path / "r", objective, measures, create=False)
    with journal:
        run_inline(search, kind())
    names = ["trial", "arch", "accuracy", "latency", "reward"]
    whole, resumed = (open_run(tmp_path / name).trials()[names] for name in ("whole", "r"))
    pd.testing.assert_frame_equal(whole, resumed)


def test_a_trial_that_does_not_measure_its_cost_has_failed(tmp_path):
    journal, search = new_run(tmp_path / "r", SOFT, trials=3)
    with journal:
        run_inline(search, Fake())
    trials = open_run(tmp_path / "r").trials()
    assert set(trials["status"]) == {"failed"}
    assert trials["error"][0] == "latency must be given by the evaluator or a device, and was not"


def test_a_network_that_the_device_does_not_know_fails_before_it_is_trained(tmp_path):
    evaluator, unknown = Fake(), {"latency": lambda archs: np.full(len(archs), np.nan)}
    journal, search = new_run(tmp_path / "r", SOFT, unknown, trials=3)
    with journal:
        run_inline(search, evaluator)
    assert evaluator.trained == []
    assert search.gave_up.endswith("latency of this network is not known")


def test_a_run_answers_for_any_budget_and_ranks_by_other_targets(tmp_path):
    journal, search = new_run(tmp_path / "r", FRONT, {"latency": latency})
    with journal:
        run_inline(search, Fake())
    run = open_run(tmp_path / "r")
    networks = run.networks()
    limit = float(networks["latency"].median())
    fits = networks[networks["latency"] <= limit]
    assert str(run.best(latency=limit)) == fits.loc[fits["accuracy"].idxmax(), "arch"]
    assert run.best(latency=f"{limit!r}ms") == run.best(latency=limit)
    both = fits[fits["flops"] <= fits["flops"].median()]
    assert (
        run.within({"latency": limit, "flops": fits["flops"].median()})["trial"]
        == (both.loc[both["accuracy"].idxmax(), "trial"])
    )
    with pytest.raises(InputError, match="budget: unknown measure 'energy'"):
        run.best(energy=3)
    with pytest.raises(InputError, match=r"budget must leave one of the .* networks"):
        run.best(latency=1e-3)
    with pytest.raises(InputError, match="budget latency must be a time with its unit"):
        run.best(latency="15")
    ranked = run.rerank(target=["latency=1.1ms^-0.5", "params=2M"])
    expected = Objective(targets=(Target("latency", 1.1, -0.5), Target("params", 2e6)))
    assert list(ranked["reward"]) == pytest.approx(
        list(expected.rewards(ranked["accuracy"].to_numpy(), ranked))
    )
    front = run.pareto()
    assert list(front["latency"]) == sorted(front["latency"])
    with pytest.raises(ValueError, match="target: unknown measure 'energy'"):
        run.rerank(target="energy=3")


class Watching(RandomSearch):
    """Random search that keeps what it is told of costs."""

    def __init__(self, space):
        super().__init__(space, 0)
        self.seen = []

    def observe(self, actions, costs):
        self.seen.append((actions, dict(costs)))


def test_a_restored_search_says_the_same_of_the_seconds_of_repeats(tmp_path):
    space = SearchSpace("sums", [Decision(name, (1, 2, 3)) for name in "ab"], sum)

    def watched(create):
        with Journal(tmp_path, create=create) as journal:
            aim = Objective(targets=(Target("seconds", 1.0),))
            search = Search(space, Watching(space), aim, journal, Trainings(20))
            run_inline(
                search, lambda trial: iter([Epoch(1, None, None, 0.5, 0.0, measures={"seconds": 3.0})])
            )
            return search.controller.seen, journal.rows()

    live, rows = watched(True)
    assert [row.seconds for row in rows if row.repeat_of is not None] == [0.0] * 15
    assert watched(False) == (live, rows)
    assert {costs["seconds"] for _, costs in live} == {3.0}
