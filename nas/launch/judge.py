"""Judges a trained network by labelled images, and names the classes of others."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nas.data.decode import suffixes
from nas.data.labelled import WHOLE, Labelled, load_labelled, part_of
from nas.data.pictures import Encoded, read_pictures
from nas.data.walk import passed_words, suffix_of, walk
from nas.errors import InputError
from nas.files import exists, is_directory, is_file
from nas.launch import prepare, suited
from nas.launch.placement import device_of, of_processes
from nas.runs.config import read_config, read_settings
from nas.spec.listener import Listener
from nas.training.proxy import Training
from reports.metrics import Metrics, measure
from search_spaces.names import unknown

if TYPE_CHECKING:
    from nas.training.classifier import Classifier

JUDGED = ("test", "valid", WHOLE)
SLICE = 512  # images between two reports of progress


class Judged(NamedTuple):
    """What a trained network is worth on some images.

    images: which these are, in words.
    broken: why some could not be read, by their names.
    """

    metrics: Metrics
    source: str
    part: str
    images: str
    broken: Mapping[str, str]


@dataclass(frozen=True)
class Prediction:
    """The classes of one image, the most probable first, and their probabilities."""

    path: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


def trained_network(run: Path, device: str) -> Classifier:
    """The network that ``run`` has trained, on a device: ``cpu``, ``cuda`` or ``auto``.

    Raises:
        InputError: if its weights cannot be used, or there is no such device.
    """
    from nas.training.classifier import open_classifier

    return open_classifier(run, device_of(of_processes(device, 1, 1, "local")))


def evaluate(run: Path, data: str | None, part: str | None, device: str, listener: Listener) -> Judged:
    """The metrics of a trained network on labelled images.

    Args:
        data: a source; None takes the run's own.
        part: one of ``JUDGED``; None takes the test part, or else, of the run's own images, the validation
            part, and of others all.

    Raises:
        InputError: if the weights or the images cannot be used, or the network does not know a class.
    """
    if part is not None and part not in JUDGED:
        raise InputError(f"part must be one of {JUDGED}, got {part!r}")
    classifier = trained_network(run, device)
    try:
        if part != WHOLE and (own := read_settings(run).data) == (data or own):
            labelled = part_of(own_images(run, listener), part)
        else:
            labelled = load_labelled(data or read_settings(run).data, part, listener)
    except ValueError as error:
        raise InputError(str(error) if str(error).startswith("part ") else f"data: {error}") from None
    labels = matched(labelled, classifier.classes)
    shares, broken = probabilities(classifier, labelled, listener)
    kept = np.setdiff1d(np.arange(len(labels)), list(broken))
    if not len(kept):
        reason = next(iter(broken.values()))
        raise InputError(f"data must hold an image that can be read ({reason}), got {labelled.words}")
    try:
        metrics = measure(labels[kept], shares[kept], classifier.classes)
    except ValueError as error:
        raise InputError(f"run must have weights that give probabilities ({error}): {run}") from None
    words = labelled.words
    if labelled.part == WHOLE and data in (None, read_settings(run).data):
        words += ", those that it was trained on among them"
    named = {labelled.name(number): reason for number, reason in sorted(broken.items())}
    return Judged(metrics, labelled.source, labelled.part, words, named)


def own_images(run: Path, listener: Listener) -> Any:
    """The images that a run was made with, split as they were then; InputError if they have changed."""
    settings = read_settings(run)
    data = prepare.find_data(settings, suited.pack_size(settings), listener)
    if read_config(run).get("input_sha256") not in prepare.fingerprints(Training(data, settings.recipe)):
        raise InputError(
            f"data of {run} must still be the same, or it may be judged by images that it was trained on; "
            f"`part` all takes all images as they are now, got other contents of {settings.data}"
        )
    return data


def matched(labelled: Labelled, classes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The labels as indices of ``classes``, by name; InputError if the network does not know one."""
    index = {name: label for label, name in enumerate(classes)}
    for label in np.unique(labelled.labels):
        if (name := labelled.classes[label]) not in index:
            raise InputError(f"data: {unknown('class', name, classes)}, in {labelled.source}")
    return np.array([index.get(name, -1) for name in labelled.classes], np.int64)[labelled.labels]


