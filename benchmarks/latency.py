"""How well is latency predicted from few measured networks, and how still does a measurement stand?

    python benchmarks/latency.py
    python benchmarks/latency.py --own 300 --new 100 --run runs/latency
    python benchmarks/latency.py --busy
    python benchmarks/latency.py --exporter

Without options: the regression of ``nas measure --fit`` on the six devices of Accel-NASBench, fitted on 300
random networks and judged on all others, the mean of five draws. MACs stand beside it. ``--own N`` measures
N random networks of ``mnas`` at 224 px on this machine's CPU, by onnxruntime on one thread, and judges by
10-fold cross-validation; with ``--new M``, M further ones are measured that are not fitted. It goes on in
``--run``.
``--busy`` measures EfficientNet-B0 twice on the machine as it is, then with a busy second core, then with
a busy process on every core. ``--exporter`` compares the graphs that are measured with those that
``torch.onnx.export`` writes, in one process and in turns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from script import ACCEL_TABLE, make_parser, print_marks

from nas.deploy.device import Conditions
from nas.deploy.devices import open_device
from nas.deploy.latency_features import Features
from nas.deploy.latency_model import fit, judge
from nas.deploy.session import Request
from nas.deploy.survey import asked_of, fit_survey, ratios_of, survey
from nas.launch.draw import draw_networks
from search_spaces import PRESETS, SPACES, ArchSpec
from search_spaces.cost_table import CostTable

NETWORKS, DRAWS = 300, 5
DEVICES = {
    "A100": "throughput_a100_mean",
    "RTX 3090": "throughput_3090_mean",
    "ZCU102": "latency_zcu102_mean",
    "VCK190": "latency_vck190_mean",
    "TPUv2": "throughput_tpuv2_mean",
    "TPUv3": "throughput_tpuv3_mean",
}
"""Columns of latencies in ms, or of images per second, whose inverse is the time for an image."""
MARKED = ("A100", "RTX 3090", "ZCU102", "VCK190")
CONDITIONS = Conditions(reference=PRESETS["efficientnet-lite0"])


def known_devices() -> dict[str, bool]:
    """The regression on Accel-NASBench's columns."""
    space = SPACES["accel-nasbench"]
    frame = pd.read_csv(ACCEL_TABLE)
    columns = [
        frame[decision.name].map(decision.choices.index).to_numpy(np.int64) for decision in space.decisions
    ]
    actions = np.stack(columns, axis=1)  # [N, D]
    make = Features(space)
    features, flops = make(actions), CostTable(space)(actions)[:, 0]
    marks = {}
    print(f"{'':10} networks  MACs' tau    tau  within 10 %  median error")
    for name, column in DEVICES.items():
        values = frame[column].to_numpy(np.float64)
        latencies = 1000 / values if "throughput" in column else values
        known = np.flatnonzero(np.isfinite(latencies) & (latencies > 0))
        found = []
        for draw in range(DRAWS):
            order = np.random.default_rng(draw).permutation(known)
            fitted, rest = order[:NETWORKS], order[NETWORKS:]
            _, intercept, weights = fit(features[fitted], make.names, latencies[fitted])
            found.append(judge(intercept + features[rest] @ weights, latencies[rest], flops[rest]))
        tau, within, error, macs = (
            float(np.mean([getattr(one, field) for one in found]))
            for field in ("tau", "within", "error", "flops_tau")
        )
        print(f"{name:10} {len(known):8} {macs:11.3f} {tau:6.3f} {within:12.1%} {error:13.1%}", flush=True)
        if name in MARKED:
            marks[f"{name}: tau at least 0.97, 97 % within 10 %"] = tau >= 0.97 and within >= 0.97
    return marks


