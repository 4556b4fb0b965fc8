"""What a terminal cannot show is spelled, and what cannot be written ends nothing."""

import io
import json
import os
import shutil
import subprocess
import sys
import types

import pytest
from fakes import TABLE
from places import ROOT

from nas.screens.terminal import Output, Terminal, guarded, is_unread
from reports.fitted import FittedTable

NAS = [sys.executable, "-m", "nas"]
SEARCH = ["search", *TABLE, "--trials", "4", "--controller", "random", "--run"]


@pytest.fixture
def run(tmp_path):
    """A finished search whose noise was measured, so that its report has a plus-minus."""
    shutil.copytree(ROOT / "tests" / "runs_of_0.1" / "search-finished", tmp_path / "r")
    return tmp_path / "r"


def shell(directory, line, **environment):
    """A line of bash: (exit code, stdout, stderr)."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), "NAS": " ".join(NAS), **environment}
    ended = subprocess.run(["bash", "-c", line], cwd=directory, env=given, capture_output=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr.decode()


@pytest.mark.parametrize(
    ("encoding", "sign"),
    [
        ("ascii", "+-"),
        ("ascii:strict", "+-"),
        ("cp1252", "±"),
        ("cp437", "±"),
        ("utf-8", "±"),
        ("koi8-r", "+-"),
    ],
)
def test_signs_that_an_encoding_has_not_are_spelled(run, encoding, sign):
    code, out, err = shell(run.parent, "$NAS report r", PYTHONIOENCODING=encoding)
    assert (code, err) == (0, "")
    assert sign in out.decode(encoding.partition(":")[0])


def test_a_terminal_of_the_c_locale_gets_plain_signs(run):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for line in ("$NAS report r", "$NAS --help"):
        code, out, err = shell(run.parent, line, **plain)
        assert (code, err) == (0, "")
        assert out.decode("ascii")


def test_columns_are_as_wide_as_the_spelled_signs():
    table = FittedTable("first")
    for name in ("left", "right"):
        table.add_words(name)
    table.add_row("x", "0.5 ± 0.1", "1")
    table.add_row("x", "0.5 +- 0.1", "1")
    _, first, second = printed("ascii", table).rstrip().split("\n")
    assert first.rstrip() == second.rstrip()


@pytest.mark.parametrize("name", ["[red]", ":dog:", "\udce9", "实"])
def test_a_text_is_shown_as_it_is(name):
    table = FittedTable("first")
    table.add_row(name)
    assert printed("utf-8", table, name).count(name.replace("\udce9", "\\xe9")) == 2


def test_a_name_with_an_escape_sequence_moves_no_cursor():
    table = FittedTable("first")
    table.add_row("\x1b[2J")
    out = printed("utf-8", table, "a\x1b[2J\nb")
    assert "\x1b" not in out
    assert "a\\x1b[2J\nb" in out


def printed(encoding, *parts):
    """What a terminal of an encoding prints."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with guarded():
            Terminal().print(*parts)
    return stream.buffer.getvalue().decode(encoding)


def test_a_file_gets_plain_lines_whatever_is_forced(tmp_path):
    forced = {"FORCE_COLOR": "1", "PY_COLORS": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}
    code, out, _ = shell(tmp_path, f"$NAS {' '.join(SEARCH)} r", **forced)
    assert code == 0
    assert b"\x1b" not in out
    assert out.count(b"\ntrial ") >= 3


def test_output_that_cannot_be_written_ends_in_one_line_after_the_work_is_done(run):
    said = "nas: standard output could not be written (No space left on device)\n"
    for line in (f"$NAS {' '.join(SEARCH)} new", "$NAS report r", "$NAS report r --json", "$NAS --help"):
        assert shell(run.parent, f"{line} > /dev/full") == (1, b"", said)
    assert (run.parent / "new" / "best.json").exists()
    assert shell(run.parent, "$NAS report none 2> /dev/full")[0] == 2
    assert shell(run.parent, "$NAS report none 2>&-")[0] == 2


@pytest.mark.parametrize("line", ["$NAS report r", f"$NAS {' '.join(SEARCH)} new", "$NAS report r --follow"])
def test_a_pipe_that_nobody_reads_any_more_is_no_error(run, line):
    code, _, err = shell(run.parent, f"({line}; echo $? >&2) | true")
    assert (code, err) == (0, "0\n")


def test_a_closed_standard_output_gets_nothing_and_no_file_takes_its_number(run):
    assert shell(run.parent, "$NAS report r >&-") == (0, b"", "")
    assert shell(run.parent, f"$NAS {' '.join(SEARCH)} new <&- >&-") == (0, b"", "")
    assert shell(run.parent, "$NAS report new")[0] == 0


def test_json_is_json_in_every_encoding(run):
    for encoding in ("ascii", "utf-16"):
        code, out, _ = shell(run.parent, "$NAS report r --json", PYTHONIOENCODING=encoding)
        assert code == 0
        assert json.loads(out.decode(encoding))["trials"]


def test_a_working_directory_that_was_removed_is_one_line(tmp_path):
    gone = "mkdir gone && cd gone && rmdir ../gone && $NAS "
    for line in (f"{' '.join(SEARCH)} r", "report r"):
        code, out, err = shell(tmp_path, gone + line)
        assert (code, out, err.count("\n"), err[:5]) == (2, b"", 1, "nas: ")
    assert shell(tmp_path, f"{gone} show efficientnet-b0")[0] == 0


def test_what_is_dropped_is_known():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        output = Output(Full())
        patch.setattr(sys, "stdout", output)
        assert not is_unread()
        assert output.write("abc") == 3
        assert is_unread()


def test_a_wrong_name_comes_with_the_right_one(nas):
    assert nas("serach")[2] == "nas: No such command 'serach'. Did you mean 'search'?\n"
    assert nas("reprot", "r")[2] == "nas: No such command 'reprot'. Did you mean 'report', 'export'?\n"
    assert "--trials" in nas("search", "--space", "mnas", "--trails", 3)[2]
    assert "--target-flops" in nas("search", "--space", "mnas", "--target-flop", "3M")[2]


def test_completion_knows_commands_and_options(tmp_path):
    asked = {"_NAS_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert shell(tmp_path, "$NAS", **asked, COMP_WORDS="nas re")[1].decode().split() == ["resume", "report"]
    asked["COMP_CWORD"] = "2"
    assert b"--target-flops" in shell(tmp_path, "$NAS", **asked, COMP_WORDS="nas report --targ")[1]


def test_a_notebook_is_like_a_terminal_and_has_bars_where_it_can_show_what_moves(monkeypatch, capsys):
    shown = []
    shell = type("ZMQInteractiveShell", (), {})()
    display = types.ModuleType("IPython.display")
    display.display = lambda *what: shown.extend(what)
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    for there in (False, True):
        monkeypatch.setattr("nas.screens.terminal._has_widgets", lambda there=there: there)
        assert Terminal().shows_bars is there
    console = Terminal()
    assert 80 < console.width < 200
    console.print("a line")
    assert "a line" in shown[0]._repr_mimebundle_([], [])["text/plain"]
    assert not Terminal(quiet=True).print("another")
    assert len(shown) == 1
    assert capsys.readouterr().out == ""
