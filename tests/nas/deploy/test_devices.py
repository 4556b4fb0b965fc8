import json
import shlex
import sys

import numpy as np
import pytest

from nas.deploy.device import Conditions
from nas.deploy.devices import open_device
from nas.deploy.latency_table import layer_names
from nas.errors import InputError
from search_spaces import PRESETS, SPACES, ArchSpec

TINY = ArchSpec.parse("res16-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-head64")
REFERENCE = ArchSpec.parse("res16-silu-stem8-mb1_r1_k3_s1_c8-head0")
QUICK = Conditions(seconds=0.05, classes=10, timeout=100, reference=REFERENCE)
B0 = PRESETS["efficientnet-b0"]


def program(tmp_path, code, timeout=20.0, reference=None):
    """A device that runs Python ``code`` with the file as ``sys.argv[1]``."""
    (tmp_path / "board.py").write_text(f"import sys, time\n{code}\n")
    command = f"{shlex.quote(sys.executable)} {tmp_path / 'board.py'} {{onnx}}"
    return open_device(f"command:{command}", Conditions(timeout=timeout, reference=reference, classes=10))


@pytest.mark.parametrize("name", ["cpu", "torch-cpu"])
def test_a_network_is_measured_here_in_a_process_of_its_own(name):
    device = open_device(name, QUICK)
    found = device.measure(TINY)
    assert (device.name, device.measures, device.predicts) == (name, True, False)
    assert 0 < found.low <= found.milliseconds <= found.high < 100
    assert found.runs >= 10
    assert found.ratio == pytest.approx(found.milliseconds / found.reference_milliseconds, rel=0.5)
    assert 0 < found.peak_memory < 1e9
    assert 0 < found.core_share <= 1


def test_a_larger_network_takes_longer_and_more_memory():
    device = open_device("cpu", Conditions(seconds=0.1))
    small, large = device.measure(TINY), device.measure(B0)
    assert large.milliseconds > 3 * small.milliseconds
    assert large.peak_memory > small.peak_memory + 20e6
    assert (small.ratio, small.reference_milliseconds) == (None, None)


def test_several_threads_are_timed_by_the_wall():
    try:
        conditions = Conditions(threads=2, batch=3, seconds=0.05)
    except InputError:
        pytest.skip("one CPU")
    assert open_device("cpu", conditions).measure(TINY).core_share is None


def test_what_fails_in_the_other_process_is_one_line(monkeypatch):
    monkeypatch.setattr("nas.deploy.local.onnx_files", broken_files)
    with pytest.raises(InputError, match=r"^device cpu could not run res16\S+ \(\w+: .*") as raised:
        open_device("cpu", QUICK).measure(TINY)
    assert "\n" not in str(raised.value)


class broken_files:  # noqa: N801 - in place of a function
    def __init__(self, *_):
        pass

    def __enter__(self):
        return ["none.onnx", "none.onnx"]

    def __exit__(self, *_):
        pass


def test_a_measurement_that_takes_too_long_is_an_error():
    with pytest.raises(
        InputError, match=r"^timeout must be longer than a measurement takes, got 0\.01 s: res16"
    ):
        open_device("cpu", Conditions(timeout=0.01)).measure(TINY)


def test_a_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr("nas.deploy.device.importlib.util.find_spec", lambda _: None)
    for text in ("cpu", "command:./board {onnx}"):
        kind = text.partition(":")[0]
        with pytest.raises(
            InputError, match=rf"^device {kind} needs onnx: pip install 'nas-scaling\[export\]'$"
        ):
            open_device(text)


def test_a_program_gets_the_network_and_prints_milliseconds(tmp_path):
    code = "import onnx; print(sum(n.op_type == 'Conv' for n in onnx.load(sys.argv[1]).graph.node), 1, 100)"
    found = program(tmp_path, code, reference=REFERENCE).measure(TINY)
    assert (found.milliseconds, found.low, found.high, found.runs) == (13, 7, 56.5, 3)
    assert (found.ratio, found.reference_milliseconds) == (13 / 3, 3)
    assert found.peak_memory is None


