"""Whatever path a command is given: it works, or one line says why not."""

import os
import shutil

import pytest
from fakes import TABLE
from nobody import as_nobody
from places import MACRO_TABLE, ROOT

from search_spaces import PRESETS

LONG = "x" * 300
SEARCH = ["search", *TABLE, "--trials", 2, "--controller", "random"]
TRAINS = ["search", "--space", "mnas", "--address", "inline", "--data"]
GIVEN = {
    "search --run": [*SEARCH, "--run", "{}"],
    "search --data npz": [*TRAINS, "npz:{}"],
    "search --data folder": [*TRAINS, "folder:{}"],
    "search --data hf": [*TRAINS, "hf:./{}"],
    "search --evaluator table": ["search", "--space", "nasbench-macro", "--evaluator", "table:{}"],
    "search --evaluator predictor": ["search", "--space", "nasbench-macro", "--evaluator", "predictor:{}"],
    "plan --run": ["plan", "--space", "mnas", "--run", "{}"],
    "audit --run": ["audit", "--networks", 2, "--seeds", 2, "--run", "{}"],
    "audit --reference": ["audit", "--reference", "{}"],
    "train ARCH": ["train", "{}"],
    "train --run": ["train", "efficientnet-b0", "--run", "{}"],
    "scale --base": ["scale", "--base", "{}"],
    "scale --run": ["scale", "--preset", "efficientnet", "--run", "{}"],
    "resume": ["resume", "{}"],
    "report": ["report", "{}"],
    "report --random": ["report", "r", "--random", "{}"],
    "report --png": ["report", "r", "--png", "{}"],
    "report --svg": ["report", "r", "--svg", "{}"],
    "show": ["show", "{}"],
}
BAD = {
    "long": LONG,
    "long folder": f"{LONG}/r",
    "below a file": "file/r",
    "pipe": "pipe",
    "device": "/dev/zero",
    "nul": "a\0b",
    "loop": "loop/r",
    "nobody's home": "~nobody-of-this-name/r",
    "empty": "",
}


@pytest.fixture
def odd(nas, public):
    """A directory with a run ``r``, a file, a pipe and a loop of links."""
    shutil.copytree(ROOT / "tests" / "runs_of_0.1" / "search-finished", public / "r")
    (public / "file").write_text("text")
    os.mkfifo(public / "pipe")
    (public / "loop").symlink_to("loop")
    return nas


def refused(answer):
    """Whether a command ended in one line and exit code 2."""
    code, out, err = answer
    return (code, out, err.count("\n"), err[:5]) == (2, "", 1, "nas: ")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("given", GIVEN)
def test_a_path_that_cannot_be_used_is_one_line(odd, public, given):
    before = sorted(path.name for path in public.iterdir())
    for kind, path in BAD.items():
        answer = odd(*(str(argument).replace("{}", path) for argument in GIVEN[given]))
        if path or "{}" in map(str, GIVEN[given]):  # an empty npz: is another mistake
            assert refused(answer), (kind, answer)
    assert sorted(path.name for path in public.iterdir()) == before


@pytest.mark.timeout(120)
def test_a_directory_without_permission_is_one_line(odd, public):
    closed = public / "closed"
    shutil.copytree(public / "r", closed / "r")
    for parts in GIVEN.values():  # imports what is needed, as root
        odd(*(str(part).replace("{}", "file/r") for part in parts))
    closed.chmod(0)
    for given, parts in GIVEN.items():
        arguments = [str(part).replace("{}", "closed/r") for part in parts]
        answer = as_nobody(lambda arguments=arguments: odd(*arguments))
        assert refused(answer), (given, answer)
    closed.chmod(0o755)


def test_a_new_run_in_another_users_directory_is_one_line(odd, public):
    public.chmod(0o755)
    answer = as_nobody(lambda: odd(*SEARCH, "--run", "mine"))
    assert refused(answer)
    assert "Permission denied" in answer[2]


@pytest.mark.parametrize("channels", [8, 88, 1024])
def test_the_text_of_a_network_is_no_path_however_long(nas, channels):
    stage = f"-mb6_r1_k5_s1_c{channels}_se0.25_noskip"
    for stages in range(4, 16):
        text = f"res224-silu-stem32{stage * stages}-head1280"
        code, out, err = nas("show", text, "--json")
        assert (code, err) == (0, ""), stages
        assert text in out
    assert refused(nas("show", text.replace("_k5", "_k4")))


def test_the_text_of_a_network_comes_before_a_path_of_that_name(nas, tmp_path):
    text = str(PRESETS["mnasnet-a1"])[:200].rsplit("-", 1)[0] + "-head1280"
    (tmp_path / text).write_text("no JSON")
    assert nas("show", text, "--json")[0] == 0
    assert refused(nas("show", f"./{text}"))


def test_an_empty_argument_names_its_option(nas):
    assert nas("report", "r", "--png", "") == (2, "", "nas: --png must not be empty\n")
    assert nas("report", "r", "--png=") == (2, "", "nas: --png must not be empty\n")
    assert nas("report", "") == (2, "", "nas: an argument must not be empty\n")


def test_tables_and_runs_in_odd_places_work(nas, tmp_path):
    """Links, brackets, leading dashes, newlines and other scripts."""
    (tmp_path / "t").mkdir()
    for name in ("-[a b]", "実験\n:x:"):
        link = tmp_path / "t" / f"{name}.json"
        link.symlink_to(MACRO_TABLE)
        table = ["--space", "nasbench-macro", "--evaluator", f"table:t/{name}.json"]
        code, _, err = nas("search", *table, "--trials", 2, "--controller", "random", f"--run={name}")
        assert (code, err) == (0, "")
        assert nas("report", f"./{name}")[0] == 0
