import dataclasses
import json
import shlex
import sys

import numpy as np
import pytest
import torch
import typer
from fakes import TABLE, few_images
from places import MACRO_TABLE

from nas import InputError
from nas.commands.main import app
from nas.data import Dataset
from nas.data.dataset import Part
from nas.launch.placement import counted, fit, machine
from nas.launch.plan import (
    Timing,
    fit_line,
    mean_seconds,
    memory_share,
    sample,
    time_training,
    trial_seconds,
    wall_hours,
)
from nas.spec.recipe import Recipe
from nas.spec.resources import Resources
from nas.training import expected_memory, peak_memory
from nas.training.proxy import Training
from reports.numbers import rough_duration
from search_spaces import PRESETS, SPACES, Cost, cost, listed, resize
from search_spaces.network import build_network

GB = 10**9


def task(train=1000, valid=700, **fields):
    """A task of black images, 32 x 32 grey pixels."""
    parts = (Part(np.zeros((n, 32, 32, 1), np.uint8), np.arange(n) % 10) for n in (train, valid))
    return Training(Dataset("black", tuple("0123456789"), *parts), Recipe(**fields))


def test_the_mean_time_is_exact_where_time_is_a_sum_of_costs():
    costs = [Cost(flops, 0, acts) for flops, acts in ((10, 1), (30, 9), (20, 8), (70, 4))]
    seconds = [2.0 + 0.5 * price.flops + 3.0 * price.activations for price in costs]
    others = [Cost(100, 0, 10), Cost(200, 0, 30)]
    assert mean_seconds(list(zip(costs, seconds, strict=True)), others) == pytest.approx(2 + 75 + 60)


def test_one_timing_stands_for_all_and_more_cost_never_means_less_time():
    assert mean_seconds([(Cost(10, 1, 10), 4.0)], [Cost(10, 1, 10)]) == pytest.approx(4.0)
    falling = [(Cost(10, 0, 10), 5.0), (Cost(20, 0, 20), 4.0)]
    assert mean_seconds(falling, [Cost(40, 0, 40)]) == pytest.approx(4.5)


def test_the_hours_are_rounds_of_trials_and_then_of_confirmations():
    assert wall_hours(10.0, 24, 6, 4) == pytest.approx((6 + 2) * 10 / 3600)
    assert wall_hours(10.0, 24, 0, 1) == pytest.approx(240 / 3600)
    assert wall_hours(10.0, 3, 6, 100) == pytest.approx(20 / 3600)


def test_a_trial_is_its_setup_its_steps_and_its_evaluations():
    timing = Timing(images_per_second=100.0, evaluation=0.01, setup=0.5, peak_memory=None)
    # 3 epochs of 7 steps of 128 images; 512 of 700 images are evaluated twice, all once
    expected = 0.5 + 3 * 7 * 128 / 100 + (2 * 512 + 700) * 0.01
    assert trial_seconds(timing, task(epochs=3, batch_size=128)) == pytest.approx(expected)
    # half of 1000 images in 3 steps of 128; then a batch larger than the data
    half = 0.5 + 3 * 128 / 100 + 7.0
    assert trial_seconds(timing, task(epochs=1, fraction=0.5, batch_size=128)) == pytest.approx(half)
    assert trial_seconds(timing, task(epochs=1, batch_size=4096)) == pytest.approx(0.5 + 10 + 7)


def test_a_timing_measures_speed_evaluation_setup_and_memory():
    timing = time_training(Recipe().shrink(PRESETS["mnasnet-a1"]), task(train=200, valid=100, batch_size=32))
    assert timing.images_per_second > 0
    assert timing.evaluation > 0
    assert timing.setup > 0
    assert timing.peak_memory > 2**24


def test_networks_are_sampled_in_the_order_of_what_is_trained():
    found = sample(SPACES["mnas"], task(), seed=0)
    activations = [candidate.trained_cost.activations for candidate in found]
    assert len(found) == 200
    assert activations == sorted(activations)
    assert found[0].trained == Recipe().shrink(found[0].arch)
    assert found[0].trained_cost == cost(found[0].trained, 10, 1)
    assert found == sample(SPACES["mnas"], task(), seed=0)
    three = [str(PRESETS[name]) for name in ("mnasnet-a1", "mnasnet-b1", "mobilenet-v2")]
    assert len(sample(listed("three", three), task(), seed=0)) == 3


