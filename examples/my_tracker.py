"""A tracker of your own: a line of JSON for each trained network, for whatever reads such files."""

import json
from pathlib import Path

import nas


class Lines(nas.Listener):
    """Writes RUN/trials.jsonl; of a resumed run it begins with the trials that there were."""

    def on_made(self, directory: Path):
        self.file = directory / "trials.jsonl"

    def on_start(self, settings, finished, standing):
        self.file.write_text("".join(map(line, finished)))

    def on_finish(self, row, outcome, standing):
        with self.file.open("a") as file:
            file.write(line(row))


def line(row):
    """One trial."""
    return json.dumps({"trial": row.trial, "accuracy": row.accuracy, "flops": row.flops}) + "\n"
