"""Exported networks compute what the network does, and need nothing of this project."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from nas.deploy import exported_graph, formats
from nas.deploy.finished import Finished, as_run, design_of, in_parts
from nas.deploy.parity import compare
from search_spaces import SPACES, ArchSpec
from search_spaces.network import build_network

SMALL = "res{}-relu6-stem8-mb1_r1_k3_s1_c8-mb3_r2_k5_s2_c16_se0.25-mb6_r1_k3_s2_c24-head32"
EVERY_OP = {
    "mbconv": SMALL.format(32),
    "conv": "res24-silu-stem8k5-conv_r2_k3_s2_c8_se0.25-conv_r1_k1_s1_c8_noskip-head0",
    "linear": "res24-relu-stem8s1-linear_r2_k3_s2_c12-mb3_r1_k7_s2_c16_noskip-head16",
    "separable": "res33-relu-stem8-separable_r2_k3_s2_c16_noskip-separable_r1_k5_s1_c16-head0",
    "bottleneck": "res48-relu-stem8k7pool-bottleneck_r2_k3_s1_c16-bottleneck_r2_k3_s2_c32-head0",
}
FORBIDDING = """
import sys

class Forbid:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("nas", "search_spaces", "reports", "controllers", "scaling_search"):
            raise ImportError(f"{name} is forbidden")

sys.meta_path.insert(0, Forbid())
sys.path.insert(0, sys.argv[1])
import model, torch
torch.save(model.load()(torch.load(sys.argv[2])), sys.argv[3])
"""


def finished(text, *, padding="symmetric", channels=3, classes=5, view="whole"):
    """A network with random weights and BN statistics."""
    arch = ArchSpec.parse(text)
    torch.manual_seed(0)
    network = build_network(arch, classes, channels, padding=padding).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    names = [f'class "{number}"' for number in range(classes)]
    design = design_of(arch, names, (127.0,) * channels, (64.0,) * channels, padding=padding, view=view)
    return Finished("some-network", arch, design, network.state_dict()), network


def images(one, number=4):
    return np.random.default_rng(0).standard_normal((number, *one.example(1).shape[1:]), np.float32)


@pytest.mark.parametrize("padding", ["symmetric", "same"])
@pytest.mark.parametrize("op", EVERY_OP)
def test_the_plain_network_is_the_network(op, padding):
    one, network = finished(EVERY_OP[op], padding=padding)
    x = torch.from_numpy(images(one))
    assert torch.allclose(one.network()(x), network(x), atol=1e-6)


@pytest.mark.parametrize("space", ["mnas", "mnas-lite", "accel-nasbench"])
def test_the_plain_network_is_any_network_of_a_space(space):
    rng = np.random.default_rng(1)
    for _ in range(3):
        arch = SPACES[space].decode(SPACES[space].sample(rng))
        one, network = finished(str(arch).replace(f"res{arch.resolution}", "res32"))
        assert compare(
            in_parts(as_run(network), images(one)), in_parts(as_run(one.network()), images(one))
        ).holds


@pytest.mark.parametrize(("name", "padding"), [("onnx", "same"), ("pt2", "symmetric")])
def test_graphs_take_batches_of_any_size_and_compute_the_same(tmp_path, name, padding):
    one, network = finished(SMALL.format(32), padding=padding, channels=1)
    run = formats.write(one, name, tmp_path)
    for number in (1, 2, 7):
        x = images(one, number)
        assert compare(network(torch.from_numpy(x)).numpy(), run(x)).holds
    for file in tmp_path.iterdir():  # notes of source files would be those of this machine
        assert b"site-packages" not in file.read_bytes()
        assert b"plain.py" not in file.read_bytes()


def test_a_litert_file_computes_the_same_for_one_image_after_the_other(tmp_path):
    pytest.importorskip("litert_torch")
    one, network = finished(SMALL.format(32), padding="same")
    run = formats.write(one, "litert", tmp_path)
    assert compare(network(torch.from_numpy(images(one))).numpy(), run(images(one))).holds


def test_an_onnx_file_says_how_images_are_made_ready(tmp_path):
    one, _ = finished(SMALL.format(32), view="centre")
    (tmp_path / "a.onnx").write_bytes(exported_graph.onnx_bytes(one))
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"])[4] == 'class "4"'
    assert (about["resolution"], about["read_at"], about["mean"]) == ("32", "37", "[127.0, 127.0, 127.0]")
    assert ArchSpec.parse(about["arch"]) == one.arch
    assert session.get_inputs()[0].shape == ["batch", 3, 32, 32]
    assert session.get_outputs()[0].shape == ["batch", 5]


def test_a_pt2_file_says_how_images_are_made_ready(tmp_path):
    one, _ = finished(SMALL.format(32))
    (tmp_path / "a.pt2").write_bytes(exported_graph.pt2_bytes(one))
    extra = {exported_graph.NOTES: ""}
    with exported_graph.silenced():
        torch.export.load(tmp_path / "a.pt2", extra_files=extra)
    assert json.loads(extra[exported_graph.NOTES])["classes"][0] == 'class "0"'


@pytest.mark.parametrize("op", ["mbconv", "bottleneck"])
def test_model_py_runs_where_there_is_torch_and_safetensors_alone(tmp_path, op):
    one, network = finished(EVERY_OP[op], padding="same")
    formats.write(one, "pytorch", tmp_path)
    x = torch.from_numpy(images(one))
    torch.save(x, tmp_path / "x")
    files = [tmp_path, tmp_path / "x", tmp_path / "y"]
    subprocess.run([sys.executable, "-I", "-c", FORBIDDING, *files], check=True)
    assert torch.equal(torch.load(tmp_path / "y"), one.network()(x))
    assert torch.allclose(torch.load(tmp_path / "y"), network(x), atol=1e-6)
    text = (tmp_path / "model.py").read_text()
    assert "from nas" not in text
    assert "import nas" not in text
    assert f"    resolution={one.arch.resolution},\n" in text


def test_a_timm_file_is_valid_and_has_the_tensors_by_timms_names(tmp_path):
    one, network = finished(SMALL.format(32), padding="same")
    run = formats.write(one, "timm", tmp_path)
    assert compare(network(torch.from_numpy(images(one))).numpy(), run(images(one))).holds
    text = (tmp_path / "timm_model.py").read_text()
    compile(text, "timm_model.py", "exec")
    assert '    ["ir_r2_k5_s2_e3_c16_se0.25"],\n' in text
    assert 'pad_type="same"' in text
    assert "def nas_some_network(" in text
    tensors = load_file(tmp_path / "timm_model.safetensors")
    assert tensors["blocks.1.1.conv_pwl.weight"].shape == (16, 48, 1, 1)
    assert set(tensors) >= {"conv_stem.weight", "bn2.running_var", "blocks.1.0.se.conv_expand.bias"}


def test_a_wrong_export_is_found():
    logits = np.array([[1.0, 2.0], [4.0, 3.0]], np.float32)
    assert compare(logits, logits).holds
    assert not compare(logits, logits + 1e-3).holds  # the difference is too large
    close = np.array([[1.0, 1.00001]], np.float32)
    tie = compare(close, close[:, ::-1])
    assert (tie.same, tie.ties, tie.holds) == (0, 1, True)
    assert not compare(logits, logits[:, ::-1]).holds
    assert not compare(logits, np.full_like(logits, np.nan)).holds
