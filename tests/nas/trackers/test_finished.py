"""``nas report RUN --track``: a run that is over is told as one that was tracked, and once."""

import fcntl
import json

import pytest
from fakes import TABLE, few_images, interrupted_at
from mlflow import MlflowClient
from tracked import children, ids, near, points, tensorboard

from nas import open_run

CLOCK = ("seconds", "images_per_second", "peak_memory")


def scalars(directory):
    """All curves under a directory of TensorBoard, but for what differs between two runs: times."""
    found = {}
    for file in sorted(directory.rglob("events.out.*")):
        events = tensorboard(file.parent)
        for tag in events.Tags()["scalars"]:
            if not tag.endswith(CLOCK):
                found[f"{file.parent.relative_to(directory)} {tag}"] = points(events, tag)
    return found


def test_a_finished_run_is_told_as_one_that_was_tracked_and_only_once(nas, tmp_path):
    words = ["search", *TABLE, "--trials", 6, "--target", "flops=60M", "--controller", "random"]
    assert nas(*words, "--track", "tensorboard,mlflow", "--run", "live")[0] == 0
    assert nas(*words, "--run", "later")[0] == 0
    for _ in range(2):
        code, out, err = nas("report", "later", "--track", "tensorboard,mlflow")
        assert (code, err) == (0, "")
        assert out.endswith("The run is in tensorboard now.\nThe run is in mlflow now.\n")
        live = scalars(tmp_path / "live" / "tensorboard")
        assert scalars(tmp_path / "later" / "tensorboard") == live
        assert len(live) > 6
        runs = [ids(tmp_path / name)["mlflow"] for name in ("live", "later")]
        ours, theirs = (children(run) for run in runs)
        assert set(ours) == set(theirs) == {f"trial-{number}" for number in range(6)}
        for name, child in ours.items():
            assert theirs[name].data.params == child.data.params
            assert theirs[name].data.tags.get("front") == child.data.tags.get("front")
            assert set(theirs[name].data.metrics) == set(child.data.metrics)
        client = MlflowClient()
        curve = client.get_metric_history(runs[1], "trials/reward")
        assert sorted((point.step, point.value) for point in curve) == near(
            enumerate(open_run("later").trials()["reward"])
        )
        assert client.get_run(runs[1]).info.status == "FINISHED"
        kept = {one.path for one in client.list_artifacts(runs[1])}
        assert {"report.html", "config.json", "pareto.csv"} <= kept
    assert open_run("later").settings.track == ()  # who is told later is no part of the run


def test_confirmations_of_ones_own_space_are_told_without_its_code(nas, tmp_path):
    (tmp_path / "own.py").write_text(
        "from search_spaces import Decision, SearchSpace\n"
        "SPACE = SearchSpace('sums', [Decision(f'd{n}', (0, 1, 2)) for n in range(3)], tuple)\n"
        "def evaluate(network, trial):\n"
        "    return {'accuracy': sum(network) / 6, 'f1': 0.5}\n"
    )
    words = ["--space", "own.py:SPACE", "--evaluator", "own.py:evaluate", "--address", "inline"]
    code, *_ = nas("search", *words, "--trials", 4, "--controller", "random", "--confirm", 1, "--run", "a")
    assert code == 0
    (tmp_path / "own.py").write_text("raise RuntimeError('this must not run')\n")
    code, out, err = nas("report", "a", "--track", "mlflow", "--json")
    assert (code, err) == (0, "")
    json.loads(out)
    run, found = open_run("a"), children(ids(tmp_path / "a")["mlflow"])
    assert len(found) == 4 + len(run.confirmations()) == 6
    first = found["trial-0"].data
    assert first.metrics["final/f1"] == 0.5
    assert first.params["d0"] == str(run.trials()["actions"][0][0])


@pytest.mark.slow
def test_a_training_run_and_the_parts_of_an_audit_are_told(nas, tmp_path):
    options = few_images(tmp_path / "few.npz")
    words = ["train", "mobilenet-v2", "--data", "npz:few.npz", "--epochs", 2, "--threads", 1]
    assert nas(*words, "--set", "resolution=8", "--run", "one")[0] == 0
    for _ in range(2):
        assert nas("report", "one", "--track", "tensorboard,mlflow")[0] == 0
        curve = open_run("one").epochs()
        accuracies = near(zip(curve["epoch"], curve["accuracy"], strict=True))
        assert points(tensorboard(tmp_path / "one" / "tensorboard"), "accuracy") == accuracies
        history = MlflowClient().get_metric_history(ids(tmp_path / "one")["mlflow"], "accuracy")
        assert [(point.step, point.value) for point in history] == accuracies
    words = ["audit", "--networks", 2, "--seeds", 1, "--long", "epochs=3", *options, "--address", "inline"]
    assert nas(*words, "--run", "a")[0] == 0
    assert nas("report", "a", "--track", "tensorboard")[0] == 0
    board = tmp_path / "a" / "tensorboard"
    assert len(points(tensorboard(board / "trial-1"), "accuracy")) == 2
    assert len(points(tensorboard(board / "long" / "trial-1"), "accuracy")) == 3


def test_wandb_is_told_once_as_it_cannot_say_what_it_has(nas, tmp_path):
    assert nas("search", *TABLE, "--trials", 3, "--run", "a")[0] == 0
    assert nas("report", "a", "--track", "wandb")[0] == 0
    (sent,) = (tmp_path / "a" / "wandb").glob("offline-run-*")
    code, out, err = nas("report", "a", "--track", "wandb")
    assert (code, err) == (0, "")
    assert f"wandb has the run already, as {ids(tmp_path / 'a')['wandb']}, and cannot say" in out
    assert [*(tmp_path / "a" / "wandb").glob("offline-run-*")] == [sent]


def test_an_interrupted_run_is_told_as_such_and_one_in_progress_is_refused(nas, tmp_path, monkeypatch):
    with interrupted_at(monkeypatch, 4):
        assert nas("search", *TABLE, "--trials", 6, "--run", "a")[0] == 130
    assert nas("report", "a", "--track", "mlflow")[0] == 0
    run = ids(tmp_path / "a")["mlflow"]
    assert (MlflowClient().get_run(run).info.status, len(children(run))) == ("KILLED", 4)
    with (tmp_path / "a" / "run.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, err = nas("report", "a", "--track", "mlflow")
        rule = "--track must wait for the end of the run, and a process is writing it: a"
        assert (code, err) == (2, f"nas: {rule}\n")
    assert nas("resume", "a", "--track", "mlflow")[0] == 0
    assert ids(tmp_path / "a")["mlflow"] == run
    assert len(children(run)) == 6


def test_what_cannot_be_told_is_one_line(nas, tmp_path, monkeypatch):
    assert nas("search", *TABLE, "--trials", 3, "--run", "a")[0] == 0
    code, out, err = nas("report", "a", "--track", "mlflows")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert nas("scale", "--preset", "efficientnet", "--run", "family")[0] == 0
    code, out, err = nas("report", "family", "--track", "mlflow")
    assert (code, out) == (2, "")
    assert err == "nas: --track must be left out where nothing was trained, got ['mlflow']\n"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    code, _, err = nas("report", "a", "--track", "mlflow")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("nas: tracker mlflow failed: MlflowException (API request to http://127.0.0.1:9")
