"""The cache: made only where it is needed, in a place that can be written; and without locks."""

import errno
import fcntl
import os
from pathlib import Path

import pytest
from fakes import TABLE, Heard
from nobody import NOBODY, as_nobody
from pictures import write_classes

from nas import files
from nas.commands.home import settle_home
from nas.data import load_data
from nas.data.cache import Cache
from nas.errors import InputError
from nas.files import NO_LOCKS

SHORT = ["--space", "mnas", "--trials", 1, "--proxy", "epochs=1", "--confirm", 0, "--address", "inline"]
PACKED = ["search", *SHORT, "--data", "folder:photos"]


@pytest.fixture
def photos(nas, public, monkeypatch):
    """A folder of images, in a directory that all may use; and a temporary directory of the test's own."""
    write_classes(public / "photos")
    monkeypatch.delenv("NAS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(public / "tmp"))
    (public / "tmp").mkdir()
    (public / "tmp").chmod(0o777)
    yield public
    files.say_unlocked.cache_clear()


def pack():
    """What loading the images says, and where their cache is, in the home that is settled for libraries."""
    settle_home()
    heard = Heard()
    part = load_data("folder:photos", size=8, listener=heard).train
    return heard.said, str(part.origin.cache.place), os.environ["HOME"]


@pytest.mark.parametrize("home", [None, "/", "/nowhere", "/proc"])
def test_without_a_home_packs_go_to_a_temporary_place_and_that_is_said(photos, monkeypatch, home):
    load_data("folder:photos", size=8, cache=Cache(photos / "cache"))  # imports everything
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", home)
    said, cache, own = as_nobody(pack)
    assert own == str(photos / "tmp" / f"nas-{os.geteuid() or NOBODY}")
    assert cache == f"{own}/cache"
    assert said[0].startswith(f"Images are packed into {cache} (")
    assert Path(own).stat().st_mode & 0o777 == 0o700
    assert not any("Packing" in line for line in as_nobody(pack)[0])  # it is found again


def test_digits_and_tables_make_no_cache(nas, photos, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", "/proc/nowhere")
    assert nas("search", *TABLE, "--trials", 2, "--controller", "random", "--run", "t")[0] == 0
    assert len(load_data("digits").train.labels)


@pytest.mark.parametrize(
    "place", ["/proc/x", "/dev/null", "photos/file/x", "~nobody-of-this-name", "x" * 300]
)
def test_a_cache_that_was_asked_for_and_cannot_be_used_is_one_line(nas, photos, monkeypatch, place):
    (photos / "photos" / "file").write_text("")
    monkeypatch.setenv("NAS_CACHE", place)
    code, out, err = nas(*PACKED, "--run", "r")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("nas: NAS_CACHE must be a directory that can be written (")


def test_a_temporary_place_that_another_user_can_write_is_not_used(photos, monkeypatch):
    monkeypatch.setattr("nas.data.cache.default_directory", lambda: Path("/proc/nowhere"))
    own = files.own_directory()
    own.chmod(0o777)
    with pytest.raises(InputError, match="Another user can write it"):
        Cache().opened(print)
    own.rmdir()
    own.symlink_to(photos)
    with pytest.raises(InputError, match="NAS_CACHE must be a directory"):
        Cache().opened(print)


def test_a_user_without_a_name_gets_one(monkeypatch, photos):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: {}["no passwd entry"])
    monkeypatch.setenv("LOGNAME", "")
    monkeypatch.setenv("HOME", str(photos))
    settle_home()
    assert os.environ["LOGNAME"] == str(os.getuid())
    assert os.environ["HOME"] == str(photos)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_without_locks_everything_works_and_that_is_said_once(nas, photos, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setenv("NAS_CACHE", str(photos / "cache"))
    code, out, err = nas(*PACKED, "--run", "r")
    assert (code, err, out.count(NO_LOCKS)) == (0, "", 1)
    (photos / "r" / "best.json").unlink()
    code, out, err = nas("resume", "r")
    assert (code, err, out.count(NO_LOCKS)) == (0, "", 1)
    assert nas("report", "r", "--follow")[0] == 0


def test_locks_exclude_and_waiting_is_told(tmp_path):
    said = []
    with files.locked(tmp_path / "a") as works:
        assert works
        with pytest.raises(BlockingIOError), files.locked(tmp_path / "a"):
            pass
        with files.locked(tmp_path / "b", lambda: said.append("b")):
            pass
    with files.locked(tmp_path / "a"):
        pass
    assert said == []
