import json
import math

import numpy as np
import pytest
import torch
from bandits import distance
from places import MACRO_TABLE

from controllers import make
from controllers.policy import Policy, draw
from controllers.rnn import clipped_surrogate, moving_average
from controllers.testing import BANDIT, bandit, reward_of, run, same
from search_spaces import SPACES

# Evolution


def test_evolution_is_random_until_the_population_with_its_pending_trials_is_full():
    space = SPACES["mnas"]
    controller = make("evolution", space, settings={"population": 4, "sample": 1})
    uniform = make("random", space)
    first = [controller.ask() for _ in range(4)]
    assert first == [uniform.ask() for _ in range(4)]
    controller.tell(first[0], 0.5)
    assert distance(controller.ask(), first[0]) == 1  # the other three are still running
    controller.tell(first[1], None)
    controller.tell(first[2], None)
    assert distance(controller.ask(), first[0]) > 1  # two failed, so one place is open again


def test_evolution_changes_one_decision_to_another_choice():
    controller = make("evolution", BANDIT, settings={"population": 1, "sample": 1})
    parent = (3, 1, 0, 1)
    controller.tell(parent, 0.5)
    children = {controller.ask() for _ in range(200)}
    neighbours = {(a, 1, 0, 1) for a in (0, 1, 2)} | {(3, 0, 0, 1)} | {(3, 1, 0, c) for c in (0, 2)}
    assert children == neighbours


def test_evolution_mutates_the_best_of_the_tournament():
    controller = make("evolution", SPACES["mnas"], settings={"population": 20, "sample": 20})
    rng = np.random.default_rng(0)
    members = [SPACES["mnas"].sample(rng) for _ in range(20)]
    for i, member in enumerate(members):
        controller.tell(member, 0.1 * i)
    children = [controller.ask() for _ in range(100)]
    parents = [next(i for i, m in enumerate(members) if distance(m, child) == 1) for child in children]
    # With replacement, (19/20)^20 = 36 % of the tournaments do not draw the best.
    assert 0.5 < parents.count(19) / 100 < 0.8
    assert min(parents) > 10


def test_evolution_lets_the_oldest_die_however_good_it_was():
    space = SPACES["mnas"]
    controller = make("evolution", space, settings={"population": 3, "sample": 3})
    rng = np.random.default_rng(0)
    best, *others = (space.sample(rng) for _ in range(4))
    controller.tell(best, 1.0)
    for other in others:
        controller.tell(other, 0.1)
    assert all(distance(controller.ask(), best) > 1 for _ in range(50))


# The policy and its updates


def policy(counts, seed=0):
    return Policy(counts, 100, 100, 0.1, np.random.default_rng(seed))


def test_policy_is_the_papers_lstm():
    weights = dict(policy([3] * 8).named_parameters())
    assert weights["lstm.weight_hh_l0"].shape == (400, 100)
    assert not [name for name in weights if "l1" in name]
    for weight in weights.values():
        assert 0.09 < weight.abs().max() <= 0.1 or weight.numel() < 100
        assert abs(weight.mean()) < 0.03


def test_policy_gives_probability_to_existing_choices_only():
    actions = torch.tensor([[0, 1, 0, 2], [3, 0, 0, 1]])
    probabilities = policy([4, 2, 1, 3])(actions).exp()  # [B, D, C]
    assert torch.allclose(probabilities.sum(2), torch.ones(2, 4))
    exists = torch.arange(4) < torch.tensor([[4], [2], [1], [3]])  # [D, C]
    assert torch.equal(probabilities > 0, exists.expand(2, 4, 4))


def test_policy_depends_on_earlier_choices_only():
    first, second = policy([3, 3, 3])(torch.tensor([[0, 1, 2], [0, 2, 2]]))
    assert torch.allclose(first[:2], second[:2])
    assert not torch.allclose(first[2], second[2])


@pytest.mark.parametrize("space", ["nasbench-macro", "mnas"])
def test_sampling_and_the_batched_policy_agree_on_the_log_probability(space):
    p, rng = policy([len(d.choices) for d in SPACES[space].decisions]), np.random.default_rng(1)
    for _ in range(5):
        sampled, log_prob = p.sample(rng)
        actions = torch.tensor([sampled])
        assert p(actions).gather(2, actions[:, :, None]).sum().item() == pytest.approx(log_prob, abs=1e-4)


def test_policy_samples_with_its_own_probabilities():
    p, rng = policy([2, 3]), np.random.default_rng(1)
    with torch.no_grad():
        p.head_bias += torch.tensor([[1.0, 0, 0], [0, 2, 0]])
    counts = np.zeros((2, 3))
    for _ in range(3000):
        a, b = p.sample(rng)[0]
        counts[a, b] += 1
    every = torch.tensor([[a, b] for a in range(2) for b in range(3)])
    expected = p(every).gather(2, every[:, :, None]).sum((1, 2)).exp().reshape(2, 3).detach().numpy()
    assert np.abs(counts / 3000 - expected).max() < 0.03


def test_draw_takes_the_choice_under_the_uniform():
    logits = [math.log(0.2), math.log(0.5), math.log(0.3)]
    assert [draw(logits, u)[0] for u in (0, 0.19, 0.21, 0.69, 0.71, 1 - 1e-16)] == [0, 0, 1, 1, 2, 2]
    assert draw(logits, 0.5)[1] == pytest.approx(math.log(0.5))
    assert draw([1000.0, -1000.0], 0.5) == (0, 0.0)


