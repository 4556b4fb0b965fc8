"""The commands as Python functions."""

import contextlib
import dataclasses
import inspect
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import compare, few_images
from PIL import Image
from places import MACRO_TABLE, ROOT

import nas
import nas as package
import search_spaces
from nas import api
from nas.commands.options import ResourceOptions, SearchOptions
from nas.launch import launch, training
from search_spaces import PRESETS

TABLE = {"space": "nasbench-macro", "evaluator": f"table:{MACRO_TABLE}"}
FEW = {"data": "npz:few.npz", "proxy": {"epochs": 1, "resolution": 8}}
TINY = {**FEW, "confirm": 0, "address": "inline"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a few images."""
    few_images(tmp_path / "few.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_import_nas_is_light_and_so_is_its_help():
    heavy = "print([m for m in ('torch', 'ray', 'pandas', 'numpy') if m in sys.modules])"
    code = f"import nas, sys; {heavy}; import nas.commands.main; {heavy}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n[]\n"


def test_a_search_in_python_is_the_search_of_the_command(here, monkeypatch):
    asked = {"trials": 40, "target_flops": 55e6, "controller_settings": {"initial": 10}, "seed": 3}
    run = nas.search(**TABLE, **asked, run=Path("python"), quiet=True)
    words = run.config["command"]
    assert words[:4] == ["nas", "search", "--space", "nasbench-macro"]
    repeated = [{"python": "command"}.get(word, word) for word in words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", *repeated, "-q"], check=True, env=environment)
    compare(run.directory, here / "command")
    first, second = run.config, nas.open_run("command").config
    for config in (first, second):
        del config["command"], config["environment"]
    assert first == second
    assert {path.name for path in run.directory.iterdir()} == {
        path.name for path in (here / "command").iterdir()
    }


def test_two_runs_in_one_process_are_alike_and_leave_it_as_it_was(here, capsys):
    torch.set_num_threads(2)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002 - the caller's own
    signals = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGVTALRM)}

    def state():
        return (
            *(torch.get_num_threads(), sys.excepthook, sys.stdout, logging.getLogger("ray").level),
            *(random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),  # noqa: NPY002
            *({one: signal.getsignal(one) for one in signals}, logging.getLogger().handlers, Path.cwd()),
        )

    try:
        before = state()
        runs = [nas.search("mnas", trials=2, **TINY, run=name) for name in ("first", "second")]
        assert state() == before
        trained = nas.train(runs[0], epochs=1, threads=1, run="trained")
        assert state() == before
    finally:
        torch.set_num_threads(1)
    compare(*(run.directory for run in runs))
    assert repr(runs[0]) == "Run('first')"
    assert "The best of 2 networks is trial" in capsys.readouterr().out
    judged = nas.evaluate(trained, quiet=True)
    assert judged["run"] == "trained"
    assert 0 <= judged["accuracy"] <= 1
    assert capsys.readouterr() == ("", "")
    Image.new("RGB", (9, 9)).save("photo.png")
    found = nas.predict(trained, "photo.png", top=2, quiet=True)
    assert [image["path"] for image in found["images"]] == ["photo.png"]
    assert len(found["images"][0]["top"]) == 2
    assert not nas.plan("mnas", trials=2, **TINY, quiet=True)["too_large"]
    assert capsys.readouterr() == ("", "")


def test_an_audit_and_a_scaling_run_give_runs_too(here):
    small = {**FEW, "address": "inline", "quiet": True}
    run = nas.audit(networks=2, seeds=1, **small, run="audit")
    assert run.settings.kind == "audit"
    family = nas.scale(coefficients=[1.2, 1.1, 1.15], phis=[0, 1], base=run.best(), run="family", quiet=True)
    assert list(family.family()) == ["B0", "B1"]
    assert family.family()["B0"].arch == run.best()
    assert nas.open_run("family").family().keys() == family.family().keys()
    assert "B1" in family._repr_html_()
    with pytest.raises(nas.InputError, match="must be a directory with a run\\.db"):
        family.trials()


BAD = [
    ({"trials": 0}, "trials must be at least 1, got 0"),
    ({"trials": "4"}, "trials must be of type int, got '4'"),
    ({"trials": True}, "trials must be of type int, got True"),
    ({"space": "nasbench-macros"}, "space: unknown space 'nasbench-macros'; did you mean 'nasbench-macro'?"),
    ({"space": None}, "space must be a name, FILE.toml, FILE.py:NAME, a run or a SearchSpace, got None"),
    ({"space": 3}, "space must be a name, FILE.toml, FILE.py:NAME, a run or a SearchSpace, got 3"),
    (
        {"evaluator": 3},
        "evaluator must be a text such as table:FILE, or a function of a network and its trial",
    ),
    (
        {"data": None},
        "data must be a text such as folder:DIR, or (images, labels), a Dataset, or a function that gives",
    ),
    ({"controller": int}, "controller must be a name or FILE.py:NAME, got <class 'int'>"),
    ({"controller": PRESETS["efficientnet-b0"]}, "controller must be a name or FILE.py:NAME, got ArchSpec("),
    ({"device": 3, "target": "latency=3ms"}, "device must be a text such as cpu or table:FILE, got 3"),
    ({"target": b"flops"}, "target must be a list or names with values, got b'flops'"),
    ({"target": np.array(3)}, "target must be a list or names with values, got 3"),
    ({"target_flops": True}, "target_flops must be a number like 400M, got True"),
    ({"target_flops": 10**400}, "target_flops must be positive and finite, got inf"),
    ({"cache_size": None}, "cache_size must be a number of bytes, like 20G, got None"),
    (
        {"trial_timeout": [1], "address": "local"},
        "trial_timeout must be a number of seconds, or a time like 10m",
    ),
    ({"max_hours": 10**400}, "max_hours must be positive and finite, got inf"),
    ({"trials": 2.5}, "trials must be of type int, got 2.5"),
    ({"trials": np.float32(2)}, "trials must be of type int, got 2.0"),
    ({"tune": None}, "tune must be true or false, got None"),
    ({"baseline": [None]}, "baseline must be networks: names, files, runs or ArchSpecs, got [None]"),
    ({"maximize": [None]}, "maximize must be a text or a list, got [None]"),
    ({"maximize": 3}, "maximize must be a text or a list, got 3"),
    ({"track": 3}, "track must be a text, a nas.Listener or a list of these, got 3"),
    ({"config": {1: 2}}, "config: unknown argument '1'"),
    ({"like": "none"}, "like must be a run of nas search, got none, where there is no config.json"),
    ({"like": 3}, "like must be a path, got 3"),
    ({"space": ""}, "space must not be empty"),
    ({"exponent": "x"}, "exponent must be of type float, got 'x'"),
    ({"target_flops": "x"}, "target_flops must be a number like 400M, 0.4G or 4e8, got 'x'"),
    ({"target_flops": -1}, "target_flops must be positive and finite, got -1.0"),
    ({"trial_timeout": "x", "address": "local"}, "trial_timeout must be a time above 0 like 90s"),
    (
        {"trial_timeout": 90, "address": "inline"},
        "trial_timeout must be left out with address inline, got 90",
    ),
    ({"workers": 2, "address": "inline"}, "workers must be 1 with address inline, got 2"),
    ({"controller_settings": {"first": 1}}, "controller_settings: unknown setting 'first'"),
    ({"controller_settings": 3}, "controller_settings must be a list or names with values, got 3"),
    ({"evaluator": "table:none"}, "evaluator must exist, got "),
    ({"run": 3}, "run must be a path, got 3"),
    ({"run": "."}, "run must be a directory that does not exist yet, got ."),
    ({"quiet": 1}, "quiet must be true or false, got 1"),
]


@pytest.mark.parametrize(("given", "line"), BAD)
def test_a_bad_argument_is_one_line_in_the_words_of_python(here, capsys, given, line):
    with pytest.raises(nas.InputError) as error:
        nas.search(**{**TABLE, "quiet": True, **given})
    assert str(error.value).startswith(line), str(error.value)
    assert "--" not in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in here.iterdir()] == ["few.npz"]


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: nas.train("efficientnet-b0", patience=0), "patience must be at least 1, got 0"),
        (lambda: nas.train("efficientnet-b0", data_parallel=0), "data_parallel must be at least 1, got 0"),
        (lambda: nas.train("efficientnet-b0", time=90, epochs=3), "time must stand without epochs, got 90s"),
        (lambda: nas.train("efficientnet-b9"), "arch is not a file, a preset or an architecture"),
        (lambda: nas.scale(base="none"), "base is not a file, a preset or an architecture"),
        (lambda: nas.scale(preset="efficientnet", refine=True), "refine must be left out with preset"),
        (lambda: nas.scale(coefficients=[9, 9, 9]), "coefficients must have a product"),
        (lambda: nas.audit(long_seeds=2), "long_seeds needs long"),
        (lambda: nas.resume("none"), "run must have a readable config.json"),
        (lambda: nas.evaluate("none"), "run must be"),
        (lambda: nas.open_run("none"), "run must be a directory with a run.db"),
        (lambda: nas.open_run(3), "run must be a path, got 3"),
        (lambda: nas.resume(None), "run must be a path, got None"),
        (lambda: nas.predict("none", 3), "paths must be a text or a list, got 3"),
        (lambda: nas.scale(data=3), "data must be digits, npz:FILE, folder:DIR or hf:NAME (search, plan and"),
        (
            lambda: nas.audit(data=([], [])),
            "data must be digits, npz:FILE, folder:DIR or hf:NAME (search, plan",
        ),
        (lambda: nas.scale(evaluator=print), "evaluator must be train, table:FILE or predictor:FILE, got"),
        (lambda: nas.scale(base=3), "base must be a name, a file, a run or an ArchSpec, got 3"),
        (lambda: nas.train(["x"]), "arch must be a name, a file, a run or an ArchSpec, got ['x']"),
        (
            lambda: nas.search("mnas", data={"a": 1}),
            "data must give images and labels, got KeyError (0): Python",
        ),
    ],
)
def test_every_function_refuses_in_the_words_of_python(here, call, line):
    with pytest.raises(nas.InputError) as error:
        call()
    assert str(error.value).startswith(line), str(error.value)
    assert "--" not in str(error.value)


class ArgumentsRead(Exception):  # noqa: N818
    """All arguments have been read: nothing is trained."""


ODD = [
    None, 3, -1, 2.5, "3", "x", "", " ", True, [], [1], ["a", "b"], [None], [[1]], (), {}, {"a": 1},
    {"a": None}, {1: 2}, {3}, range(3), Path("x"), np.int64(3), np.float32(2.5), np.array(3),
    np.array([1, 2]), np.str_("x"), np.True_, torch.tensor(3), object(), int, print, float("nan"),
    float("inf"), 10**400, -(10**400), b"x", 1j, Decimal("2"), PRESETS["efficientnet-b0"],
    search_spaces.SPACES["mnas"],
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("search", {"space": "mnas"}),
        ("scale", {"coefficients": "1,2,1"}),
        ("train", {"arch": "mobilenet-v2"}),
        ("audit", {}),
    ],
)
def test_any_value_of_any_argument_is_taken_or_refused_in_one_line(here, monkeypatch, name, needed):
    def stop(*_values, **_arguments):
        raise ArgumentsRead

    for start in ("start", "start_family"):
        monkeypatch.setattr(launch, start, stop)
    monkeypatch.setattr(training, "prepare_training", stop)
    function, refused = getattr(nas, name), []
    for argument in function.__signature__.parameters:
        for value in ODD:
            try:
                function(**{**needed, "quiet": True, argument: value})
            except ArgumentsRead:
                pass
            except nas.InputError as error:
                refused.append(str(error))
    assert len(refused) > 500
    assert not [line for line in refused if "\n" in line]


def test_an_argument_that_there_is_not_is_a_type_error_with_a_suggestion(here):
    with pytest.raises(TypeError, match=r"nas\.search\(\) has no argument 'trails'; did you mean 'trials'\?"):
        nas.search(**TABLE, trails=3)
    with pytest.raises(TypeError, match=r"nas\.search\(\) missing a required argument: 'space'"):
        nas.search()


def test_arguments_come_from_a_mapping_a_file_or_an_earlier_search_too(here):
    first = nas.search(config={**TABLE, "trials": 9, "seed": 5}, trials=8, quiet=True, run="first")
    assert (first.settings.trials, first.settings.seed) == (8, 5)
    (here / "s.toml").write_text(
        f'space = "nasbench-macro"\nevaluator = "{TABLE["evaluator"]}"\nset = ["initial=4"]'
    )
    second = nas.search(config="s.toml", trials=8, seed=5, quiet=True, run="second")
    assert second.settings.controller_settings["initial"] == 4
    again = nas.search(like=second, config={"trials": 6}, quiet=True, run="again")
    assert again.settings.trials == 6
    assert again.settings.controller_settings == second.settings.controller_settings
    assert again.trials()["arch"].tolist() == second.trials()["arch"].tolist()[:6]
    wrong = {
        "config: unknown argument 'trails'; did you mean 'trials'?": {"config": {"trails": 3}},
        "config must be a path, got 3": {"config": 3},
        "trials of config must be at least 1, got 0": {**TABLE, "config": {"trials": 0}},
        "like must be a path, got 3": {"like": 3},
    }
    for line, given in wrong.items():
        with pytest.raises(nas.InputError) as error:
            nas.search(**given, run="none")
        assert str(error.value).startswith(line)
    with pytest.raises(TypeError, match=r"nas\.search\(\) missing a required argument: 'space'"):
        nas.search(config={"trials": 3})
    with pytest.raises(TypeError, match=r"nas\.train\(\) has no argument 'like'"):
        nas.train("mobilenet-v2", like=first)
    assert not (here / "none").exists()


def test_the_arguments_are_the_options_and_the_stub_has_them():
    fields = [
        field.name for kind in (SearchOptions, ResourceOptions) for field in dataclasses.fields(kind)
        if not field.name.startswith("help_")
    ]  # fmt: skip
    assert list(inspect.signature(nas.search).parameters) == [*fields, "quiet", "config", "like"]
    assert "target_flops: The budget T" in nas.search.__doc__
    written = subprocess.run([sys.executable, ROOT / "scripts" / "stub", "-"], capture_output=True, text=True)
    stub = (ROOT / "nas" / "__init__.pyi").read_text()
    assert stub == written.stdout, "scripts/stub writes it"
    assert set(api.FUNCTIONS) == set(package.COMMANDS)
    assert all(hasattr(nas, name) for name in nas.__all__)


def test_the_function_stays_what_nas_search_is():
    import nas.search.loop

    assert callable(nas.search)
    assert nas.search is api.FUNCTIONS["search"]


@pytest.mark.slow
def test_type_checkers_see_the_arguments(here):
    (here / "user.py").write_text(
        "import nas\n"
        "run: nas.Run = nas.search('mnas', target_flops=4e8, proxy={'epochs': 4}, baseline=['resnet-50'])\n"
        "nas.train(run, time=90); nas.scale(base=run.best(), phis=[0, 1]).best()\n"
        "nas.search('mnas', trials='4')\n"
        "nas.search('mnas', trails=4)\n"
    )
    environment = {**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": ""}
    check = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file=",
        "--follow-imports=silent",
        "--ignore-missing-imports",
    ]
    ended = subprocess.run([*check, "user.py"], capture_output=True, text=True, env=environment)
    lines = [line for line in ended.stdout.splitlines() if "user.py" in line]
    assert [line.split(": error: ")[0] for line in lines if "error" in line] == ["user.py:4", "user.py:5"], (
        lines
    )


def test_a_stop_keeps_everything_and_says_how_to_go_on(here, capsys, monkeypatch):
    from nas.search.loop import Search

    class Stopped(Search):
        def finish(self, trial, outcome):
            super().finish(trial, outcome)
            if trial.trial == 20:
                raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr("nas.launch.searching.Search", Stopped)
        with pytest.raises(KeyboardInterrupt) as stop:
            nas.search(**TABLE, trials=40, run="r")
    assert "What was finished is kept. Go on with nas.resume('r')" in stop.value.__notes__
    assert "Interrupted; what was finished is kept. Go on with: nas resume r" in capsys.readouterr().out
    assert len(nas.open_run("r").trials()) >= 21
    run = nas.resume("r", quiet=True)
    whole = nas.search(**TABLE, trials=40, run="whole", quiet=True)
    compare(whole.directory, run.directory)


def test_a_search_runs_outside_the_main_thread(here):
    found = []
    thread = threading.Thread(target=lambda: found.append(nas.search(**TABLE, trials=5, run="r", quiet=True)))
    thread.start()
    thread.join()
    assert len(found[0].trials()) == 5


def test_a_script_without_a_guard_can_search_images_that_processes_decode(here, monkeypatch):
    for name in ("a", "b"):
        (here / "photos" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("RGB", (12, 12), (number, 9, 9)).save(here / "photos" / name / f"{number}.png")
    (here / "script.py").write_text(
        "print('once')\n"
        "import nas, nas.data.pack as pack\n"
        f"nas.search('mnas', trials=1, **{TINY | {'data': 'folder:photos'}}, run='r', quiet=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NAS_CACHE": str(here / "cache")}
    ended = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stdout) == (0, "once\n"), ended.stderr


@pytest.mark.slow
def test_ray_is_left_when_it_was_started_and_kept_when_the_caller_has_it(here):
    code = f"""
import nas, signal, sys, threading, torch
before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), sys.excepthook
run = nas.search('mnas', trials=2, proxy={TINY["proxy"]}, confirm=0, workers=1, run='r', quiet=True)
import ray, logging
assert not ray.is_initialized()
assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT), sys.excepthook)
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
level = logging.getLogger("ray").level
try:
    nas.search('mnas', trials=2, quiet=True)
