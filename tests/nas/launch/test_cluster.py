"""Ray is started and joined, or one line says why not, within half a minute."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from fakes import few_images, wait_for_trials

from nas import open_run
from nas.errors import InputError
from nas.launch import cluster
from nas.launch.cluster import short_directory

SEARCH = ["search", "--space", "mnas", "--trials", 1, "--confirm", 0, "--run", "r", "--address"]


@contextlib.contextmanager
def silent_port():
    """A port that accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "ray://head:10001", "https://x"])
def test_an_address_of_another_kind_is_one_line_at_once(nas, monkeypatch, address, tmp_path):
    monkeypatch.setenv("RAY_ADDRESS", address)
    code, out, err = nas(*SEARCH, "auto")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(
        "nas: --address auto must find a running Ray cluster (RAY_ADDRESS must be HOST:PORT"
    )
    assert err.endswith(f", with RAY_ADDRESS={address}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:1", "no host:99999", ":::", "127.0.0.1:{}"])
def test_a_cluster_that_does_not_answer_is_one_line_within_half_a_minute(nas, monkeypatch, address):
    with silent_port() as port:
        monkeypatch.setenv("RAY_ADDRESS", address.format(port))
        began = time.monotonic()
        code, out, err = nas(*SEARCH, "auto")
        assert time.monotonic() - began < 30
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("nas: --address auto must find a running Ray cluster (")


@pytest.mark.slow
def test_a_long_tmpdir_and_an_address_in_the_environment_do_not_matter_to_local(nas, monkeypatch, tmp_path):
    place = tmp_path / ("x" * 120)
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:8265")
    monkeypatch.setattr(tempfile, "tempdir", None)
    made, mkdtemp = [], tempfile.mkdtemp

    def remembered(*given, **named):
        made.append(mkdtemp(*given, **named))
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", remembered)
    code, _, err = nas(*SEARCH, "local", *few_images(tmp_path / "few.npz"))
    assert (code, err) == (0, "")
    assert len(open_run(tmp_path / "r").trials()) == 1
    short = [directory for directory in made if str(place) not in directory]
    assert short
    assert not any(Path(directory).exists() for directory in short)


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize("place", ["/" + "x" * 60, "/nowhere", "/proc"])
def test_ray_gets_a_short_directory_where_its_own_will_not_do(monkeypatch, variable, place):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, place)
    with short_directory() as directory:
        if place == "/proc" and directory is None:
            return  # root may do everything
        assert len(directory) < 40
        assert Path(directory).stat().st_mode & 0o777 == 0o700
    assert not Path(directory).exists()


def test_without_any_place_for_ray_one_line_says_what_to_set(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/" + "x" * 60)
    monkeypatch.setattr(cluster, "SHORT_PLACES", ("/nowhere",))
    with pytest.raises(InputError, match="which RAY_TMPDIR can name"), short_directory():
        pass


@pytest.mark.parametrize("error", [ValueError("a\nb"), SystemExit(1), KeyError("x"), ConnectionError("no")])
def test_whatever_ray_raises_is_one_line(monkeypatch, error):
    import ray

    def init(**_):
        raise error

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(InputError, match="address local must be able to start Ray") as caught:
        cluster.begin({"address": "local"})
    assert "\n" not in str(caught.value)
    assert type(error).__name__ in str(caught.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_of_the_user_is_joined_by_its_address_with_its_token(nas, monkeypatch, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    few = few_images(tmp_path / "few.npz")
    assert nas(*SEARCH, "local", *few)[0] == 0
    assert not (home / ".ray").exists()  # or the next cluster would ask for its token
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("x" * 64)
    with silent_port() as port:
        pass
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    begin = [
        *ray,
        "start",
        "--head",
        f"--port={port}",
        "--num-cpus=1",
        "--include-dashboard=false",
        "--block",
    ]
    with (tmp_path / "head").open("w") as file:
        head = subprocess.Popen(begin, stdout=file, stderr=file)
    try:
        address = f"{ray_host()}:{port}"
        options = [*SEARCH[:-2], "joined", "--address", address, *few]
        search = [sys.executable, "-m", "nas", *map(str, options)]
        for _ in range(10):
            ended = subprocess.run(search, capture_output=True, text=True, cwd=tmp_path)
            if ended.returncode != 2:  # the head is there
                break
        assert (ended.returncode, ended.stderr) == (0, "")
    finally:
        head.terminate()
        head.wait()
    assert len(open_run(tmp_path / "joined").trials()) == 1


@pytest.mark.slow
def test_a_dead_head_is_one_line_and_the_run_goes_on_with_another(nas, tmp_path):
    few = few_images(tmp_path / "few.npz")
    options = [*few, "--controller", "random", "--baseline", "none", "--confirm", 0, "--workers", 1]
    soon = (
        "from nas.launch import cluster; cluster.LOST_SECONDS = 2; from nas.commands.main import main; main()"
    )
    search = ["search", "--space", "mnas", "--trials", "25", *map(str, options), "--run", "r"]
    process = subprocess.Popen([sys.executable, "-c", soon, *search], stderr=subprocess.PIPE, text=True)
    wait_for_trials(tmp_path / "r", 1, process)
    subprocess.run(["pkill", "-9", "-P", str(process.pid), "gcs_server"], check=True)
    _, err = process.communicate()
    ended = "nas: Ray's head does not answer any more; go on with: nas resume r\n"
    assert (process.returncode, err) == (1, ended)
    done = (open_run(tmp_path / "r").trials()["status"] == "done").sum()
    assert nas("resume", "r", "--address", "inline", "-q")[0] == 0
    trials = open_run(tmp_path / "r").trials()
    assert 0 < done < len(trials) == 25
    assert set(trials["status"]) == {"done"}


def ray_host():
    """This machine's address, as Ray finds it."""
    from ray.util import get_node_ip_address

    return get_node_ip_address()
