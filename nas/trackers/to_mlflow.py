"""MLflow: a run with the settings and files, and a child run for each trained network.

Where it goes, MLflow itself decides: ``MLFLOW_TRACKING_URI``, ``MLFLOW_EXPERIMENT_NAME`` and so on. A run
directory never says it: one that a stranger wrote could send data anywhere.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from nas.files import locked, own_directory
from nas.trackers.sink import Ending, Trained

EXPERIMENT = "nas"
LONGEST = 500
"""Characters of a parameter that every MLflow takes."""
MOST = 100
"""Parameters, or metrics, in one request."""
STATUS = {"done": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MLflow:
    """Runs of MLflow; those of networks that a killed process left unfinished are made anew."""

    def begin(self, directory: Path, before: str, settings: Mapping[str, str]) -> str:
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # it says when it makes a file
        with locked(own_directory() / "mlflow.lock", waiting=lambda: None):  # two would break a new database
            self.client = MlflowClient()
        self.children: dict[str, str] = {}  # name -> MLflow's id
        self.known: frozenset[str] = frozenset()
        self.front: set[str] = set()  # names of those that were on it when the run was interrupted
        self.last = 0  # epoch of the run's own curve
        if not before or not self._go_on(before):
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
            found = self.client.get_experiment_by_name(name)
            self.experiment = found.experiment_id if found else self.client.create_experiment(name)
            self.run = self.client.create_run(self.experiment, run_name=directory.resolve().name).info.run_id
        self._settings(settings)
        return str(self.run)

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        if name or epoch > self.last:
            self.client.log_batch(self._child(name) if name else self.run, metrics(values, epoch))

    def again(self, name: str) -> None:
        if name in self.children:
            self.client.delete_run(self.children.pop(name))

    def trained(self, network: Trained) -> None:
        child = self._child(network.name)
        final = metrics({f"final/{key}": value for key, value in network.values.items()}, 0)
        params = [Param(named(key), value[:LONGEST]) for key, value in network.decisions.items()]
        tags = [] if network.error is None else [RunTag("error", network.error[:LONGEST])]
        self.client.log_batch(child, final, params[:MOST], tags)
        if network.step is not None:
            part = network.name.rpartition("/")[0] or "trials"
            values = {f"{part}/{key}": value for key, value in network.values.items()}
            self.client.log_batch(self.run, metrics(values, network.step))
        self.client.set_terminated(child, "FINISHED" if network.error is None else "FAILED")

    def end(self, ending: Ending) -> None:
        for name in self.front.difference(ending.names):
            self.client.delete_tag(self.children[name], "front")
        for name in (name for name in ending.names if name in self.children):
            self.client.set_tag(self.children[name], "front", "true")
        for file in ending.files:
            self.client.log_artifact(self.run, str(file))
        self.client.set_terminated(self.run, STATUS[ending.how])

    def _go_on(self, before: str) -> bool:
        """Opens a run again, and finds its children; False if it is not there."""
        try:
            found = self.client.get_run(before)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        if found.info.lifecycle_stage == "deleted":
            return False
        self.run, self.experiment = before, found.info.experiment_id
        self.client.update_run(before, status="RUNNING")
        self.last = max((one.step for one in self.client.get_metric_history(before, "accuracy")), default=0)
        token, known = None, set()
        while token != "":
            page = self.client.search_runs(
                [self.experiment], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{before}'", page_token=token
            )
            for child in page:
                if child.info.status == "RUNNING":
                    self.client.delete_run(child.info.run_id)
                else:
                    known.add(child.info.run_name)
                    self.front |= {child.info.run_name} if "front" in child.data.tags else set()
                    self.children[child.info.run_name] = child.info.run_id
            token = page.token or ""
        self.known = frozenset(known)
        return True

    def _child(self, name: str) -> str:
        """The run of a network."""
        if name not in self.children:
            tags = {MLFLOW_PARENT_RUN_ID: self.run}
            made = self.client.create_run(self.experiment, tags=tags, run_name=name)
            self.children[name] = made.info.run_id
        return self.children[name]

    def _settings(self, values: Mapping[str, str]) -> None:
        """Sets the run's parameters; those of a resumed run that have another value by now are tags."""
        there = self.client.get_run(self.run).data.params
        new = {named(key): value[:LONGEST] for key, value in values.items()}
        params = [Param(key, value) for key, value in new.items() if key not in there]
        for first in range(0, len(params), MOST):
            self.client.log_batch(self.run, params=params[first : first + MOST])
        changed = [RunTag(key, value) for key, value in new.items() if there.get(key, value) != value]
        if changed:
            self.client.log_batch(self.run, tags=changed)


def metrics(values: Mapping[str, float], step: int) -> list[Metric]:
    """Points of curves, as MLflow takes them."""
    now = int(time.time() * 1000)
    return [Metric(named(key), value, now, step) for key, value in values.items()]


def named(key: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w./ -]", "-", key)