@pytest.mark.slow
def test_a_program_may_ask_for_a_pt2_file(tmp_path):
    code = "import torch; torch.export.load(sys.argv[1]).module()(torch.zeros(2, 3, 16, 16)); print(7)"
    (tmp_path / "board.py").write_text(f"import sys\n{code}\n")
    command = f"{shlex.quote(sys.executable)} -W ignore {tmp_path / 'board.py'} {{pt2}}"
    device = open_device(f"command:{command}", Conditions(batch=2, classes=10, timeout=100))
    assert device.measure(TINY).milliseconds == 7


BAD_PROGRAMS = {
    "pass": "must print milliseconds, and it printed nothing",
    "print('  ')": "must print milliseconds, and it printed nothing",
    "print('fast')": "must print milliseconds alone, got 'fast'",
    "print(3.5, 'ms')": "must print milliseconds alone, got '3.5 ms'",
    "sys.exit('no phone\\nis connected')": r"must succeed \(exit code 1: is connected\)",
    "import os; os._exit(3)": r"must succeed \(exit code 3\)",
    "import os; os.kill(os.getpid(), 9)": r"must succeed \(exit code -9\)",
}


@pytest.mark.parametrize("code", BAD_PROGRAMS)
def test_a_program_that_prints_no_milliseconds_is_refused(tmp_path, code):
    with pytest.raises(InputError, match=f"^device command {BAD_PROGRAMS[code]}: .*board.py {{onnx}}$"):
        program(tmp_path, code).measure(TINY)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_a_latency_of_0_or_none_is_refused(tmp_path, value):
    rule = "^device must give latencies above 0 and finite, got "
    with pytest.raises(InputError, match=rule):
        program(tmp_path, f"print({value!r})").measure(TINY)


def test_a_program_that_hangs_is_ended_with_what_it_started(tmp_path):
    child = f"import time; time.sleep(2); open({str(tmp_path / 'alive')!r}, 'w')"
    code = f"import subprocess; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(InputError, match=r"^device command must end within 0\.5 s, the timeout: "):
        program(tmp_path, code, timeout=0.5).measure(TINY)
    with pytest.raises(InputError, match="must succeed"):  # meanwhile the child would have written its file
        program(tmp_path, "time.sleep(3); sys.exit(1)").measure(TINY)
    assert not (tmp_path / "alive").exists()


BAD_DEVICES = {
    "gpu": r"^device: unknown device 'gpu'; did you mean 'cpu'\? Known: cpu, torch-cpu, cuda, ",
    "command": r"^device: unknown device 'command'",
    "table:": r"^device: unknown device 'table:'",
    "command: ": r"^device: unknown device 'command: '",
    "command:./board": r"^device command must be a program with {onnx} or {pt2} once, got ./board$",
    "command:{onnx}": r"^device command must be a program with {onnx} or {pt2} once, got {onnx}$",
    "command:./board '{onnx}": r"^device command must be words as in a shell \(No closing quotation\), got ",
    "table:none.csv": "^device table must exist, got none.csv$",
    "predictor:none.json": "^device predictor must be a file that exists, got none.json$",
}


@pytest.mark.parametrize("text", BAD_DEVICES)
def test_an_unknown_device_is_refused(text):
    with pytest.raises(InputError, match=BAD_DEVICES[text]):
        open_device(text)


def test_a_program_that_is_not_there_is_refused():
    with pytest.raises(
        InputError, match=r"^device command must be a program that can be started \(No such file"
    ):
        open_device("command:./no_board {onnx}").measure(TINY)


