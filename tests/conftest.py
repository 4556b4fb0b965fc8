import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nas.commands.main import main


def pytest_configure(config):
    """What libraries read when they are imported, or start.

    Hugging Face's: no network, no files of the user. Ray: its workers yield to other processes otherwise, and
    starve where several test processes share the cores.
    """
    home = tempfile.TemporaryDirectory(prefix="nas-huggingface-")
    config.add_cleanup(home.cleanup)
    os.environ.update(HF_HOME=home.name, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", RAY_worker_niceness="0")


def pytest_collection_modifyitems(items):
    """Files with slow tests go first, so that no process is left alone with them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def nas(monkeypatch, capsys, tmp_path):
    """Runs ``nas ARGUMENTS`` in this process, in an empty directory: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def public(monkeypatch):
    """An empty working directory that every user can reach and write; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="nas-test-") as name:
        directory = Path(name).resolve()
        directory.chmod(0o777)
        monkeypatch.chdir(directory)
        yield directory


@pytest.fixture
def data(tmp_path):
    """400 real scans of digits, 80 of them for the test."""
    images, labels = load_digits(return_X_y=True)
    images = images[:400].reshape(-1, 8, 8).astype("uint8")
    parts = {
        "train_x": images[:320], "train_y": labels[:320], "test_x": images[320:], "test_y": labels[320:400],
    }  # fmt: skip
    np.savez(tmp_path / "digits.npz", **parts)
    return "npz:digits.npz"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    with mounted(tmp_path / "disk", "1m") as disk:
        yield disk


@pytest.fixture
def disk(tmp_path):
    """A disk of eight megabytes, enough for a small run and its report."""
    with mounted(tmp_path / "disk", "8m") as disk:
        yield disk


@contextlib.contextmanager
def mounted(directory, size):
    """A separate file system; the test is skipped if none can be mounted."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)
