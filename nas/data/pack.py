"""Packs: a source's images, decoded and resized once, in files that are mapped into memory.

pack.json       version, number of images of each part, their own size, names of broken images
PART.images     uint8 `[N, size, size, 3]`
PART.labels     int64 `[N]`
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas.data.cache import HEADER, Cache, mapped
from nas.data.dataset import Dataset, Part
from nas.data.decode import Task, decode_all, own_size
from nas.data.folder import list_folder
from nas.data.huggingface import list_huggingface
from nas.data.listing import IN_WORDS, PARTS, Listing, Take
from nas.errors import RunError
from nas.files import say_unlocked
from nas.spec.listener import Listener
from nas.spec.machine import cpu_count
from reports import count

VERSION = 1
CHUNK = 32  # images per task
IMAGES_PER_PROCESS = 256  # fewer are decoded faster than another process starts
NAMED = 3  # broken images in the warning
SAMPLE = 200  # training images whose own size is read


class Origin(NamedTuple):
    """Where a pack is, and how to make it if it is missing."""

    source: str
    size: int
    seed: int
    cache: Cache
    key: str


class PackedPart(Part):
    """A part whose images lie in a pack; pickled as a reference to it, without the images.

    Attributes:
        origin: the pack's; None for a part that was derived from another one.
        name: the part's, in the pack.
    """

    origin: Origin | None = None
    name: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            return Part, tuple(self)
        return reopen, (self.origin, self.name)

    def hash_into(self, digest: hashlib._Hash) -> None:
        if self.origin is None:
            super().hash_into(digest)
        else:
            digest.update(f"{self.origin.key} {self.name}".encode())


def load_packed(
    source: str, size: int | Callable[[int], int], seed: int, cache: Cache, listener: Listener
) -> Dataset:
    """The images of ``source`` from their pack, which is made if there is none.

    Args:
        source: ``folder:DIR`` or ``hf:NAME``.
        size: side of the images, in pixels, or a function that gives it for the images' own size.
        listener: told what takes long, and how many images are decoded.

    Raises:
        InputError: if the cache has no room.
        ValueError: if files cannot be read, or all images of a class are broken.
        RunError: if a process that decodes is killed.
    """
    listing = list_images(source)
    cache = cache.opened(listener.say)
    if not isinstance(size, int):
        size = size(image_size(listing))
    origin = Origin(listing.source, size, seed, cache, key_of(listing, size, seed))
    for note in listing.notes:
        listener.say(note)
    waiting = f"Waiting for another process to pack {listing.source}"
    unlocked = functools.partial(say_unlocked, listener.say)
    with cache.locked(origin.key, lambda: listener.say(waiting), unlocked) as path:
        opened = None
        if path.exists():
            try:
                opened = _open(path, origin)
            except (OSError, ValueError, LookupError, TypeError) as error:
                listener.say(f"The pack of {listing.source} is made again: {error}")
                shutil.rmtree(path)
        if opened is None:
            _make(path, listing, origin, listener)
            opened = _open(path, origin)
    parts, facts = opened
    if broken := facts["broken"]:
        listener.say(_warning(broken, listing.source))
    train, valid, test = (parts.get(name) for name in PARTS)
    assert train is not None
    assert valid is not None
    return Dataset(listing.source, listing.classes, train, valid, test, facts["image_size"])


def image_size(listing: Listing) -> int:
    """The images' own size in pixels, from the headers of up to ``SAMPLE`` training images, evenly spread."""
    split = listing.splits["train"]
    count = len(split.labels)
    return own_size(split.read(np.unique(np.linspace(0, count - 1, min(SAMPLE, count), dtype=int)).tolist()))


def list_images(source: str) -> Listing:
    """The images of ``source``, not decoded yet."""
    kind, _, rest = source.partition(":")
    if kind == "hf":
        return list_huggingface(rest)
    directory = Path(rest).expanduser().absolute()
    return list_folder(directory, f"folder:{directory}")


def reopen(origin: Origin, name: str) -> Part:
    """Opens a part in the process that it was sent to; makes the pack on a machine that has none.

    Raises:
        RunError: if the source has other files on this machine.
    """
    with origin.cache.locked(origin.key) as path, contextlib.suppress(OSError, ValueError, LookupError):
        return _open(path, origin)[0][name]
    part: Part = getattr(load_packed(*origin[:-1], Listener()), name)
    if not isinstance(part, PackedPart) or part.origin is None or part.origin.key != origin.key:
        raise RunError(
            f"{origin.source} must hold the same files, with the same times, on every machine; "
            f"{socket.gethostname()} has others"
        )
    return part


def key_of(listing: Listing, size: int, seed: int) -> str:
    """SHA-256 of everything that decides what a pack holds."""
    used = seed if listing.held_out else None
    kind = listing.source.partition(":")[0]
    facts = json.dumps([VERSION, kind, size, used, listing.classes, listing.digest])
    return hashlib.sha256(facts.encode()).hexdigest()


