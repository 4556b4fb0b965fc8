import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from places import ACCEL_TABLE, ROOT

from nas.deploy.device import Conditions, Device
from nas.deploy.devices import open_device
from nas.deploy.latency_features import Features, group_of, layer_amounts
from nas.deploy.latency_model import fit_model, read_model, refuse_file, write_model
from nas.deploy.protocol import Measurement
from nas.deploy.survey import asked_of, fit_survey, survey
from nas.errors import InputError
from nas.files import locked
from search_spaces import PRESETS, SPACES, cost

MNAS = SPACES["mnas"]
FACTS = {
    "device": "board",
    "threads": 1,
    "batch": 1,
    "classes": 1000,
    "reference": "",
    "reference_milliseconds": 0.0,
    "versions": {},
}


def drawn(space, networks, seed=0):
    rng = np.random.default_rng(seed)
    return [space.decode(space.sample(rng)) for _ in range(networks)]


def board(arch):
    """A latency in milliseconds that FLOPs do not explain: memory counts, and each layer costs something."""
    price = cost(arch)
    return 1 + 5e-9 * price.flops + 8e-7 * price.activations + 0.05 * len(arch.layers())


class Board(Device):
    """Measures by a formula, twice as slowly from the tenth network on; it may break down."""

    measures = True

    def __init__(self, most=10_000):
        super().__init__("board")
        self.measured, self.most = [], most

    def measure(self, arch):
        if len(self.measured) == self.most:
            raise InputError("device command must print milliseconds, and it printed nothing: board")
        self.measured.append(arch)
        slower = 1 + (len(self.measured) > 10)
        known = board(arch) * slower, 4.0 * slower
        return Measurement(known[0], known[0], known[0], known[0] / known[1], known[1])


@pytest.fixture(scope="module")
def model():
    archs = drawn(MNAS, 200)
    return fit_model(MNAS, archs, [board(arch) for arch in archs], FACTS)


@pytest.fixture
def file(model, tmp_path):
    write_model(tmp_path / "latency.json", model)
    return tmp_path / "latency.json"


def test_a_fitted_model_predicts_networks_that_it_has_not_seen(file):
    device = open_device(f"predictor:{file}")
    archs = drawn(MNAS, 100, seed=1)
    wanted = np.array([board(arch) for arch in archs])
    assert np.abs(device.predict(archs) / wanted - 1).max() < 0.03
    assert (device.predicts, device.measures) == (True, False)


def test_held_out_figures_are_those_of_networks_left_out(model):
    found = model.held_out
    assert found.tau > 0.97
    assert found.within == 1
    assert found.flops_tau < 0.9
    assert found.good
    assert found.verdict().startswith("Good enough to search on: tau 0.9")


def test_a_model_of_noise_is_not_good_enough():
    archs = drawn(MNAS, 60)
    noise = np.random.default_rng(0).uniform(1, 3, 60)
    found = fit_model(MNAS, archs, noise, FACTS).held_out
    assert abs(found.tau) < 0.3
    assert found.verdict().startswith("Not good enough to search on: tau ")


def test_actions_and_networks_give_the_same_prediction(file):
    device = open_device(f"predictor:{file}")
    rng = np.random.default_rng(2)
    actions = [MNAS.sample(rng) for _ in range(50)]
    predicted = device.predict_actions(np.array(actions))
    np.testing.assert_allclose(predicted, device.predict([MNAS.decode(one) for one in actions]))
    assert device.predict([]).shape == (0,)


def test_a_file_gives_the_model_back(file, model):
    assert read_model(file) == model
    assert json.loads(file.read_text())["held_out"]["tau"] == model.held_out.tau


