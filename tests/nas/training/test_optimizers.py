import copy

import numpy as np
import pytest
import torch
from blocks import TINY
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick

from nas.spec.recipe import EFFICIENTNET, Recipe
from nas.training.optimizers import RMSPROP_EPSILON, TFRMSProp, WeightAverage, make_optimizer, set_rate
from search_spaces.network import build_network

SHAPES = ((3, 2), (4,), ())
RATES = (0.1, 0.1, 0.02, 0.0, 0.3)


def problem(seed=0):
    """Weights of each of SHAPES, and their gradients at each of the steps of RATES."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=shape) for shape in SHAPES]
    return weights, [[rng.normal(size=shape) for shape in SHAPES] for _ in RATES]


def published(weights, gradients, decay, momentum, epsilon, weight_decay):
    """The weights after each step: tensorflow, core/kernels/training_ops.cc, ``ApplyRMSProp``, in NumPy.

    ``ms`` starts at 1: python/training/rmsprop.py, ``_create_slots``.
    """
    weights = [np.array(weight) for weight in weights]
    ms, mom = [np.ones_like(weight) for weight in weights], [np.zeros_like(weight) for weight in weights]
    course = []
    for rate, step in zip(RATES, gradients, strict=True):
        for i, gradient in enumerate(step):
            grad = gradient + weight_decay * weights[i]
            ms[i] = ms[i] + (grad**2 - ms[i]) * (1 - decay)
            mom[i] = mom[i] * momentum + grad * rate / np.sqrt(ms[i] + epsilon)
            weights[i] = weights[i] - mom[i]
        course.append([weight.copy() for weight in weights])
    return course


def walked(make, weights, gradients):
    """The weights after each step of the optimiser that ``make`` returns for parameters."""
    parameters = [torch.nn.Parameter(torch.tensor(weight)) for weight in weights]
    optimizer = make(parameters)
    course = []
    for rate, step in zip(RATES, gradients, strict=True):
        set_rate(optimizer, rate)
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = torch.tensor(gradient)
        optimizer.step()
        course.append([parameter.detach().numpy().copy() for parameter in parameters])
    return course


def same(course, other):
    return all(
        np.allclose(a, b, rtol=1e-10)
        for step in zip(course, other, strict=True)
        for a, b in zip(*step, strict=True)
    )


@quick
@given(
    decay=st.sampled_from([0.0, 0.9, 0.99]),
    momentum=st.sampled_from([0.0, 0.9]),
    epsilon=st.sampled_from([1e-3, 1.0]),
    weight_decay=st.sampled_from([0.0, 1e-5, 0.1]),
    seed=st.integers(0, 100),
)
@pytest.mark.parametrize("tensor_rate", [False, True])
def test_rmsprop_is_tensorflows_step_by_step(tensor_rate, decay, momentum, epsilon, weight_decay, seed):
    options = {"decay": decay, "momentum": momentum, "epsilon": epsilon, "weight_decay": weight_decay}

    def make(parameters):
        rate = torch.tensor(1.0, dtype=torch.float64) if tensor_rate else 1.0
        return TFRMSProp(parameters, rate, **options)

    weights, gradients = problem(seed)
    assert same(walked(make, weights, gradients), published(weights, gradients, **options))


def test_rmsprop_is_not_torchs():
    weights, gradients = problem()
    ours = walked(lambda p: TFRMSProp(p, 1.0), weights, gradients)
    theirs = walked(
        lambda p: torch.optim.RMSprop(p, 1.0, alpha=0.9, momentum=0.9, eps=RMSPROP_EPSILON),
        weights,
        gradients,
    )
    for ours_now, theirs_now in zip(ours, theirs, strict=True):
        assert not np.allclose(ours_now[0], theirs_now[0], rtol=0.01)


def test_rmsprops_defaults_are_efficientnets():
    weights, gradients = problem()
    options = {"decay": 0.9, "momentum": 0.9, "epsilon": 1e-3, "weight_decay": 0.0}
    assert same(
        walked(lambda p: TFRMSProp(p, 1.0), weights, gradients), published(weights, gradients, **options)
    )


def test_a_weight_without_a_gradient_stays():
    used, unused = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = TFRMSProp([used, unused], 0.1, weight_decay=0.1)
    used.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(unused, torch.ones(2))
    assert not torch.equal(used, torch.ones(2))


def test_rmsprops_state_can_be_restored():
    weights, gradients = problem()
    whole = walked(lambda p: TFRMSProp(p, 1.0), weights, gradients)
    parameters = [torch.nn.Parameter(torch.tensor(weight)) for weight in weights]
    optimizer = TFRMSProp(parameters, 1.0)
    for rate, step in zip(RATES, gradients, strict=True):
        state = copy.deepcopy(optimizer.state_dict())
        optimizer = TFRMSProp(parameters, 1.0)
        optimizer.load_state_dict(state)
        set_rate(optimizer, rate)
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = torch.tensor(gradient)
        optimizer.step()
    assert same([[parameter.detach().numpy() for parameter in parameters]], whole[-1:])


def decays(network, recipe):
    """The weight decay of each parameter, by its name."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = make_optimizer(network, recipe, "cpu").param_groups
    found = [(names[id(weight)], group["weight_decay"]) for group in groups for weight in group["params"]]
    assert len(found) == len(names)
    return dict(found)


def test_rmsprop_decays_all_but_bn():
    network = build_network(TINY, 10)
    norms = {
        f"{name}.{kind}"
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
    found = decays(network, EFFICIENTNET)
    assert {name for name, decay in found.items() if decay == 0} == norms
    assert {decay for name, decay in found.items() if name not in norms} == {1e-5}
    assert found["classifier.bias"] == 1e-5


def test_adamw_decays_weights_of_two_or_more_dimensions():
    network = build_network(TINY, 10)
    shapes = {name: parameter.ndim for name, parameter in network.named_parameters()}
    for name, decay in decays(network, Recipe()).items():
        assert decay == (Recipe().weight_decay if shapes[name] > 1 else 0), name


def test_the_average_is_tensorflows_step_by_step_with_bns_statistics():
    """``tf.train.ExponentialMovingAverage``: average -= (1 - decay) (average - value)."""
    torch.manual_seed(0)
    network = build_network(TINY, 10)
    average = WeightAverage(copy.deepcopy(network), 0.5)
    names = [name for name, tensor in network.state_dict().items() if tensor.is_floating_point()]
    assert any("running_var" in name for name in names)
    expected = {name: network.state_dict()[name].double().numpy().copy() for name in names}
    optimizer = make_optimizer(network, Recipe(), "cpu")
    for step in range(1, 12):
        # Up to step 8 the decay is (1 + step) / (10 + step), as at the start.
        decay = min(0.5, (1 + step) / (10 + step))
        network(torch.randn(4, 3, 32, 32)).square().mean().backward()
        optimizer.step()
        average.update(network, step)
        for name in names:
            value = network.state_dict()[name].double().numpy()
            expected[name] -= (1 - decay) * (expected[name] - value)
            found = average.network.state_dict()[name].numpy()
            assert found == pytest.approx(expected[name], rel=1e-4, abs=1e-6), (step, name)
    assert not np.allclose(expected["stem.1.running_mean"], network.state_dict()["stem.1.running_mean"])


def test_the_average_evaluates_and_is_not_trained():
    average = WeightAverage(build_network(TINY, 10), 0.9999)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert not average.network(torch.zeros(1, 3, 32, 32)).requires_grad