def _open(path: Path, origin: Origin) -> tuple[dict[str, PackedPart], dict[str, Any]]:
    """Maps a pack into memory and marks it as used; its parts, and what its header says.

    Raises:
        OSError, ValueError, LookupError, TypeError: if it is damaged or of another version.
    """
    header = json.loads((path / HEADER).read_text())
    if header["version"] != VERSION:
        raise ValueError(f"version must be {VERSION}, got {header['version']}")
    parts = {}
    for name, facts in header["parts"].items():
        shape = (facts["images"], origin.size, origin.size, 3)
        for file, size in _sizes(name, shape[0], origin.size).items():
            found = (path / file).stat().st_size
            if found != size:
                raise ValueError(f"{file} must have {size} bytes, got {found}")
        stored = (path / f"{name}.labels").read_bytes()
        if hashlib.sha256(stored).hexdigest() != facts["labels"]:
            raise ValueError(f"{name}.labels does not match its checksum")
        labels = np.frombuffer(stored, "<i8").astype(np.int64)
        parts[name] = PackedPart(mapped(path / f"{name}.images", shape), labels)
        parts[name].origin, parts[name].name = origin, name
    os.utime(path / HEADER)
    return parts, {name: header[name] for name in ("broken", "image_size")}


def _make(path: Path, listing: Listing, origin: Origin, listener: Listener) -> None:
    takes = listing.parts(origin.seed)
    total = sum(len(take.rows) for take in takes.values())
    sizes: dict[str, int] = {}
    for name, take in takes.items():
        sizes |= _sizes(name, len(take.rows), origin.size)
    started = time.perf_counter()
    with origin.cache.making(path, sizes) as new:
        listener.say(
            f"Packing {total:,} images of {listing.source} at {origin.size} px, once, "
            f"into {origin.cache.directory} ({count(sum(sizes.values()))} bytes)"
        )
        broken = _decode(new, listing, takes, origin.size, listener)
        facts = {name: _finish(new, name, listing, take, broken[name]) for name, take in takes.items()}
        names = [
            listing.splits[take.split].name(int(take.rows[place]))
            for name, take in takes.items()
            for place in broken[name]
        ]
        header = {"version": VERSION, "source": listing.source, "parts": facts, "broken": sorted(names)}
        _write(new / HEADER, json.dumps(header | {"image_size": image_size(listing)}).encode())
    seconds = time.perf_counter() - started
    listener.say(f"Packed in {seconds:.1f} s, {total / seconds:,.0f} images/s")


def _sizes(name: str, images: int, size: int) -> dict[str, int]:
    """The sizes of a part's files, in bytes."""
    return {f"{name}.images": images * size * size * 3, f"{name}.labels": images * 8}


def _decode(
    directory: Path, listing: Listing, takes: Mapping[str, Take], size: int, listener: Listener
) -> dict[str, list[int]]:
    """Decodes and writes all images; the places of the broken ones, by part."""
    files = {str(directory / f"{name}.images"): name for name in takes}
    broken: dict[str, list[int]] = {name: [] for name in takes}
    total = sum(len(take.rows) for take in takes.values())
    processes = max(1, min(cpu_count(), total // IMAGES_PER_PROCESS))
    done = 0
    try:
        for task, lost in decode_all(_tasks(files, listing, takes, size), processes):
            broken[files[task.file]] += lost
            done += len(task.places)
            listener.progress("Packing images", done, total)
    except BrokenProcessPool:
        raise RunError("a process that decodes images died, perhaps because memory ran out") from None
    return broken


def _tasks(
    files: Mapping[str, str], listing: Listing, takes: Mapping[str, Take], size: int
) -> Iterator[Task]:
    for file, name in files.items():
        split, rows = listing.splits[takes[name].split], takes[name].rows
        # Reads in the source's order, which is that on the disk.
        places = np.argsort(rows, kind="stable").tolist()
        for start in range(0, len(places), CHUNK):
            chunk = places[start : start + CHUNK]
            yield Task(file, size, chunk, split.read(rows[chunk].tolist()))


def _finish(directory: Path, name: str, listing: Listing, take: Take, broken: list[int]) -> dict[str, Any]:
    """Closes the gaps that broken images left and writes the labels; the part's entry in ``pack.json``.

    Raises:
        ValueError: if all images of a class are broken.
    """
    labels = listing.splits[take.split].labels[take.rows]
    kept = np.delete(np.arange(len(labels)), broken)
    if lost := set(labels) - set(labels[kept]):
        raise ValueError(
            f"{listing.source} must hold {IN_WORDS[name]} images of every class that can be decoded, "
            f"got none of {listing.classes[min(lost)]!r}"
        )
    file = directory / f"{name}.images"
    row = file.stat().st_size // len(labels)
    with file.open("r+b") as images:
        for place, origin in enumerate(kept.tolist()):
            if place != origin:
                images.seek(origin * row)
                content = images.read(row)
                images.seek(place * row)
                images.write(content)
        images.truncate(len(kept) * row)
        images.flush()
        os.fsync(images.fileno())
    stored = labels[kept].astype("<i8").tobytes()
    _write(directory / f"{name}.labels", stored)
    return {"images": len(kept), "labels": hashlib.sha256(stored).hexdigest()}


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _warning(broken: list[str], source: str) -> str:
    named = ", ".join(broken[:NAMED])
    more = f" and {len(broken) - NAMED:,} more" if len(broken) > NAMED else ""
    return f"Left out {len(broken):,} broken image{'s' * (len(broken) > 1)} of {source}: {named}{more}"