except nas.InputError as error:
    print(error)
nas.search('mnas', trials=2, proxy={TINY["proxy"]}, confirm=0, workers=1, address='auto', run='s', quiet=True)
assert ray.is_initialized() and ray.get(ray.remote(lambda: 3).remote()) == 3
assert logging.getLogger("ray").level == level
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(here)}  # Ray leaves a token there
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    line = "address must be auto where this process uses Ray already, got local\n"
    assert (ended.returncode, ended.stdout) == (0, line), ended.stderr
    compare(here / "r", here / "s")


def test_values_that_are_natural_to_python_are_those_of_the_command():
    parameters = {one.name: one for one in api.arguments_of(api.WORKS["search"][0])}
    parameters |= {one.name: one for one in api.arguments_of(api.WORKS["scale"][0])}
    b0 = search_spaces.PRESETS["efficientnet-b0"]
    for name, value, text in [
        ("target_flops", 400e6, "400000000"), ("target_flops", "400M", "400M"), ("trial_timeout", 90, "90s"),
        ("trial_timeout", 0.5, "0.500000s"), ("cache_size", 20e9, "20000000000"),
        ("proxy", {"flip": True}, ["flip=true"]),
        ("proxy", ["epochs=4"], ["epochs=4"]), ("baseline", ["mobilenet-v2", b0], f"mobilenet-v2,{b0}"),
        ("run", "r", Path("r")), ("run", Path("r"), Path("r")),
        ("trials", np.int64(3), 3), ("trials", np.array(3), 3), ("exponent", -1, -1.0),
        ("tune", np.True_, True),
        ("trials", torch.tensor(3), 3),
        ("max_hours", np.float32(2.5), 2.5), ("phis", np.array([0, 1]), "0,1"),
        ("maximize", ("f1", "recall"), "f1,recall"), ("baseline", b0, str(b0)),
        ("baseline", [{"a": 1, "b": "x y"}, {"a": 2}], "a=1 'b=x y',a=2"), ("baseline", {"a": 1}, "a=1"),
        ("base", b0, str(b0)), ("base", Path("r"), "r"), ("coefficients", (1.2, 1.1, 1.15), "1.2,1.1,1.15"),
        ("phis", [0, 1], "0,1"), ("refine", True, True), ("workers", None, None),
    ]:  # fmt: skip
        made = api.as_option(parameters[name], value)
        assert (made, type(made)) == (text, type(text)), name


def test_a_wheel_has_the_types(tmp_path):
    hatchling = pytest.importorskip("hatchling.builders.wheel")
    (built,) = hatchling.WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    import zipfile

    assert {"nas/py.typed", "nas/__init__.pyi"} <= set(zipfile.ZipFile(built).namelist())


def test_json_of_the_commands_is_what_functions_return(here, capsys):
    with contextlib.suppress(nas.InputError):
        nas.plan(**TABLE)
    facts = nas.plan(**TABLE, quiet=True)
    assert json.loads(json.dumps(facts)) == {"trials": 1000, "trained": 0}
