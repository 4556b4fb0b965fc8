"""``nas audit``, from its options to its files."""

import json
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes import compare, few_images, start, wait_for_trials
from places import MACRO_TABLE
from rich.console import Console

import nas.training.trainer as nas_training
from nas import open_run
from nas.launch.draw import draw_known, draw_networks
from nas.runs.audit_results import longer
from nas.runs.config import read_settings
from nas.screens.follow import follow_run, state
from nas.screens.report import trial_sentence as sentence
from nas.search.tables import read_table
from search_spaces import SPACES, ArchSpec, canonical, cost

MACRO = SPACES["nasbench-macro"]
TINY = [
    "--space",
    "nasbench-macro",
    "--proxy",
    "batch_size=32",
    "--proxy",
    "width=0.1",
    "--address",
    "inline",
]


@pytest.fixture
def tiny(nas, tmp_path):
    """Options of an audit that takes seconds and whose networks do learn."""
    return ["audit", *few_images(tmp_path / "few.npz"), *TINY]


def table_of(run):
    return pd.read_csv(Path(run) / "audit.csv")


def facts_of(run):
    return json.loads((Path(run) / "audit.json").read_text())


def test_an_audit_trains_each_network_on_every_seed_and_says_what_that_means(nas, tiny):
    code, out, err = nas(*tiny, "--networks", 4, "--seeds", 2, "--run", "r")
    assert (code, err) == (0, "")
    assert {path.name for path in Path("r").iterdir()} == {
        *("run.db", "run.lock", "config.json", "best.json", "pareto.csv", "report.html"),
        *("audit.json", "audit.csv"),
    }
    trials, table, facts = open_run("r").trials(), table_of("r"), facts_of("r")
    archs = list(draw_networks(MACRO, 4, 0))
    assert list(trials["arch"]) == 2 * archs
    assert trials["seed"].is_unique
    assert list(table["arch"]) == archs
    assert list(table["network"]) == [0, 1, 2, 3]
    assert list(table["seed_1"]) == list(trials["accuracy"][:4])
    assert list(table["seed_2"]) == list(trials["accuracy"][4:])
    assert list(table["flops"]) == [cost(ArchSpec.parse(arch), 10).flops for arch in archs]
    assert table["accuracy"].to_list() == pytest.approx(list(table[["seed_1", "seed_2"]].mean(axis=1)))
    assert "long_1" not in table
    assert "reference" not in table
    assert (facts["networks"], facts["seeds"], facts["proxy"]["done"]) == (4, 2, 8)
    assert facts["proxy"]["seconds_total"] == pytest.approx(trials["seconds"].sum())
    assert facts["long"] is facts["with_long"] is facts["with_reference"] is None
    for line in facts["verdict"]:
        assert line in out
    assert "4 networks, 2 training runs each: 8 done; " in out
    assert "Size alone: FLOPs rank these accuracies with tau" in out
    assert "Verdict: " in out


def test_a_longer_schedule_is_a_run_of_its_own_on_other_seeds_and_the_same_images(nas, tiny):
    code, out, err = nas(*tiny, "--networks", 3, "--seeds", 2, "--long", "epochs=3", "--run", "r")
    assert (code, err) == (0, "")
    short, long = read_settings(Path("r")), read_settings(Path("r/long"))
    assert (short.recipe.epochs, long.recipe.epochs) == (2, 3)
    assert longer(short).settings == long
    assert (long.data_seed, long.audit.long) == (short.seed, None)
    trials, others = open_run("r").trials(), open_run("r/long").trials()
    assert list(trials["arch"]) == list(others["arch"])
    assert not set(trials["seed"]) & set(others["seed"])
    checks = [open_run(run).config["input_sha256"] for run in ("r", "r/long")]
    assert checks[0] == checks[1]
    table, facts = table_of("r"), facts_of("r")
    assert list(table["long_2"]) == list(others["accuracy"][3:])
    assert table["long_accuracy"].to_list() == pytest.approx(list(table[["long_1", "long_2"]].mean(axis=1)))
    assert list(table_of("r/long")["accuracy"]) == pytest.approx(list(table["long_accuracy"]))
    assert facts["with_long"]["networks"] == 3
    assert facts["cost_ratio"] == pytest.approx(others["seconds"].mean() / trials["seconds"].mean())
    assert "The longer schedule (epochs=3, " in out
    assert nas("resume", "r")[::2] == (2, "nas: RUN must be unfinished, and all 6 trials are: r\n")