def test_cuda_needs_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=r"^device cuda needs a GPU that torch can use, and there is none$"):
        open_device("cuda")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"threads": 10_000}, r"threads must be at most the \d+ CPUs there are, got 10000"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"classes": 0}, "classes must be at least 1, got 0"),
        ({"seconds": 0.0}, "seconds must be positive and finite, got 0.0"),
        ({"timeout": float("nan")}, "timeout must be positive and finite, got nan"),
    ],
)
def test_conditions_out_of_range_are_refused(values, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        Conditions(**values)


def test_a_table_knows_networks_by_their_text(tmp_path):
    (tmp_path / "t.csv").write_text(f"arch,ms\n{TINY},2.5\n{B0},9\n{B0},11\n")
    device = open_device(f"table:{tmp_path / 't.csv'}")
    assert device.predict([B0, TINY, B0]).tolist() == [10, 2.5, 10]
    with pytest.raises(
        InputError, match=r"^device table must have a row for the network res16-\S+head0: .*t\.csv$"
    ):
        device.predict([REFERENCE])
    with pytest.raises(InputError, match=r"^device must be one that measures, such as cpu, got table:"):
        device.measure(B0)


def test_a_table_is_json_too(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({str(B0): 10}))
    (tmp_path / "b.json").write_text(json.dumps([{"arch": str(B0), "latency": 10, "phone": 20}]))
    known = [f"{tmp_path}/a.json", f"{tmp_path}/b.json", f"{tmp_path}/b.json:phone"]
    assert [open_device(f"table:{file}").predict([B0])[0] for file in known] == [10, 10, 20]


def test_a_table_of_layers_adds_them_up(tmp_path):
    names = layer_names(TINY)
    assert names == [
        "stem_k3_s2_i3_c8@16",
        "conv_k3_s1_i8_c8_skip@8",
        "mb3_k3_s2_i8_c16_se0.25@8",
        "mb3_k3_s1_i16_c16_se0.25_skip@4",
        "head_i16_c64@4",
        "classifier_i64",
    ]
    rows = [f"{name},{2**i}" for i, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["layer,ms", *rows]))
    assert open_device(f"table:{tmp_path / 't.csv'}").predict([TINY]).tolist() == [63]
    (tmp_path / "t.csv").write_text("\n".join(["layer,ms", *rows[1:]]))
    with pytest.raises(InputError, match="must have a row for the layer stem_k3_s2_i3_c8@16"):
        open_device(f"table:{tmp_path / 't.csv'}").predict([TINY])


def test_a_table_may_have_a_column_for_each_decision(tmp_path):
    space = SPACES["accel-nasbench"]
    actions = space.sample(np.random.default_rng(0))
    names = [decision.name for decision in space.decisions]
    row = ",".join(map(str, space.choices(actions)))
    (tmp_path / "t.csv").write_text(f"{','.join(names)},ms,throughput\n{row},5,500\n")
    for column, wanted in {"": 5, ":throughput": 2}.items():
        device = open_device(f"table:{tmp_path / 't.csv'}{column}", space=space)
        assert device.predict([space.decode(actions)]).tolist() == [wanted]


BAD_TABLES = {
    "": "must be CSV or JSON",
    "arch,ms\n": "must have rows, got none",
    f"arch,speed\n{B0},3\n": "must have a column milliseconds, ms, latency_ms, latency, got arch, speed",
    f"network,ms\n{B0},3\n": "must have a column 'arch' or 'layer'",
    "arch,ms\nb0,3\n": r"must have networks in every row \(an architecture must read like",
    f"arch,ms\n{B0},0\n": "must have latencies above 0 and finite in 'ms', got 0 for res224",
    f"arch,ms\n{B0},nan\n{TINY},-2\n": "must have latencies above 0 and finite in 'ms', got -2.0 for res16",
    f"arch,ms\n{B0},inf\n": "must have latencies above 0 and finite in 'ms', got inf for",
    f"arch,ms\n{B0},fast\n": "must have latencies above 0 and finite in 'ms', got 'fast' for",
}


@pytest.mark.parametrize("text", BAD_TABLES)
def test_a_damaged_table_is_refused(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=f"^device table {BAD_TABLES[text]}.*t.csv$"):
        open_device(f"table:{tmp_path / 't.csv'}")


def test_a_network_whose_field_is_empty_is_not_in_the_table(tmp_path):
    (tmp_path / "t.csv").write_text(f"arch,ms\n{B0},\n{TINY},2\n")
    device = open_device(f"table:{tmp_path / 't.csv'}")
    assert device.predict([TINY]).tolist() == [2]
    with pytest.raises(InputError, match="must have a row for the network res224"):
        device.predict([B0])
