import itertools
from typing import ClassVar

import pandas as pd
import pytest
from fakes import Fake, compare, fake_accuracy, new_search

from controllers import CONTROLLERS, GridSearch, make
from controllers.dyna import DynaController
from nas import InputError, Objective, open_run
from nas.launch.inline import run_inline
from nas.runs.config import write_config
from nas.search import loop
from nas.search.confirm import Confirm
from nas.search.journal import Journal
from nas.search.loop import GIVE_UP_AFTER, MOST_WAITING, Search
from nas.search.trainings import Trainings
from nas.spec.listener import Listener, Standing
from nas.spec.trial import Epoch, Outcome, steps
from search_spaces import ArchSpec, Decision, SearchSpace, cost
from search_spaces.presets import EFFICIENTNET_B0, resize

TIMES = ["seconds", "started", "finished"]


def run_to_end(directory, evaluator=None, **options):
    journal, search = new_search(directory, **options)
    with journal:
        run_inline(search, evaluator or Fake())
    return search


def test_every_trial_is_priced_rewarded_and_journalled(tmp_path):
    run_to_end(tmp_path, create=True, trials=30)
    trials = open_run(tmp_path).trials()
    assert list(trials["trial"]) == list(range(30))
    assert set(trials["status"]) == {"done"}
    objective = Objective(55e6)
    assert [objective(a, f) for a, f in zip(trials["accuracy"], trials["flops"], strict=True)] == list(
        trials["reward"]
    )
    assert (trials["started"] <= trials["finished"]).all()
    prices = pd.DataFrame([cost(ArchSpec.parse(arch), num_classes=10) for arch in trials["arch"]])
    pd.testing.assert_frame_equal(trials[["flops", "params", "activations"]], prices)


def test_the_columns_are_those_of_the_contract(tmp_path):
    run_to_end(tmp_path, create=True, trials=2)
    assert list(open_run(tmp_path).trials()) == [
        "trial", "status", "arch", "actions", "accuracy", "flops", "params", "activations", "reward",
        "epochs", "seconds", "seed", "worker", "error", "started", "finished", "repeat_of",
        "images_per_second", "peak_memory",
    ]  # fmt: skip
    assert list(open_run(tmp_path).epochs()["epoch"]) == [1, 2, 1, 2]


def test_the_same_network_is_trained_once_and_told_again(tmp_path):
    evaluator = Fake()
    run_to_end(tmp_path, evaluator, create=True, trials=400, controller="evolution")
    trials = open_run(tmp_path).trials()
    repeats = trials[trials["repeat_of"].notna()]
    assert len(repeats) > 0
    assert len(evaluator.trained) == len(trials) - len(repeats) == trials["arch"].nunique()
    first = trials.set_index("trial").loc[repeats["repeat_of"]]
    assert list(first["accuracy"]) == list(repeats["accuracy"])
    assert list(first["arch"]) == list(repeats["arch"])
    assert (repeats["seconds"] == 0).all()


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("die_at", [0, 7, 23, 29])
def test_a_killed_search_resumes_to_the_same_table(tmp_path, controller, die_at):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    options = {"controller": controller, "confirmations": 3}
    run_to_end(whole, create=True, **options)
    first, second = Fake(die_at=die_at), Fake()
    with pytest.raises(KeyboardInterrupt):
        run_to_end(broken, first, create=True, **options)
    search = run_to_end(broken, second, create=False, **options)
    assert search.replayed_exactly
    assert not set(first.trained) & set(second.trained)
    for table in ("trials", "epochs", "confirmations"):
        expected, got = (getattr(open_run(directory), table)() for directory in (whole, broken))
        times = [column for column in TIMES if column in expected]
        pd.testing.assert_frame_equal(expected.drop(columns=times), got.drop(columns=times))


@pytest.mark.parametrize("die_at", [7, 23])
def test_a_saved_controller_is_not_replayed_and_goes_on_the_same(tmp_path, monkeypatch, die_at):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    run_to_end(whole, create=True, controller="dyna")
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(broken, Fake(die_at=die_at), create=True, controller="dyna")
    asks, told = [], []
    ask, tell = DynaController.ask, DynaController.tell
    monkeypatch.setattr(DynaController, "ask", lambda self: asks.append(ask(self)) or asks[-1])
    monkeypatch.setattr(DynaController, "tell", lambda self, *a: told.append(a) or tell(self, *a))
    run_to_end(broken, create=False, controller="dyna")
    compare(whole, broken)
    assert len(asks) == 29 - die_at  # no earlier one is asked again
    assert len(told) == 30 - die_at


