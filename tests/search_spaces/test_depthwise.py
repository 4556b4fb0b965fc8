"""The depthwise convolution against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from search_spaces.convolution import PaddedConv2d
from search_spaces.depthwise import DepthwiseConv2d


def both(kernel, stride, size, channels=3, count=2, seed=0):
    """Outputs and gradients of ours and of torch's, pair by pair."""
    torch.manual_seed(seed)
    ours = DepthwiseConv2d(channels, kernel, stride).double()
    plain = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False).double()
    plain.load_state_dict(ours.state_dict())
    images = torch.randn(count, channels, size, size, dtype=torch.float64)
    inputs = [images.clone().requires_grad_(), images.clone().requires_grad_()]
    outputs = [module(x) for module, x in zip((ours, plain), inputs, strict=True)]
    towards = torch.randn_like(outputs[1])
    for output in outputs:
        output.backward(towards)
    yield outputs
    yield [x.grad for x in inputs]
    yield [ours.weight.grad, plain.weight.grad]


@given(
    kernel=st.sampled_from([1, 3, 5, 7, 9]),
    stride=st.sampled_from([1, 2, 3]),
    size=st.integers(1, 13),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_outputs_and_gradients_are_torchs(kernel, stride, size, seed):
    for ours, plain in both(kernel, stride, size, seed=seed):
        torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_it_agrees_in_float32_and_channels_last_too(size):
    torch.manual_seed(0)
    ours = DepthwiseConv2d(32, 5, 1).to(memory_format=torch.channels_last)
    plain = nn.Conv2d(32, 32, 5, 1, 2, groups=32, bias=False)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(4, 32, size, size)
    ours(x.contiguous(memory_format=torch.channels_last)).square().sum().backward()
    plain(x).square().sum().backward()
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 8, 9, 14])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_same_padding_is_tensorflows(kernel, size):
    """``max(0, (ceil(n / s) - 1) s + k - n)`` in all, the smaller half of it before."""
    total = max(0, (-(-size // 2) - 1) * 2 + kernel - size)
    edges = (total // 2, total - total // 2) * 2
    torch.manual_seed(size)
    for ours in (DepthwiseConv2d(3, kernel, 2).double(), PaddedConv2d(3, 4, kernel, 2).double()):
        ours.same = True
        x = torch.randn(2, 3, size, size, dtype=torch.float64)
        inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
        weight = ours.weight.detach().clone().requires_grad_()
        plain = functional.conv2d(functional.pad(inputs[1], edges), weight, None, 2, 0, 1, ours.groups)
        output = ours(inputs[0])
        towards = torch.randn_like(plain)
        for y in (output, plain):
            y.backward(towards)
        assert output.shape[2] == -(-size // 2)
        torch.testing.assert_close(output, plain)
        torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
        torch.testing.assert_close(ours.weight.grad, weight.grad)
        with torch.no_grad():
            torch.testing.assert_close(ours(x), plain)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_same_padding_on_sides_of_odd_and_even_length(kernel):
    radius = kernel // 2
    x = torch.randn(1, 2, 6, 7, dtype=torch.float64)
    edges = (radius, radius, max(0, radius - 1), radius)  # columns, then rows
    for ours in (DepthwiseConv2d(2, kernel, 2).double(), PaddedConv2d(2, 2, kernel, 2).double()):
        ours.same = True
        plain = functional.conv2d(functional.pad(x, edges), ours.weight, None, 2, 0, 1, ours.groups)
        torch.testing.assert_close(ours(x), plain)


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_stride_of_1_pads_alike_in_both_ways(kernel):
    conv, x = DepthwiseConv2d(2, kernel, 1), torch.randn(1, 2, 6, 6)
    symmetric = conv(x)
    conv.same = True
    assert torch.equal(conv(x), symmetric)


def test_weights_that_only_meet_padding_have_no_gradient():
    conv = DepthwiseConv2d(2, 5, 1)
    conv(torch.ones(1, 2, 1, 1)).sum().backward()
    assert conv.weight.grad.count_nonzero() == 2


def test_frozen_weights_and_inputs_are_fine():
    conv = DepthwiseConv2d(2, 5, 2)
    conv(torch.randn(1, 2, 9, 9)).sum().backward()
    conv.weight.requires_grad_(False)
    x = torch.randn(1, 2, 9, 9, requires_grad=True)
    conv(x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_under_autocast(kernel, stride):
    torch.manual_seed(0)
    conv, x = DepthwiseConv2d(4, kernel, stride), torch.randn(2, 4, 8, 8, requires_grad=True)
    conv(x).square().sum().backward()
    exact = x.grad, conv.weight.grad
    x.grad = conv.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        y = conv(x)
    y.float().square().sum().backward()
    assert y.dtype == torch.bfloat16
    for half, full in zip((x.grad, conv.weight.grad), exact, strict=True):
        torch.testing.assert_close(half, full, rtol=0.05, atol=0.2)
