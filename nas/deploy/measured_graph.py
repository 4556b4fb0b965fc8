"""An ONNX graph written straight from an ``ArchSpec``, for measuring: 0.1 s where torch's exporter takes 7.

The operations are those that ``torch.onnx.export`` emits for ``search_spaces.network`` in inference: BN is
part of the convolution before it, swish is Sigmoid and Mul, ReLU6 is Clip. Latency depends on them and not on
the weights, which are random unless they are given. ``nas export`` writes the file that is meant to be used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.arch import BOTTLENECK, ArchSpec, LayerSpec
from search_spaces.cost import se_channels

if TYPE_CHECKING:
    from onnx import ModelProto

Array = NDArray[np.float32]
OPSET = 20
"""What ``torch.onnx.export`` of torch 2.13 writes."""
IMAGES, LOGITS = "images", "logits"
CHANNELS = 3
"""Of its images."""
BN_EPSILON = 1e-3
"""That of ``build_network``."""
BIAS_SCALE = 0.1
"""Deviation of random biases: without any, activations shrink to subnormal numbers, which are slow."""


def onnx_graph(
    arch: ArchSpec, num_classes: int = 1000, state: Mapping[str, Array] | None = None
) -> ModelProto:
    """The network of ``arch`` in inference: ``images`` `[B, 3, H, H]` to ``logits`` `[B, classes]`, any B.

    Args:
        state: the tensors of ``build_network(arch, ...).state_dict()`` by name; None for random ones.

    Raises:
        KeyError: if ``state`` lacks a tensor.
        ModuleNotFoundError: if onnx is not installed.
    """
    from onnx import TensorProto, helper

    writer = _Writer(state, arch.activation)
    x = writer.conv_bn(
        IMAGES, "stem", CHANNELS, arch.stem_channels, arch.stem_kernel, arch.stem_stride, active=True
    )
    if arch.stem_pool:
        x = writer.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    specs = arch.layers()
    for number, spec in enumerate(specs):
        write = writer.bottleneck if spec.op == "bottleneck" else writer.layer
        x = write(x, f"layers.{number}", spec)
    channels = specs[-1].channels
    if arch.head_channels:
        x = writer.conv_bn(x, "head", channels, arch.head_channels, active=True)
        channels = arch.head_channels
    x = writer.mean(x)
    weight = writer.tensor("classifier.weight", (num_classes, channels), channels)
    bias = writer.tensor("classifier.bias", (num_classes,))
    writer.node("Gemm", x, weight, bias, output=LOGITS, transB=1)
    shapes: dict[str, list[str | int]] = {
        IMAGES: ["batch", CHANNELS, arch.resolution, arch.resolution],
        LOGITS: ["batch", num_classes],
    }
    images, logits = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items())
    graph = helper.make_graph(writer.nodes, "network", [images], [logits], writer.tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


class _Writer:
    """Collects nodes and tensors; names of tensors are those of the network's modules."""

    def __init__(self, state: Mapping[str, Array] | None, activation: str) -> None:
        self.state, self.activation = state, activation
        self.rng = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.names: Iterator[str] = (f"x{number}" for number in range(1_000_000))
        self.axes = self.constant("axes", np.array([2, 3], np.int64))
        if activation == "relu6":
            self.limits = [
                self.constant(name, np.float32(value)) for name, value in (("low", 0), ("high", 6))
            ]

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.tensors.append(
            numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)
        )
        return name

    def node(self, operation: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Adds an operation; the name of its output."""
        from onnx import helper

        output = output or next(self.names)
        self.nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def values(self, name: str, shape: tuple[int, ...], fan_in: int = 0) -> Array:
        """The tensor ``name``: a given one, or random weights for ``fan_in`` inputs, or random biases."""
        if self.state is not None:
            return self.state[name].reshape(shape)
        scale = np.float32((2 / fan_in) ** 0.5 if fan_in else BIAS_SCALE)
        return self.rng.standard_normal(shape, np.float32) * scale

    def tensor(self, name: str, shape: tuple[int, ...], fan_in: int = 0) -> str:
        return self.constant(name, self.values(name, shape, fan_in))

    def conv_bn(
        self,
        x: str,
        name: str,
        in_channels: int,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        active: bool,
    ) -> str:
        """A convolution with BN folded into it, and the activation if ``active``."""
        fan_in = in_channels // groups * kernel * kernel
        weight = self.values(f"{name}.0.weight", (channels, in_channels // groups, kernel, kernel), fan_in)
        if self.state is None:
            bias = self.values(f"{name}.bias", (channels,))
        else:
            gamma, beta, mean, variance = (
                self.values(f"{name}.1.{part}", (channels,))
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            scale = gamma / np.sqrt(variance + np.float32(BN_EPSILON))
            weight, bias = weight * scale[:, None, None, None], beta - mean * scale
        inputs = [self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)]
        pads = [kernel // 2] * 4
        shape: dict[str, Any] = {
            "kernel_shape": [kernel, kernel],
            "strides": [stride, stride],
            "pads": pads,
            "group": groups,
        }
        y = self.node("Conv", x, *inputs, **shape)
        return self.active(y) if active else y

    def active(self, x: str) -> str:
        if self.activation == "silu":
            return self.node("Mul", x, self.node("Sigmoid", x))
        return self.node("Clip", x, *self.limits) if self.activation == "relu6" else self.node("Relu", x)

    def mean(self, x: str) -> str:
        """`[B, C, H, H]` -> `[B, C]`."""
        return self.node("ReduceMean", x, self.axes, keepdims=0)

    def squeeze_excite(self, x: str, name: str, channels: int, squeezed: int) -> str:
        y = self.node("Unsqueeze", self.mean(x), self.axes)  # [B, C, 1, 1]
        for part, given, made in (("reduce", channels, squeezed), ("expand", squeezed, channels)):
            weight = self.tensor(f"{name}.{part}.weight", (made, given, 1, 1), given)
            bias = self.tensor(f"{name}.{part}.bias", (made,))
            y = self.node("Conv", y, weight, bias, kernel_shape=[1, 1])
            y = self.active(y) if part == "reduce" else self.node("Sigmoid", y)
        return self.node("Mul", x, y)

    def layer(self, x: str, name: str, spec: LayerSpec) -> str:
        """Any layer but a bottleneck; see ``search_spaces.network.Layer``."""
        y, inside, given, made = x, spec.channels, spec.in_channels, spec.channels
        if spec.op in ("mbconv", "separable"):
            inside = given * spec.expand_ratio
            if spec.expand_ratio != 1:
                y = self.conv_bn(y, f"{name}.expand", given, inside, active=True)
            depthwise = f"{name}.depthwise"
            y = self.conv_bn(y, depthwise, inside, inside, spec.kernel, spec.stride, inside, active=True)
        else:
            active = spec.op == "conv"
            y = self.conv_bn(y, f"{name}.{spec.op}", given, made, spec.kernel, spec.stride, active=active)
        if spec.se_ratio:
            y = self.squeeze_excite(y, f"{name}.se", inside, se_channels(given, spec.se_ratio))
        if spec.op == "mbconv":
            y = self.conv_bn(y, f"{name}.project", inside, made, active=False)
        elif spec.op == "separable":
            y = self.conv_bn(y, f"{name}.pointwise", inside, made, active=True)
        return self.node("Add", x, y) if spec.residual else y

    def bottleneck(self, x: str, name: str, spec: LayerSpec) -> str:
        """ResNet's layer; see ``search_spaces.network.Bottleneck``."""
        inside, given, made = spec.channels // BOTTLENECK, spec.in_channels, spec.channels
        y = self.conv_bn(x, f"{name}.reduce", given, inside, active=True)
        y = self.conv_bn(y, f"{name}.conv", inside, inside, spec.kernel, spec.stride, active=True)
        y = self.conv_bn(y, f"{name}.project", inside, made, active=False)
        if not spec.residual:
            x = self.conv_bn(x, f"{name}.shortcut", given, made, 1, spec.stride, active=False)
        return self.active(self.node("Add", x, y))
