"""Starts or joins Ray. Whatever Ray raises becomes one line here."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.errors import InputError
from nas.files import exists
from nas.spec.machine import cpu_count

ADDRESS = "RAY_ADDRESS"
ANSWER_SECONDS = 18
"""A cluster that has not answered by then counts as dead; Ray itself would try for a quarter of an hour."""
LONGEST_DIRECTORY = 40
"""The most bytes of Ray's directory: sockets in a session's directory below it may have a path of 107."""
SHORT_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - mkdtemp makes a directory of our own there
ASK = """
import socket, sys
from ray._private.services import canonicalize_bootstrap_address
address = canonicalize_bootstrap_address("auto")
host, _, port = address.rpartition(":")
socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
from ray._raylet import GcsClient
try:
    GcsClient(address=address).internal_kv_get(b"session_name", b"session", timeout=10)
except Exception as error:
    if type(error).__name__ != "AuthenticationError":  # an answer; ray.init knows where tokens are
        raise
"""
"""Finds the cluster that ``auto`` means, and asks it something; in its own process, which can be stopped."""


@contextlib.contextmanager
def cluster(address: str) -> Iterator[dict[str, float]]:
    """Yields the CPUs and GPUs of Ray, started (``local``) or joined (``auto``).

    Raises:
        InputError: if Ray cannot be started, or no cluster answers.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    with contextlib.ExitStack() as stack:
        options: dict[str, Any] = {"address": "auto"}  # it has answered, see ``ask_cluster``
        if address == "local":
            options = {
                "address": "local",
                "num_cpus": cpu_count(),
                "include_dashboard": False,
                "_temp_dir": stack.enter_context(short_directory()),
            }
        begin(options)
        import ray

        stack.callback(ray.shutdown)
        yield ray.cluster_resources()


def begin(options: dict[str, Any]) -> None:
    """``ray.init``. SIGTERM keeps its handler: Ray's would end the process without a word.

    Raises:
        InputError: whatever Ray raises.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        import ray

        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - Ray may raise anything
        raise refused(str(options["address"]), f"{type(error).__name__}: {error}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def refused(address: str, reason: str) -> InputError:
    """The error if Ray cannot be used."""
    line = " ".join(reason.split())
    if address == "local":
        return InputError(f"address local must be able to start Ray ({line}); inline needs no Ray")
    given = os.environ.get(ADDRESS)
    named = f", with {ADDRESS}={given}" if given else ""
    return InputError(f"address auto must find a running Ray cluster ({line}){named}")


def ask_cluster() -> None:
    """Raises InputError within ``ANSWER_SECONDS`` if no cluster answers where ``auto`` leads to."""
    if "://" in os.environ.get(ADDRESS, ""):
        raise refused("auto", f"{ADDRESS} must be HOST:PORT of a cluster's head, as ray start prints it")
    asking = [sys.executable, "-c", ASK]
    try:
        answer = subprocess.run(asking, capture_output=True, timeout=ANSWER_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise refused("auto", f"nothing has answered within {ANSWER_SECONDS} s") from None
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").splitlines() or ["it died"]
        raise refused("auto", said[-1].removeprefix("ConnectionError: "))


@contextlib.contextmanager
def short_directory() -> Iterator[str | None]:
    """A directory for Ray: None if its usual one will do, or else one with a short path, removed at the end.

    Batch systems set a TMPDIR that leaves no room for the names of Ray's sockets.

    Raises:
        InputError: if there is no room for one.
    """
    own = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or SHORT_PLACES[0]
    if len(os.fsencode(own)) <= LONGEST_DIRECTORY and writable(Path(own)):
        yield None
        return
    place = next((place for place in SHORT_PLACES if writable(Path(place))), None)
    if place is None:
        raise InputError(
            f"address local needs a directory with a path of at most {LONGEST_DIRECTORY} bytes for Ray, "
            f"which RAY_TMPDIR can name, got {own}"
        )
    directory = tempfile.mkdtemp(prefix="nas-", dir=place)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def writable(directory: Path) -> bool:
    """Whether Ray can write into ``directory``, and into the one that it shares with other users."""
    shared, access = directory / "ray", os.W_OK | os.X_OK
    return os.access(directory, access) and (not exists(shared) or os.access(shared, access))
