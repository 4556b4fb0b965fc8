"""Makes a pack: decodes a listing's images into the files that ``nas.data.pack`` opens."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.data.cache import HEADER, Cache
from nas.data.depth import WHITE, Span, in_words, used
from nas.data.listing import PARTS, Listing, Take
from nas.data.workers import DIGEST, Seen, Task, decode_all
from nas.errors import RunError, shown
from nas.spec.listener import Listener
from nas.spec.machine import cpu_count
from reports import count

VERSION = 2
CHUNK = 32  # images per task
IMAGES_PER_PROCESS = 256  # fewer are decoded faster than another process starts


class Made(NamedTuple):
    """What a pack is made with: side in pixels, seed of the split, and the images' own size."""

    size: int
    seed: int
    cache: Cache
    image_size: int


class Found(NamedTuple):
    """What decoding a split found, by place.

    contents: `[N, DIGEST]`, of the encoded bytes.
    unusable: why images are left out, and whether because of a limit.
    transparent: images that are on white now.
    spans: of images of more than 8 bits.
    """

    contents: NDArray[np.uint8]
    unusable: dict[int, tuple[str, bool]]
    transparent: set[int]
    spans: dict[int, Span]


def make(path: Path, listing: Listing, made: Made, listener: Listener) -> None:
    """Makes the pack ``path``, whose lock this process holds.

    Raises:
        InputError: if the cache has no room.
        ValueError: if a file cannot be read, or too many images of a class cannot be decoded.
        RunError: if a process that decodes is killed.
    """
    takes = listing.parts(made.seed)
    places = _places(takes)
    total = sum(map(len, places.values()))
    sizes = {f"{split}.images": len(rows) * made.size**2 * 3 for split, rows in places.items()}
    sizes |= {f"{name}.labels": len(take.rows) * 8 for name, take in takes.items()}
    started = time.perf_counter()
    with made.cache.making(path, sizes) as new:
        listener.say(
            f"Packing {total:,} images of {shown(listing.source)} at {made.size} px, once, "
            f"into {made.cache.directory} ({count(sum(sizes.values()))} bytes)"
        )
        packing = _Packing(new, listing, places, made.size, listener)
        try:
            white = packing.decode()
        except BrokenProcessPool:
            raise RunError("a process that decodes images died, perhaps because memory ran out") from None
        header = packing.finish(made.seed) | {
            "version": VERSION,
            "source": listing.source,
            "image_size": made.image_size,
            "changed": packing.changes(white),
            "white": {kind: span[1:] for kind, span in white.items()},
        }
        _write(new / HEADER, json.dumps(header).encode())
    seconds = time.perf_counter() - started
    listener.say(f"Packed in {seconds:.1f} s, {total / seconds:,.0f} images/s")


def _places(takes: Mapping[str, Take]) -> dict[str, NDArray[np.intp]]:
    """The rows of each split in the order of its file: those of its first part, of its second one, ..."""
    splits = dict.fromkeys(take.split for take in takes.values())
    return {split: np.concatenate([t.rows for t in takes.values() if t.split == split]) for split in splits}