def test_the_longer_schedule_can_have_fewer_seeds(nas, tiny):
    asked = ["--networks", 3, "--seeds", 2, "--long", "epochs=3", "--long-seeds", 1, "--run", "r"]
    code, out, err = nas(*tiny, *asked)
    assert (code, err) == (0, "")
    others, table, facts = open_run("r/long").trials(), table_of("r"), facts_of("r")
    assert len(others) == 3
    assert list(table["long_1"]) == list(table["long_accuracy"]) == list(others["accuracy"])
    assert "long_2" not in table
    assert facts["with_long"]["ceiling"] is None
    assert "where seed noise allows" not in out


def test_following_an_audit_goes_on_to_its_longer_schedule(nas, tiny):
    code, _, err = nas(*tiny, "--networks", 2, "--seeds", 2, "--long", "epochs=3", "--run", "r")
    assert (code, err) == (0, "")
    assert state(open_run("r"))["over"]
    with sqlite3.connect("r/long/run.db") as db:
        db.execute("UPDATE trials SET status = 'running' WHERE trial = 3")
    db.close()
    now = state(open_run("r"))
    assert not now["over"]
    assert sentence(now).startswith("4 trials: 4 done; ")
    assert "; the longer schedule: 4 trials: 3 done, 1 running; " in sentence(now)
    follow_run(Console(quiet=True), open_run("r"), pause=0.001)  # ends, as no process writes to the run


def test_a_reference_gives_the_networks_and_what_is_true_of_them(nas, tiny):
    options = ["--reference", MACRO_TABLE, "--sample-seed", 3]
    code, out, err = nas(*tiny, *options, "--networks", 3, "--seeds", 1, "--run", "r")
    assert (code, err) == (0, "")
    table = table_of("r")
    known = {str(arch): accuracy for arch, accuracy in zip(*read_table(MACRO_TABLE, MACRO), strict=True)}
    assert table["reference"].to_list() == pytest.approx([known[arch] for arch in table["arch"]])
    assert facts_of("r")["with_reference"]["networks"] == 3
    assert f"{MACRO_TABLE.name}: tau" in out
    assert "no network was trained twice" in out
    archs, accuracies = draw_known(MACRO, MACRO_TABLE, 3, 3)
    assert (archs, accuracies) == (tuple(table["arch"]), tuple(table["reference"]))
    assert draw_known(MACRO, MACRO_TABLE, 3, 4)[0] != archs


def test_a_report_of_an_audit_is_its_verdict_and_rewrites_its_files(nas, tiny):
    out = nas(*tiny, "--networks", 3, "--seeds", 2, "--run", "r")[1]
    before = {name: (Path("r") / name).read_text() for name in ("audit.csv", "audit.json")}
    for name in before:
        (Path("r") / name).unlink()
    code, again, err = nas("report", "r")
    assert (code, err) == (0, "")
    assert again.strip()
    assert again in out
    assert "random search" not in again
    assert "Pareto" not in again
    assert {name: (Path("r") / name).read_text() for name in before} == before
    facts = json.loads(nas("report", "r", "--json")[1])
    assert facts["audit"] == facts_of("r")
    assert "baseline" not in facts
    follow = nas("report", "r", "--follow")
    assert follow[0] == 0
    assert again in follow[1]
    code, _, err = nas("report", "r", "--png", "f.png")
    assert (code, err) == (2, "nas: --png must be left out where the run is an audit, got f.png\n")


def test_json_is_the_file_and_nothing_else(nas, tiny):
    code, out, err = nas(*tiny, "--networks", 2, "--seeds", 1, "--json", "--run", "r")
    assert (code, err) == (0, "")
    assert json.loads(out) == facts_of("r")
    assert nas(*tiny, "--networks", 2, "--seeds", 1, "--quiet", "--run", "s")[:2] == (0, "")


