"""``nas scale --target latency``: networks of equal latency are compared, and families list it."""

import json
import re
import sqlite3
import sys
from pathlib import Path

import pandas as pd
import pytest

from nas import open_run
from nas.runs.finish import finish
from search_spaces import ArchSpec, cost

BASE = "res32-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-mb3_r2_k3_s2_c24-head64"
BOARD = (
    "import sys, onnx\n"
    "shape = onnx.load(sys.argv[1]).graph.input[0].type.tensor_type.shape\n"
    "print(shape.dim[2].dim_value ** 2 / 1000)\n"
)
"""A board on which a network takes as long as its image is large, whatever is computed."""


LOGGED = (
    "import hashlib, pathlib\n"
    "graph = hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest()\n"
    "with open('log', 'a') as file: file.write(graph + '\\n')\n"
)
"""It also notes which networks it was given."""


@pytest.fixture
def device(nas, tmp_path):
    (tmp_path / "board.py").write_text(BOARD)
    return ["--device", f"command:{sys.executable} board.py {{onnx}}"]


@pytest.fixture
def table(tmp_path):
    """A table of all networks that the grid may hold: deeper is better."""
    from scaling_search import Grid, distinct

    base = ArchSpec.parse(BASE)
    archs = distinct(base, Grid(step=0.1, tolerance=0.4).triples(), 1.0, multiple=4)
    depth = [sum(stage.repeats for stage in arch.stages) for arch in archs]
    frame = pd.DataFrame({"arch": map(str, archs), "accuracy": [0.5 + 0.01 * layers for layers in depth]})
    frame.to_csv(tmp_path / "table.csv", index=False)
    return ["--evaluator", "table:table.csv"]


GRID = ["--base", BASE, "--grid", "step=0.1", "--grid", "tolerance=0.4", "--multiple", 4]
FAMILY = ["--phis", "0,1,2"]


def test_networks_of_equal_latency_are_compared(nas, device, table):
    code, out, err = nas("scale", *GRID, *FAMILY, "--target", "latency", *device, *table, "--run", "r")
    assert (code, err) == (0, "")
    run = open_run("r")
    grid = pd.read_csv("r/grid.csv")
    for text, latency in zip(grid["arch"], grid["latency"], strict=True):
        assert latency == pytest.approx(ArchSpec.parse(text).resolution ** 2 / 1000)
    base = 32**2 / 1000
    assert (abs(grid["latency"] / (2 * base) - 1) <= 0.12).all()
    # At equal FLOPs, networks that do not grow in resolution would have been among them.
    assert grid["resolution"].min() > 40
    assert list(run.trials()["latency"]) == pytest.approx(
        [ArchSpec.parse(text).resolution ** 2 / 1000 for text in run.trials()["arch"]]
    )
    assert run.settings.objective.costs == ("latency",)
    best = grid.loc[grid["reward"].idxmax()]
    assert best["chosen"]
    assert "the base's latency and" in out
    assert "networks; within 12 % of 2 times its latency of 1.02 ms" in out
    page = Path("r/report.html").read_text()
    inside = f"{len(grid)} of 27 lie within 1.76x to 2.24x the base's latency and were compared"
    assert inside in page.replace("&#x27;", "'").replace("&#39;", "'")
    assert "At equal latency" in page
    assert "realised FLOPs" not in page
    assert "<th>latency</th>" in re.sub("<th [^>]*>", "<th>", page)


def kill_in_the_last_trial(run):
    """Leaves a scaling run as if it had been killed during its last trial."""
    with sqlite3.connect(run / "run.db") as db:
        db.execute("DELETE FROM events WHERE event = (SELECT max(event) FROM events)")
        query = "UPDATE trials SET status = 'running', accuracy = NULL WHERE trial = "
        db.execute(f"{query}(SELECT max(trial) FROM trials)")
    db.close()
    for name in ("best.json", "family.json", "family.csv"):
        (run / name).unlink()


