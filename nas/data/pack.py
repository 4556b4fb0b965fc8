"""Packs: a source's images, decoded and resized once, in files that are mapped into memory.

pack.json       version, parts, the images' own size, what was left out and what was changed
SPLIT.images    uint8 `[N, size, size, 3]`: the rows of each part that is taken from this split, in turn
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
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas.data.cache import HEADER, Cache, mapped
from nas.data.dataset import Dataset, Part
from nas.data.decode import own_size
from nas.data.depth import Span
from nas.data.folder import list_folder
from nas.data.huggingface import list_huggingface
from nas.data.listing import PARTS, Listing
from nas.data.packing import VERSION, Made, make
from nas.data.words import alike, in_a_line, summary
from nas.errors import RunError, shown
from nas.files import say_unlocked
from nas.spec.listener import Listener

SAMPLE = 200  # training images whose own size is read
NAMED = 3  # images in a warning


class Origin(NamedTuple):
    """Where a pack is, and how to make it if it is missing.

    key: the pack's, from names, sizes and times of files.
    former: the key in version 0.1; empty if that version would not have read the same files.
    """

    source: str
    size: int
    seed: int
    cache: Cache
    key: str
    former: str


class PackedPart(Part):
    """A part whose images lie in a pack; pickled as a reference to it, without the images.

    Attributes:
        origin: the pack's; None for a part that was derived from another one.
        name: the part's, in the pack.
        contents: identifies the files' contents, their classes and their order, whatever their times.
    """

    origin: Origin | None = None
    name: str = ""
    contents: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            return Part, tuple(self)
        return reopen, (self.origin, self.name, self.contents)

    def hash_into(self, digest: hashlib._Hash, *, former: bool = False) -> None:
        if self.origin is None:
            super().hash_into(digest, former=former)
        else:
            known_by = self.origin.former if former else self.contents
            digest.update(f"{known_by} {self.name}".encode())


def load_packed(
    source: str, size: int | Callable[[int], int], seed: int, cache: Cache, listener: Listener
) -> Dataset:
    """The images of ``source`` from their pack, which is made if there is none.

    Args:
        source: ``folder:DIR`` or ``hf:NAME``.
        size: side of the images, in pixels, or a function that gives it for the images' own size.
        listener: told what was read, what takes long, and how many images are decoded.

    Raises:
        InputError: if the cache has no room.
        ValueError: if files cannot be read, or too many images of a class cannot be decoded.
        RunError: if a process that decodes is killed.
    """
    listing = list_images(source)
    cache = cache.opened(listener.say)
    if not isinstance(size, int):
        size = size(image_size(listing))
    key, former = (key_of(listing, size, seed, former) for former in (False, True))
    origin = Origin(listing.source, size, seed, cache, key, former)
    name = shown(listing.source)
    for note in (*listing.notes, *alike(listing.classes)):
        listener.say(shown(note))
    waiting = f"Waiting for another process to pack {name}"
    unlocked = functools.partial(say_unlocked, listener.say)
    with cache.locked(origin.key, lambda: listener.say(waiting), unlocked) as path:
        opened = _kept(path, origin, listener)
        made = opened is None
        if opened is None:
            own = image_size(listing)
            listener.say(_summary(listing, seed, own))  # packing may take long
            make(path, listing, Made(size, seed, cache, own), listener)
            opened = _open(path, origin)
    parts, facts = opened
    train, valid, test = (parts.get(name) for name in PARTS)
    assert train is not None
    assert valid is not None
    own, white = facts["image_size"], facts["white"]
    data = Dataset(listing.source, listing.classes, train, valid, test, own, white)
    if not made or facts["broken"] or facts["large"]:
        listener.say(summary(data, listing.passed))
    for line in _warnings(facts, listing.source):
        listener.say(shown(line))
    return data


def _kept(
    path: Path, origin: Origin, listener: Listener
) -> tuple[dict[str, PackedPart], dict[str, Any]] | None:
    """``_open``, if there is a pack; a damaged one is removed."""
    try:
        return _open(path, origin) if path.exists() else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        listener.say(f"The pack of {shown(origin.source)} is made again: {error}")
        shutil.rmtree(path)
        return None


def _summary(listing: Listing, seed: int, own: int) -> str:
    """One line on a listing, before it is known which images can be decoded."""
    labels = {
        name: listing.splits[take.split].labels[take.rows] for name, take in listing.parts(seed).items()
    }
    return in_a_line(listing.source, listing.classes, labels, own, listing.passed)


def list_images(source: str) -> Listing:
    """The images of ``source``, not decoded yet."""
    kind, _, rest = source.partition(":")
    if kind == "hf":
        return list_huggingface(rest)
    directory = Path(rest).expanduser().absolute()
    return list_folder(directory, f"folder:{directory}")


def image_size(listing: Listing) -> int:
    """The images' own size in pixels, from the headers of up to ``SAMPLE`` training images, evenly spread."""
    split = listing.splits["train"]
    count = len(split.labels)
    return own_size(split.read(np.unique(np.linspace(0, count - 1, min(SAMPLE, count), dtype=int)).tolist()))