def test_failed_trainings_are_counted_and_left_out(nas, tiny, monkeypatch):
    archs = list(map(ArchSpec.parse, draw_networks(MACRO, 3, 0)))
    trainer = nas_training.train

    def train(arch, *arguments, **options):
        if arch == archs[1]:
            raise ArithmeticError("loss is nan in epoch 1")
        yield from trainer(arch, *arguments, **options)

    monkeypatch.setattr(nas_training, "train", train)
    code, out, err = nas(*tiny, "--networks", 3, "--seeds", 2, "--run", "r")
    assert (code, err) == (0, "")
    assert "6 trainings" not in out
    assert "4 done, 2 failed" in out
    row = table_of("r").iloc[1]
    assert row[["seed_1", "seed_2", "accuracy", "rank"]].isna().all()
    assert row["trainings"] == 0
    assert facts_of("r")["proxy"]["networks"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--networks", "1"], "--networks must be at least 2, got 1"),
        (["--networks", "0"], "--networks must be at least 2, got 0"),
        (["--networks", "1000000000"], "--networks must be at most 10,000, got 1000000000"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--long", "epochs=3", "--long-seeds", "0"], "--long-seeds must be at least 1, got 0"),
        (["--long-seeds", "1"], "--long-seeds needs --long NAME=VALUE, got 1"),
        (["--sample-seed", "-1"], "--sample-seed must be at least 0, got -1"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--space", "mans"], "--space: unknown space 'mans'; did you mean 'mnas'?"),
        (["--recipe", "long"], "--recipe: unknown recipe 'long'"),
        (["--proxy", "epoch=4"], "--proxy: unknown setting 'epoch'; did you mean 'epochs'?"),
        (["--long", "epoch=4"], "--long: unknown setting 'epoch'; did you mean 'epochs'?"),
        (["--long", "epochs=0"], "--long: epochs must be an integer of at least 1, got 0"),
        (["--long", "16"], "--long must read NAME=VALUE, got '16'"),
        (["--reference", "none.csv"], "--reference FILE must exist, got "),
        (["--reference", "few.csv"], "--networks must be at most the 1 networks of --reference, got 24"),
        (["--reference", "other.csv"], "--reference FILE must have a column 'arch' or the decisions of"),
        (["--space", "nasbench-macro", "--networks", "4000"], "found in --space nasbench-macro, got 4000"),
        (["--data", "npz:none.npz"], "--data: "),
        (
            ["--address", "far"],
            "--address must be local, auto, inline or HOST:PORT of a cluster's head, got 'far'",
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2_and_makes_nothing(nas, tmp_path, arguments, message):
    arch = canonical(SPACES["mnas"].decode([0] * len(SPACES["mnas"].decisions)))
    (tmp_path / "few.csv").write_text(f"arch,accuracy\n{arch},0.5\n")
    (tmp_path / "other.csv").write_text("network,accuracy\n1,0.5\n")
    before = sorted(tmp_path.iterdir())
    code, out, err = nas("audit", *arguments, "--run", "r")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_networks_of_the_default_space_are_its_own():
    for arch in draw_networks(SPACES["mnas"], 5, 0):
        assert SPACES["mnas"].encode(ArchSpec.parse(arch))


def test_networks_are_distinct_and_the_sample_seeds_own():
    drawn = draw_networks(MACRO, 300, 0)
    assert len(set(drawn)) == 300
    assert drawn[:10] == draw_networks(MACRO, 10, 0)
    assert set(drawn) != set(draw_networks(MACRO, 300, 1))


def test_settings_with_an_audit_survive_config_json(nas, tiny):
    options = ["--reference", MACRO_TABLE, "--long", "epochs=3"]
    assert nas(*tiny, *options, "--networks", 2, "--seeds", 1, "--run", "r")[0] == 0
    settings = read_settings(Path("r"))
    assert type(settings).from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert np.isfinite(settings.audit.reference).all()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "long"])
def test_a_killed_audit_resumes_to_the_same_table(nas, tiny, tmp_path, part):
    arguments = [*tiny, "--networks", 4, "--seeds", 2, "--long", "epochs=3"]
    assert nas(*arguments, "--run", "whole")[0] == 0
    process = start(tmp_path, *arguments, "--run", "broken")
    wait_for_trials(tmp_path / "broken" / part, 3, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (tmp_path / "broken" / "long" / "audit.csv").exists()
    time.sleep(0.1)
    code, out, err = nas("resume", "broken")
    assert (code, err) == (0, "")
    assert "Verdict: " in out
    for directory in ("", "long"):
        compare(tmp_path / "whole" / directory, tmp_path / "broken" / directory)
        files = [tmp_path / run / directory / "audit.csv" for run in ("whole", "broken")]
        assert files[0].read_text() == files[1].read_text()


@pytest.mark.slow
def test_an_audit_under_ray_is_that_of_one_process(nas, tiny, tmp_path):
    arguments = [*tiny, "--networks", 3, "--seeds", 2, "--long", "epochs=3"]
    assert nas(*arguments, "--run", "one")[0] == 0
    assert nas(*arguments, "--address", "local", "--run", "ray")[0] == 0
    for part in ("", "long"):
        assert (tmp_path / "one" / part / "audit.csv").read_text() == (
            tmp_path / "ray" / part / "audit.csv"
        ).read_text()
