"""``nas export``: files that need nothing of this project, each checked."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fakes import start
from huggingface_hub import ModelCard
from PIL import Image
from places import ROOT
from shades import photo, train_on_shades

from nas.deploy import formats
from nas.deploy.finished import as_run
from nas.deploy.sources import has_timm, imported
from nas.launch.export import shortened
from search_spaces import PRESETS

TINY = "res8-relu6-stem8-mb3_r2_k3_s1_c8-mb3_r1_k3_s2_c16_se0.25-head64"
ALL = "onnx,pt2,pytorch,timm"
CODE = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of three shades, a network that was trained on them, and all its exports."""
    directory = tmp_path_factory.mktemp("made")
    train_on_shades(directory, TINY)
    process = start(directory, "export", "r", "--to", ALL, "--int8")
    out, err = process.communicate()
    assert (err, process.returncode) == ("", 0)
    (directory / "said").write_text(out)
    return directory


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """The run, beside the folder of another working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "r", "r")
    (tmp_path / "photos").symlink_to(made / "photos")
    return "r"


@pytest.fixture
def exported(made):
    return made / "r-onnx-pt2-pytorch-timm-int8"


def test_every_format_is_checked_on_validation_images_and_said(made, exported):
    said = (made / "said").read_text()
    for name in ("onnx", "pt2", "pytorch", r"timm \(by its grammar, as timm does not import here\)"):
        line = (
            rf"^{name}: the same top-1 on all 12 images, and a largest difference of logits of (\S+) of the"
        )
        assert float(re.search(line, said, re.MULTILINE)[1]) < 1e-5
    assert "; validation images of folder:photos\n" in said
    assert re.search(
        r"^int8 validation accuracy \d\.\d{4}, float \d\.\d{4} \([+-]\S+ points, 12 images\)$", said, re.M
    )
    assert re.search(r"^int8 \d+\.\d\d ms an image, float \d+\.\d\d ms ", said, re.MULTILINE)
    assert {file.name for file in exported.iterdir()} == {
        *("model.onnx", "model-int8.onnx", "model.pt2", "model.py", "model.safetensors"),
        *("timm_model.py", "timm_model.safetensors", "model_card.md"),
    }


def test_the_card_has_the_hubs_form_and_no_path(made, exported):
    text = (exported / "model_card.md").read_text()
    data = ModelCard(text).data
    assert (data.pipeline_tag, data.metrics, data.license) == ("image-classification", ["accuracy"], "other")
    accuracy = json.loads((made / "r" / "best.json").read_text())["test_accuracy"]
    assert (data.eval_results[0].metric_name, data.eval_results[0].metric_value) == (
        "Test accuracy",
        round(accuracy, 4),
    )
    assert yaml.safe_load(text.split("---")[1])["model-index"][0]["name"] == "r"
    assert f"nas train {TINY} --data folder:photos" in text
    assert "On folder:photos, by" in text
    assert '"batch_size": 8' in text
    assert '"grey, mid"' in text
    assert "int8 validation accuracy" in text
    assert str(made) not in text


@pytest.mark.parametrize("code", CODE, ids=["onnx", "pt2", "pytorch", "timm"])
def test_the_lines_of_the_document_classify_a_photo(exported, tmp_path, code):
    if "timm" in code and not has_timm():
        pytest.skip("timm does not import here")
    assert len([line for line in code.splitlines() if line]) <= 10
    shutil.copytree(exported, tmp_path / "there")
    photo(tmp_path / "photo.png", 120, 99)
    Image.open(tmp_path / "photo.png").save(tmp_path / "there" / "photo.jpg")
    for text in (code, code.replace("model.onnx", "model-int8.onnx")):
        where = {"cwd": tmp_path / "there", "env": {"PYTHONPATH": ".", "PATH": os.environ["PATH"]}}
        ended = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-c", text], capture_output=True, text=True, **where
        )
        assert (ended.stdout, ended.returncode) == ("grey, mid\n", 0), ended.stderr


def test_model_py_classifies_files_as_nas_predict_does(nas, run, exported, tmp_path):
    photo(tmp_path / "a" / "wide.png", 40, 1, (30, 50))
    photo(tmp_path / "a" / "tall.jpg", 120, 2, (90, 20))
    Image.open(tmp_path / "a" / "wide.png").convert("L").save(tmp_path / "a" / "grey.png")
    turned = Image.Exif()
    turned[274] = 6
    Image.open(tmp_path / "a" / "wide.png").save(tmp_path / "a" / "turned.jpg", exif=turned)
    clear = Image.open(tmp_path / "a" / "wide.png").convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 100))
    clear.save(tmp_path / "a" / "clear.png")
    files = sorted((tmp_path / "a").iterdir())
    found = json.loads(nas("predict", run, "a", "--json")[1])["images"]
    ours = imported(exported / "model.py").classify(files)
    assert [Path(one["path"]).name for one in found] == [file.name for file in files]
    assert [one["class"] for one in found] == [name for name, _ in ours]
    assert [one["probability"] for one in found] == pytest.approx([p for _, p in ours], abs=1e-6)


def test_a_network_without_weights_is_exported_only_when_asked(nas, tmp_path):
    code, _, err = nas("export", TINY, "--to", "pytorch")
    assert code == 2
    assert err == (
        "nas: ARCH must be a run of nas train, which has weights, or stand with --untrained for random ones, "
        f"got {TINY}; train it with: nas train {TINY}\n"
    )
    code, out, err = nas("export", TINY, "--to", "pytorch", "--untrained")
    assert (code, err) == (0, "")
    assert "; random images\n" in out
    assert "**It is not trained**" in (tmp_path / "network-pytorch" / "model_card.md").read_text()


def test_a_model_of_a_family_is_exported(nas, tmp_path):
    assert nas("scale", "--preset", "efficientnet", "--run", "f")[0] == 0
    assert nas("export", "f:B1", "--to", "pytorch", "--untrained")[0] == 0
    assert str(PRESETS["efficientnet-b1"]) in (tmp_path / "f-B1-pytorch" / "model_card.md").read_text()
    code, _, err = nas("export", "f:B9", "--to", "pytorch", "--untrained")
    assert (code, err[:32]) == (2, "nas: ARCH: unknown model 'B9'. K")


KNOWN = f"Known: {', '.join(formats.FORMATS)}"


@pytest.mark.parametrize(("options", "line"), [
    (["--to", "onxx"], f"--to: unknown format 'onxx'; did you mean 'onnx'? {KNOWN}"),
    (["--to", "onnx", "--out", "photos"], "--out must be a directory that does not exist yet, got photos"),
    (["--to", "pt2", "--int8"], "--int8 must stand with --to onnx, got pt2"),
    (["--to", "pt2", "--untrained"], "--untrained must stand with a network that has no weights, got r"),
])  # fmt: skip
def test_bad_input_is_one_line(nas, run, options, line):
    assert nas("export", run, *options) == (2, "", f"nas: {line}\n")
    assert not [*Path().glob("r-*")]


def test_bad_input_without_a_run_is_one_line(nas):
    conv = "res8-silu-stem8-conv_r1_k3_s1_c8_se0.25-head8"
    said = "timm can only say conv without squeeze-and-excitation, got conv_r1_k3_s1_c8_se0.25"
    assert nas("export", conv, "--to", "onnx,timm", "--untrained") == (2, "", f"nas: --to: {said}\n")
    line = f"--int8 must stand with a trained run, whose images scale it, got {TINY}"
    assert nas("export", TINY, "--to", "onnx", "--untrained", "--int8") == (2, "", f"nas: {line}\n")
    code, _, err = nas("export", "efficientnet-b9", "--to", "pt2")
    assert (code, err.splitlines()[0][:60]) == (
        2,
        "nas: ARCH is not a file, a preset or an architecture: unknow",
    )


def test_a_missing_extra_is_named(nas, monkeypatch):
    found = formats.importlib.util.find_spec
    missing = lambda name: None if name == "onnxscript" else found(name)  # noqa: E731
    monkeypatch.setattr(formats.importlib.util, "find_spec", missing)
    line = "nas: --to: onnx needs onnxscript (pip install 'nas-scaling[export]'), got pt2,onnx\n"
    assert nas("export", TINY, "--to", "pt2,onnx", "--untrained") == (2, "", line)
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda _: None)
    line = "nas: --to: litert needs litert_torch, ai_edge_litert (pip install litert-torch), got litert\n"
    assert nas("export", TINY, "--to", "litert", "--untrained") == (2, "", line)


def test_an_export_that_computes_something_else_leaves_no_file(nas, run, monkeypatch):
    written = formats.write

    def wrong(finished, name, folder):
        written(finished, name, folder)
        network = finished.network()
        return as_run(lambda x: 1.001 * network(x))

    monkeypatch.setattr(formats, "write", wrong)
    before = {*Path().iterdir()}
    code, _, err = nas("export", run, "--to", "pytorch")
    assert code == 1
    assert re.fullmatch(
        r"nas: pytorch must have the network's top-1, and logits that differ by at most 0\.0001 of the "
        r"largest; it has the same top-1 on all 12 images, and a largest difference of logits of 1\.0e-03 of "
        r"the largest logit\. Nothing was kept\n",
        err,
    )
    assert {*Path().iterdir()} == before


def test_a_run_whose_images_are_gone_is_checked_on_random_ones(nas, run, tmp_path):
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    (tmp_path / "r" / "config.json").write_text(json.dumps({**config, "data": "folder:/nowhere"}))
    code, out, err = nas("export", run, "--to", "pytorch")
    assert (code, err) == (0, "")
    assert out.startswith("The run's images are not there, and random ones take their place in the check: ")
    code, _, err = nas("export", run, "--to", "onnx", "--int8")
    assert (code, err[:52]) == (2, "nas: --int8 must have the images that r was trained ")


def test_paths_are_shortened_to_their_last_part():
    assert shortened("npz:/home/me/a b.npz") == "npz:a b.npz"
    assert shortened("/home/me/run") == "run"
    assert shortened("fields=/a/b") == "fields=b"
    assert shortened("hf:user/name") == "hf:user/name"


def test_json_says_what_was_exported_and_the_report_of_the_run_shows_int8(nas, run):
    code, out, err = nas("export", run, "--to", "onnx", "--int8", "--json", "--out", "o")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["files"] == {path.name: path.stat().st_size for path in sorted(Path("o").iterdir())}
    assert facts["checks"]["onnx"]["same"] == facts["checks"]["onnx"]["images"] == 12
    both = facts["int8"]
    shown = json.loads(nas("report", run, "--json")[1])["int8"]
    for precision in ("float32", "int8"):
        assert shown[precision]["accuracy"] == both[precision]["accuracy"][shown["part"]]
        assert shown[precision]["milliseconds"] == both[precision]["milliseconds"]
    line = f"In int8 its accuracy is {both['int8']['accuracy'][shown['part']]:.4f} at "
    assert line in nas("report", run)[1]
    assert line in Path(run, "report.html").read_text()


def test_a_quiet_export_says_nothing(nas):
    assert nas("export", TINY, "--untrained", "--to", "pytorch", "-q") == (0, "", "")
    assert Path("network-pytorch", "model.py").is_file()