@pytest.mark.parametrize("name", ["efficientnet-b0", "mnasnet-a1", "mobilenet-v2"])
def test_the_largest_map_is_that_of_the_network(name):
    arch = Recipe(resolution=64).shrink(PRESETS[name])
    sizes = []
    network = build_network(arch, 10).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: sizes.append(output.numel()))
    network(torch.zeros(1, 3, 64, 64))
    assert expected_memory.largest_map(arch) == max(sizes)


def test_large_networks_are_evaluated_in_smaller_batches_on_a_cpu():
    large, small = (resize(PRESETS["efficientnet-b0"], 1.0, resolution=side) for side in (224, 32))
    map_224 = 96 * 112 * 112  # elements: the first expansion
    assert expected_memory.evaluated_at_once(large, "cpu") == 8
    assert 8 * map_224 <= expected_memory.EVALUATED_MAP < 16 * map_224
    assert expected_memory.evaluated_at_once(small, "cpu") == 512
    assert expected_memory.evaluated_at_once(large, "cuda") == 512


def test_a_larger_batch_needs_its_activations():
    recipe, arch = Recipe(batch_size=256), PRESETS["efficientnet-b0"]
    data = task(train=10_000).data
    twice = dataclasses.replace(recipe, batch_size=512)
    more = expected_memory.expected_peak(arch, data, twice) - expected_memory.expected_peak(
        arch, data, recipe
    )
    assert more == pytest.approx(4 * 4.5 * 256 * cost(arch, 10, 1).activations, rel=1e-6)
    half = dataclasses.replace(recipe, precision="bfloat16")
    assert expected_memory.expected_peak(arch, data, half) < 0.6 * expected_memory.expected_peak(
        arch, data, recipe
    )


@pytest.mark.parametrize("name", ["efficientnet-b0", "mnasnet-a1"])
def test_the_expected_peak_is_near_the_measured_one(name):
    found = task(train=600, valid=100, batch_size=256, resolution=64, width=0.5)
    arch = found.recipe.shrink(PRESETS[name])
    peak_memory.reset_peak("cpu")
    before = peak_memory.peak("cpu")  # this process holds more than a worker does
    measured = time_training(arch, found).peak_memory - before
    expected = expected_memory.expected_peak(arch, found.data, found.recipe) - expected_memory.PROCESS
    assert 0.5 < expected / measured < 2


def test_the_free_memory_is_shared_by_the_workers(monkeypatch):
    monkeypatch.setattr(peak_memory, "available", lambda device: 80 * GB)
    assert memory_share(Resources(workers=4), "cpu") == 20 * GB
    assert memory_share(Resources("auto", workers=4), "cpu") is None
    assert memory_share(Resources("inline", workers=1), "cuda") == 80 * GB
    assert memory_share(Resources(workers=4, gpus_per_trial=0.25), "cuda") == 20 * GB
    assert memory_share(Resources(workers=1, gpus_per_trial=2), "cuda") == 80 * GB
    monkeypatch.setattr(peak_memory, "available", lambda device: None)
    assert memory_share(Resources(workers=4), "cpu") is None


def test_what_does_not_fit_is_said_with_what_helps():
    line = fit_line(37, 200, 41 * GB, 11 * GB, Resources(workers=2), "cpu")
    assert line.startswith(
        "Memory: a training run needs up to 41.0 GB, and each of 2 can have 11.0 GB: 37 of 200 "
    )
    assert "--workers" in line
    assert "--gpus-per-trial" in fit_line(1, 9, GB, GB, Resources(workers=2, gpus_per_trial=0.5), "cuda")
    assert "all 200 sampled networks fit" in fit_line(0, 200, GB, 4 * GB, Resources("inline", 1), "cpu")


def test_the_workers_are_those_that_the_search_would_have():
    assert counted(Resources()) == fit(Resources(), machine())
    assert counted(Resources("inline")).workers == 1
    with pytest.raises(InputError, match="workers must be at most"):
        counted(Resources(workers=10_000))


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0.001, "4 seconds"), (0.5, "30 minutes"), (7.1234, "7.1 hours"), (1.95, "120 minutes")],
)
def test_durations_are_told_in_their_unit(hours, text):
    assert rough_duration(hours) == text


def test_plan_takes_the_options_of_search():
    commands = typer.main.get_command(app).commands
    of = {
        name: {p.name: (p.opts, p.default, p.help, p.required) for p in commands[name].params}
        for name in ("search", "plan")
    }
    del of["search"]["quiet"], of["plan"]["as_json"]
    assert of["search"] == of["plan"]


