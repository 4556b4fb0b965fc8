"""Every report at 80 columns: nothing is wider, no word is broken, commands can be pasted."""

import io
import shlex
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from fakes import QUICK, TABLE, few_images
from grids import candidates, table
from rich.cells import cell_len
from rich.console import Console

from nas import open_run
from nas.commands.main import main
from nas.runs.comparison import comparison
from nas.runs.kinds import summary
from nas.runs.search_results import Ranking
from nas.screens.report import comparison_parts
from nas.screens.scaling import explanation_parts, family_parts
from nas.screens.terminal import Terminal
from nas.screens.views import report_parts
from nas.screens.words import Steps, pasteable, print_parts
from nas.spec.objective import Objective
from search_spaces import PRESETS

ARCH = str(PRESETS["efficientnet-b0"])
TINY = ["--proxy", "batch_size=32", "--proxy", "width=0.1", "--address", "inline"]
COMMANDS = {
    "searched": ["search", *TABLE, "--trials", 60, "--controller", "random", "--target-flops", "60M"],
    "confirmed": ["search", "--space", "nasbench-macro", *TINY, "--trials", 4, "--confirm", 2],
    "a run with a long name, as a sweep makes them, seed=1": ["search", *TABLE, "--trials", 12],
    "audited": [
        *("audit", "--space", "nasbench-macro", *TINY),
        *("--networks", 3, "--seeds", 2, "--long", "epochs=3"),
    ],
    "scaled": ["scale", "--strategy", "compound,depth"],
    "family": ["scale", "--preset", "efficientnet"],
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A directory with a run of every kind, over and in progress, named as in ``COMMANDS``."""
    directory = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        data = few_images(directory / "few.npz")
        file = table(directory / "t.csv", np.linspace(0.7, 0.8, len(candidates())))
        more = {"confirmed": data, "audited": data, "scaled": ["--evaluator", file]}
        for name, words in COMMANDS.items():
            quiet = ["--run", name, "-q"]
            patch.setattr(sys, "argv", ["nas", *map(str, [*words, *more.get(name, []), *quiet])])
            with pytest.raises(SystemExit) as end:
                main()
            assert not end.value.code
        for name in ("searched", "scaled"):
            in_progress(directory, name)
        yield directory


def in_progress(directory, name):
    """A copy of a run whose last trials are still running."""
    copy = directory / f"{name}, in progress"
    subprocess.run(["cp", "-r", directory / name, copy], check=True)
    for file in ("best.json", "family.json"):
        (copy / file).unlink(missing_ok=True)
    with sqlite3.connect(copy / "run.db") as db:
        db.execute("UPDATE trials SET status = 'running', accuracy = NULL, reward = NULL WHERE trial > 8")
    db.close()


def printed(parts, width):
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    print_parts(console, parts)
    return console.file.getvalue()


def all_parts(directory):
    """Everything that ``nas report`` prints, by name."""
    found = {}
    for path in sorted(directory.iterdir()):
        if (path / "run.db").is_file():
            found[path.name] = report_parts(open_run(path.relative_to(directory)))
        elif path.is_dir():
            found[path.name] = family_parts(path.relative_to(directory))
            found["explained"] = explanation_parts(path)
    searched = open_run("searched")
    ranking = Ranking(Objective(20e6, -2, "hard"))
    found["reranked"] = report_parts(searched, summary(searched, ranking=ranking))
    several = [open_run(name) for name in COMMANDS if name not in ("family", "audited")]
    found["compared"] = comparison_parts(*comparison(several))
    return found


def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(runs):
    for name, parts in all_parts(runs).items():
        known = set(printed(parts, 10_000).split())
        for width in (80, 120):
            text = printed(parts, width)
            lines = text.splitlines()
            assert max(cell_len(line.rstrip()) for line in lines) <= width, name
            assert "…" not in text, name
            words = {word for line in lines if not is_cut(line) for word in line.split()}
            numbers = {str(number) for number in range(1, 9)} if name == "compared" else set()
            assert {word.rstrip(":") for word in words - known} <= {"\\", *numbers}, (name, width)


def is_cut(line):
    """Whether an architecture's text goes on in the next line, or comes from the one before."""
    return line.endswith("-\\") or line.startswith("mb")


def test_reports_begin_with_the_verdict_and_end_with_a_command(runs):
    first = {
        "searched": "The best of ", "confirmed": "The best of 4 networks is trial ", "audited": "Verdict: ",
        "scaled": "Chosen (*): alpha ", "family": "The family B0 to ",
        "reranked": "Another objective (hard, 20.0M FLOPs, ",
        "compared": "The highest ", "searched, in progress": "So far, after 9 of 60 trials, the best of ",
        "scaled, in progress": "So far, after 9 of ",
    }  # fmt: skip
    last = {
        "searched": "nas scale --base searched",
        "scaled": "nas train scaled:B1",
        "family": "nas train family:B1",
        "audited": "nas search --space nasbench-macro --data npz:",
        "searched, in progress": "nas resume 'searched, in progress'",
        "reranked": "nas train res32-",
    }
    parts = all_parts(runs)
    for name, words in first.items():
        text = printed(parts[name], 10_000)
        assert text.startswith(words), name
        command = "nas " + text.splitlines()[-1].partition(" nas ")[2]
        assert command.startswith(last.get(name, "nas ")), name


def test_the_architecture_is_no_wall_between_verdict_and_facts(runs):
    for name, parts in all_parts(runs).items():
        if name != "reranked":  # there it is the command to go on with
            assert "head1280" not in printed(parts, 80), name


@pytest.mark.parametrize(
    "command",
    [
        f"nas train {ARCH} --data 'folder:/my photos'",
        "nas resume 'my run'",
        "nas resume 'it'\"'\"'s' --proxy a=b",
        f"nas show /tmp/{'d' * 70}/{'e' * 70}",
        f"nas report 'a  b{' long' * 30}'",
        "nas audit " + " ".join(f"--proxy field_{number}={number}" for number in range(20)),
    ],
)
@pytest.mark.parametrize("width", [30, 80, 10_000])
def test_a_shell_reads_a_command_on_several_lines_as_it_was(command, width):
    lines = "\n".join(pasteable(command, width))
    script = f"nas() {{ printf '%s\\0' \"$@\"; }}\n{lines}\n"
    out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.split("\0")[:-1] == shlex.split(command)[1:]
    if width == 80 and "long" not in command:
        assert max(map(len, lines.splitlines())) <= 80


def test_a_name_with_bytes_that_are_no_text_stays_one_word():
    command = "nas show $'d-\\xe9 x' --data 'a b'"
    assert [line.strip() for line in pasteable(command, 20)] == [
        "nas show \\",
        "$'d-\\xe9 x' \\",
        "--data 'a b'",
    ]


def test_steps_stand_in_one_column_if_they_fit():
    steps = Steps([("Look", "nas show r"), ("Train it to the end", "nas train r")])
    assert printed([steps], 80) == "Look:                nas show r\nTrain it to the end: nas train r\n"
    assert printed([steps], 24).splitlines()[:2] == ["Look:", "  nas show r"]


def test_a_pipe_has_no_width_whatever_columns_says_and_a_terminal_has_that(monkeypatch, capsys):
    line = "word " * 60
    for columns in ("", "80", "0"):
        monkeypatch.setenv("COLUMNS", columns)
        print_parts(Terminal(), [line])
        assert len(capsys.readouterr().out.splitlines()) == 1
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for columns, lines in (("80", 4), ("120", 3)):
        monkeypatch.setenv("COLUMNS", columns)
        print_parts(Terminal(), [line])
        assert len(capsys.readouterr().out.splitlines()) == lines


def test_names_are_neither_markup_nor_emoji(capsys):
    print_parts(Terminal(), [Steps([("[b]:car:", "nas show 'run[b]:car:'")])])
    assert capsys.readouterr().out == "[b]:car:: nas show 'run[b]:car:'\n"


def test_a_training_run_fits_too(nas, tmp_path):
    data = few_images(tmp_path / "few.npz")[:2]
    arch = "res8-silu-stem8-conv_r1_k3_s1_c8-head32"
    assert nas("train", arch, *data, "--epochs", 2, *QUICK, "--run", "r", "-q")[0] == 0
    text = printed(report_parts(open_run("r")), 80)
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "…" not in text
