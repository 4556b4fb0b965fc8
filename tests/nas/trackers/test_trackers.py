"""``--track``: what TensorBoard, MLflow and wandb have of a run, read back with their own readers."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import TABLE, few_images, interrupted_at
from mlflow import MlflowClient
from places import ROOT
from tensorboard.plugins.hparams import plugin_data_pb2
from tracked import children, ids, near, points, tensorboard, text, wandb_records

from nas import open_run
from nas.trackers.to_mlflow import MLflow
from nas.trackers.to_tensorboard import TensorBoard
from search_spaces import SPACES

TRIALS = 14
KILLER = """
import os, pathlib, signal, time
import nas

class Kill(nas.Listener):
    def on_finish(self, row, outcome, standing):
        file = pathlib.Path("a/trackers.json")
        while not (file.exists() and "mlflow" in file.read_text()):
            time.sleep(0.01)
        if row.trial == 2:
            os.kill(os.getpid(), signal.SIGKILL)
"""


REFUSE = """
import pathlib, shutil
import nas

class Refuse(nas.Listener):
    def on_finish(self, row, outcome, standing):
        if row.trial == 2:
            directory = pathlib.Path("a/tensorboard")
            while not directory.is_file():
                shutil.rmtree(directory, ignore_errors=True)
                try:
                    directory.write_text("")
                except IsADirectoryError:
                    pass
