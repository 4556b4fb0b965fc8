import importlib.metadata
import re
import subprocess
import sys
import tomllib

import pytest
from places import ROOT

PACKAGES = ("nas", "reports", "scaling_search", "controllers", "search_spaces")
INSTALL = "python3 -m venv .venv && . .venv/bin/activate && pip install -c constraints.txt"
SEARCH = f"{INSTALL} . && nas search --space mnas"
TEST = f"{INSTALL} -e '.[dev]' && pytest -n 2 --dist loadfile"


def help_of(*command):
    program = [sys.executable, "-m", "nas", *command, "--help"]
    return subprocess.run(program, capture_output=True, text=True, check=True, env={"COLUMNS": "200"}).stdout


@pytest.mark.parametrize("command", [SEARCH, TEST])
def test_the_readme_has_the_two_commands_each_in_one_line(command):
    assert command in (ROOT / "README.md").read_text().splitlines()


def test_ci_runs_the_readmes_test_command():
    assert TEST in (ROOT / ".ci" / "run").read_text().splitlines()


def test_no_other_distribution_owns_one_of_our_packages():
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["nas-scaling"])) == {"nas-scaling"}, package


def test_every_command_has_help_and_is_in_the_readme():
    commands = re.findall(r"^│ (\w+) +\S", help_of().split("Commands")[1], re.MULTILINE)
    assert set(commands) >= {"search", "resume", "report", "show", "spaces"}
    readme = (ROOT / "README.md").read_text()
    for command in commands:
        assert f"nas {command}" in readme
        assert "--help" in help_of(command)


def test_every_option_of_search_says_what_it_is():
    text = help_of("search")
    options = re.findall(r"(--[\w-]+)[^\n]*", text)
    assert len(set(options)) > 15
    for line in re.findall(r"│ \*? +--[\w-]+.*│", text):
        assert re.search(r"--\S+( +-\w)?( +<?\S+>?)? {2,}\S", line), line


def test_constraints_pin_every_dependency_that_pyproject_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for requirement in wanted:
        assert re.match(r"[\w-]+", requirement)[0].lower() in pinned, requirement


def test_pins_that_are_known_to_be_vulnerable_are_refused(tmp_path):
    check = [sys.executable, ROOT / "scripts" / "pins.py"]
    assert subprocess.run(check).returncode == 0
    pins = (ROOT / "constraints.txt").read_text()
    (tmp_path / "older.txt").write_text(re.sub("^torch==.*", "torch==2.5.1", pins, flags=re.MULTILINE))
    ended = subprocess.run([*check, tmp_path / "older.txt"], capture_output=True, text=True)
    first = "torch 2.5.1 has CVE-2025-32434 (<2.6): torch.load with weights_only runs code"
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (1, first)
    (tmp_path / "fewer.txt").write_text(re.sub("^torch==.*\n", "", pins, flags=re.MULTILINE))
    ended = subprocess.run([*check, tmp_path / "fewer.txt"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (
        1,
        "torch of scripts/advisories.toml is not pinned",
    )


def test_the_file_tree_in_the_readme_is_complete():
    readme = (ROOT / "README.md").read_text()
    tree = set(re.findall(r"^([\w/]+(?:/|\.py)) {2,}\S", readme.split("## Developing")[1], re.MULTILINE))
    rooms = {file.parent.relative_to(ROOT) for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert {f"{room}/" for room in rooms} <= tree
    assert [path for path in tree if not (ROOT / path).exists()] == []


def test_every_file_and_link_in_the_documents_exists():
    named = re.compile(
        r"\b(?:benchmarks|docs|examples|tests|scripts|" + "|".join(PACKAGES) + r")/[\w/.]*\w\.\w+"
    )
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        text = document.read_text()
        linked = [document.parent / link for link in re.findall(r"\]\(([\w/.]+)\)", text)]
        for path in [*(ROOT / name for name in named.findall(text)), *linked]:
            assert path.exists(), (document.name, str(path))


def test_the_log_is_newest_first_and_its_index_has_every_entry():
    index, *entries = (ROOT / "LOG.md").read_text().split("\n## 20")
    headings = [entry.splitlines()[0] for entry in entries]
    dates = [heading.split(":")[0] for heading in headings]
    assert dates == sorted(dates, reverse=True)
    for heading in headings:
        assert f"[{heading.split(': ', 1)[1]}](#20" in index
