"""``nas measure``."""

import json

import pytest

from nas.deploy.measured_graph import onnx_graph
from search_spaces import PRESETS

TINY = "res16-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-head64"
B0 = str(PRESETS["efficientnet-b0"])


BOARD = """command:sh -c 'wc -c < "$0"' {onnx}"""
"""A device: a network takes as many milliseconds as its file has bytes."""


def test_a_list_of_networks_is_measured_here(nas):
    options = ["--seconds", "0.05", "--reference", TINY, "--json"]
    code, out, err = nas("measure", "mobilenet-v2", TINY, *options)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["device"], found["threads"], found["reference"]) == ("cpu", 1, TINY)
    first, second = found["networks"]
    assert (first["name"], first["arch"]) == ("mobilenet-v2", str(PRESETS["mobilenet-v2"]))
    assert first["milliseconds"] > 3 * second["milliseconds"]
    assert second["ratio"] == pytest.approx(1, abs=0.5)


def test_the_terminal_shows_a_table(nas):
    code, out, err = nas("measure", "efficientnet-b0", TINY, "--device", BOARD, "--reference", "none")
    assert (code, err) == (0, "")
    size = f"{len(onnx_graph(PRESETS['efficientnet-b0']).SerializeToString()):.2f}"
    lines = out.splitlines()
    assert lines[0] == f"Latency of one image on {BOARD}:"
    assert lines[2].split() == ["network", "ms", "quartiles", "FLOPs", "px"]
    assert lines[3].split() == ["efficientnet-b0", size, f"{size}-{size}", "386M", "224"]
    assert lines[4].startswith(f"{TINY[:37]}...")


def test_a_table_and_a_run_that_it_does_not_know(nas, tmp_path):
    (tmp_path / "phone.csv").write_text(f"arch,ms\n{B0},31.5\n")
    code, out, _ = nas("measure", "efficientnet-b0", "--device", "table:phone.csv")
    assert (code, out.splitlines()[3].split()) == (0, ["efficientnet-b0", "31.50", "386M", "224"])
    code, out, err = nas("measure", TINY, "--device", "table:phone.csv")
    assert (code, out) == (2, "")
    assert err == f"nas: --device table must have a row for the network {TINY}: phone.csv\n"


def test_random_networks_are_measured_fitted_and_predicted(nas, tmp_path):
    drawn = ["measure", "--space", "mnas", "--device", BOARD, "--networks"]
    options = ["--fit", "latency.json", "--run", "m", "--reference", "mobilenet-v2"]
    code, out, err = nas(*drawn, 20, *options)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith(f"20 networks of mnas on {BOARD}, each predicted from others:")
    assert "ood enough to search on: tau " in out
    assert "Predict:" in out
    before = (tmp_path / "m" / "latency.csv").read_text()
    code, out, err = nas(*drawn, 21, *options, "--json")
    assert (code, err) == (0, "")
    assert (tmp_path / "m" / "latency.csv").read_text().startswith(before)
    model = json.loads(out)
    assert (model["networks"], model["resolution"]) == (21, 224)
    assert model["reference_milliseconds"] == pytest.approx(14e6, rel=0.02)
    code, out, err = nas("measure", "efficientnet-b0", "--device", "predictor:latency.json", "--json")
    assert (code, err) == (0, "")
    assert 10e6 < json.loads(out)["networks"][0]["milliseconds"] < 30e6
    code, out, err = nas("measure", "efficientnet-b1", "--device", "predictor:latency.json")
    assert (code, out) == (2, "")
    assert err.startswith("nas: --device predictor knows the networks of its space at 224 px alone: ")


def test_an_interrupted_survey_says_how_to_go_on(nas, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.deploy.local.LocalDevice.measure", interrupted)
    code, out, err = nas("measure", "--space", "mnas", "--networks", 20, "--run", "m")
    assert (code, err) == (130, "")
    assert out.splitlines()[-1] == (
        "Interrupted; what was measured is kept. Go on with: nas measure --space mnas --networks 20 --run m"
    )


BAD = {
    (): "ARCH must be given, or --networks to draw from --space, got neither",
    (
        "b0",
        "--space",
        "mnas",
        "--networks",
        "9",
    ): "ARCH must be given, or --networks to draw from --space, got both",
    ("--networks", "9"): "--networks must be drawn from a --space, got 9 and none",
    (TINY, "--fit", "l.json"): "--fit needs --networks, got l.json",
    (
        TINY,
        "--device",
        "gpu",
    ): "--device: unknown device 'gpu'; did you mean 'cpu'? Known: cpu, torch-cpu, cuda, "
    "command:PROGRAM, table:FILE, predictor:FILE",
    (
        TINY,
        "--device",
        "command:true {onnx}",
    ): "--device command must print milliseconds, and it printed nothing: true {onnx}",
    (TINY, "--device", "command:echo soon {onnx}", "--reference", "none"): "--device command must print "
    "milliseconds alone, got 'soon ",
    (TINY, "--device", "command:false {onnx}"): "--device command must succeed (exit code 1): false {onnx}",
    (
        TINY,
        "--device",
        "command:sh -c 'sleep 9' {onnx}",
        "--timeout",
        "0.2s",
    ): "--device command must end within 0.2 s, the timeout: sh -c 'sleep 9' {onnx}",
    (
        TINY,
        "--device",
        "command:sh -c 'echo 0' {onnx}",
    ): "--device must give latencies above 0 and finite, got 0.0: ",
    (
        TINY,
        "--device",
        "command:sh -c 'echo nan' {onnx}",
    ): "--device must give latencies above 0 and finite, got nan",
    (TINY, "--threads", "0"): "--threads must be at least 1, got 0",
    (TINY, "--timeout", "soon"): "--timeout must be a time above 0 like 90s, 10m, 1.5h or 1h30m, got 'soon'",
    (
        TINY,
        "--reference",
        "b0",
    ): "--reference is not a file, a preset or an architecture: unknown preset 'b0'",
    ("--space", "mnas", "--networks", "9", "--fit", "l.json"): "--networks must be at least 20 to fit, got 9",
    (
        "--space",
        "mnas",
        "--networks",
        "20",
        "--fit",
        "no/l.json",
    ): "--fit must be a file in a directory that exists, got no/l.json",
    ("--space", "mans", "--networks", "20"): "--space: unknown space 'mans'; did you mean 'mnas'?",
}


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_input_is_one_line_and_exit_code_2(nas, arguments):
    code, out, err = nas("measure", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"nas: {BAD[arguments]}")
    assert err.count("\n") == 1


def test_a_directory_of_other_measurements_is_refused(nas, tmp_path):
    drawn = ["measure", "--space", "mnas", "--networks", 2, "--run", "m", "--reference", "none"]
    assert nas(*drawn, "--device", BOARD)[0] == 0
    code, _, err = nas(*drawn, "--device", BOARD, "--sample-seed", 3)
    assert (code, err) == (2, "nas: --run must be one of the same seed, which is 0 there, got 3: m\n")
