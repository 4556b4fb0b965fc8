import json

import numpy as np
import pandas as pd
import pytest
import torch
from places import ACCEL_TABLE, MACRO_TABLE

from nas import InputError
from nas.data import Dataset, Part
from nas.search.predictor import Predictor
from nas.search.tables import Table
from nas.spec.recipe import Recipe
from nas.spec.trial import Trial, steps
from nas.training.proxy import Training
from search_spaces import SPACES


def accuracy(evaluator, arch):
    *_, epoch = evaluator(Trial(0, arch, seed=1))
    return epoch.accuracy


def write(path, frame):
    {".csv": frame.to_csv, ".parquet": frame.to_parquet}[path.suffix](path, index=False)
    return path


def test_a_table_gives_the_measured_accuracy_of_every_code():
    space, table = SPACES["nasbench-macro"], Table(MACRO_TABLE, SPACES["nasbench-macro"])
    known = json.loads(MACRO_TABLE.read_text())
    assert len(table.accuracies) == 3969
    for code in ("22212202", "00000000", "10100100"):
        arch = space.decode([int(digit) for digit in code])
        assert accuracy(table, arch) == pytest.approx(known[code]["mean_acc"] / 100)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_may_name_architectures_or_decisions(tmp_path, suffix):
    space = SPACES["accel-nasbench"]
    rng = np.random.default_rng(0)
    actions = [space.sample(rng) for _ in range(20)]
    archs = [space.decode(a) for a in actions]
    accuracies = rng.uniform(0.2, 0.8, 20)
    by_arch = pd.DataFrame({"arch": map(str, archs), "accuracy": accuracies})
    names = [decision.name for decision in space.decisions]
    by_decision = pd.DataFrame([space.choices(a) for a in actions], columns=names).assign(
        top1=100 * accuracies
    )
    for name, frame in (("archs", by_arch), ("decisions", by_decision)):
        table = Table(write(tmp_path / f"{name}{suffix}", frame), space)
        assert [accuracy(table, arch) for arch in archs] == pytest.approx(list(accuracies))


def test_training_takes_the_threads_it_is_given():
    images = np.zeros((20, 8, 8, 1), np.uint8)
    data = Dataset("black", ("0", "1"), *[Part(images, np.arange(20) % 2)] * 2)
    before = torch.get_num_threads()
    try:
        trial = Trial(0, SPACES["mnas"].decode([0] * 42), seed=0)
        list(Training(data, Recipe(resolution=8, epochs=1), threads=before + 1)(trial))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_network_that_is_not_in_the_table_fails_its_trial(tmp_path):
    space = SPACES["mnas"]
    arch = space.decode([0] * 42)
    file = write(tmp_path / "t.csv", pd.DataFrame({"arch": [str(arch)], "accuracy": [0.5]}))
    other = space.decode([1] * 42)
    (outcome,) = steps(Table(file, space), Trial(0, other, 0), "test")
    assert outcome.error == f"LookupError: t.csv has no row for {other}"


def test_a_predictor_ranks_real_imagenet_accuracies():
    space = SPACES["accel-nasbench"]
    predictor = Predictor(ACCEL_TABLE, space)
    assert predictor.rows == 4602
    assert predictor.kendall_tau > 0.9
    row = pd.read_csv(ACCEL_TABLE).iloc[0]
    actions = [decision.choices.index(row[decision.name]) for decision in space.decisions]
    assert accuracy(predictor, space.decode(actions)) == pytest.approx(row["val_top1"] / 100, abs=0.02)


def test_a_predictor_recovers_effects_of_single_choices_and_pairs(tmp_path):
    space = SPACES["nasbench-macro"]
    rng = np.random.default_rng(0)
    archs = list({space.decode(space.sample(rng)): None for _ in range(400)})

    def truth(arch):
        first, second, *_ = space.encode(arch)
        return 0.5 + 0.1 * first - 0.05 * second + 0.07 * (first == 2 and second == 1)

    frame = pd.DataFrame({"arch": map(str, archs), "accuracy": map(truth, archs)})
    predictor = Predictor(write(tmp_path / "t.csv", frame[:-50]), space)
    assert [accuracy(predictor, arch) for arch in archs[-50:]] == pytest.approx(
        [truth(arch) for arch in archs[-50:]], abs=0.01
    )


ARCH = str(SPACES["mnas"].decode([0] * 42))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"arch": ["what"], "accuracy": [0.5]}), "must have architectures in 'arch'"),
        (pd.DataFrame({"network": [ARCH], "accuracy": [0.5]}), "must have a column 'arch' or the decisions"),
        (pd.DataFrame({"arch": [ARCH], "score": [0.5]}), "must have one of the columns"),
        (pd.DataFrame({"arch": [ARCH], "accuracy": ["high"]}), "must have numbers in 'accuracy'"),
        (pd.DataFrame({"arch": [ARCH], "accuracy": [101.0]}), r"accuracies in \[0, 1\] or \[0, 100\]"),
        (pd.DataFrame({"arch": [ARCH], "accuracy": [np.nan]}), r"accuracies in \[0, 1\] or \[0, 100\]"),
        (pd.DataFrame({"arch": [], "accuracy": []}), r"accuracies in \[0, 1\] or \[0, 100\]"),
    ],
)
def test_a_table_that_describes_no_networks_is_refused(tmp_path, frame, message):
    with pytest.raises(InputError, match=message) as failure:
        Table(write(tmp_path / "t.csv", frame), SPACES["mnas"])
    assert "\n" not in str(failure.value)


def test_choices_that_the_space_does_not_have_are_refused(tmp_path):
    space = SPACES["accel-nasbench"]
    frame = pd.read_csv(ACCEL_TABLE).head(30).assign(block3_k=7)
    with pytest.raises(InputError, match=r"block3_k in \(3, 5\), got 7"):
        Table(write(tmp_path / "t.csv", frame), space)


@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.parquet", "t.csv.gz"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00garbage", b'{"01": [1, 2'])
def test_a_damaged_table_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as failure:
        Table(tmp_path / name, SPACES["nasbench-macro"])
    assert "table must" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_several_measurements_of_one_network_are_averaged(tmp_path):
    file = write(tmp_path / "t.csv", pd.DataFrame({"arch": [ARCH, ARCH], "accuracy": [0.4, 0.6]}))
    table = Table(file, SPACES["mnas"])
    assert accuracy(table, SPACES["mnas"].decode([0] * 42)) == pytest.approx(0.5)


def test_a_predictor_needs_networks_of_its_space(tmp_path):
    frame = pd.DataFrame({"arch": [ARCH.replace("c16", f"c{8 * n}") for n in range(1, 31)], "accuracy": 0.5})
    with pytest.raises(InputError, match="a table of its space: space 'mnas' does not hold"):
        Predictor(write(tmp_path / "t.csv", frame), SPACES["mnas"])


def test_a_predictor_needs_some_rows(tmp_path):
    file = write(tmp_path / "t.csv", pd.DataFrame({"arch": [ARCH], "accuracy": [0.5]}))
    with pytest.raises(InputError, match="at least 20 rows, got 1"):
        Predictor(file, SPACES["mnas"])