"""


@pytest.fixture
def resumed(nas, tmp_path, monkeypatch):
    """A search in a table that all three track, interrupted and resumed; its ids when it was interrupted."""
    with interrupted_at(monkeypatch, 9):
        words = ["search", *TABLE, "--trials", TRIALS, "--track", "tensorboard,mlflow,wandb", "--run", "a"]
        code, out, _ = nas(*words)
    assert code == 130
    assert "is left out" not in out, out
    before = ids(tmp_path / "a")
    run = MlflowClient().get_run(before["mlflow"])
    assert (run.info.status, len(children(before["mlflow"]))) == ("KILLED", 9)
    code, out, err = nas("resume", "a")
    assert (code, err) == (0, "")
    assert "is left out" not in out
    return tmp_path / "a", before


@pytest.mark.slow
def test_a_resumed_search_goes_on_in_the_same_runs_of_all_trackers(resumed):
    directory, before = resumed
    assert ids(directory) == before
    run = open_run(directory)
    trials, front = run.trials(), run.pareto()
    rewards = near(enumerate(trials["reward"]))

    board = tensorboard(directory / "tensorboard")
    assert points(board, "trials/reward") == rewards
    assert points(board, "trials/best_reward")[-1] == near([(TRIALS - 1, trials["reward"].max())])[0]
    assert "| space | nasbench-macro |" in text(board, "settings")
    assert text(board, "front").count("\n") == len(front) + 1
    decisions = SPACES["nasbench-macro"].decisions
    for number in (0, 8, 9, 13):
        events = tensorboard(directory / "tensorboard" / f"trial-{number}")
        assert points(events, "final/accuracy") == near([(number, trials["accuracy"][number])])
        started = plugin_data_pb2.HParamsPluginData.FromString(
            events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        ).session_start_info.hparams
        for decision, action in zip(decisions, trials["actions"][number], strict=True):
            assert started[decision.name].string_value == str(decision.choices[action])

    client = MlflowClient()
    whole = client.get_run(before["mlflow"])
    assert (whole.info.status, whole.info.run_name) == ("FINISHED", "a")
    assert whole.data.params["objective.kind"] == "soft"
    curve = client.get_metric_history(before["mlflow"], "trials/reward")
    assert sorted((point.step, point.value) for point in curve) == rewards
    found = children(before["mlflow"])
    assert set(found) == {f"trial-{number}" for number in range(TRIALS)}
    assert {child.info.status for child in found.values()} == {"FINISHED"}
    marked = {name for name, child in found.items() if child.data.tags.get("front") == "true"}
    assert marked == {f"trial-{number}" for number in front["trial"]}
    last = found["trial-13"].data
    assert last.params["arch"] == trials["arch"][13]
    assert last.params[decisions[0].name] == str(decisions[0].choices[trials["actions"][13][0]])
    assert last.metrics["final/flops"] == trials["flops"][13]
    page = client.download_artifacts(before["mlflow"], "report.html")
    assert (directory / "report.html").read_bytes() == Path(page).read_bytes()

    records = list(wandb_records(directory))
    assert {record.run.run_id for record in records if record.HasField("run")} == {before["wandb"]}
    config = {one.key: one.value_json for record in records for one in record.run.config.update}
    assert config["space"] == '"nasbench-macro"'
    history = [
        {"/".join(one.nested_key) or one.key: one.value_json for one in record.history.item}
        for record in records
    ]
    logged = [
        (int(one["trials/trial"]), float(one["trials/reward"])) for one in history if "trials/trial" in one
    ]
    assert logged == rewards
    assert sum("front/_type" in one for one in history) == 2  # when it was interrupted, and at the end
    (table,) = (directory / "wandb").glob("latest-run/files/media/table/trials_*.table.json")
    rows = json.loads(table.read_text())
    assert len(rows["data"]) == TRIALS
    assert {decision.name for decision in decisions} <= set(rows["columns"])
    files = {one.path for record in records for one in record.artifact.manifest.contents}
    assert {"report.html", "pareto.csv", "config.json"} <= files


@pytest.mark.slow
def test_a_killed_search_has_every_curve_and_trial_once_when_it_is_resumed(nas, tmp_path):
    confirm = ["--confirm", 1, "--confirm-seeds", 1, "--baseline", "mobilenet-v2"]
    options = [*few_images(tmp_path / "few.npz"), "--address", "inline", *confirm]
    (tmp_path / "killer.py").write_text(KILLER)
    words = ["search", "--space", "mnas", *options, "--trials", 4, "--run", "a"]
    command = [sys.executable, "-m", "nas", *map(str, words), "--track", "tensorboard,mlflow,killer.py:Kill"]
    killed = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, cwd=tmp_path
    )
    assert killed.returncode == -signal.SIGKILL
    before = ids(tmp_path / "a")
    code, _, err = nas("resume", "a", "--track", "tensorboard,mlflow")
    assert (code, err) == (0, "")
    assert ids(tmp_path / "a") == before
    run = open_run("a")
    epochs, again = run.epochs(), run.confirmations()
    names = [f"trial-{trial}" for trial in range(4)]
    names += [f"confirmation-{one.trial}-seed-{one.seed}" for one in again.itertuples()]
    names += [f"mobilenet-v2-seed-{seed}" for seed in run.baselines()["seed"]]
    assert len(names) == 6
    found = children(before["mlflow"])
    assert set(found) == set(names)
    assert {path.name for path in (tmp_path / "a" / "tensorboard").iterdir() if path.is_dir()} == set(names)
    for trial, curve in epochs.groupby("trial"):
        accuracies = near(zip(curve["epoch"], curve["accuracy"], strict=True))
        history = MlflowClient().get_metric_history(found[f"trial-{trial}"].info.run_id, "accuracy")
        assert sorted((point.step, point.value) for point in history) == accuracies
        assert (
            points(tensorboard(tmp_path / "a" / "tensorboard" / f"trial-{trial}"), "accuracy") == accuracies
        )
    name = f"confirmation-{again['trial'][0]}-seed-{again['seed'][0]}"
    assert found[name].data.metrics["final/accuracy"] == pytest.approx(again["accuracy"][0])


@pytest.mark.slow
def test_a_training_run_is_one_run_with_one_curve(nas, tmp_path):
    few_images(tmp_path / "few.npz")
    words = [
        "train",
        "mobilenet-v2",
        "--data",
        "npz:few.npz",
        "--epochs",
        2,
        "--threads",
        1,
        "--set",
        "resolution=8",
    ]
    code, out, err = nas(*words, "--track", "tensorboard,mlflow", "--run", "a")
    assert (code, err) == (0, ""), out
    curve = open_run("a").epochs()
    accuracies = near(zip(curve["epoch"], curve["accuracy"], strict=True))
    assert points(tensorboard(tmp_path / "a" / "tensorboard"), "accuracy") == accuracies
    run = ids(tmp_path / "a")["mlflow"]
    history = MlflowClient().get_metric_history(run, "accuracy")
    assert [(point.step, point.value) for point in history] == accuracies
    assert children(run) == {}
    assert {"report.html", "metrics.json"} <= {one.path for one in MlflowClient().list_artifacts(run)}


@pytest.mark.slow
def test_the_parts_of_an_audit_are_told_apart(nas, tmp_path):
    options = [*few_images(tmp_path / "few.npz"), "--address", "inline"]
    words = ["audit", "--networks", 2, "--seeds", 1, "--long", "epochs=3", *options]
    code, out, _ = nas(*words, "--track", "tensorboard", "--run", "a")
    assert code == 0, out
    board = tmp_path / "a" / "tensorboard"
    assert len(points(tensorboard(board / "trial-1"), "accuracy")) == 2
    assert len(points(tensorboard(board / "long" / "trial-1"), "accuracy")) == 3
    assert (
        len(points(tensorboard(board), "long/accuracy"))
        == len(points(tensorboard(board), "trials/accuracy"))
        == 2
    )


def test_a_server_that_is_down_costs_one_line(nas, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, out, err = nas("search", *TABLE, "--trials", TRIALS, "--track", "mlflow,tensorboard", "--run", "a")
    assert (code, err) == (0, "")
    assert (
        out.count("Tracker mlflow is left out from here on: MlflowException (API request to http://127.0")
        == 1
    )
    assert len(points(tensorboard("a/tensorboard"), "trials/reward")) == TRIALS


def test_a_disk_that_refuses_to_go_on_costs_one_line(nas, tmp_path):
    (tmp_path / "refuse.py").write_text(REFUSE)
    words = ["search", *TABLE, "--trials", TRIALS, "--track", "refuse.py:Refuse,tensorboard", "--run", "a"]
    code, out, err = nas(*words)
    assert (code, err) == (0, "")
    line = r"Tracker tensorboard is left out from here on: (NotADirectory|FileExists|FileNotFound)Error \("
    assert out.count("is left out") == len(re.findall(line, out)) == 1, out
    assert nas("report", "a")[0] == 0


def test_a_finished_run_that_is_resumed_again_stays_finished_for_its_tracker(nas, tmp_path):
    assert nas("search", *TABLE, "--trials", 3, "--track", "mlflow", "--run", "a")[0] == 0
    code, _, err = nas("resume", "a")
    assert (code, err) == (2, "nas: RUN must be unfinished, and all 3 trials are: a\n")
    assert MlflowClient().get_run(ids(tmp_path / "a")["mlflow"]).info.status == "FINISHED"


def test_a_tracker_that_is_named_when_a_run_is_resumed_gets_all_that_it_has(nas, tmp_path, monkeypatch):
    with interrupted_at(monkeypatch, 9):
        assert nas("search", *TABLE, "--trials", TRIALS, "--run", "a")[0] == 130
    assert nas("resume", "a", "--track", "mlflow")[0] == 0
    assert len(children(ids(tmp_path / "a")["mlflow"])) == TRIALS


BAD = [
    (
        "mlflows",
        "--track: unknown tracker 'mlflows'; did you mean 'mlflow'? Known: tensorboard, mlflow, wandb",
    ),
    ("none,mlflow", "--track: unknown tracker 'none'. Known: "),
    (
        "own.py:Nothing",
        "--track must be a file that can be read (No such file or directory), got own.py:Nothing",
    ),
    ("", "--track must not be empty"),
]


@pytest.mark.parametrize(("asked", "line"), BAD)
def test_a_wrong_tracker_is_one_line(nas, tmp_path, asked, line):
    code, _, err = nas("search", *TABLE, "--track", asked)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: {line}"), err
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_tracker_that_is_not_installed_says_what_to_install(nas, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    code, _, err = nas("search", *TABLE, "--track", name)
    assert (code, err) == (2, f"nas: --track {name} needs its package: pip install 'nas-scaling[track]'\n")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_wandb_without_an_account_is_refused_at_once(nas, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    code, _, err = nas("search", *TABLE, "--track", "wandb")
    assert (code, err) == (
        2,
        "nas: --track wandb needs wandb login, or WANDB_MODE=offline in the environment\n",
    )


def test_a_resumed_training_run_has_each_epoch_once(tmp_path):
    for sink, read in (
        (
            MLflow(),
            lambda run: [(one.step, one.value) for one in MlflowClient().get_metric_history(run, "accuracy")],
        ),
        (TensorBoard(), lambda run: points(tensorboard(tmp_path / run), "accuracy")),
    ):
        before = sink.begin(tmp_path, "", {})
        for epoch in (1, 2):
            sink.epoch("", epoch, {"accuracy": epoch / 8})
        again = type(sink)()  # a killed process has said no more than that; a resumed one tells all epochs
        assert again.begin(tmp_path, before, {}) == before
        for epoch in (1, 2, 3):
            again.epoch("", epoch, {"accuracy": epoch / 8})
        assert read(before) == [(1, 0.125), (2, 0.25), (3, 0.375)]
