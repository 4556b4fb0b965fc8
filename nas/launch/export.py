"""Exports a network: from a run or an architecture to files that need nothing of this project.

run --weights, images--> Finished --each format--> files --same images--> parity --> model_card.md
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from nas.data.dataset import Part
from nas.deploy import card, formats, int8
from nas.deploy.exported_graph import open_onnx
from nas.deploy.finished import Finished, Floats, as_run, design_of, in_parts
from nas.deploy.parity import TOLERANCE, Parity, compare
from nas.deploy.sources import has_timm
from nas.errors import InputError, RunError, WriteError, encoded, quoted
from nas.files import new_directory, replace
from nas.launch.judge import own_images
from nas.launch.new_run import refuse_existing
from nas.runs.config import read_config, read_settings
from nas.search.journal import Journal
from nas.spec.listener import Listener
from nas.training.classifier import open_classifier
from nas.training.weights import network_conventions, read_header
from reports.numbers import memory
from search_spaces import ArchSpec, cost
from search_spaces.network import build_network

if TYPE_CHECKING:
    from nas.training.classifier import Classifier

MOST_IMAGES, LEAST_IMAGES, WORK = 1000, 16, 4e11
"""Images of the check: as many as ``WORK`` FLOPs are enough for, within these bounds."""
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@dataclass(frozen=True)
class Request:
    """What is exported, and to what.

    Args:
        name: of the network, for people and for files.
        formats: names in ``nas.deploy.formats.FORMATS``.
        out: a directory that does not exist yet.
        int8: also quantised; ``formats`` has ONNX then.
    """

    name: str
    formats: Sequence[str]
    out: Path
    int8: bool = False


class Seen(NamedTuple):
    """Images for the check, made ready, and the network's own logits of them.

    words: which these are.
    """

    images: Floats
    logits: Floats
    words: str


class Exported(NamedTuple):
    """What was exported.

    out: the folder. sizes: of its files, in bytes. parities: by format. images: of the check, in words.
    int8: beside float; None where that was not asked for.
    """

    out: Path
    sizes: dict[str, int]
    parities: dict[str, Parity]
    images: str
    int8: int8.Compared | None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        checks = {name: parity._asdict() for name, parity in self.parities.items()}
        facts = {"directory": str(self.out), "files": self.sizes, "images": self.images, "checks": checks}
        return {**facts, **({"int8": self.int8.to_json()} if self.int8 else {})}


def export_run(run: Path, request: Request, listener: Listener) -> Exported:
    """Exports the network that a run of ``nas train`` has trained, checked on the run's validation images.

    If these are gone, random images take their place, which is said.

    Raises:
        InputError: if the run, its images (for int8) or the place cannot be used, or a format cannot say it.
        RunError: if an export does not compute what the network does; nothing is kept.
    """
    refuse_existing(request.out)
    classifier = open_classifier(run)
    finished = finished_of(run, classifier, request.name)
    formats.refuse(request.formats, finished.arch)
    data, reason = None, ""
    try:
        data = own_images(run, listener)
    except (InputError, ValueError) as error:
        if request.int8:
            raise InputError(f"int8 must have the images that {run} was trained on ({error})") from None
        reason = str(error)
    if data is None:
        listener.say(
            f"The run's images are not there, and random ones take their place in the check: {reason}"
        )
        seen = seen_by(classifier.network, random_images(finished), "random images")
    else:
        images = prepared(classifier, data.valid, checked(finished))
        seen = seen_by(classifier.network, images, f"validation images of {shortened(data.name)}")
    parts = {"valid": data.valid, "test": data.test} if data else {}

    def compared(folder: Path) -> int8.Compared:
        assert data is not None
        kept = {name: part for name, part in parts.items() if part is not None}
        return quantised(folder, classifier, data.train, kept, checked(finished), listener)

    exported = _export(finished, seen, origin_of(run), request, listener, compared if request.int8 else None)
    if exported.int8:
        keep_int8(run, finished, exported.int8, listener)
    return exported


def keep_int8(run: Path, finished: Finished, found: int8.Compared, listener: Listener) -> None:
    """Keeps what int8 costs and gains in the run, for ``nas report``; says it if that cannot be."""
    part = next((name for name in ("test", "validation") if name in found.accuracies), None)
    facts = {
        "arch": str(finished.arch),
        "classes": len(finished.design.classes),
        "part": part,
        "device": "cpu",
        "threads": 1,
        "batch": 1,
    }
    if part:
        facts["images"] = found.accuracies[part][2]
    try:
        with Journal(run) as journal:
            for number, precision in enumerate(("float32", "int8")):
                accuracy = found.accuracies[part][number] if part else None
                took = {"precision": precision, "milliseconds": found.milliseconds[number]}
                journal.measure(facts | took | {"accuracy": accuracy})
    except (InputError, WriteError) as error:
        listener.say(f"nas report will not show int8, as the run cannot be written: {error}")


def export_arch(arch: ArchSpec, classes: int, request: Request, listener: Listener) -> Exported:
    """Exports a network with random weights, checked on random images; raises as ``export_run``."""
    refuse_existing(request.out)
    formats.refuse(request.formats, arch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(arch, classes).eval().requires_grad_(False)
    names = [f"class {number}" for number in range(classes)]
    finished = Finished(request.name, arch, design_of(arch, names, *IMAGENET), network.state_dict())
    seen = seen_by(network, random_images(finished), "random images")
    return _export(finished, seen, card.Origin(), request, listener, None)


def _export(
    finished: Finished,
    seen: Seen,
    origin: card.Origin,
    request: Request,
    listener: Listener,
    compared: Callable[[Path], int8.Compared] | None,
) -> Exported:
    checks: list[str] = []
    parities: dict[str, Parity] = {}
    short = None
    steps = len(request.formats) + bool(compared)
    try:
        with new_directory(request.out) as folder:
            for number, name in enumerate(request.formats):
                listener.progress(f"Exporting to {name}", number, steps)
                run = formats.write(finished, name, folder)
                parity = compare(seen.logits, in_parts(run, seen.images))
                if not parity.holds:
                    raise RunError(
                        f"{name} must have the network's top-1, and logits that differ by at most "
                        f"{TOLERANCE:g} of the largest; it has {parity}. Nothing was kept"
                    )
                by_grammar = name == "timm" and not has_timm()
                by = " (by its grammar, as timm does not import here)" * by_grammar
                parities[name] = parity
                checks.append(f"{name}{by}: {parity}; {seen.words}")
                listener.say(checks[-1])
            if compared:
                short = compared(folder)
                checks += short.lines()
            files = [name for name in card.FILES if (folder / name).exists()]
            replace(folder / card.NAME, encoded(card.card(finished, origin, files, checks)), shared=True)
    except (OSError, WriteError) as error:
        reason = error.reason if isinstance(error, WriteError) else error.strerror or error
        raise InputError(f"directory must have room for the files ({reason}), got {request.out}") from None
    sizes = {name: (request.out / name).stat().st_size for name in (*files, card.NAME)}
    for name, size in sizes.items():
        listener.say(f"{request.out / name} ({memory(size)})")
    return Exported(request.out, sizes, parities, seen.words, short)


def quantised(
    folder: Path,
    classifier: Classifier,
    train: Part,
    parts: dict[str, Part],
    most: int,
    listener: Listener,
) -> int8.Compared:
    """Writes the int8 network beside the float one; what it costs and gains.

    Args:
        train: the part by which it is scaled.
        parts: those that it is judged on, at most ``most`` images of each.
    """
    listener.progress("Quantising", 0, 1)
    chosen = np.sort(np.random.default_rng(0).permutation(len(train.images))[: int8.CALIBRATION])
    images = prepared(classifier, Part(train.images[chosen], train.labels[chosen]), len(chosen))
    replace(folder / int8.INT8, int8.quantise(folder / formats.ONNX, images), shared=True)
    files = (folder / formats.ONNX, folder / int8.INT8)
    full, short = (open_onnx(file) for file in files)
    accuracies = {}
    for name, part in parts.items():
        listener.progress(f"Judging int8 on the {name} images", 0, 1)
        judged, labels = prepared(classifier, part, most), part.labels[:most]
        found = [int8.accuracy(in_parts(run, judged), labels) for run in (full, short)]
        accuracies[{"valid": "validation"}.get(name, name)] = (found[0], found[1], len(judged))
    before, after = int8.alternately((full, short), images[:1])
    sizes = [file.stat().st_size / 1e6 for file in files]
    both = int8.Compared(accuracies, (before, after), (sizes[0], sizes[1]))
    for line in both.lines():
        listener.say(line)
    return both


def finished_of(run: Path, classifier: Classifier, name: str) -> Finished:
    """The network of a run with all that its use takes."""
    padding, epsilon = network_conventions(read_header(run))
    design = design_of(
        classifier.arch,
        classifier.classes,
        classifier.normalise.mean.tolist(),
        classifier.normalise.deviation.tolist(),
        view=classifier.view,
        padding=padding,
        bn_epsilon=epsilon,
    )
    tensors = {name: tensor.contiguous() for name, tensor in classifier.network.state_dict().items()}
    return Finished(name, classifier.arch, design, tensors)


def origin_of(run: Path) -> card.Origin:
    """How a run has trained its network, without the paths of this machine."""
    header, settings = read_header(run), read_settings(run)
    texts = {"test": header.get("test_accuracy", "null"), "valid": header.get("accuracy", "null")}
    values = {part: json.loads(text) for part, text in texts.items()}
    program, *words = read_config(run).get("command") or ["nas"]
    return card.Origin(
        data=shortened(settings.data),
        command=" ".join(["nas", *(quoted(shortened(word)) for word in words)]) if words else program,
        recipe=dataclasses.asdict(settings.recipe),
        init=shortened(settings.init.name) if settings.init else "",
        accuracies={part: value for part, value in values.items() if value is not None},
    )


def shortened(text: str) -> str:
    """``npz:/home/me/photos.npz`` as ``npz:photos.npz``: a card is published, and paths are private."""
    return re.sub(r"(?:(?<=^)|(?<=[:=]))(/[^:=]+)$", lambda path: os.path.basename(path[0]), text)  # noqa: PTH119


def checked(finished: Finished) -> int:
    """How many images the check takes: fewer for a large network."""
    design = finished.design
    flops = cost(finished.arch, len(design.classes), design.channels).flops
    return int(min(MOST_IMAGES, max(LEAST_IMAGES, WORK // flops)))


def prepared(classifier: Classifier, part: Part, most: int) -> Floats:
    """The network's inputs `[N, C, H, H]` for the first ``most`` images of a part."""
    images: Floats = np.ascontiguousarray(classifier.inputs(part.images[:most]).numpy())
    return images


def random_images(finished: Finished) -> Floats:
    """Normal noise, as the network's input."""
    shape = (LEAST_IMAGES, *finished.example(1).shape[1:])
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def seen_by(network: torch.nn.Module, images: Floats, words: str) -> Seen:
    """The images, and what the network says of them."""
    return Seen(images, in_parts(as_run(network), images), words)