def test_a_stopped_trial_is_told_as_what_its_curve_points_to(tmp_path):
    class Rising(Fake):
        """Each missing epoch costs 0.1 in accuracy; every third trial is stopped."""

        def __call__(self, trial):
            for epoch in range(1, 3 if trial.trial % 3 == 2 else 5):
                yield Epoch(epoch, 1.0, None, fake_accuracy(trial) / 2 + 0.1 * epoch, 0.0)

    journal, search = new_search(tmp_path, create=True, trials=9, controller="random", epochs=4)
    with journal:
        run_inline(search, Rising())
        told = [event.reward for event in journal.events() if event.kind == "tell"]
    trials = open_run(tmp_path).trials()
    for trial in trials.itertuples():
        final = trial.accuracy + (0.2 if trial.epochs == 2 else 0)
        assert told[trial.trial] == pytest.approx(Objective(55e6)(final, trial.flops)), trial.trial
    assert (trials["epochs"] == 2).sum() == 3


class Stopped(Fake):
    """Every third trial is stopped after its second epoch of four, and would have been the best."""

    def __call__(self, trial):
        late = trial.trial % 3 == 2
        for epoch in range(1, 3 if late and not trial.confirms else 5):
            accuracy = 0.2 + fake_accuracy(trial) / 10 + (0.3 if late else 0.2) * epoch / 2
            yield Epoch(epoch, 1.0, None, accuracy, 0.0)


def test_a_stopped_trial_is_confirmed_if_its_curve_promises_most_and_may_then_be_chosen(tmp_path):
    options = {"epochs": 4, "confirmations": 2, "confirm_seeds": 2}
    journal, search = new_search(tmp_path, create=True, trials=12, controller="random", **options)
    with journal:
        run_inline(search, Stopped())
        told = {event.trial: event.reward for event in journal.events() if event.kind == "tell"}
    run = open_run(tmp_path)
    assert set(run.confirmations()["trial"]) == set(sorted(told, key=told.get)[-2:])
    write_config(tmp_path, {"objective": {"target_flops": 55e6}})
    best, trials = run.best_trial(), run.trials().set_index("trial")
    assert trials["epochs"][best["trial"]] == 2
    assert best["epochs"] == 4
    assert best["trainings"] == 2
    fresh = run.confirmations().set_index("trial")["accuracy"][best["trial"]]
    assert best["measured"] == pytest.approx(fresh.mean())
    networks = run.networks()
    assert set(networks["epochs"]) == {4}
    assert len(networks) == (trials["epochs"] == 4).sum() + sum(
        trials["epochs"][t] == 2 for t in set(run.confirmations()["trial"])
    )
    assert run.seed_noise().networks == len(networks)


def test_a_search_killed_between_proposal_and_training_trains_that_proposal(tmp_path):
    journal, search = new_search(tmp_path, create=True)
    with journal:
        lost = search.next()
    journal, search = new_search(tmp_path, create=False)
    with journal:
        assert search.next() == lost


def test_a_failed_trial_is_a_row_and_the_search_goes_on(tmp_path):
    run_to_end(tmp_path, Fake(fail=(0, 3)), create=True, trials=20)
    trials = open_run(tmp_path).trials()
    assert list(trials[trials["status"] == "failed"]["trial"]) == [0, 3]
    assert trials["error"][3] == "ArithmeticError: loss is nan in epoch 2"
    assert trials["accuracy"].isna()[3]
    assert not trials["reward"].notna()[3]


def test_a_network_that_failed_is_tried_again(tmp_path):
    space = SearchSpace("one", (Decision("only", ("b0",)),), lambda choices: EFFICIENTNET_B0)
    with Journal(tmp_path, create=True) as journal:
        search = Search(space, make("random", space), Objective(4e8), journal, Trainings(3))
        run_inline(search, Fake(fail=(0,)))
    trials = open_run(tmp_path).trials()
    assert list(trials["status"]) == ["failed", "done", "done"]
    assert trials["repeat_of"].isna().tolist() == [True, True, False]