def test_a_predictor_needs_neither_torch_nor_scikit_learn(file):
    code = (
        "import sys; from pathlib import Path; from nas.deploy.latency_model import Predictor;"
        f"p = Predictor(Path({str(file)!r})); p.predict_actions([[0] * len(p.space.decisions)]);"
        "print([name for name in ('torch', 'sklearn', 'ray', 'onnx') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout == "[]\n"


def test_a_network_of_another_space_or_resolution_is_refused(file):
    device = open_device(f"predictor:{file}")
    other = dataclasses.replace(PRESETS["efficientnet-b0"], resolution=192)
    for arch in (other, PRESETS["efficientnet-b1"]):
        with pytest.raises(
            InputError, match=r"^device predictor knows the networks of its space at 224 px alone: "
        ):
            device.predict([arch])


def test_a_space_is_measured_at_any_resolution_and_number_of_classes(tmp_path):
    there = MNAS.at(96, 10)
    archs = drawn(there, 40)
    conditions = Conditions(classes=10)
    device = Board()
    asked = asked_of(there, device, conditions, 0)
    model = fit_survey(survey(archs, device, tmp_path / "s", asked), there, device, conditions)
    write_model(tmp_path / "l.json", model)
    assert (model.resolution, model.classes) == (96, 10)
    for given in (None, MNAS, there):
        assert open_device(f"predictor:{tmp_path / 'l.json'}", space=given).predict(archs[:3]).shape == (3,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": None}, "networks must be of type int, got None"),
        ({"space": "mans"}, "unknown space 'mans'; did you mean 'mnas'?"),
        ({"alpha": "much"}, "alpha must be of type float, got 'much'"),
        ({"speed": 1}, "unknown setting 'speed'"),
    ],
)
def test_a_damaged_file_is_refused(file, change, message):
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match=r"^device predictor") as raised:
        open_device(f"predictor:{file}")
    assert message in str(raised.value)


def test_a_file_that_is_no_model_is_never_replaced(file):
    refuse_file(file)
    refuse_file(file.with_name("new.json"))
    other = file.with_name("notes.json")
    other.write_text("{}")
    with pytest.raises(InputError, match=r"^fit must be a new file, or one of nas measure --fit, got "):
        refuse_file(other)
    with pytest.raises(InputError, match=r"^fit must be a file in a directory that exists, got "):
        refuse_file(file / "none" / "latency.json")


def test_too_few_networks_are_refused():
    archs = drawn(MNAS, 19)
    with pytest.raises(InputError, match=r"^networks must be at least 20 to fit, got 19$"):
        fit_model(MNAS, archs, np.ones(19), FACTS)


