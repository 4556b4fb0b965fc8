"""The front as an aim: its expected improvement, and a search for all budgets at once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers import Observer, make
from controllers.front import front_gain, on_front, usual_budgets
from controllers.surrogate import Surrogate
from controllers.testing import bandit
from reports import hypervolume, pareto_front
from search_spaces import SPACES, cost

MACRO = SPACES["nasbench-macro"]
ARMS = bandit(4, 3, 4, 3, 4, 3)


def price(actions):
    return cost(MACRO.decode(actions), 10)


@st.composite
def points(draw, costs):
    count = draw(st.integers(1, 8))
    value = st.floats(0.0, 1.0)
    told = np.array(draw(st.lists(st.tuples(*[value] * (costs + 1)), min_size=count, max_size=count)))
    return told[:, 0], 0.5 + told[:, 1:]


@pytest.mark.parametrize("costs", [1, 2])
@settings(max_examples=40)
@given(data=st.data())
def test_the_gain_of_a_sure_network_is_the_hypervolume_that_it_adds(costs, data):
    accuracies, prices = data.draw(points(costs))
    new = np.array(data.draw(st.tuples(*[st.floats(0.5, 1.5)] * costs)))
    accuracy = data.draw(st.floats(0.0, 1.5))
    steps = (np.arange(60) + 0.5) / 60 * 2.0
    budgets = np.array(np.meshgrid(*[steps] * costs)).reshape(costs, -1).T  # all over the box
    gain = front_gain(prices, accuracies, budgets)
    found = np.exp(gain(np.array([accuracy]), np.array([1e-9]), new[None]))[0]
    names = [f"cost{number}" for number in range(costs)]
    reference = {"accuracy": accuracies.min(), **dict.fromkeys(names, 2.0)}

    def volume(of_accuracy, of_prices):
        frame = pd.DataFrame(of_prices, columns=names).assign(accuracy=of_accuracy)
        return hypervolume(frame, ["accuracy"], names, reference=reference)

    both = volume(np.append(accuracies, accuracy), np.vstack([prices, new]))
    added = (both - volume(accuracies, prices)) / 2.0**costs
    assert found == pytest.approx(added, abs=0.03)


def test_the_gain_of_an_unsure_network_is_the_mean_over_its_accuracies():
    rng = np.random.default_rng(0)
    accuracies, prices = rng.random(6), rng.random((6, 2))
    gain, new = front_gain(prices, accuracies, rng.random((500, 2))), np.array([[0.3, 0.2]])
    drawn = rng.normal(0.6, 0.2, 20_000)
    sure = gain(drawn, np.full(len(drawn), 1e-9), np.repeat(new, len(drawn), axis=0))
    expected = np.exp(gain(np.array([0.6]), np.array([0.2]), new))[0]
    assert np.exp(sure).mean() == pytest.approx(expected, rel=0.02)


def test_a_network_that_fits_no_budget_gains_nothing():
    gain = front_gain(np.array([[0.5]]), np.array([0.5]), np.array([[0.1], [1.0]]))
    assert gain(np.array([0.9]), np.array([0.1]), np.array([[1.1]]))[0] == -np.inf


def test_budgets_lie_where_networks_lie():
    usual = np.random.default_rng(0).lognormal(size=(400, 1)) * np.array([[1.0, 10.0]])
    budgets = usual_budgets(usual, 0)
    assert np.median(budgets[:, 0]) == pytest.approx(np.median(usual[:, 0]) * 0.8, rel=0.15)
    ratio = budgets[:, 1] / budgets[:, 0]  # related as the costs are
    assert ratio.min() > 5
    assert ratio.max() < 20
    assert (usual_budgets(usual, 1) != budgets).any()


@given(points(2))
def test_the_front_is_that_of_reports(drawn):
    accuracies, prices = drawn
    frame = pd.DataFrame(prices, columns=["a", "b"]).assign(accuracy=accuracies)
    assert list(np.flatnonzero(on_front(prices, accuracies))) == list(
        pareto_front(frame, ["accuracy"], ["a", "b"]).index
    )


def searched(trials, **knowledge):
    """A search of a bandit with one cost, which is told where the controller observes."""
    controller = make("dyna", ARMS, seed=0, settings={"rounds": 0}, **knowledge)
    found = []
    for _ in range(trials):
        actions = controller.ask()
        accuracy, latency = truth(actions)
        if isinstance(controller, Observer):
            controller.observe(actions, {"latency": latency})
        reward = accuracy
        if "objective" in knowledge:
            named = {"latency": np.array([latency])}
            reward = float(knowledge["objective"](np.array([accuracy]), named)[0])
        controller.tell(actions, reward)
        found.append((accuracy, latency))
    return pd.DataFrame(found, columns=["accuracy", "latency"])


def truth(actions):
    """More of each choice is more accurate, and slower; the first half of the decisions pays best."""
    half = len(actions) // 2
    first, second = sum(actions[:half]), sum(actions[half:])
    return 0.4 + 0.05 * first + 0.02 * second, 1.0 + 0.5 * first + 1.5 * second


def predicted(actions):
    return np.array([truth(row)[1] for row in actions.tolist()])


def dominated(frame):
    top = {"accuracy": 0.4, "latency": 22.0}
    return hypervolume(frame, ["accuracy"], ["latency"], reference=top)


@pytest.mark.parametrize("known", [True, False], ids=["predicted", "learned"])
def test_a_search_for_the_front_dominates_more_than_random_search(known):
    free = {"price": lambda _: cost(MACRO.decode([0] * 8), 10)}
    measure = predicted if known else None
    ours = searched(25, measures={"latency": measure}, front=("latency",), **free)
    rng = np.random.default_rng(0)
    random = [dominated(pd.DataFrame([truth(ARMS.sample(rng)) for _ in range(25)],
              columns=["accuracy", "latency"])) for _ in range(20)]  # fmt: skip
    assert dominated(ours) > np.max(random)


def test_a_cost_that_only_trials_show_is_learned_almost_as_well_as_a_predicted_one():
    def objective(accuracies, costs):
        return accuracies * np.maximum(costs["latency"] / 4.0, 1.0) ** -1

    free = {"price": lambda _: cost(MACRO.decode([0] * 8), 10), "objective": objective}
    some = np.random.default_rng(0).integers([len(d.choices) for d in ARMS.decisions], size=(3000, 6))
    known = pd.DataFrame(map(truth, some.tolist()), columns=["accuracy", "latency"])
    best = objective(known["accuracy"], known).max()
    for measure in (predicted, None):
        found = searched(30, measures={"latency": measure}, **free)
        assert objective(found["accuracy"], found).max() > 0.98 * best


def test_a_learned_cost_continues_from_a_saved_state():
    def fresh():
        return make("dyna", MACRO, price=price, measures={"latency": None}, front=("latency", "flops"))

    controller, rng = fresh(), np.random.default_rng(1)
    for _ in range(9):
        actions = controller.ask()
        controller.observe(actions, {"latency": 1.0 + sum(actions)})
        controller.tell(actions, float(rng.random()))
    other = fresh()
    other.load_state_dict(controller.state_dict())
    assert [controller.ask() for _ in range(2)] == [other.ask() for _ in range(2)]


def test_draws_of_a_learned_cost_have_its_mean_and_deviation():
    surrogate = Surrogate(MACRO, None, price, {"latency": None}, ("latency",))
    forecasts = {"latency": lambda features: (np.full(len(features), 2.0), np.full(len(features), 0.1))}
    drawn = np.log(surrogate._drawn(np.full((3, 1), np.nan), np.zeros((3, 1)), forecasts))
    assert drawn.mean() == pytest.approx(2.0)
    assert drawn.std() == pytest.approx(0.1, rel=0.15)