def test_a_search_whose_first_trials_all_fail_gives_up_and_says_why(tmp_path):
    evaluator = Fake(fail=range(100))
    search = run_to_end(tmp_path, evaluator, create=True, trials=100)
    assert len(evaluator.trained) == GIVE_UP_AFTER
    assert search.gave_up == (
        "the first 5 trials all failed, the last one with ArithmeticError: loss is nan in epoch 2"
    )
    assert search.done


def test_a_network_in_training_is_not_trained_beside_itself(tmp_path):
    space = SearchSpace(
        "two", (Decision("width", (1.0, 2.0)),), lambda choices: resize(EFFICIENTNET_B0, width=choices[0])
    )
    with Journal(tmp_path, create=True) as journal:
        search = Search(space, make("random", space), Objective(4e8), journal, Trainings(50))
        started = [search.next(), search.next()]
        assert len({trial.arch for trial in started}) == 2
        assert search.next() is None
        assert not search.done
        assert open_run(tmp_path).trials()["status"].value_counts()["waiting"] == MOST_WAITING
        for trial in started:
            search.finish(trial, Outcome(0.5, 1, 1.0, "test"))
        assert search.next() is None
        assert search.done
    trials = open_run(tmp_path).trials()
    assert set(trials["status"]) == {"done"}
    assert trials["repeat_of"].isna().sum() == 2


def test_a_network_may_be_trained_again_on_every_proposal(tmp_path):
    space = SearchSpace(
        "two", (Decision("width", (1.0, 2.0)),), lambda choices: resize(EFFICIENTNET_B0, width=choices[0])
    )
    with Journal(tmp_path, create=True) as journal:
        search = Search(space, GridSearch(space), Objective(4e8), journal, Trainings(6, repeats=True))
        assert {search.next().arch for _ in range(3)} == {space.decode([0]), space.decode([1])}
    with Journal(tmp_path) as journal:  # running trials start again
        evaluator = Fake()
        search = Search(space, GridSearch(space), Objective(4e8), journal, Trainings(6, repeats=True))
        run_inline(search, evaluator)
    trials = open_run(tmp_path).trials()
    assert list(trials["actions"]) == [(0,), (1,)] * 3
    assert trials["repeat_of"].isna().all()
    assert [seed for _, seed, _ in evaluator.trained] == list(trials["seed"])
    assert trials["seed"].is_unique
    best = open_run(tmp_path).networks()
    assert list(best["trainings"]) == [3, 3]
    assert list(best["accuracy"]) == pytest.approx(
        list(trials.groupby("arch", sort=False)["accuracy"].mean())
    )


def test_waiting_trials_survive_a_kill(tmp_path):
    space = SearchSpace("one", (Decision("only", ("b0",)),), lambda choices: EFFICIENTNET_B0)

    def search_in(journal):
        return Search(space, make("random", space), Objective(4e8), journal, Trainings(4))

    with Journal(tmp_path, create=True) as journal:
        search = search_in(journal)
        search.next()
        assert search.next() is None
    with Journal(tmp_path) as journal:
        evaluator = Fake()
        run_inline(search_in(journal), evaluator)
    assert len(evaluator.trained) == 1
    assert list(open_run(tmp_path).trials()["status"]) == ["done"] * 4


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_results_may_come_in_any_order(tmp_path, order):
    journal, search = new_search(tmp_path, create=True, trials=3, controller="random")
    with journal:
        trials = [search.next() for _ in range(3)]
        for index in order:
            search.finish(trials[index], Outcome(fake_accuracy(trials[index]), 1, 1.0, "test"))
        assert search.done
    journal, search = new_search(tmp_path, create=False, trials=3, controller="random")
    with journal:
        assert search.done
        assert [event.trial for event in journal.events() if event.kind == "tell"] == list(order)


def test_the_best_are_confirmed_on_fresh_seeds(tmp_path):
    run_to_end(tmp_path, create=True, trials=30, confirmations=4, confirm_seeds=2)
    run = open_run(tmp_path)
    confirmed = run.confirmations()
    trials = run.trials()
    assert len(confirmed) == 8
    assert confirmed["seed"].is_unique
    assert not set(confirmed["seed"]) & set(trials["seed"])
    first = trials[trials["repeat_of"].isna()].sort_values("reward", ascending=False)
    assert set(confirmed["trial"]) == set(first["trial"].head(4))
    assert (confirmed.groupby("trial").size() == 2).all()