def test_plan_says_what_a_search_takes_and_writes_nothing(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    search = ["--space", "mnas", *short, "--address", "inline", "--trials", 5, "--run", "r"]
    code, out, err = nas("plan", *search, "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["trials"], made["confirmations"], made["sampled"]) == (
        5,
        12,
        200,
    )  # three known networks, too
    assert [row["place"] for row in made["networks"]] == [0.05, 0.25, 0.5, 0.75, 0.95, 1.0]
    assert made["hours"] == pytest.approx(made["seconds"] * 17 / 3600)
    assert made["cpu_hours"] == pytest.approx(made["hours"])
    for row in made["networks"]:
        assert row["seconds"] > 0
        assert row["peak_memory"] > 2**24
        assert row["flops"] == cost(PRESETS["mnasnet-a1"].parse(row["arch"]), 10).flops
    code, out, err = nas("plan", *search)
    assert (code, err) == (0, "")
    assert "5 trials and 12 further training runs, 1 at a time: about " in out
    assert "all 200 sampled networks fit" in out
    words = shlex.split(out.splitlines()[-1].removeprefix("Start it with: nas search "))
    assert sorted(words) == sorted(map(str, search))  # in the order of nas search --help
    assert [path.name for path in tmp_path.iterdir()] == ["few.npz"]


def test_plan_shows_what_it_does_meanwhile(nas, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    out = nas("plan", "--space", "nasbench-macro", *few_images(tmp_path / "few.npz"))[1]
    assert "Timing networks" in out
    assert "6/6" in out


def test_where_nothing_is_trained_plan_says_so(nas):
    code, out, _ = nas("plan", *TABLE)
    assert (code, out.count("\n")) == (0, 1)
    assert "Nothing is trained with --evaluator table:" in out
    assert json.loads(nas("plan", *TABLE, "--json")[1]) == {"trials": 1000, "trained": 0}


def test_networks_that_would_not_fit_are_not_timed_and_search_warns(nas, tmp_path, monkeypatch):
    monkeypatch.setattr(peak_memory, "available", lambda device: GB // 10)
    short = few_images(tmp_path / "few.npz")
    search = ["--space", "mnas", *short, "--address", "inline", "--trials", 2, "--confirm", 0]
    code, out, _ = nas("plan", *search)
    assert code == 0
    assert "the time is unknown" in out
    warning = "0.1 GB are free: 200 of 200 sampled networks would not fit; a smaller batch_size or resolution"
    assert warning in out
    made = json.loads(nas("plan", *search, "--json")[1])
    assert (made["hours"], made["too_large"]) == (None, 200)
    code, out, _ = nas("search", *search, "--run", "r")
    assert code == 0
    assert out.count(warning) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--space'"),
        (["--space", "mans"], "unknown space 'mans'; did you mean 'mnas'?"),
        (["--space", "mnas", "--controller", "rn"], "unknown controller 'rn'"),
        (["--space", "mnas", "--trials", "0"], "--trials must be at least 1, got 0"),
        (["--space", "mnas", "--workers", "9999"], "--workers must be at most"),
        (["--space", "mnas", "--gpus-per-trial", "9"], "--gpus-per-trial must be at most"),
        (["--space", "mnas", "--data", "npz:none.npz"], "--data: "),
        (["--space", "mnas", "--evaluator", "table:none.csv"], "--evaluator FILE must exist, got "),
        (["--space", "mnas", "--run", "."], "--run must be a directory that does not exist yet"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(nas, tmp_path, arguments, message):
    code, out, err = nas("plan", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_report_says_how_fast_trainings_were(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    inline = ["--address", "inline", "--trials", 2, "--confirm", 0]
    code, out, _ = nas("search", "--space", "mnas", *short, *inline, "--run", "r")
    assert code == 0
    assert "images/s (median) and used at most " in out
    speed = json.loads(nas("report", "r", "--json")[1])["speed"]
    assert speed["images_per_second"] > 0
    assert speed["peak_memory"] > 2**24
    assert "images per second, median" in (tmp_path / "r" / "report.html").read_text()
    nas(
        "search",
        "--space",
        "nasbench-macro",
        "--evaluator",
        f"table:{MACRO_TABLE}",
        "--trials",
        2,
        "--run",
        "t",
    )
    assert json.loads(nas("report", "t", "--json")[1])["speed"] is None
    assert "images/s" not in nas("report", "t")[1]