def own_cpu(networks: int, new: int, directory: Path) -> dict[str, bool]:
    """Networks of ``mnas``, measured here."""
    space = SPACES["mnas"]
    device = open_device("cpu", CONDITIONS)
    archs = [ArchSpec.parse(text) for text in draw_networks(space, networks + new, 0)]
    began = time.monotonic()

    def on_row(number: int, _table: pd.DataFrame) -> None:
        if number % 20 == 0:
            print(f"{number} measured, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    table = survey(archs, device, directory, asked_of(space, device, CONDITIONS, 0), on_row)
    given, rest = table.iloc[:networks], table.iloc[networks:]
    model = fit_survey(given, space, device, CONDITIONS)
    print(f"{networks} networks of mnas at {model.resolution} px on this CPU, onnxruntime, one thread")
    ms, reference = table["milliseconds"], table["reference_milliseconds"]
    noise = f"the reference {reference.min():.2f} to {reference.max():.2f} ms"
    print(f"{ms.min():.1f} to {ms.max():.1f} ms; {noise}")
    print(f"the core was theirs for {table['core_share'].median():.0%} of the time (median)")
    kinds = {"cross-validated": model.held_out}
    if new:
        features = Features(space)
        actions = np.array([space.encode(arch) for arch in archs])
        weights = np.array([model.coefficients.get(name, 0.0) for name in features.names])
        predicted = model.intercept + features(actions[networks:]) @ weights
        measured = (ratios_of(rest) * model.reference_milliseconds).to_numpy()
        flops = CostTable(space)(actions[networks:])[:, 0]
        kinds[f"{new} new networks"] = judge(predicted, measured, flops)
    print(f"{'':20} FLOPs' tau    tau  within 10 %  median error")
    for kind, found in kinds.items():
        figures = f"{found.flops_tau:11.3f} {found.tau:6.3f} {found.within:12.1%} {found.error:13.1%}"
        print(f"{kind:20}{figures}")
    found = model.held_out
    return {"own CPU: tau at least 0.95, 90 % within 10 %": found.tau >= 0.95 and found.within >= 0.9}


def spin(cpu: int) -> None:
    """Keeps a core busy."""
    os.sched_setaffinity(0, {cpu})
    while True:
        sum(range(10_000))


def busy_cores() -> dict[str, bool]:
    """EfficientNet-B0, beside processes that keep cores busy."""
    cpus = sorted(os.sched_getaffinity(0))
    device = open_device("cpu", CONDITIONS)
    ratios = []
    kinds: dict[str, list[int]] = {
        "as it is": [],
        "again": [],
        "second core busy": cpus[:-1],
        "all busy": cpus,
    }
    print(f"{'':18}     ms  reference  core share  ratio")
    for kind, busy in kinds.items():
        others = [multiprocessing.Process(target=spin, args=(cpu,), daemon=True) for cpu in busy]
        for other in others:
            other.start()
        found = device.measure(PRESETS["efficientnet-b0"])
        for other in others:
            other.kill()
            other.join()
        assert found.ratio
        assert found.core_share
        figures = f"{found.milliseconds:7.2f} {found.reference_milliseconds:10.2f} {found.core_share:11.0%}"
        print(f"{kind:18}{figures} {found.ratio:6.3f}", flush=True)
        ratios.append(found.ratio)
    moved = max(ratios) / min(ratios) - 1
    print(f"the ratio moves by {moved:.1%}")
    return {"the ratio moves by at most 5 %": moved <= 0.05}


def exporters() -> dict[str, bool]:
    """Our own graph writer beside torch's exporter."""
    import torch

    from nas.deploy.measured_graph import onnx_graph
    from search_spaces.network import build_network

    space = SPACES["mnas"]
    archs = {name: PRESETS[name] for name in ("efficientnet-b0", "efficientnet-lite0")}
    archs["one of mnas"] = space.decode(space.sample(np.random.default_rng(0)))
    ratios = []
    with tempfile.TemporaryDirectory() as directory:
        ours, theirs = Path(directory, "ours.onnx"), Path(directory, "theirs.onnx")
        for name, arch in archs.items():
            began = time.perf_counter()
            ours.write_bytes(onnx_graph(arch).SerializeToString())
            written = time.perf_counter()
            network, images = build_network(arch, 1000).eval(), torch.zeros(1, 3, 224, 224)
            torch.onnx.export(network, (images,), theirs, dynamo=True, external_data=False, verbose=False)
            exported = time.perf_counter()
            asked = Request("cpu", str(theirs), 224, str(ours), 224, 1, 1, 1000, 3.0)
            command = [sys.executable, "-m", "nas.deploy.session"]
            answer = subprocess.run(
                command, input=json.dumps(asked), capture_output=True, text=True, check=True
            )
            found = json.loads(answer.stdout)
            ratios.append(found["ratio"])
            print(
                f"{name:20} written in {written - began:.2f} s, exported in {exported - written:.1f} s; "
                f"{found['reference_milliseconds']:.2f} ms and {found['milliseconds']:.2f} ms, "
                f"ratio {found['ratio']:.3f}",
                flush=True,
            )
    return {"within 5 % of the exporter": all(abs(ratio - 1) <= 0.05 for ratio in ratios)}


def main(arguments: argparse.Namespace) -> int:
    """Runs what is asked for; the exit code."""
    if arguments.busy:
        return print_marks(busy_cores())
    if arguments.exporter:
        return print_marks(exporters())
    if arguments.own:
        return print_marks(own_cpu(arguments.own, arguments.new, arguments.run))
    return print_marks(known_devices())


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--own", type=int, metavar="N", help="measure N networks on this CPU")
    parser.add_argument("--new", type=int, default=0, metavar="M", help="and M more that are not fitted")
    parser.add_argument("--run", type=Path, default=Path("runs/latency"), help="where these are kept")
    parser.add_argument("--busy", action="store_true", help="measure one network beside busy cores")
    parser.add_argument("--exporter", action="store_true", help="compare with torch.onnx.export")
    raise SystemExit(main(parser.parse_args()))
