"""The files in examples/ that docs/extending.md shows: each complete, and of at most 30 lines."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from places import ROOT

EXAMPLES = ROOT / "examples"
SHORT = (
    *("optuna_study.py", "my_controller.py", "test_my_controller.py", "my_tracker.py"),
    *("my_cells.py", "my_pipeline.py", "my_training.py"),
)


def run(*words, cwd=EXAMPLES):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", [*SHORT, "resnet.toml"])
def test_an_example_has_at_most_30_lines(name):
    assert len((EXAMPLES / name).read_text().splitlines()) <= 30


def test_the_document_shows_the_files_as_they_are():
    text = (ROOT / "docs" / "extending.md").read_text()
    shown = [block.strip() for block in re.findall(r"```(?:python|toml)\n(.*?)```", text, re.DOTALL)]
    for name in (*SHORT, "resnet.toml"):
        assert (EXAMPLES / name).read_text().strip() in shown, name


def test_an_optuna_study_with_dyna_finds_good_neighbours():
    ended = run("optuna_study.py")
    assert ended.returncode == 0, ended.stderr
    value, params = ended.stdout.strip().split(" ", 1)
    assert float(value) > 0.96
    assert "n_neighbors" in params


def test_a_controller_of_ones_own_keeps_the_contract(tmp_path):
    for name in ("my_controller.py", "test_my_controller.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    ended = run("-m", "pytest", "-q", "test_my_controller.py", cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert re.search(r"[3-9]\d passed", ended.stdout), ended.stdout


def test_a_controller_that_breaks_the_contract_fails_its_tests(tmp_path):
    for name in ("my_controller.py", "test_my_controller.py"):
        text = (EXAMPLES / name).read_text()
        (tmp_path / name).write_text(text.replace("self.rng.bit_generator.state = state", "_ = state"))
    ended = run("-m", "pytest", "-q", "test_my_controller.py", cwd=tmp_path)
    assert ended.returncode == 1
    assert (
        "FAILED test_my_controller.py::TestHillClimbing::test_a_restored_controller_continues_ident"
        in ended.stdout
    )