@pytest.mark.parametrize("told", [0, 1, 3, 5])
def test_a_search_killed_while_it_confirms_resumes_to_the_same_confirmations(tmp_path, told):
    options = {"trials": 12, "confirmations": 3, "confirm_seeds": 2, "controller": "random"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    run_to_end(whole, create=True, **options)
    journal, search = new_search(broken, create=True, **options)
    evaluator = Fake()
    with journal:
        while len(search.rows) < 12 or not all(trial.confirms for trial in search._queue) or told:
            trial = search.next()
            told -= trial.confirms
            *_, outcome = steps(evaluator, trial, "test")
            search.finish(trial, outcome)
            if search.done or (trial.confirms and not told):
                break
    run_to_end(broken, create=False, **options)
    expected, got = (
        open_run(directory).confirmations().drop(columns=["seconds", "finished", "worker"])
        for directory in (whole, broken)
    )
    pd.testing.assert_frame_equal(expected, got)
    assert len(got) == 6


def test_a_confirmation_that_fails_is_a_row_and_is_not_tried_again(tmp_path):
    options = {"trials": 6, "confirmations": 1, "confirm_seeds": 2, "controller": "random"}

    class FailsAgain(Fake):
        def __call__(self, trial):
            if trial.confirms:
                raise ArithmeticError("loss is nan")
            yield from super().__call__(trial)

    run_to_end(tmp_path, FailsAgain(), create=True, **options)
    run = open_run(tmp_path)
    assert run.confirmations()["accuracy"].isna().all()
    assert run.best_trial()["reward"] == run.trials()["reward"].max()
    again = Fake()
    assert run_to_end(tmp_path, again, create=False, **options).done
    assert again.trained == []


class Lucky(Fake):
    """Trial 1 is lucky the first time; trial 2 is as good every time."""

    accuracies: ClassVar = {
        0: [0.5, 0.5, 0.5],
        1: [0.95, 0.80, 0.81],
        2: [0.9, 0.91, 0.9],
        3: [0.6],
        4: [0.7],
    }

    def __call__(self, trial):
        self.trained.append((trial.trial, trial.seed, trial.confirms))
        number = sum(before[0] == trial.trial for before in self.trained) - 1
        yield Epoch(1, 1.0, 1.0, self.accuracies[trial.trial][number], 0.0)


def test_the_winner_is_chosen_after_confirmation_not_by_one_lucky_training(tmp_path):
    space = SearchSpace(
        "five",
        (Decision("width", (1.0, 1.25, 1.5, 1.75, 2.0)),),
        lambda choices: resize(EFFICIENTNET_B0, width=choices[0]),
    )
    with Journal(tmp_path, create=True) as journal:
        objective = Objective(4e8, exponent=0.0)  # cost does not count
        search = Search(space, GridSearch(space), objective, journal, Trainings(5, confirm=Confirm(2, 2)))
        run_inline(search, Lucky())
    run = open_run(tmp_path)
    assert run.trials()["reward"].idxmax() == 1
    assert run.best_trial()["trial"] == 2
    networks = run.networks().set_index("trial")
    assert networks["measured"][1] == pytest.approx((0.95 + 0.80 + 0.81) / 3)
    assert networks["trainings"].tolist() == [1, 3, 3, 1, 1]
    assert networks["p_best"][2] > 0.75
    assert networks["p_best"].sum() == pytest.approx(1)
    assert networks["accuracy_error"][2] < networks["accuracy_error"][4]
    assert 2 in set(run.pareto()["trial"])


def test_without_a_second_training_the_highest_reward_wins(tmp_path):
    run_to_end(tmp_path, create=True, trials=30)
    run = open_run(tmp_path)
    assert "p_best" not in run.networks()
    assert run.best_trial()["reward"] == run.trials()["reward"].max()


def test_a_snapshot_is_read_once_and_a_run_is_never_stale(tmp_path):
    run_to_end(tmp_path, create=True, trials=5, controller="random")
    run = open_run(tmp_path)
    snapshot = run.snapshot()
    assert len(snapshot.trials()) == 5
    run_to_end(tmp_path, create=False, trials=8, controller="random")
    assert len(snapshot.trials()) == 5
    assert snapshot.trials() is snapshot.trials()
    assert snapshot.snapshot() is snapshot
    assert len(run.trials()) == 8


def test_seeds_differ_between_trials_and_runs(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    run_to_end(tmp_path / "a", create=True, seed=0)
    run_to_end(tmp_path / "b", create=True, seed=1)
    a, b = (open_run(tmp_path / name).trials() for name in "ab")
    assert a["seed"].is_unique
    assert not set(a["seed"]) & set(b["seed"])
    assert list(a["arch"]) != list(b["arch"])


def test_a_second_writer_is_refused(tmp_path):
    with Journal(tmp_path, create=True), pytest.raises(InputError, match="being written by another process"):
        Journal(tmp_path)


def test_a_run_is_readable_while_it_is_written(tmp_path):
    journal, search = new_search(tmp_path, create=True)
    with journal:
        search.next()
        trials = open_run(tmp_path).trials()
        assert list(trials["status"]) == ["running"]
        with pytest.raises(InputError, match="must have a finished trial"):
            open_run(tmp_path).best()


def test_a_finished_run_is_one_database_file_and_may_be_moved(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    run_to_end(directory, create=True)
    assert sorted(path.name for path in directory.iterdir()) == ["run.db", "run.lock"]
    moved = directory.rename(tmp_path / "moved")
    assert len(open_run(moved).trials()) == 30


def test_rerank_orders_the_trials_by_another_objective(tmp_path):
    run_to_end(tmp_path, create=True, trials=30)
    run = open_run(tmp_path)
    cheap = run.rerank(target_flops=20e6, exponent=-1.0)
    assert cheap["reward"].is_monotonic_decreasing
    objective = Objective(20e6, -1.0)
    assert cheap["reward"].iloc[0] == max(
        objective(a, f) for a, f in zip(cheap["accuracy"], cheap["flops"], strict=True)
    )
    assert cheap["flops"].iloc[0] < run.best_trial()["flops"]


@pytest.mark.parametrize("cost_name", ["flops", "params", "activations"])
@pytest.mark.parametrize("kind", ["soft", "hard", "abs"])
def test_rerank_charges_for_any_cost_and_changes_nothing(tmp_path, cost_name, kind):
    run_to_end(tmp_path, create=True, trials=30, confirmations=2, confirm_seeds=2)
    before = (tmp_path / "run.db").read_bytes()
    run = open_run(tmp_path)
    networks = run.networks()
    target = float(networks[cost_name].median())
    ranked = run.rerank(target, -0.5, kind, cost_name)
    objective = Objective(target, -0.5, kind)
    assert list(ranked["reward"]) == sorted(
        (objective(a, c) for a, c in zip(networks["accuracy"], networks[cost_name], strict=True)),
        reverse=True,
    )
    assert set(ranked["old_reward"]) == set(networks["reward"])
    assert (tmp_path / "run.db").read_bytes() == before
    with pytest.raises(ValueError, match="cost must be one of"):
        run.rerank(target, cost="latency")


class Told(Listener):
    def __init__(self):
        self.events = []

    def on_epoch(self, trial, epoch, standing):
        self.events.append(("epoch", trial.trial, epoch.epoch, standing))

    def on_finish(self, row, outcome, standing):
        self.events.append((row.status, row.trial, outcome.epochs, standing))

    def on_confirm(self, trial, outcome, standing):
        self.events.append(("confirmed", trial.trial, outcome.epochs, standing))


def test_a_listener_is_told_every_event_and_where_the_search_then_stands(tmp_path):
    told = Told()
    journal, search = new_search(
        tmp_path, create=True, controller="random", trials=2, confirmations=1, listener=told
    )
    with journal:
        run_inline(search, Fake(fail=[0]))
    assert told.events == [
        ("epoch", 0, 1, Standing(2, 0, 1, 0, 1)),
        ("failed", 0, 1, Standing(2, 1, 0, 0, 1)),
        ("epoch", 1, 1, Standing(2, 1, 1, 0, 1)),
        ("epoch", 1, 2, Standing(2, 1, 1, 0, 1)),
        ("done", 1, 2, Standing(2, 2, 0, 0, 1)),
        ("epoch", 1, 1, Standing(2, 2, 1, 0, 1)),
        ("epoch", 1, 2, Standing(2, 2, 1, 0, 1)),
        ("confirmed", 1, 2, Standing(2, 2, 0, 1, 1)),
    ]
