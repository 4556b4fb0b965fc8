"""Starts or joins Ray. Whatever Ray raises becomes one line here."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.errors import InputError, RunError
from nas.files import exists
from nas.spec.machine import cpu_count

# Ray reads these once, on import.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.update(
    RAY_AIR_NEW_OUTPUT="0",  # the old progress output can be silenced, the new one cannot
    RAY_CHDIR_TO_TRIAL_DIR="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",  # Ctrl-C is ours: stop, keep everything, say how to resume
    TUNE_GLOBAL_CHECKPOINT_S=str(10**9),
    TUNE_PRINT_ALL_TRIAL_ERRORS="0",
)

ADDRESS = "RAY_ADDRESS"
ANSWER_SECONDS = 18
"""A cluster that has not answered by then counts as dead; Ray itself would try for a quarter of an hour."""
LOST_SECONDS = 20.0
"""A cluster whose head has not answered for so long is lost; Ray ends the process after a minute."""
LONGEST_DIRECTORY = 40
"""The most bytes of Ray's directory: sockets in a session's directory below it may have a path of 107."""
SHORT_PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - mkdtemp makes a directory of our own there
ASK = """
import socket, sys
from ray._private.services import canonicalize_bootstrap_address
address = canonicalize_bootstrap_address(sys.argv[1])
host, _, port = address.rpartition(":")
socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
from ray._raylet import GcsClient
try:
    GcsClient(address=address).internal_kv_get(b"session_name", b"session", timeout=10)
except Exception as error:
    if type(error).__name__ != "AuthenticationError":
        raise
    print("token")  # an answer, too
"""
"""Finds the cluster of an address, and asks it something; in its own process, which can be stopped."""
ASKED: dict[str, bool] = {}
"""Addresses that have answered, and whether the cluster there wants a token."""
AUTH_MODE, AUTH_TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"


@contextlib.contextmanager
def cluster(address: str) -> Iterator[dict[str, float]]:
    """Yields the CPUs and GPUs of Ray, started (``local``) or joined (``auto`` or HOST:PORT).

    Raises:
        InputError: if Ray cannot be started, or no cluster answers.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    with contextlib.ExitStack() as stack:
        options: dict[str, Any] = {"address": address}  # it has answered, see ``ask_cluster``
        if joined():
            import ray

            if address == "local":
                raise InputError("address must be auto where this process uses Ray already, got local")
            yield ray.cluster_resources()
            return
        if address == "local":
            stack.enter_context(token_of_its_own())
            options = {
                "address": "local",
                "num_cpus": cpu_count(),
                "include_dashboard": False,
                "_temp_dir": stack.enter_context(short_directory()),
            }
        begin(options)
        import ray

        stack.callback(leave)
        yield ray.cluster_resources()


def joined() -> bool:
    """Whether the program that called us uses Ray itself; it goes on with it afterwards."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def head_answers() -> bool:
    """Whether the cluster's head is there: Ray itself waits for it a minute, and then ends the process."""
    import ray

    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
    except OSError:
        return False
    return True


class Head:
    """Looks whether the cluster's head is there.

    Args:
        again: the command that goes on with the run.
    """

    def __init__(self, again: str) -> None:
        self.again, self.seen, self.answers = again, time.monotonic(), True

    def look(self) -> bool:
        """Whether Ray can be asked something now; RunError if it could not for ``LOST_SECONDS``."""
        self.answers, now = head_answers(), time.monotonic()
        if self.answers:
            self.seen = now
        elif now - self.seen > LOST_SECONDS:
            raise RunError(f"Ray's head does not answer any more; go on with: {self.again}")
        return self.answers


def leave() -> None:
    """``ray.shutdown``. With a dead head it would wait, and what it leaves undone crash when Python ends."""
    import ray

    if head_answers():
        ray.shutdown()
    else:
        atexit.unregister(ray.shutdown)
        atexit.register(end_at_once)


def end_at_once() -> None:
    """Ends this process, whose run has failed, without taking anything apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def begin(options: dict[str, Any]) -> None:
    """``ray.init``. SIGTERM keeps its handler: Ray's would end the process without a word.

    Raises:
        InputError: whatever Ray raises.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        import ray
        from ray._private import worker

        if (to := options["address"]) != "local":
            if to not in ASKED:
                ask_cluster(to)
            if ASKED.pop(to):
                take_token()

        listen = worker.listen_error_messages
        worker.listen_error_messages = lambda *_: None  # it would print Ray's words between ours
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        finally:
            worker.listen_error_messages = listen
    except InputError:
        raise
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
    named = f", with {ADDRESS}={given}" if given and address == "auto" else ""
    return InputError(f"address {address} must find a running Ray cluster ({line}){named}")


@contextlib.contextmanager
def token_of_its_own() -> Iterator[None]:
    """A token that Ray's processes ask one another for; Ray would leave one in the user's home for others."""
    if AUTH_MODE in os.environ or AUTH_TOKEN in os.environ:
        yield
        return
    os.environ[AUTH_TOKEN] = secrets.token_hex(32)
    read_tokens_again()
    try:
        yield
    finally:
        for name in (AUTH_MODE, AUTH_TOKEN):  # Ray has set the first
            os.environ.pop(name, None)
        read_tokens_again()


def take_token() -> None:
    """Shows a cluster the user's token, if there is one. Ray does so only where it finds the cluster."""
    if AUTH_MODE not in os.environ and read_tokens_again():
        os.environ[AUTH_MODE] = "token"
        read_tokens_again()


def read_tokens_again() -> bool:
    """Makes Ray look at the variables and at the user's home again, and says whether it finds a token."""
    from ray import _raylet

    raylet: Any = _raylet
    if not hasattr(raylet, "AuthenticationTokenLoader"):  # an older Ray
        return False
    raylet.Config.initialize("")
    loader = raylet.AuthenticationTokenLoader.instance()
    loader.reset_cache()
    return bool(loader.has_token(ignore_auth_mode=True))


def ask_cluster(to: str) -> None:
    """Raises InputError within ``ANSWER_SECONDS`` if no cluster answers where an address leads to."""
    if joined():
        return
    if to == "auto" and "://" in os.environ.get(ADDRESS, ""):
        raise refused("auto", f"{ADDRESS} must be HOST:PORT of a cluster's head, as ray start prints it")
    asking = [sys.executable, "-c", ASK, to]
    try:
        answer = subprocess.run(asking, capture_output=True, timeout=ANSWER_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise refused(to, f"nothing has answered within {ANSWER_SECONDS} s") from None
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").splitlines() or ["it died"]
        raise refused(to, said[-1].removeprefix("ConnectionError: "))
    ASKED[to] = b"token" in answer.stdout


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
