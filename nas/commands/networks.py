"""What ARCH, RUN and the names of weights stand for: a network, a family, pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.commands.arguments import checked
from nas.errors import InputError
from nas.files import exists, is_directory, is_file, read_json, refusal

if TYPE_CHECKING:
    from nas.spec.init import Init
    from scaling_search import Model
    from search_spaces import ArchSpec


def find_family(text: str, field: str = "arch") -> tuple[dict[str, Model], str] | None:
    """The family that ``text`` names, and which of its models: the one after a colon, or the first.

    A family is a ``family.json`` or the directory of a scaling run; None if it is neither.

    Raises:
        InputError: if the file is damaged, or has no such model.
    """
    from nas.runs.family_files import is_family, read_family
    from search_spaces.names import unknown

    head, _, model = text.rpartition(":")
    for path, name in [(Path(text), "")] + [(Path(head), model)] * bool(head):
        file = path / "family.json" if is_directory(path) else path
        if is_family(file):
            family, _ = read_family(file)
            if name and name not in family:
                raise InputError(f"{field}: {unknown('model', name, family)}")
            return family, name or next(iter(family))
    return None


def find_arch(text: str, field: str = "arch") -> ArchSpec:
    """The network that ``text``, the value of ``field``, names, wherever it stands.

    Raises:
        InputError: if it is no preset, no run, no JSON file with an architecture, and no architecture.
    """
    from search_spaces import PRESETS, ArchSpec
    from search_spaces.names import unknown

    if text in PRESETS:
        return PRESETS[text]
    path = Path(text)
    if text.startswith("res") and "-stem" in text:  # before any path: it may be too long for one
        try:
            return ArchSpec.parse(text)
        except ValueError as error:
            if not exists(path):
                raise InputError(f"{field}: {error}") from None
    if found := find_family(text, field):
        family, name = found
        return family[name].arch
    if is_directory(path):
        from nas.runs.run import open_run

        best = open_run(path).best()
        if not isinstance(best, ArchSpec):
            raise InputError(f"{field} must be an ArchSpec, and the networks of {path} are none, got {best}")
        return best
    if is_file(path):
        try:
            return ArchSpec.from_json(read_json(path))
        except (OSError, ValueError) as error:
            raise InputError(f"{field} must be a JSON file with an architecture ({error}): {path}") from None
    reason = refusal(path) or ("Not a regular file" if exists(path) else None)
    if reason:
        raise InputError(f"{field} must be a path that can be used ({reason}), got {text}")
    raise InputError(
        f"{field} is not a file, a preset or an architecture: {unknown('preset', text, PRESETS)}"
    )


def find_init(source: str | None, arch: str | None, before: Init | None = None) -> Init | None:
    """The pretrained weights that ``source`` names; ``before``, those of a run, if it names none.

    Args:
        arch: the network that they are of, as the user names it.

    Raises:
        InputError: if it is no path that can be used, or ``arch`` stands alone or names no network.
    """
    if source is None or source == "none":
        if arch is not None:
            raise InputError(f"init_arch must stand with `init`, which names weights, got {arch}")
        return before if source is None else None
    return _weights(source, "init", None if arch is None else find_arch(arch, "init_arch"))


def _weights(source: str, field: str, arch: ArchSpec | None) -> Init:
    """The weights that ``source``, the value of ``field``, names; InputError if no path can be it."""
    from nas.spec.init import Init

    path = Path(source).expanduser()
    if reason := refusal(path):
        raise InputError(f"{field} must be a path that can be used ({reason}), got {source}")
    with checked(field):
        return Init(str(path.absolute()) if exists(path) else source, "" if arch is None else str(arch))


def find_teacher(text: str | None) -> Init | None:
    """The trained network that ``text`` names: a run or a file, or a network and its file, ``ARCH:FILE``.

    Raises:
        InputError: as ``find_init``.
    """
    if text is None or text == "none":
        return None
    arch, colon, file = text.partition(":")
    if not colon or exists(Path(text)) or arch == "hf":
        return _weights(text, "teacher", None)
    return _weights(file, "teacher", find_arch(arch, "teacher"))
