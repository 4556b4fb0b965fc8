"""Which folders of a source are splits and which are classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.data.decode import suffixes
from nas.data.listing import IN_WORDS
from nas.data.split_names import holds_images_only, split_of
from nas.data.walk import NO_SUFFIX, subfolders, suffix_of, visible, walk


@dataclass(frozen=True)
class Roots:
    """The splits of a source.

    Args:
        tops: their folders.
        folders: their class folders by name; empty where labels must be in a table.
        notes: how the layout was understood, where it is not the usual one.
    """

    tops: Mapping[str, Path]
    folders: Mapping[str, Mapping[str, Path]]
    notes: tuple[str, ...] = ()


USUAL = ("train", "val", "valid", "validation", "test")
"""Names of splits that need no word."""


def find_roots(directory: Path, passed: Counter[str], *, judges: bool = False) -> Roots:
    """The splits in ``directory``; if there are none, it is itself the training split.

    Args:
        judges: a trained network is judged by the images, so there may be no training split.
        passed: is added what is passed over beside the folders that count.

    Raises:
        ValueError: if two folders are the same split, or it cannot be told whether folders are splits.
    """
    here: Counter[str] = Counter()
    folders = subfolders(directory, here)
    inner = {name: subfolders(path, Counter()) for name, path in folders.items()}
    named = {name: split for name in folders if (split := split_of(name))}
    others = [name for name in folders if name not in named and _has_image(folders[name])]
    flat = Roots({"train": directory}, {"train": {}})
    if not folders or (not named and not others and _has_image(directory)):
        return flat  # images in one place, and perhaps a table of their labels
    if not named and all(holds_images_only(name) and not inner[name] for name in others) and others:
        return flat
    passed.update(here)
    _count_files(directory, passed)
    if named and (not others or any(inner[name] for name in named)):
        return _named(directory, folders, named, passed, judges=judges)
    if (turned := _classes_first(directory, folders, inner)) is not None:
        return turned
    _refuse_splits_without_names(directory, {name: inner[name] for name in others})
    if len(folders) == 1 and (within := next(iter(inner.values()))):
        (name,) = folders
        raise ValueError(
            f"folder:{directory} must hold at least 2 classes, got {name}, which holds {listed(within)}: "
            f"folder:{directory / name} may be meant"
        )
    return Roots({"train": directory}, {"train": folders})


def _named(
    directory: Path,
    folders: Mapping[str, Path],
    named: Mapping[str, str],
    passed: Counter[str],
    *,
    judges: bool = False,
) -> Roots:
    """The folders that are called as splits are."""
    tops: dict[str, Path] = {}
    classes: dict[str, Mapping[str, Path]] = {}
    for name, split in sorted(named.items()):
        path = folders[name]
        within = subfolders(path, Counter())
        if not within and not _has_image(path):
            continue
        if split in tops:
            raise ValueError(
                f"folder:DIR must hold one {split} folder, got {tops[split].name} and {name} in {directory}"
            )
        tops[split] = path
        if all(holds_images_only(inner) for inner in within):
            within = {}
        else:
            subfolders(path, passed)
            _count_files(path, passed)
        classes[split] = within
    if "train" not in tops and not (judges and tops):
        other = next(iter(tops.values())).name if tops else next(iter(named))
        raise ValueError(f"folder:DIR must hold a folder train beside {other}, got {directory}")
    notes = []
    if any(path.name.lower() not in USUAL for path in tops.values()):
        words = [f"{tops[split].name} is the {IN_WORDS[split]} part" for split in IN_WORDS if split in tops]
        notes.append(", ".join(words))
    used = {path.name for path in tops.values()}
    if beside_them := [name for name in folders if name not in used]:
        beside = tops.get("train", next(iter(tops.values())))
        are = "are no splits and are" if len(beside_them) > 1 else "is no split and is"
        notes.append(f"{listed(beside_them)} beside {beside.name} {are} passed over")
    return Roots(tops, classes, tuple(notes))


def _classes_first(
    directory: Path, folders: Mapping[str, Path], inner: Mapping[str, Mapping[str, Path]]
) -> Roots | None:
    """The splits where each class has folders for them; None if that is not so."""
    classes: dict[str, dict[str, Path]] = {}
    for name in folders:
        splits = {split_of(sub): path for sub, path in inner[name].items()}
        if None in splits or "train" not in splits or len(splits) < len(inner[name]):
            return None
        if _images_directly(folders[name]):
            return None
        for split, path in splits.items():
            assert split is not None
            classes.setdefault(split, {})[name] = path
    if len(folders) < 2:
        return None
    note = (
        f"each class has folders for its splits ({listed(list(next(iter(inner.values()))))}), which are used"
    )
    return Roots(dict.fromkeys(classes, directory), classes, (note,))


def _refuse_splits_without_names(directory: Path, inner: Mapping[str, Mapping[str, Path]]) -> None:
    """ValueError if all folders hold the same folders of images: these are the classes, not those."""
    same = {frozenset(within) for within in inner.values()}
    if len(inner) < 2 or len(same) > 1 or len(next(iter(same))) < 2:
        return
    if any(_images_directly(directory / name) for name in inner):
        return
    if all(sum(map(_has_image, within.values())) > 1 for within in inner.values()):
        raise ValueError(
            f"folder:DIR must hold a folder of images for each class, but {listed(list(inner))} hold the "
            f"same folders ({listed(list(next(iter(inner.values()))))}): if they are splits, call "
            f"them train, val or test; got {directory}"
        )


def listed(names: Collection[str], most: int = 5) -> str:
    """``a, b and c``, or the first of many names and how many more there are."""
    shown = sorted(names)[:most]
    if more := len(names) - len(shown):
        return f"{', '.join(shown)} and {more:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _has_image(folder: Path) -> bool:
    return any(suffix_of(file.path) in suffixes() for file in walk(folder, folder, Counter()))


def _images_directly(folder: Path) -> bool:
    return any(
        entry.is_file() and suffix_of(entry.name) in suffixes() for entry in visible(folder, Counter())
    )


def _count_files(folder: Path, passed: Counter[str]) -> None:
    """Adds the files that lie in ``folder`` itself, beside the folders that count."""
    for entry in visible(folder, Counter()):
        if entry.is_file():
            suffix = suffix_of(entry.name)
            passed["image outside of all classes" if suffix in suffixes() else suffix or NO_SUFFIX] += 1
