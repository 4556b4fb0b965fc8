import dataclasses
import importlib.metadata
import json
import os
import signal
import sqlite3
import subprocess
import sys

import pandas as pd
import pytest
from fakes import TABLE, compare, few_images, start, wait_for_trials
from places import ACCEL_TABLE, MACRO_TABLE

from controllers import CONTROLLERS, DynaSettings
from nas import open_run
from nas.spec.recipe import Recipe
from search_spaces import PRESETS, ArchSpec, cost


def test_a_search_leaves_everything_in_its_directory(nas, tmp_path):
    code, out, err = nas("search", *TABLE, "--trials", 50, "--run", "first")
    assert (code, err) == (0, "")
    assert {path.name for path in (tmp_path / "first").iterdir()} == {
        "run.db", "run.lock", "config.json", "best.json", "pareto.csv", "report.html",
    }  # fmt: skip
    run = open_run("first")
    best = json.loads((tmp_path / "first" / "best.json").read_text())
    assert best["arch"] == str(run.best())
    assert best["reward"] == run.trials()["reward"].max()
    assert list(pd.read_csv("first/pareto.csv")["arch"]) == list(run.pareto()["arch"])
    assert "Pareto front" in out
    assert f"is trial {run.best_trial()['trial']} (*): accuracy" in out
    assert str(run.best()) not in out  # a wall of text; nas show has it
    assert out.endswith("nas scale --base first\n")
    config = json.loads((tmp_path / "first" / "config.json").read_text())
    assert config["controller_settings"]["initial"] == DynaSettings().initial
    assert set(config["recipe"]) >= {"resolution", "width", "epochs", "fraction"}
    assert config["environment"]["versions"]["torch"]


