"""What trackers have of a run, by their own readers."""

import json
import struct

import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2


def tensorboard(directory):
    """What TensorBoard reads in a directory of its own."""
    events = EventAccumulator(str(directory))
    events.Reload()
    return events


def points(events, tag):
    """(step, value) of a curve."""
    return [(point.step, point.value) for point in events.Scalars(tag)]


def near(curve):
    """A curve as it is expected; TensorBoard has 32 bits."""
    return [(step, pytest.approx(value, rel=1e-6)) for step, value in curve]


def text(events, tag):
    """A text."""
    return events.Tensors(f"{tag}/text_summary")[0].tensor_proto.string_val[0].decode()


def children(run_id):
    """The runs of MLflow under a run, by name; each name stands once."""
    client = MlflowClient()
    (experiment,) = [one for one in client.search_experiments() if one.name == "nas"]
    where = f"tags.`mlflow.parentRunId` = '{run_id}'"
    found = client.search_runs([experiment.experiment_id], where, max_results=1000)
    named = {child.info.run_name: child for child in found}
    assert len(named) == len(found)
    return named


def wandb_records(directory):
    """The records of all offline runs in a run's directory: LevelDB's log format, with protobufs in it."""
    for path in sorted(directory.glob("wandb/offline-run-*/run-*.wandb")):
        data, place, whole = path.read_bytes(), 7, b""
        while place + 7 <= len(data):
            room = 32768 - place % 32768
            if room < 7:
                place += room
                continue
            _, length, kind = struct.unpack("<IHB", data[place : place + 7])
            whole += data[place + 7 : place + 7 + length]
            place += 7 + length
            if kind in (1, 4):  # whole, or its last part
                record = wandb_internal_pb2.Record()
                record.ParseFromString(whole)
                yield record
                whole = b""


def ids(run):
    """``trackers.json``."""
    return json.loads((run / "trackers.json").read_text())