def reopen(origin: Origin, name: str, contents: str) -> Part:
    """Opens a part in the process that it was sent to; makes the pack on a machine that has none.

    Raises:
        RunError: if the source has other images on this machine.
    """
    with origin.cache.locked(origin.key) as path, contextlib.suppress(OSError, ValueError, LookupError):
        return _open(path, origin)[0][name]
    data = load_packed(origin.source, origin.size, origin.seed, origin.cache, Listener())
    part: Part | None = getattr(data, name)
    if not isinstance(part, PackedPart) or part.contents != contents:
        raise RunError(
            f"{shown(origin.source)} must hold the same images on every machine; "
            f"{socket.gethostname()} has others"
        )
    return part


def key_of(listing: Listing, size: int, seed: int, former: bool = False) -> str:
    """SHA-256 of everything that decides what a pack holds, but for the contents of files.

    Args:
        former: gives the key in version 0.1, or nothing.
    """
    digest = listing.former if former else listing.digest
    if digest is None:
        return ""
    used = seed if listing.held_out else None
    kind = listing.source.partition(":")[0]
    facts = json.dumps([1 if former else VERSION, kind, size, used, listing.classes, digest])
    return hashlib.sha256(facts.encode()).hexdigest()


def _open(path: Path, origin: Origin) -> tuple[dict[str, PackedPart], dict[str, Any]]:
    """Maps a pack into memory and marks it as used; its parts, and what its header says.

    Raises:
        OSError, ValueError, LookupError, TypeError, AttributeError: if it is damaged or of another version.
    """
    header = json.loads((path / HEADER).read_text())
    if header["version"] != VERSION:
        raise ValueError(f"version must be {VERSION}, got {header['version']}")
    images = {}
    for split, number in header["splits"].items():
        file, shape = path / f"{split}.images", (number, origin.size, origin.size, 3)
        found, expected = file.stat().st_size, int(np.prod(shape))
        if found != expected:
            raise ValueError(f"{file.name} must have {expected} bytes, got {found}")
        images[split] = mapped(file, shape)
    parts = {}
    for name, facts in header["parts"].items():
        stored = (path / f"{name}.labels").read_bytes()
        if hashlib.sha256(stored).hexdigest() != facts["labels"]:
            raise ValueError(f"{name}.labels does not match its checksum")
        labels = np.frombuffer(stored, "<i8").astype(np.int64)
        start = facts["start"]
        parts[name] = PackedPart(images[facts["split"]][start : start + len(labels)], labels)
        parts[name].origin, parts[name].name, parts[name].contents = origin, name, facts["contents"]
    os.utime(path / HEADER)
    facts = {name: header[name] for name in ("broken", "large", "changed", "image_size")}
    scaled = header.get("white", {})  # older packs do not say it
    return parts, {**facts, "white": {kind: Span(kind, *limits) for kind, limits in scaled.items()}}


def _warnings(facts: dict[str, Any], source: str) -> list[str]:
    """What was left out and what was changed, by name and by number."""
    lines = [line.format(source=source) for line in facts["changed"]]
    for kind, names in (("broken", facts["broken"]), ("too large", facts["large"])):
        if names:
            named = ", ".join(names[:NAMED])
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            images = f"{kind} image{'s' * (len(names) > 1)}"
            if kind == "too large":
                images = f"image{'s' * (len(names) > 1)} too large to decode"
            lines.append(f"Left out {len(names):,} {images} of {source}: {named}{more}")
    return lines
