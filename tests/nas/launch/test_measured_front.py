"""What a device measures of a front stands beside what was predicted, everywhere."""

import itertools
import json
import sys

import pandas as pd
import pytest
from fakes import TABLE

from nas import open_run
from nas.deploy.device import Conditions
from nas.deploy.devices import open_device
from nas.deploy.latency_model import fit_model, write_model
from nas.launch.measured_front import measure_front, usual_milliseconds
from search_spaces import PRESETS, SPACES, cost

SPACE = SPACES["nasbench-macro"]
LITE0 = PRESETS["efficientnet-lite0"]
SEARCH = ["search", *TABLE, "--trials", 12, "-q"]


def slowness(arch):
    """Milliseconds on a board that is slow at activations."""
    return 1.0 + cost(arch, 10).activations / 1e6


@pytest.fixture(scope="module")
def known():
    """All networks of the space, and their latencies."""
    archs = [*dict.fromkeys(map(SPACE.decode, itertools.product(range(3), repeat=8)))]
    return pd.DataFrame({"arch": map(str, archs), "latency": map(slowness, archs)})


@pytest.fixture
def run(nas, known, tmp_path):
    """A search by a table of latencies; a program plays the board, which takes what ``ms`` says."""
    (tmp_path / "board.py").write_text("import pathlib\nprint(float(pathlib.Path('ms').read_text()))\n")
    known.to_csv(tmp_path / "board.csv", index=False)
    code, _, err = nas(*SEARCH, "--device", "table:board.csv", "--target", "latency=1.1ms", "--run", "r")
    assert (code, err) == (0, "")
    return open_run("r")


BOARD = ["--device", f"command:{sys.executable} board.py {{onnx}}"]


def test_what_was_measured_stands_beside_what_was_predicted(nas, run, tmp_path):
    (tmp_path / "ms").write_text("2.0")
    code, out, err = nas("measure", "r", "--front", *BOARD, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    front = run.pareto()
    assert [row["arch"] for row in found["networks"]] == list(front["arch"])
    wrong = [latency / 2.0 - 1 for latency in front["latency"]]
    assert [row["latency_error"] for row in found["networks"]] == pytest.approx(wrong)
    assert found["largest_error"] == pytest.approx(max(map(abs, wrong)))
    code, out, err = nas("report", "r", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["measured_on"]["networks"] == len(front)
    assert [row["latency_measured"] for row in facts["pareto"]] == [2.0] * len(front)
    assert facts["best"]["latency_error"] == pytest.approx(facts["best"]["latency"] / 2.0 - 1)
    code, out, err = nas("report", "r", "--target", "latency=1.2ms")
    assert (code, err) == (0, "")
    first, second = (
        out[out.index(name) :].split("\n")[1] for name in ("Pareto front", "The best networks by")
    )
    assert first.split()[:5] == ["trial", "accuracy", "latency", "measured", "error"]
    assert second.split()[:6] == ["rank", "trial", "accuracy", "latency", "measured", "error"]
    assert "networks measured on command:" in nas("report", "r")[1]
    rerank = open_run("r").rerank(target="latency=1.2ms")
    assert rerank["latency_measured"].notna().sum() == len(front)


def test_a_later_measurement_takes_the_place_of_an_earlier_one(nas, run, tmp_path):
    for milliseconds in ("2.0", "4.0"):
        (tmp_path / "ms").write_text(milliseconds)
        assert nas("measure", "r", "--front", *BOARD)[::2] == (0, "")
    front = open_run("r").pareto()
    assert set(front["latency_measured"]) == {4.0}
    assert len(open_run("r").measurements()) == len(front)


def test_each_measurement_is_kept_even_if_the_next_one_fails(nas, run, tmp_path):
    (tmp_path / "ms").write_text("2.0")
    (tmp_path / "board.py").write_text(
        "import pathlib\nf = pathlib.Path('ms')\nprint(f.read_text())\nf.unlink()\n"
    )
    code, _, err = nas("measure", "r", "--front", *BOARD, "--reference", "none")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: --device command must succeed (exit code 1: FileNotFoundError")
    assert list(open_run("r").measurements()["milliseconds"]) == [2.0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["r", "--front", "--device", "table:board.csv"],
            "--device must be one that measures, such as cpu, got ",
        ),
        (["r", "r", "--front"], "--front must stand with one run, got 2 networks or runs"),
        (["r", "--front", "--networks", 3], "--networks must be left out with --front, got 3"),
        (["efficientnet-b0", "--front"], "RUN must be a directory with a run.db"),
    ],
)
def test_wrong_requests_are_one_line(nas, run, words, message):
    code, _, err = nas("measure", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_what_a_predictor_is_compared_with_is_the_ratio_times_its_own_reference(nas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archs = [
        *dict.fromkeys(SPACE.decode([a, b, c, 1] * 2) for a in range(3) for b in range(3) for c in range(3))
    ]
    facts = {"device": "cpu", "threads": 1, "batch": 1, "classes": 10, "versions": {}}
    facts |= {"reference": str(LITE0), "reference_milliseconds": 1000.0}
    write_model(tmp_path / "m.json", fit_model(SPACE, archs, [*map(slowness, archs)], facts))
    words = ["--device", "predictor:m.json", "--target", "latency=1.1ms", "--run", "r"]
    assert nas(*SEARCH, *words) == (0, "", "")
    settings, device = open_run("r").settings, open_device("cpu")
    same = Conditions(classes=10, seconds=0.1, reference=LITE0)
    assert usual_milliseconds(settings, device, same) == 1000.0
    assert usual_milliseconds(settings, device, Conditions(batch=2, reference=LITE0)) is None
    assert usual_milliseconds(settings, open_device("torch-cpu"), same) is None
    rows = measure_front(open_run("r"), "cpu", same)
    assert list(rows["latency_measured"]) == pytest.approx(list(rows["ratio"] * 1000.0))
    assert rows["latency_measured"].between(rows["low"], rows["high"]).all()
    (tmp_path / "m.json").unlink()  # then the milliseconds themselves count
    assert usual_milliseconds(settings, device, same) is None


def test_a_run_that_was_not_measured_says_nothing_of_it(nas, run):
    out = nas("report", "r")[1]
    assert "measured on" not in out
    assert "latency_measured" not in open_run("r").networks()