def test_a_run_resumes_by_the_latencies_that_it_keeps_and_then_its_family_has_them(
    nas, device, table, tmp_path
):
    asked = ["scale", *GRID, *FAMILY, "--target", "latency", *device, *table, "--run", "r"]
    assert nas(*asked)[0] == 0
    run = open_run("r")
    before, family = run.trials()[["arch", "latency", "reward"]], Path("r/family.json").read_text()
    kill_in_the_last_trial(tmp_path / "r")
    (tmp_path / "board.py").rename(tmp_path / "away.py")
    code, out, err = nas("resume", "r")
    assert (code, err) == (0, "")
    assert open_run("r").trials()[["arch", "latency", "reward"]].equals(before)
    said = "The family has no latencies: nas resume --trust-code runs the program that gives them, command:"
    assert said in " ".join(out.split())
    assert {model.latency for model in open_run("r").family().values()} == {None}
    (tmp_path / "away.py").rename(tmp_path / "board.py")
    assert nas("resume", "r", "--trust-code", "-q")[::2] == (0, "")
    assert Path("r/family.json").read_text() == family
    assert "<th>latency</th>" in re.sub("<th [^>]*>", "<th>", Path("r/report.html").read_text())
    code, _, err = nas("resume", "r", "--trust-code")
    assert (code, "RUN must be unfinished" in err) == (2, True)


def test_every_network_is_measured_once(nas, table, tmp_path):
    (tmp_path / "board.py").write_text(BOARD + LOGGED)
    device = ["--device", f"command:{sys.executable} board.py {{onnx}}"]
    asked = ["scale", *GRID, *FAMILY, "--target", "latency", *device, *table, "--run", "r"]
    assert nas(*asked)[0] == 0
    calls = pd.Series((tmp_path / "log").read_text().split()).value_counts()
    assert calls.nunique() == 1, calls  # B0 is also the base of the grid, and was measured twice
    scaling = open_run("r").settings.scaling
    assert len(calls) == len({*scaling.latencies, *(str(m.arch) for m in open_run("r").family().values())})


def test_the_family_of_a_run_by_flops_keeps_its_latencies_when_its_files_are_written_again(
    nas, device, table
):
    assert nas("scale", *GRID, *FAMILY, *device, *table, "--run", "r")[0] == 0
    family = Path("r/family.json").read_text()
    assert all(model.latency for model in open_run("r").family().values())
    finish(Path("r"))
    assert Path("r/family.json").read_text() == family


def test_families_list_latency(nas, device, table):
    asked = ["--coefficients", "1.2,1.1,1.15", "--base", BASE, *FAMILY, *device]
    code, out, err = nas("scale", *asked, "--max-resolution", 40, "--run", "r")
    assert (code, err) == (0, "")
    family = open_run("r").family()
    assert {model.arch.resolution for model in family.values()} <= {32, 40}
    for model in family.values():
        assert model.latency == pytest.approx(model.arch.resolution**2 / 1000)
    listed = json.loads(Path("r/family.json").read_text())
    assert listed["B1"]["latency"] == family["B1"].latency
    frame = pd.read_csv("r/family.csv")
    assert list(frame["latency_growth"]) == pytest.approx(list(frame["latency"] / 1.024))
    header = next(line for line in out.splitlines() if line.startswith("model"))
    assert "latency" in header
    assert nas("scale", "--base", "r:B1", "--coefficients", "1.2,1.1,1.15", "--run", "again")[0] == 0
    assert open_run("again").family()["B0"].latency is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "latency"], "--target latency must stand with --device, got none"),
        (["--target", "params"], "--target must be flops or latency, got params"),
        (
            ["--target", "latency", "--device", "cpu", "--strategy", "depth"],
            "--strategy must be left out with --target latency, got depth",
        ),
        (
            ["--target", "latency", "--device", "cpu", "--refine"],
            "--refine must be left out with --target latency, got True",
        ),
        (["--target", "latency", "--device", "gpu"], "--device: unknown device 'gpu'"),
    ],
)
def test_wrong_requests_are_one_line(nas, tmp_path, words, message):
    code, _, err = nas("scale", *words, "--run", "r")
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert not (tmp_path / "r").exists()


def test_a_table_must_know_the_grid(nas, table, tmp_path):
    (tmp_path / "board.csv").write_text(f"arch,ms\n{BASE},1.0\n")
    words = ["--target", "latency", "--device", "table:board.csv"]
    code, _, err = nas("scale", *GRID, *words, *table, "--run", "r")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: --device table must have a row for the network ")
    assert not (tmp_path / "r").exists()
    assert cost(ArchSpec.parse(BASE)).flops > 0
