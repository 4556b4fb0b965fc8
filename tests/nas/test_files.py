"""Files are written whole or not at all."""

import ast
import json
import os
import stat

import pandas as pd
import pytest
from places import ROOT

from nas.errors import RunError
from nas.files import new_directory, replace, write_csv, write_json

LARGE = 2 * 10**6  # bytes; the disk has one million
WRITERS = {
    "best.json": (lambda path, size: replace(path, bytes(size))),
    "report.html": (lambda path, size: replace(path, bytes(size), shared=True)),
    "config.json": (lambda path, size: write_json(path, {"text": "x" * size})),
    "pareto.csv": (lambda path, size: write_csv(path, pd.DataFrame({"text": ["x" * size]}))),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_write_that_fails_half_way_leaves_what_was_there(small_disk, name):
    path = small_disk / name
    WRITERS[name](path, 1000)
    before = path.read_bytes()
    with pytest.raises(RunError) as failure:
        WRITERS[name](path, LARGE)
    command = "report" if name == "best.json" else "resume"  # a run with a best.json is over
    assert str(failure.value) == (
        f"{name} could not be written (No space left on device); with room for it, go on with: "
        f"nas {command} {small_disk}"
    )
    assert [file.name for file in small_disk.iterdir()] == [name]
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_has_the_permissions_of_an_ordinary_one(tmp_path, name):
    mask = os.umask(0o027)
    try:
        WRITERS[name](tmp_path / name, 10)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


def test_a_new_directory_is_there_whole_or_not_at_all(tmp_path):
    with new_directory(tmp_path / "a" / "b") as folder:
        (folder / "file").write_text("text")
        assert not (tmp_path / "a" / "b").exists()
    assert (tmp_path / "a" / "b" / "file").read_text() == "text"
    with pytest.raises(IsADirectoryError), new_directory(tmp_path / "c") as folder:
        folder.write_text("text")
    with pytest.raises(FileExistsError), new_directory(tmp_path / "d"):
        (tmp_path / "d").mkdir()  # by another process meanwhile
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "d"]


def test_json_has_null_for_what_is_not_a_number(tmp_path):
    write_json(tmp_path / "a.json", {"nan": float("nan"), "rows": pd.DataFrame({"a": [1.5, None]})})
    assert json.loads((tmp_path / "a.json").read_text()) == {"nan": None, "rows": [{"a": 1.5}, {"a": None}]}


def test_no_file_of_a_run_is_written_in_any_other_way():
    """Except in ``data``, whose files are in a cache."""
    for file in (ROOT / "nas").rglob("*.py"):
        if "data" in file.relative_to(ROOT).parts or file.name == "files.py":
            continue
        called = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
        for call in called:
            if isinstance(call.func, ast.Attribute):
                name = call.func.attr
                assert name not in ("write_bytes", "to_csv", "to_html"), file
                assert name != "write_text" or ast.unparse(call.func.value) == "PROC / 'clear_refs'", file
                if name == "open" and call.args and isinstance(call.args[0], ast.Constant):
                    assert not set("wax+") & set(str(call.args[0].value)), file