def test_networks_are_trained_in_this_process_too(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    code, out, err = nas(
        "search",
        "--space",
        "mnas",
        *short,
        "--address",
        "inline",
        "--trials",
        4,
        "--confirm",
        2,
        "--run",
        "r",
    )
    assert (code, err) == (0, "")
    run = open_run("r")
    assert list(run.epochs()["epoch"]) == [1, 2] * 4
    assert (run.trials()["seconds"] > 0).all()
    assert len(run.confirmations()) == 4
    assert "2 networks trained again, on 4 fresh seeds in all" in out
    for text, flops in zip(run.trials()["arch"], run.trials()["flops"], strict=True):
        arch = ArchSpec.parse(text)  # at full width, and as many pixels as the images have
        assert arch.resolution == 8
        assert flops == cost(arch, 10).flops > 5 * cost(Recipe(resolution=8).shrink(arch), 10).flops


def test_one_fresh_training_run_is_kept_and_gives_no_chances(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    confirm = ["--confirm", 1, "--confirm-seeds", 1]
    search = ["search", "--space", "mnas", *short, "--address", "inline", "--trials", 3]
    code, out, err = nas(*search, *confirm, "--run", "r")
    assert (code, err) == (0, "")
    assert "P(best)" not in out
    assert set(json.loads((tmp_path / "r" / "best.json").read_text())) >= {"arch", "accuracy_error"}
    assert nas("report", "r", "--json")[0] == 0


def test_a_training_that_diverges_is_a_failed_row(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    hot = ["--proxy", "learning_rate=1e30", "--trials", 9, "--address", "inline", "--run", "r"]
    code, _, err = nas("search", "--space", "mnas", *short, *hot)
    assert code == 1
    assert "the first 5 trials all failed, the last one with ArithmeticError: " in err
    assert set(open_run("r").trials()["status"]) == {"failed"}


def test_a_search_prints_a_few_hundred_lines_however_many_its_trials(nas):
    _, out, _ = nas("search", *TABLE, "--trials", 2000, "--controller", "random", "--run", "r")
    assert out.count("trial ") < 300


def test_quiet_prints_nothing(nas):
    assert nas("search", *TABLE, "--trials", 5, "--run", "r", "--quiet") == (0, "", "")


def test_the_same_seed_gives_the_same_search(nas):
    for name in ("a", "b"):
        nas("search", *TABLE, "--trials", 100, "--seed", 3, "--run", name)
    a, b = (open_run(name).trials() for name in "ab")
    assert list(a["arch"]) == list(b["arch"])


def test_a_predictor_says_how_well_it_ranks(nas):
    code, out, _ = nas(
        "search",
        "--space",
        "accel-nasbench",
        "--evaluator",
        f"predictor:{ACCEL_TABLE}",
        "--trials",
        20,
        "--run",
        "r",
    )
    assert code == 0
    assert "Predictor: Kendall tau 0.9" in out


def test_report_prints_the_front_and_rewrites_it(nas, tmp_path):
    nas("search", *TABLE, "--trials", 50, "--run", "r")
    (tmp_path / "r" / "pareto.csv").unlink()
    code, out, _ = nas("report", "r")
    assert code == 0
    assert "50 trials: 50 done" in out
    assert (tmp_path / "r" / "pareto.csv").exists()
    facts = json.loads(nas("report", "r", "--json")[1])
    assert facts["trials"] == 50
    assert [row["trial"] for row in facts["pareto"]] == list(open_run("r").pareto()["trial"])


def test_show_reads_presets_runs_files_and_text(nas, tmp_path):
    nas("search", *TABLE, "--trials", 5, "--run", "r")
    (tmp_path / "net.json").write_text(json.dumps(PRESETS["mnasnet-a1"].to_json()))
    for source, arch in {
        "efficientnet-b3": PRESETS["efficientnet-b3"],
        "r": open_run("r").best(),
        "r/best.json": open_run("r").best(),
        "net.json": PRESETS["mnasnet-a1"],
        str(PRESETS["mnasnet-b1"]): PRESETS["mnasnet-b1"],
    }.items():
        code, out, _ = nas("show", source, "--json")
        assert code == 0
        assert ArchSpec.parse(json.loads(out)["arch"]) == arch
    shown = json.loads(nas("show", "efficientnet-b0", "--json")[1])
    assert list(shown) == ["arch", "flops", "params", "activations", "resolution"]
    assert shown["flops"] == 385_814_752
    assert "385,814,752" in nas("show", "efficientnet-b0")[1]


@pytest.mark.parametrize("given", ["--run=~/runs/x", "--run={home}/runs/x"])
def test_the_tilde_is_home_in_every_path(nas, tmp_path, monkeypatch, given):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    assert nas("search", *TABLE, "--trials", 3, "-q", given.format(home=tmp_path / "home"))[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    best = open_run(tmp_path / "home/runs/x").best()
    for command in (["show", "~/runs/x"], ["show", "~/runs/x/best.json"]):
        assert ArchSpec.parse(json.loads(nas(*command, "--json")[1])["arch"]) == best
    assert nas("report", "~/runs/x", "--svg", "~/front.svg")[0] == 0
    assert (tmp_path / "home/front.svg").exists()
    code, out, err = nas("report", "~nobody-of-that-name/x")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "RUN... must be a path with a home that exists" in err


def test_names_are_shown_as_they_are_and_commands_can_be_pasted(nas):
    for name in ("run[seed=1]", "run[/b] 2"):
        _, out, _ = nas("search", *TABLE, "--trials", 3, "--run", name)
        assert f"nas show '{name}'" in out
    code, out, _ = nas("report", "run[seed=1]", "run[/b] 2")
    assert code == 0
    assert "run[seed=1]" in out
    assert "run[/b] 2" in out


def test_a_date_and_time_is_a_seed(nas):
    for name in ("a", "b"):
        assert nas("search", *TABLE, "--trials", 5, "--seed", 20261125213000, "--run", name, "-q")[0] == 0
    a, b = (open_run(name).trials() for name in "ab")
    assert list(a["arch"]) == list(b["arch"])


def test_help_and_version_are_where_people_look_for_them(nas):
    assert nas("--version") == (0, f"nas {importlib.metadata.version('nas-scaling')}\n", "")
    assert nas("-h") == nas("--help")
    assert nas("search", "-h") == nas("search", "--help")
    code, out, err = nas()
    assert (code, err) == (2, "")
    assert "Usage" in out


def test_spaces_lists_every_space(nas):
    _, out, _ = nas("spaces")
    for name in ("mnas", "mnas-lite", "mnas-a1", "mnas-mobilenet-v2", "accel-nasbench", "nasbench-macro"):
        assert name in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--space'"),
        (["--space", "mans"], "unknown space 'mans'; did you mean 'mnas'? Known: mnas, "),
        (["--space", "mnas", "--controller", "rn"], "unknown controller 'rn'; did you mean 'rnn'?"),
        (["--space", "mnas", "--set", "queue=0"], "--set: queue must be"),
        (["--space", "mnas", "--set", "que=1"], "did you mean 'queue'?"),
        (["--space", "mnas", "--set", "clip"], "--set must read NAME=VALUE, got 'clip'"),
        (["--space", "mnas", "--proxy", "epochs=0"], "--proxy: epochs must be"),
        (["--space", "mnas", "--proxy", "epoch=1"], "did you mean 'epochs'?"),
        (["--space", "mnas", "--set", "initial=0"], "--set: initial must be at least 1, got 0"),
        (
            ["--space", "mnas", "--set", "update_every=3"],
            "--set: unknown setting 'update_every'. Known: initial",
        ),
        (["--space", "mnas", "--scheduler", "ash"], "--scheduler must be one of ('fifo', 'asha'), got 'ash'"),
        (["--space", "mnas", "--scheduler", "asha", "--address", "inline"], "--scheduler asha is Ray Tune's"),
        (["--space", "mnas", "--data", "digit"], "unknown data 'digit'"),
        (["--space", "mnas", "--data", "npz:none.npz"], "--data: "),
        (["--space", "mnas", "--target-flops", "0"], "--target-flops must be positive and finite, got 0.0"),
        (
            ["--space", "mnas", "--target-flops", "-1M"],
            "--target-flops must be positive and finite, got -1000000.0",
        ),
        (["--space", "mnas", "--target-flops", "lots"], "--target-flops must be a number like 400M, "),
        (["--space", "mnas", "--exponent", "steep"], "got 'steep'"),
        (["--space", "mnas", "--trials=many"], "got 'many'"),
        (["--space", "mnas", "--exponent", "nan"], "--exponent must be a finite number, got nan"),
        (["--space", "mnas", "--exponent", "200"], "--exponent must lie in [-10, 10], got 200"),
        (
            ["--space", "mnas", "--seed", 2**63],
            "--seed must be below 2^63, got 9223372036854775808",
        ),
        (["--space", "mnas", "--gpus-per-trial", "nan"], "--gpus-per-trial must be a share of one GPU"),
        (["--space", "mnas", "--gpus-per-trial", "-1"], "--gpus-per-trial must be a share of one GPU"),
        (["--space", "mnas", "--reward", "firm"], "--reward must be one of"),
        (["--space", "mnas", "--trials", "0"], "--trials must be at least 1, got 0"),
        (["--space", "mnas", "--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--space", "mnas", "--workers", "0"], "--workers must be at least 1, got 0"),
        (["--space", "mnas", "--gpus-per-trial", "9"], "--gpus-per-trial must be at most"),
        (["--space", "mnas", "--gpus-per-trial", "1.5"], "--gpus-per-trial must be a share of one GPU"),
        (["--space", "mnas", "--cpus-per-trial", "0"], "--cpus-per-trial must be positive, got 0.0"),
        (["--space", "mnas", "--address", "moon"], "--address must be local, auto, inline or HOST:PORT"),
        (
            ["--space", "mnas", "--address", "ray://head:10001"],
            "--address must be local, auto, inline or HOST:PORT of a cluster's head, got 'ray://head:10001'",
        ),
        (
            ["--space", "mnas", "--evaluator", "oracle"],
            "--evaluator must be train, table:FILE, predictor:FILE or FILE.py:NAME",
        ),
        (["--space", "mnas", "--evaluator", "table:none.csv"], "--evaluator FILE must exist, got "),
        (
            ["--space", "mnas", "--evaluator", f"table:{ACCEL_TABLE}"],
            "must have a column 'arch' or the decisions",
        ),
        (["--space", "mnas", "--trails", "3"], "--trails"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2_and_makes_nothing(nas, tmp_path, arguments, message):
    code, out, err = nas("search", *arguments, *(["--run", "r"] if arguments else []))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_is_refused_and_left_alone(nas, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.txt").write_text("mine")
    code, _, err = nas("search", *TABLE, "--run", "r")
    assert (code, err) == (2, "nas: --run must be a directory that does not exist yet, got r\n")
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("command", ["resume", "report", "show"])
def test_a_foreign_or_damaged_run_is_refused_and_left_alone(nas, tmp_path, command):
    nas("search", *TABLE, "--trials", 5, "--run", "good")
    config = (tmp_path / "good" / "config.json").read_text()
    good = (tmp_path / "good" / "run.db").read_bytes()
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE trials (x)")
    foreign.commit()
    foreign.close()
    newer = bytearray(good)
    newer[60:64] = (99).to_bytes(4, "big")  # user_version in SQLite's header
    damaged = bytearray(good)
    damaged[4096:] = b"\xff" * (len(good) - 4096)
    for content, message in {
        b"": "nas did not write",
        b"no database at all, but some text" * 9: "SQLite cannot read",
        (tmp_path / "foreign.db").read_bytes(): "nas did not write",
        bytes(newer): "newer nas (schema 99",
        bytes(damaged): "SQLite cannot read",
        good[: len(good) // 2]: "SQLite cannot read",
    }.items():
        directory = tmp_path / "bad"
        directory.mkdir(exist_ok=True)
        (directory / "config.json").write_text(config)
        (directory / "run.db").write_bytes(content)
        code, out, err = nas(command, "bad")
        assert (code, out) == (2, ""), (message, err)
        assert err.count("\n") == 1
        assert message in err or "cannot be resumed" in err
        assert (directory / "run.db").read_bytes() == content


def test_resuming_what_is_not_there_or_finished_is_refused(nas, tmp_path):
    nas("search", *TABLE, "--trials", 5, "--run", "r")
    assert "must be unfinished, and all 5 trials are" in nas("resume", "r")[2]
    assert nas("resume", "r")[0] == 2
    code, _, err = nas("resume", "nowhere")
    assert (code, err.count("\n")) == (2, 1)
    (tmp_path / "r" / "config.json").write_text("{}")
    assert nas("resume", "r")[0] == 2


def test_a_report_of_a_run_without_a_finished_trial_is_refused(nas, tmp_path):
    space_file = tmp_path / "t.csv"
    pd.DataFrame({"arch": [str(PRESETS["efficientnet-b0"])], "accuracy": [0.7]}).to_csv(
        space_file, index=False
    )
    code, _, err = nas("search", "--space", "mnas", "--evaluator", f"table:{space_file}", "--run", "r")
    assert code == 1
    assert err.startswith(
        "nas: the first 5 trials all failed, the last one with LookupError: t.csv has no row for"
    )
    assert err.count("\n") == 1
    code, _, err = nas("report", "r")
    assert (code, err) == (2, "nas: RUN must have a finished trial, and none of its 5 is: r\n")


def test_changed_inputs_are_noticed_at_resume(nas, tmp_path):
    table = tmp_path / "table.json"
    table.write_bytes(MACRO_TABLE.read_bytes())
    evaluator = ["--space", "nasbench-macro", "--evaluator", f"table:{table}", "--run", "r", "--trials", "9"]
    nas("search", *evaluator)
    with sqlite3.connect(tmp_path / "r" / "run.db") as db:
        db.execute("DELETE FROM events WHERE trial = 8 AND kind = 'tell'")
        db.execute("UPDATE trials SET status = 'running' WHERE trial = 8")
    db.close()
    table.write_bytes(MACRO_TABLE.read_bytes() + b"\n")
    code, _, err = nas("resume", "r")
    assert code == 2
    assert "began with other contents" in err


@pytest.mark.parametrize(
    "arch", ["efficientnet-b9", "nothing.json", "res224-silu-stem32-mb6_r2_k4_s2_c24-head8"]
)
def test_an_unknown_architecture_is_refused(nas, arch):
    code, out, err = nas("show", arch)
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.slow
def test_a_stopped_search_resumes_to_the_same_table(tmp_path, nas):
    arguments = ["search", *TABLE, "--trials", 40, "--seed", 5, "--run"]
    assert nas(*arguments, "whole")[0] == 0
    for kind in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        broken, moved = tmp_path / "broken", tmp_path / f"moved-{kind.name}"
        process = start(tmp_path, *arguments, "broken")
        wait_for_trials(broken, 12, process)
        process.send_signal(kind)
        out, err = process.communicate(timeout=60)
        if kind != signal.SIGKILL:
            assert process.returncode == 130
            assert "Go on with: nas resume broken" in out
            assert err == ""
        done = open_run(broken).trials()
        assert 12 <= (done["status"] == "done").sum() < 40
        broken.rename(moved)
        assert nas("resume", moved.name)[0] == 0
        compare(tmp_path / "whole", moved)
        finished = done[done["status"] == "done"].set_index("trial")["finished"]
        after = open_run(moved).trials().set_index("trial")["finished"]
        assert after.loc[finished.index].equals(finished)


def test_two_processes_cannot_write_one_run(tmp_path, nas):
    process = start(tmp_path, "search", *TABLE, "--trials", 100_000, "--controller", "random", "--run", "r")
    try:
        wait_for_trials(tmp_path / "r", 5, process)
        code, _, err = nas("resume", "r")
        assert (code, err) == (2, "nas: RUN is being written by another process: r\n")
        assert nas("report", "r")[0] == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "module", ["nas", "nas.commands.main", "reports", "scaling_search", "search_spaces", "controllers"]
)
def test_imports_are_light(module):
    heavy = "[name for name in ('torch', 'ray', 'sklearn') if name in sys.modules]"
    code = f"import sys, {module}; sys.exit(str({heavy}) if {heavy} else 0)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["show", "efficientnet-b0"],
        ["report", "r"],
        ["scale", "--coefficients", "1.2,1.1,1.15", "--explain", "--run", "s"],
        ["scale", "--preset", "efficientnet", "--run", "s"],
        ["scale", "--strategy", "dWr", "--run", "s"],
    ],
)
def test_reading_commands_import_neither_torch_nor_ray(nas, arguments):
    nas("search", *TABLE, "--trials", 5, "--run", "r", "--controller", "random")
    program = (
        "import sys, atexit; from nas.commands.main import main\n"
        "atexit.register(lambda: print([m for m in ('torch', 'ray') if m in sys.modules], file=sys.stderr))\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("command", ["search", "plan", "audit", "scale"])
def test_help_proxy_shows_every_field_with_default_and_range(nas, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "120")
    code, out, err = nas(command, "--help-proxy")
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    for field in dataclasses.fields(Recipe):
        assert str(field.default).lower() in lines[field.name].lower()
    assert "in (0, 1]" in lines["fraction"]
    assert "cosine, exponential" in lines["schedule"]


def test_help_set_shows_the_settings_of_every_controller(nas):
    code, out, err = nas("search", "--help-set")
    assert (code, err) == (0, "")
    for name, kind in CONTROLLERS.items():
        assert f"--controller {name}" in out
        for field in dataclasses.fields(kind.settings):
            assert f"\n{field.name} " in out
