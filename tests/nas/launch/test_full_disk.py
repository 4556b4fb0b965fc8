"""A full disk: one line says so, and nothing finished is lost."""

import pytest
from fakes import TABLE

from nas import open_run


def fill(disk, leave):
    """Fills the disk but for ``leave`` bytes."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - leave))


@pytest.mark.parametrize("address", ["inline", pytest.param("local", marks=pytest.mark.slow)])
def test_a_search_that_fills_the_disk_says_so_and_goes_on_when_there_is_room(nas, disk, address):
    options = [*TABLE, "--trials", 60, "--controller", "random", "--address", address, "--workers", 1]
    assert nas("search", *options, "--run", "whole")[0] == 0
    fill(disk, 120_000)
    run = disk / "r"
    code, _, err = nas("search", *options, "--run", run)
    assert code == 1
    assert err == (
        "nas: run.db could not be written (database or disk is full); with room for it, go on with: "
        f"nas resume {run}\n"
    )
    assert 0 < (open_run(run).trials()["status"] == "done").sum() < 60
    (disk / "filler").unlink()
    code, _, err = nas("resume", run)
    assert (code, err) == (0, "")
    assert list(open_run(run).trials()["arch"]) == list(open_run("whole").trials()["arch"])


@pytest.mark.parametrize("room", [0, 8192, 40_000])
def test_a_disk_without_room_for_a_run_is_wrong_input_and_nothing_is_left(nas, disk, room):
    fill(disk, room)
    code, out, err = nas("search", *TABLE, "--trials", 3, "--address", "inline", "--run", disk / "r")
    assert (code, out) == (2, "")
    assert err.startswith("nas: --run must be a directory with room for a run (")
    assert err.count("\n") == 1
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_results_that_cannot_be_written_are_written_by_resume(nas, disk):
    fill(disk, 100_000)
    run = disk / "r"
    code, _, err = nas("search", *TABLE, "--trials", 3, "--address", "inline", "--run", run)
    assert (code, err.count("\n")) == (1, 1)
    assert "could not be written (" in err
    assert err.endswith(f"go on with: nas resume {run}\n")
    assert not (run / "best.json").exists()
    (disk / "filler").unlink()
    code, _, err = nas("resume", run)
    assert (code, err) == (0, "")
    assert {"best.json", "pareto.csv", "report.html"} <= {path.name for path in run.iterdir()}


def test_a_report_that_cannot_be_written_leaves_the_old_one(nas, disk):
    run = disk / "r"
    assert nas("search", *TABLE, "--trials", 3, "--address", "inline", "--run", run, "-q")[0] == 0
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    fill(disk, 0)
    code, out, err = nas("report", run)
    assert code == 0
    assert "Pareto front" in out
    assert err == "nas: pareto.csv and report.html could not be written (No space left on device)\n"
    code, _, err = nas("report", run, "--json", "--png", disk / "front.png")
    assert (code, err.count("\n")) == (2, 1)
    assert not (disk / "front.png").exists()
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_disk_without_room_for_a_family_is_wrong_input_and_nothing_is_left(nas, disk):
    fill(disk, 4096)  # enough for the directory
    code, out, err = nas("scale", "--coefficients", "1.2,1.1,1.15", "--run", disk / "r")
    assert (code, out) == (2, "")
    assert err.startswith("nas: --run must be a directory with room for a run (No space left on device)")
    assert [path.name for path in disk.iterdir()] == ["filler"]
