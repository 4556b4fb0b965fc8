"""A sign of life from inside a training run: another thread sees it grow, or stand still."""

from __future__ import annotations


class Pulse:
    """Counts what this process has done."""

    count = 0

    def beat(self) -> None:
        """Something is done: a training step, or a batch that was evaluated."""
        self.count += 1


PULSE = Pulse()
"""Of this process."""