def surrogate_and_gradient(ratio, advantage, clip=0.2):
    log_prob = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    value = clipped_surrogate(log_prob, torch.zeros(1), torch.tensor([advantage]), clip)
    value.sum().backward()
    return value.item(), log_prob.grad.item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient"),
    [
        (1.0, 2.0, 2.0, 2.0),
        (1.1, 2.0, 2.2, 2.2),
        (1.3, 2.0, 2.4, 0.0),  # gained enough
        (0.7, 2.0, 1.4, 1.4),  # good but less likely: pulled back
        (0.9, -2.0, -1.8, -1.8),
        (0.7, -2.0, -1.6, 0.0),  # lost enough
        (1.3, -2.0, -2.6, -2.6),  # bad but more likely: pushed back
        (1e9, -2.0, -6.0, 0.0),  # asked long ago, when it was very unlikely
    ],
)
def test_ppo_has_no_gradient_where_clipped(ratio, advantage, value, gradient):
    assert surrogate_and_gradient(ratio, advantage) == pytest.approx((value, gradient))


def test_baseline_is_the_moving_average_of_earlier_rewards():
    assert moving_average(None, 0.8, 0.95) == 0.8
    assert moving_average(0.8, 0.6, 0.95) == pytest.approx(0.79)
    controller = make("rnn", BANDIT)
    for reward in (0.8, 0.6, None, 0.9):
        controller.tell(controller.ask(), reward)
    state = controller.state_dict()
    # 0.8, then 0.95 * 0.8 + 0.05 * 0.6 = 0.79, then 0.95 * 0.79 + 0.05 * 0.9 = 0.7955.
    assert [advantage for _, _, advantage in state["batch"]] == pytest.approx([0.0, -0.2, 0.11])
    assert state["baseline"] == pytest.approx(0.7955)


def test_an_update_comes_every_20_results_and_failures_do_not_count():
    controller = make("rnn", BANDIT)
    start = controller.state_dict()["weights"]
    for i in range(25):
        controller.tell(controller.ask(), None if i < 6 else reward_of((i % 4,)))
    state = controller.state_dict()
    assert same(state["weights"], start)
    assert len(state["batch"]) == 19
    assert not state["pending"]
    controller.tell(controller.ask(), 0.5)
    state = controller.state_dict()
    assert not same(state["weights"], start)
    assert state["batch"] == []


def test_the_ratio_uses_the_log_probability_at_ask_time_oldest_ask_first():
    controller = make("rnn", bandit(2), settings={"learning_rate": 0.01})
    straggler = controller.ask()
    other = (1 - straggler[0],)
    for i in range(20):  # an update that makes the other less likely
        controller.tell(other, 1 - i / 20)
    while controller.ask() != straggler:
        pass
    first, second = dict(controller.state_dict()["pending"])[straggler]
    assert second > first + 0.01
    for _ in range(2):
        controller.tell(straggler, 0.5)
    controller.tell(straggler, 0.5)  # not asked for: log-probability by the present policy
    told = [log_prob for _, log_prob, _ in controller.state_dict()["batch"]]
    assert told == [first, second, pytest.approx(second, abs=1e-5)]


@pytest.mark.parametrize("algorithm", ["ppo", "reinforce"])
def test_an_update_makes_the_rewarded_likelier(algorithm):
    controller = make("rnn", bandit(2, 2), settings={"algorithm": algorithm, "update_every": 40})

    def log_prob(actions):
        controller.tell(actions, 0.5)
        return controller.state_dict()["batch"][-1][1]

    before = log_prob((1, 0))
    for i in range(39):
        controller.tell((1, 0) if i % 2 else (0, 1), float(i % 2))
    assert log_prob((1, 0)) > before


def test_a_bad_straggler_does_not_stop_the_learning():
    controller = make("rnn", bandit(*[3] * 8), settings={"learning_rate": 0.002})
    target = (1,) * 8
    state = controller.state_dict()
    state["pending"] = [(target, [-60.0])]  # very unlikely when it was asked
    controller.load_state_dict(state)
    controller.tell(controller.ask(), 0.0)
    controller.tell(target, -1.0)
    rewards = run(controller, 300, lambda actions: 1 - distance(actions, target) / 8)
    assert np.mean(rewards[-50:]) > 0.9


# Learning

LEARNERS = {
    "ppo": ("rnn", {"learning_rate": 0.002}),
    "reinforce": ("rnn", {"algorithm": "reinforce", "learning_rate": 0.02}),
    "evolution": ("evolution", {}),
}


@pytest.mark.parametrize("learner", LEARNERS)
def test_learners_beat_random_on_a_bandit(learner):
    space, best = bandit(*[4] * 6), (0, 3, 1, 2, 2, 0)

    def last_rewards(name, values, seed):
        controller = make(name, space, seed=seed, settings=values)
        return np.mean(run(controller, 300, lambda actions: 1 - distance(actions, best) / 6)[-100:])

    assert all(last_rewards("random", {}, seed) < 0.35 for seed in range(2))
    assert all(last_rewards(*LEARNERS[learner], seed) > 0.6 for seed in range(2))


@pytest.mark.slow
def test_the_papers_controller_beats_random_on_real_accuracies():
    table = {
        tuple(map(int, code)): trained["mean_acc"] / 100
        for code, trained in json.loads(MACRO_TABLE.read_text()).items()
    }

    def last_rewards(name, seed):
        rewards = run(make(name, SPACES["nasbench-macro"], seed=seed), 1000, table.__getitem__)
        return np.mean(rewards[-100:])

    rnn = np.array([last_rewards("rnn", seed) for seed in range(5)])
    uniform = np.array([last_rewards("random", seed) for seed in range(5)])
    # Measured: 0.931 against 0.903; the best of all 6561 networks has 0.9313.
    assert (rnn > uniform).all()
    assert rnn.mean() > uniform.mean() + 0.02