def test_multiply_adds_of_the_features_are_those_of_cost():
    """All but the stem's, the head's and the classifier's."""
    kinds = re.compile(r"expand|project|conv k\d|depthwise k\d s\d|se")
    for arch in [*drawn(MNAS, 5), *drawn(SPACES["nasbench-macro"], 5), PRESETS["resnet-50"]]:
        stem = -(-arch.resolution // arch.stem_stride)
        size = -(-stem // 2) if arch.stem_pool else stem
        total = arch.stem_kernel**2 * 3 * arch.stem_channels * stem**2
        for layer in arch.layers():
            amounts = layer_amounts(layer, size)
            total += sum(amount for kind, amount in amounts.items() if kinds.fullmatch(kind))
            size = -(-size // layer.stride)
        last = arch.layers()[-1].channels
        total += last * arch.head_channels * size**2 + (arch.head_channels or last) * 1000
        assert total == cost(arch).flops


def test_features_are_sums_over_stages():
    make = Features(MNAS)
    rng = np.random.default_rng(0)
    actions = np.array([MNAS.sample(rng) for _ in range(20)])
    features = dict(zip(make.names, make(actions).T, strict=True))
    layers = [len(MNAS.decode(one).layers()) for one in actions]
    assert features["layers"].tolist() == layers
    assert sum(features[f"stage{i} layers"] for i in range(1, 8)).tolist() == layers
    assert {group_of(name) for name in make.names} == {"network", "stage", "choice", "design"}


def test_a_survey_goes_on_where_it_was_interrupted(tmp_path):
    archs, asked = drawn(MNAS, 6), {"seed": 0}
    with pytest.raises(InputError, match="printed nothing"):
        survey(archs, Board(most=4), tmp_path / "s", asked)
    device, seen = Board(), []
    table = survey(archs, device, tmp_path / "s", asked, lambda number, _: seen.append(number))
    assert device.measured == archs[4:]
    assert seen == [4, 5, 6]
    assert table["arch"].tolist() == list(map(str, archs))
    assert table["milliseconds"].tolist() == pytest.approx([board(arch) for arch in archs])


def test_more_networks_of_the_same_survey_may_follow(tmp_path):
    archs = drawn(MNAS, 6)
    survey(archs[:3], Board(), tmp_path / "s", {"seed": 0})
    device = Board()
    assert len(survey(archs, device, tmp_path / "s", {"seed": 0})) == 6
    assert len(survey(archs[:2], device, tmp_path / "s", {"seed": 0})) == 2
    assert device.measured == archs[3:]


def test_a_directory_of_other_measurements_is_refused(tmp_path):
    survey(drawn(MNAS, 1), Board(), tmp_path / "s", {"device": "board", "threads": 1})
    with pytest.raises(
        InputError, match=r"^directory must be one of the same threads, which is 1 there, got 2: "
    ):
        survey([], Board(), tmp_path / "s", {"device": "board", "threads": 2})
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"^directory must be new, or one of nas measure \("):
        survey([], Board(), tmp_path / "other", {})


def test_two_processes_never_measure_into_one_directory(tmp_path):
    survey(drawn(MNAS, 1), Board(), tmp_path / "s", {})
    with (
        locked(tmp_path / "s" / "measure.lock"),
        pytest.raises(InputError, match=r"^directory must be free, "),
    ):
        survey(drawn(MNAS, 2), Board(), tmp_path / "s", {})


def test_a_machine_that_becomes_slow_meanwhile_spoils_nothing(tmp_path):
    conditions = Conditions(reference=PRESETS["efficientnet-lite0"])
    archs = drawn(MNAS, 120)
    device = Board()
    asked = asked_of(MNAS, device, conditions, 0)
    found = fit_survey(survey(archs, device, tmp_path / "s", asked), MNAS, device, conditions)
    assert found.reference_milliseconds == 8
    assert found.held_out.tau > 0.95
    assert found.reference == str(PRESETS["efficientnet-lite0"])


class Disturbed(Board):
    """A board whose neighbours disturb the median of the blocks, but not the runs that were left alone."""

    def measure(self, arch):
        found = super().measure(arch)
        noise = 1 + 0.5 * np.random.default_rng(len(self.measured)).random()
        return dataclasses.replace(found, ratio=found.ratio * noise, steady_ratio=found.ratio)


def test_what_is_fitted_is_the_ratio_of_undisturbed_runs_as_in_a_search(tmp_path):
    conditions = Conditions(reference=PRESETS["efficientnet-lite0"])
    archs, device = drawn(MNAS, 120), Disturbed()
    table = survey(archs, device, tmp_path / "s", asked_of(MNAS, device, conditions, 0))
    found = fit_survey(table, MNAS, device, conditions)
    assert found.steady
    assert found.held_out.tau > 0.95
    older = fit_survey(table.drop(columns="steady_ratio"), MNAS, device, conditions)
    assert not older.steady
    assert older.held_out.tau < 0.9
    begun = fit_survey(
        table.assign(steady_ratio=table["steady_ratio"].where(table.index > 5)), MNAS, device, conditions
    )
    assert begun == older  # rows of one rule


def test_real_devices_are_predicted_from_300_networks():
    """The mark of ``benchmarks/latency.py``, for one draw and one device."""
    space = SPACES["accel-nasbench"]
    frame = pd.read_csv(ACCEL_TABLE)
    frame = frame[frame["latency_zcu102_mean"].notna()]
    choices = frame[[decision.name for decision in space.decisions]].to_numpy()
    actions = np.array(
        [[d.choices.index(c) for d, c in zip(space.decisions, row, strict=True)] for row in choices]
    )
    latencies = frame["latency_zcu102_mean"].to_numpy()
    order = np.random.default_rng(0).permutation(len(frame))
    model = fit_model(
        space, [space.decode(one) for one in actions[order[:300]]], latencies[order[:300]], FACTS
    )
    assert model.held_out.tau > 0.97
    assert model.held_out.flops_tau < 0.7