def probabilities(
    classifier: Classifier, labelled: Labelled, listener: Listener
) -> tuple[np.ndarray[Any, np.dtype[np.float32]], dict[int, str]]:
    """The probabilities of each image's classes, `[N, K]`, and why some images cannot be read, by number."""
    number, images = len(labelled.labels), labelled.images
    if images is None:
        return from_files(classifier, number, labelled.read, listener)
    channels = classifier.size.channels
    if images.shape[3] != channels:
        raise InputError(
            f"data must have images of {channels} channels, as the network, got {images.shape[3]} "
            f"in {labelled.source}"
        )
    shares = np.zeros((number, len(classifier.classes)), np.float32)
    for start in range(0, number, SLICE):
        shares[start : start + SLICE] = classifier.probabilities(images[start : start + SLICE])
        listener.progress("Evaluating", min(start + SLICE, number), number)
    return shares, {}


def from_files(
    classifier: Classifier, number: int, read: Any, listener: Listener
) -> tuple[np.ndarray[Any, np.dtype[np.float32]], dict[int, str]]:
    """As ``probabilities``, for image files that ``read`` gives by their numbers."""
    shares = np.zeros((number, len(classifier.classes)), np.float32)
    broken: dict[int, str] = {}
    done = 0
    for pictures in read_pictures(number, read, classifier.size):
        shares[pictures.numbers] = classifier.probabilities(pictures.pixels)
        broken |= pictures.broken
        done += len(pictures.numbers) + len(pictures.broken)
        listener.progress("Reading images", done, number)
    return shares, broken


def predict(
    classifier: Classifier, paths: Sequence[str], top: int, listener: Listener
) -> tuple[list[Prediction], dict[str, str]]:
    """The ``top`` classes of image files, in their order, and why some cannot be read, by their paths."""

    def read(numbers: Sequence[int]) -> list[Encoded]:
        return [paths[number] for number in numbers]

    shares, broken = from_files(classifier, len(paths), read, listener)
    best = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    found = [
        Prediction(
            path,
            tuple(classifier.classes[label] for label in best[number]),
            tuple(shares[number, best[number]].tolist()),
        )
        for number, path in enumerate(paths)
        if number not in broken
    ]
    return found, {paths[number]: reason for number, reason in sorted(broken.items())}


def image_files(given: Sequence[str]) -> list[str]:
    """The files that paths name: files, all images below folders, and what patterns such as ``*.jpg`` match.

    A path that is there is taken as it is, even if it looks like a pattern. Each file is named once.

    Raises:
        InputError: if one of them is not there, or a folder holds no image.
    """
    found: list[str] = []
    for text in given:
        matching = [text] if exists(Path(text)) else sorted(glob.glob(text, recursive=True))  # noqa: PTH207
        if not matching:
            raise InputError(f"path must be a file, a folder or a pattern that something matches, got {text}")
        several = len(matching) > 1
        for path in matching:
            if is_directory(Path(path)):
                found += _in_folder(path, required=not several)
            elif is_file(Path(path)):
                found.append(path)
            else:
                raise InputError(f"path must be a regular file or a folder, got {path}")
    files = list(dict.fromkeys(found))
    if not files:
        raise InputError(f"path must hold images, got none in {' '.join(given)}")
    return files


def _in_folder(path: str, *, required: bool) -> list[str]:
    folder, passed = Path(path), Counter[str]()
    try:
        files = sorted(file.path for file in walk(folder, folder, passed))
    except OSError as error:
        raise InputError(f"path must be a folder that can be read ({error.strerror}), got {path}") from None
    images = [str(folder / file) for file in files if suffix_of(file) in suffixes()]
    if not images and required:
        passed.update(suffix_of(file) or "file without a suffix" for file in files)
        over = f" (passed over: {', '.join(passed_words(passed))})" if passed else ""
        raise InputError(f"path must hold images, got none in {path}{over}")
    return images