class _Packing:
    """A pack in the making.

    Args:
        directory: has a file of the right size for each split.
        places: the rows of each split, in the order of its file.
    """

    def __init__(
        self,
        directory: Path,
        listing: Listing,
        places: Mapping[str, NDArray[np.intp]],
        size: int,
        listener: Listener,
    ) -> None:
        self.directory, self.listing, self.places = directory, listing, places
        self.size, self.listener = size, listener
        self.found = {
            split: Found(np.zeros((len(rows), DIGEST), np.uint8), {}, set(), {})
            for split, rows in places.items()
        }

    def decode(self) -> dict[str, Span]:
        """Decodes and writes all images; what those of more than 8 bits are scaled by, the same for all.

        Which values these use is only known when all are decoded, so some are then decoded again.

        Raises:
            ValueError, OSError, BrokenProcessPool: as ``decode_all``.
        """
        self._run({split: range(len(rows)) for split, rows in self.places.items()}, WHITE, "Packing images")
        spans = [span for found in self.found.values() for span in found.spans.values()]
        white = {kind: used(of) for kind in WHITE if (of := [span for span in spans if span.kind == kind])}
        again = {
            split: [place for place, span in found.spans.items() if white[span.kind] != WHITE[span.kind]]
            for split, found in self.found.items()
        }
        if any(again.values()):
            self._run(again, WHITE | white, "Scaling images")
        return white

    def _run(self, places: Mapping[str, Sequence[int]], white: Mapping[str, Span], doing: str) -> None:
        files = {str(self.directory / f"{split}.images"): split for split in places}
        total = sum(map(len, places.values()))
        processes = max(1, min(cpu_count(), total // IMAGES_PER_PROCESS))
        done = 0
        for task, seen in decode_all(self._tasks(places, white), processes):
            found = self.found[files[task.file]]
            for one in seen:
                _note(one, found)
            done += len(task.places)
            self.listener.progress(doing, done, total)

    def _tasks(self, places: Mapping[str, Sequence[int]], white: Mapping[str, Span]) -> Iterator[Task]:
        for name, chosen in places.items():
            split, rows = self.listing.splits[name], self.places[name]
            # Reads in the source's order, which is that on the disk.
            order = sorted(chosen, key=rows.__getitem__)
            for start in range(0, len(order), CHUNK):
                chunk = order[start : start + CHUNK]
                file = str(self.directory / f"{name}.images")
                yield Task(file, self.size, chunk, split.read(rows[chunk].tolist()), white)

    def finish(self, seed: int) -> dict[str, Any]:
        """Divides what could be decoded into parts and writes the labels; entries for ``pack.json``.

        Raises:
            ValueError: if too few images of a class are left.
        """
        unusable = {
            split: sorted(int(self.places[split][place]) for place in found.unusable)
            for split, found in self.found.items()
        }
        left = self.listing
        if lost := sum(map(len, unusable.values())):
            first = next(split for split, rows in unusable.items() if rows)
            name = shown(left.splits[first].name(unusable[first][0]))
            left = left.without(unusable, f"{lost:,} that cannot be decoded, such as {name}")
        kept = {
            split: np.delete(np.arange(len(self.listing.splits[split].labels)), unusable[split])
            for split in left.splits
        }
        takes = left.parts(seed)
        contents = {}
        for split, rows in _places(takes).items():
            place_of = np.empty(len(self.listing.splits[split].labels), np.intp)
            place_of[self.places[split]] = np.arange(len(self.places[split]))
            sources = place_of[kept[split][rows]]
            self._arrange(split, sources)
            contents[split] = self.found[split].contents[sources]
        for gone in set(self.places) - set(contents):
            (self.directory / f"{gone}.images").unlink()
        (parts, starts) = {}, dict.fromkeys(contents, 0)
        for name in PARTS:
            if name in takes:
                split, rows = takes[name]
                start = starts[split]
                starts[split] += len(rows)
                labels = left.splits[split].labels[rows]
                parts[name] = self._part(name, labels, contents[split][start : starts[split]])
                parts[name] |= {"split": split, "start": start}
        for name in set(PARTS) - set(parts):
            (self.directory / f"{name}.labels").unlink(missing_ok=True)
        return {"splits": starts, "parts": parts, **self._left_out()}

    def _arrange(self, split: str, sources: NDArray[np.intp]) -> None:
        """Moves the images of a split's file, in place: that at ``sources[i]`` comes to lie at i."""
        path = self.directory / f"{split}.images"
        total = len(self.places[split])
        if not np.array_equal(sources, np.arange(total)):
            images = np.memmap(path, np.uint8, "r+", shape=(total, self.size**2 * 3))
            unused = np.setdiff1d(np.arange(total), sources)
            _permute(images, np.concatenate([sources, unused]))
            images.flush()
            del images
        with path.open("r+b") as file:
            file.truncate(len(sources) * self.size**2 * 3)
            os.fsync(file.fileno())

    def _part(self, name: str, labels: NDArray[np.int64], contents: NDArray[np.uint8]) -> dict[str, Any]:
        stored = labels.astype("<i8").tobytes()
        _write(self.directory / f"{name}.labels", stored)
        facts = json.dumps([VERSION, self.size, self.listing.classes]).encode()
        return {
            "labels": hashlib.sha256(stored).hexdigest(),
            "contents": hashlib.sha256(facts + stored + contents.tobytes()).hexdigest(),
        }

    def _left_out(self) -> dict[str, list[str]]:
        """The names of images that were left out: broken ones, and too large ones with the limit."""
        names: dict[bool, list[str]] = {False: [], True: []}
        for split, found in self.found.items():
            for place, (reason, large) in found.unusable.items():
                name = shown(self.listing.splits[split].name(int(self.places[split][place])))
                names[large].append(f"{name} ({shown(reason)})" if large else name)
        return {"broken": sorted(names[False]), "large": sorted(names[True])}

    def changes(self, white: Mapping[str, Span]) -> list[str]:
        """Lines on images that do not look as their files: ``{source}`` stands for the source."""
        lines = []
        if transparent := sum(len(found.transparent) for found in self.found.values()):
            images = (
                "image with transparent parts is" if transparent == 1 else "images with transparent parts are"
            )
            lines.append(f"{transparent:,} {images} laid on white in {{source}}")
        for kind, span in white.items():
            number = sum(s.kind == kind for found in self.found.values() for s in found.spans.values())
            images = "image of more than 8 bits uses" if number == 1 else "images of more than 8 bits use"
            lines.append(
                f"{number:,} {images} {in_words(span)} in {{source}}; these are scaled to 8, for all alike"
            )
        return lines


def _note(one: Seen, found: Found) -> None:
    found.contents[one.place] = np.frombuffer(one.content, np.uint8)
    if one.unusable:
        found.unusable[one.place] = one.unusable, one.too_large
        found.transparent.discard(one.place)
        found.spans.pop(one.place, None)
        return
    if one.transparent:
        found.transparent.add(one.place)
    if one.span is not None:
        found.spans[one.place] = one.span


def _permute(rows: NDArray[np.uint8], sources: NDArray[np.intp]) -> None:
    """``rows[:] = rows[sources]``, in place: ``sources`` holds every row once."""
    moved = np.zeros(len(sources), bool)
    for first in np.flatnonzero(sources != np.arange(len(sources))):
        if moved[first]:
            continue
        held, to = rows[first].copy(), first
        while (origin := sources[to]) != first:
            rows[to] = rows[origin]
            moved[to] = True
            to = origin
        rows[to] = held
        moved[to] = True


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
