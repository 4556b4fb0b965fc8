import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from nas.deploy.measured_graph import onnx_graph
from search_spaces import PRESETS, SPACES
from search_spaces.network import build_network

MACRO = SPACES["nasbench-macro"]
NETWORKS = [
    *(PRESETS[name] for name in ("efficientnet-b0", "efficientnet-lite0", "mobilenet-v1", "resnet-50")),
    *(SPACES[name].decode(SPACES[name].sample(np.random.default_rng(1))) for name in ("mnas", "mnas-a1")),
    MACRO.decode([0, 1, 2, 0, 1, 2, 0, 0]),
]


def logits(graph, images):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images})[0]


def trained(arch):
    """A network whose BN has moved away from the identity."""
    network = build_network(arch, 10).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    return network


@pytest.mark.parametrize("arch", NETWORKS, ids=lambda arch: str(arch)[:40])
def test_with_a_networks_weights_the_graph_gives_its_logits(arch):
    torch.manual_seed(0)
    arch = dataclasses.replace(arch, resolution=48)
    network = trained(arch)
    graph = onnx_graph(arch, 10, {name: one.numpy() for name, one in network.state_dict().items()})
    onnx.checker.check_model(graph)
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        wanted = network(images).numpy()
    assert np.abs(logits(graph, images.numpy()) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_random_weights_give_logits_that_are_neither_0_nor_infinite():
    arch = dataclasses.replace(PRESETS["efficientnet-b7"], resolution=64)
    images = np.random.default_rng(0).standard_normal((1, 3, 64, 64), np.float32)
    found = np.abs(logits(onnx_graph(arch), images))
    assert found.shape == (1, 1000)
    assert 1e-3 < found.max() < 1e6


def test_its_operations_are_those_of_torchs_exporter():
    """Counted in the file that ``torch.onnx.export`` of torch 2.13 makes of B0: LOG.md."""
    counts: dict[str, int] = {}
    for node in onnx_graph(PRESETS["efficientnet-b0"]).graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    wanted = {"Conv": 81, "Sigmoid": 65, "Mul": 65, "ReduceMean": 17, "Unsqueeze": 16, "Add": 9, "Gemm": 1}
    assert counts == wanted


def test_a_missing_tensor_is_an_error():
    with pytest.raises(KeyError, match=r"stem\.0\.weight"):
        onnx_graph(PRESETS["efficientnet-b0"], state={})
