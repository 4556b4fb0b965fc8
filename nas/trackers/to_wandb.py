"""Weights & Biases: one run, with the curves of each network and tables of the front.

Where it goes, wandb itself decides: ``WANDB_PROJECT``, ``WANDB_MODE=offline`` and so on. Offline, a resumed
run is a second directory with the same id, which ``wandb sync`` joins to the first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import wandb

from nas.trackers.sink import Ending, Trained

PROJECT = "nas"
OFFLINE = ("offline", "dryrun", "disabled")
EXIT = {"done": 0, "interrupted": 130, "failed": 1}


class Everything(frozenset[str]):
    """The names of all networks: wandb cannot tell which of them it has."""

    def __contains__(self, _: object) -> bool:
        return True


class WandB:
    """A run of Weights & Biases, whose files are in ``RUN/wandb``.

    A resumed run is told only what happens from then on; the table of all trials is whole.
    """

    known: frozenset[str] = frozenset()

    def begin(self, directory: Path, before: str, settings: Mapping[str, str]) -> str:
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=os.environ.get("WANDB_NAME") or directory.resolve().name,
            id=before or None,
            resume="allow",
            dir=str(directory.resolve()),  # wandb's own process may stand elsewhere
            config=dict(settings),
            settings=wandb.Settings(silent=True, console="off"),
        )
        self.parts: set[str] = set()
        self.known = Everything() if before else frozenset()
        return str(self.run.id)

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        self._log(f"curves/{name}" if name else "training", "epoch", epoch, values)

    def again(self, name: str) -> None:
        """Its curve begins a second time: nothing is taken back."""

    def trained(self, network: Trained) -> None:
        part = network.name.rpartition("/")[0] or "trials"
        if network.step is None:
            self.run.summary.update({f"{network.name}/{key}": value for key, value in network.values.items()})
        else:
            self._log(part, "trial", network.step, network.values)

    def end(self, ending: Ending) -> None:
        for name, frame in {"front": ending.front, "trials": ending.trials}.items():
            if len(frame):
                self.run.log({name: wandb.Table(dataframe=frame.drop(columns="actions").astype(str))})
        if ending.files:
            artifact = wandb.Artifact(f"report-{self.run.id}", "report")
            for file in ending.files:
                artifact.add_file(str(file))
            self.run.log_artifact(artifact)
        self.run.finish(exit_code=EXIT[ending.how])

    def _log(self, part: str, by: str, step: int, values: Mapping[str, float]) -> None:
        """A point of the curves of ``part``, whose x axis is ``by``."""
        if part not in self.parts:
            self.parts.add(part)
            self.run.define_metric(f"{part}/*", step_metric=f"{part}/{by}")
        self.run.log({f"{part}/{by}": step, **{f"{part}/{key}": value for key, value in values.items()}})


def refusal() -> str | None:
    """Why nothing could be told; None if it could."""
    if os.environ.get("WANDB_MODE") in OFFLINE or wandb.login(prompt=False, verify=False):
        return None
    return "needs wandb login, or WANDB_MODE=offline in the environment"
