import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from places import ROOT

from nas.launch import sharing
from nas.launch.sharing import ClusterShare

SEARCH = """
import sys
from nas.launch.sharing import sharing
with sharing("local", "none") as share:
    print(share.searches(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def another(place):
    """Another search on this machine, and how many it counts."""
    process = subprocess.Popen(
        [sys.executable, "-c", SEARCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(place)},
    )
    return process, int(process.stdout.readline())


def test_searches_on_one_machine_count_one_another_and_forget_the_dead(places):
    with sharing.sharing("local", "none") as share:
        assert share.searches() == 1
        first, counted = another(places)
        assert counted == share.searches() == 2
        second, counted = another(places)
        assert counted == share.searches() == 3
        second.kill()
        second.communicate()
        assert share.searches() == 2
        first.communicate("")
        assert share.searches() == 1
    assert not list(places.iterdir())


def test_what_is_left_of_a_killed_search_is_ended_by_the_next(places):
    session = "session_2026-01-02_03-04-05_678901_23456"
    command = [sys.executable, "-c", "import time; time.sleep(60)", f"--session-name={session}"]
    left, other = subprocess.Popen(command), subprocess.Popen([*command[:-1], "--session-name=session_other"])
    try:
        for text in (session, "python", "session_.*"):
            (places / f"nas-search-{os.getuid()}-{len(text)}").write_text(text)
        with sharing.sharing("local", "none") as share:
            assert share.searches() == 1
        assert left.wait(10) == -9
        assert other.poll() is None
    finally:
        left.kill()
        other.kill()
        left.wait()
        other.wait()
    assert not list(places.iterdir())


def test_where_no_file_can_be_made_a_search_counts_itself(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(Path("/proc/no")))
    with sharing.sharing("local", "none") as share:
        assert share.searches() == 1


def test_searches_of_a_cluster_count_those_that_say_something_new(monkeypatch):
    said, clock = {}, [0.0]
    monkeypatch.setattr(sharing, "put", said.__setitem__)
    monkeypatch.setattr(sharing, "get", said.get)
    monkeypatch.setattr(sharing, "forget", said.pop)
    monkeypatch.setattr(sharing, "names", lambda prefix: [name for name in said if name.startswith(prefix)])
    monkeypatch.setattr(sharing.time, "monotonic", lambda: clock[0])
    first, second = ClusterShare(), ClusterShare()
    assert (first.searches(), second.searches(), first.searches()) == (1, 2, 2)
    for _ in range(30):
        clock[0] += 2.0
        assert (first.searches(), second.searches()) == (2, 2)
    clock[0] += sharing.GONE + 1  # the second says nothing any more
    assert [first.searches() for _ in range(2)] == [2, 2]  # its last word is heard once more
    clock[0] += sharing.GONE + 1
    assert first.searches() == 1
    clock[0] += 10 * sharing.GONE
    first.searches()
    assert list(said) == [first.own]
