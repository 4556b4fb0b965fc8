"""What may happen to the disks and machines of a search that ``chaos.py`` disturbs; most of it needs root."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from faults import Chaos


@contextlib.contextmanager
def small(place: Path) -> Iterator[Path]:
    """A small disk in memory."""
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", place)
    try:
        yield place
    finally:
        run("umount", "-l", place)


@contextlib.contextmanager
def ext4(place: Path) -> Iterator[Path]:
    """A disk that nobody can write to after it has had an error, until it is mounted again."""
    place.mkdir()
    image = image_of(place)
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    run("mkfs.ext4", "-q", "-F", image)
    mount(place)
    try:
        yield place
    finally:
        run("umount", "-l", place)


def run(*command: object) -> str:
    """What a command says; an error if it fails."""
    return subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True).stdout


def image_of(place: Path) -> Path:
    """The file in which an ``ext4`` disk lies."""
    return place.with_suffix(".image")


def mount(place: Path) -> None:
    """Mounts an ``ext4`` disk."""
    run("mount", "-o", "loop,errors=remount-ro", image_of(place), place)


def spoil(place: Path) -> None:
    """An error of an ``ext4`` disk. What is not on it yet is lost, as when the power goes."""
    run("sync", "-f", place)
    device = Path(run("findmnt", "-no", "SOURCE", place).strip()).name
    Path("/sys/fs/ext4", device, "trigger_fs_error").write_text("1")


def mend(place: Path) -> None:
    """Mounts it again."""
    run("umount", place)
    mount(place)


def fill(place: Path) -> None:
    """Leaves no room."""
    with (place / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def make_room(place: Path) -> None:
    """Takes that back."""
    (place / "filler").unlink()


def disk_faults(
    disk: Callable[[Path], AbstractContextManager[Path]],
    spoil: Callable[[Path], None],
    mend: Callable[[Path], None],
) -> Callable[[Chaos, int], None]:
    """The run's disk takes nothing more for a moment."""

    def faults(chaos: Chaos, most: int) -> None:
        with disk(chaos.place / "disk") as place:
            whole, chaos.place = chaos.place, place

            def hit(process: subprocess.Popen[bytes]) -> bool:
                if not chaos.noted:
                    return False
                spoil(place)
                process.wait()
                mend(place)
                return process.returncode != 0

            chaos.until_over(hit, (0.2, 0.8), most)
            run("cp", "-r", place / "run", whole / "run")
        chaos.place = whole

    return faults


class TwoHosts:
    """A cluster of two machines, each a network namespace with one end of a cable.

    Attributes:
        head, other: the names of the namespaces. The other one joins again whenever its Ray has ended.
    """

    def __init__(self) -> None:
        self.head, self.other = (f"nas-{os.getpid()}-{end}" for end in "ab")
        self.place = tempfile.TemporaryDirectory(prefix="nas-")  # Ray's sockets need short paths
        run("ip", "netns", "add", self.head)
        run("ip", "netns", "add", self.other)
        other = ("peer", "name", "cable", "netns", self.other)
        run("ip", "-n", self.head, "link", "add", "cable", "type", "veth", *other)
        for number, host in enumerate((self.head, self.other), 1):
            run("ip", "-n", host, "addr", "add", f"10.99.0.{number}/24", "dev", "cable")
            run("ip", "-n", host, "link", "set", "lo", "up")
            run("ip", "-n", host, "link", "set", "cable", "up")
            where = ("--head", "--port=6379", "--include-dashboard=false", f"--temp-dir={self.place.name}")
            self._ray(host, number, *(where if number == 1 else ("--address=10.99.0.1:6379",)))

    def _ray(self, host: str, number: int, *where: str) -> None:
        """``ray start`` on a machine, again and again."""
        given = [f"--node-ip-address=10.99.0.{number}", "--num-cpus=1", "--block"]
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", *where, *given]
        again = ["ip", "netns", "exec", host, "sh", "-c", 'while :; do "$@"; sleep 1; done', "sh", *ray]
        subprocess.Popen(again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def cut(self, seconds: float) -> None:
        """Cuts the cable for a time."""
        run("ip", "-n", self.head, "link", "set", "cable", "down")
        time.sleep(seconds)
        run("ip", "-n", self.head, "link", "set", "cable", "up")

    def close(self) -> None:
        """Ends all that runs there."""
        for host in (self.head, self.other):
            while pids := run("ip", "netns", "pids", host).split():
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                time.sleep(0.1)
            run("ip", "netns", "del", host)
        self.place.cleanup()


def link(chaos: Chaos, most: int) -> None:
    """The network between two machines is cut, for less or longer than a machine may be silent."""
    hosts = TwoHosts()
    chaos.within = ["ip", "netns", "exec", hosts.head]
    chaos.options += ["--address", "10.99.0.1:6379"]

    def hit(_: subprocess.Popen[bytes]) -> bool:
        if not chaos.noted:
            return False
        hosts.cut(chaos.rng.choice((3, 30, 90)))
        return True

    try:
        chaos.until_over(hit, (5, 10), most)
    finally:
        hosts.close()


def nodes(chaos: Chaos, most: int) -> None:
    """Machines of a cluster are killed, one after another; another one joins each time."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    there = [cluster.add_node(num_cpus=1, wait=False) for _ in range(2)]
    chaos.options += ["--address", cluster.address]

    def hit(_: subprocess.Popen[bytes]) -> bool:
        if not chaos.noted:
            return False
        lost = there.pop(chaos.rng.randrange(2))
        cluster.remove_node(lost, allow_graceful=False)
        there.append(cluster.add_node(num_cpus=1, wait=False))
        return True

    try:
        chaos.until_over(hit, (4, 8), most)
    finally:
        cluster.shutdown()
