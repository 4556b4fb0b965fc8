"""Runs trials on Ray: a loop hands them to warm workers, and tells our search what they do.

    Search.next() --> an idle worker --epochs, Outcome--> Search.epoch(), Search.finish()

What a trial itself does wrong is its outcome. A worker that dies, hangs, or goes with its machine does not
fail its trial: that runs again, elsewhere if there is an elsewhere, from the same seed, and the controller
hears nothing of it. Workers come and go with the machines there are, and share them with other searches.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from nas.errors import InputError, NasError, RunError, command
from nas.launch.asha import Asha
from nas.launch.cluster import Head
from nas.launch.placement import fit
from nas.launch.seat import Seat
from nas.launch.sharing import Share, sharing
from nas.launch.worker import BEAT, Whose, Worker, end, last_sign, why_it_died
from nas.search.loop import Search
from nas.spec.resources import Resources
from nas.spec.trial import Epoch, Evaluator, Outcome, Trial

# isort: split
import ray
from ray.exceptions import RayError, RayTaskError

SILENT = 60.0
"""A worker without a sign of life for so many seconds has hung, or its machine is gone."""
STUCK = 300.0
"""So has one that lives, but trains nothing, if its training runs count their steps."""
SLOW, SLOWEST = 10.0, 600.0
"""So has one whose trial takes so many times as long as the longest so far, and at least so many seconds."""
LOOK = 2.0
"""Seconds between looks at the size of the cluster."""
PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a lost trial runs again; each further time twice as many, but no more than the second."""
MACHINES = 100
"""A machine that goes is no fault of its trials; one that lost so many may have taken them down."""
STARTS = 8
"""So many workers that die in a row before they can train end the search."""
WAITING = 30.0
"""After so many seconds without a worker the user is told why nothing happens."""


@dataclass
class Workers:
    """All workers of a search.

    Args:
        resources: with workers None, there are as many as there is room for.
        lost: when they may run again, and trials that were lost with their worker.
        losses: how often each trial was, and with what.
        longest: seconds of the longest training run so far, from its first epoch to its last.
        failed_starts: workers that died one after another before they could train.
        most: workers that there should be now.
    """

    search: Search
    shared: Any
    resources: Resources
    share: Share
    head: Head
    asha: Asha | None
    seats: list[Seat] = field(default_factory=list)
    lost: list[tuple[float, Trial]] = field(default_factory=list)
    losses: Counter[tuple[Trial, Whose]] = field(default_factory=Counter)
    longest: float = 0.0
    failed_starts: int = 0
    most: int = 1
    looked: float = float("-inf")
    watched: float = float("-inf")
    ready: float = field(default_factory=time.monotonic)  # when there last was a worker

    def run(self) -> None:
        """Runs trials until the search is done. Raises as ``run_ray``."""
        try:
            while not self.search.done:
                self._adjust()
                self.search.session.staff(sum(seat.place is not None for seat in self.seats))
                self._hand_out()
                self._collect()
                self._watch()
        finally:
            if self.head.answers:
                for seat in list(self.seats):
                    self._dismiss(seat)

    def _adjust(self) -> None:
        """Starts workers while there is room and work for more, and dismisses idle ones beyond that."""
        now = time.monotonic()
        unused = [seat for seat in self.seats if seat.place is None or seat.step is None]
        for seat in unused[: max(0, len(self.seats) - self.most)]:
            self._dismiss(seat)
        if now - self.looked < LOOK and len(self.seats) >= self.most:
            return
        self.looked = now
        if not self.head.look():
            return
        self.most = self._wanted()
        while len(self.seats) < self.most:
            self._start()
        if any(seat.place for seat in self.seats):
            self.ready = now
        elif now - self.ready > WAITING:
            self.ready = float("inf")  # it is said once
            self.search.listener.say(f"No worker yet: no machine has {self.resources.seat} to spare.")

    def _wanted(self) -> int:
        """How many workers there should be."""
        standing, others = self.search.standing, self.share.searches()
        left = standing.trials + standing.confirmations - standing.finished - standing.confirmed
        if self.resources.workers:
            return min(self.resources.workers, max(1, left))
        try:
            room = fit(self.resources, ray.cluster_resources()).workers or 1
        except InputError:  # no machine is large enough any more; another may come
            room = 1
        return max(1, min(room // others, left))

    def _start(self) -> None:
        slots = {seat.slot for seat in self.seats}
        slot = next(number for number in range(len(slots) + 1) if number not in slots)
        name = f"worker {uuid.uuid4().hex}"
        cpus, gpus = self.resources.cpus_per_trial, self.resources.gpus_per_trial or 0
        actor: Any = ray.remote(num_cpus=cpus, num_gpus=gpus)(Worker).remote()
        self.seats.append(Seat(slot, name, actor, actor.prepare.remote(self.shared, name)))

    def _dismiss(self, seat: Seat) -> None:
        self.seats.remove(seat)
        end(seat.actor, seat.place, seat.name)

    def _hand_out(self) -> None:
        """Gives trials to idle workers: lost ones after their pause, then new ones."""
        for seat in self.seats:
            if seat.step is not None:
                continue
            now = time.monotonic()
            trial = next((trial for due, trial in self.lost if due <= now), None)
            self.lost = [(due, other) for due, other in self.lost if other is not trial]
            trial = trial or self.search.next()
            if trial is None:
                return
            seat.trial, seat.began, seat.heard, seat.moved = trial, now, now, now
            seat.step = seat.actor.begin.remote(trial, seat.worker)

    def _collect(self) -> None:
        """Waits until workers have done something, and takes it."""
        busy = {seat.step: seat for seat in self.seats if seat.step is not None}
        due = min((due for due, _ in self.lost), default=float("inf")) - time.monotonic()
        seconds = max(0.01, min(due, LOOK))
        if not busy:
            time.sleep(seconds)
            return
        done, going = ray.wait(list(busy), timeout=seconds)
        if done and going:
            done += ray.wait(going, num_returns=len(going), timeout=0)[0]
        for step in done:
            self._take(busy[step])

    def _take(self, seat: Seat) -> None:
        """Takes what a worker has done."""
        try:
            step = ray.get(seat.step)
        except RayTaskError as error:
            self._refuse(seat, error.cause)
            return
        except RayError as error:
            self._lose(seat, *why_it_died(error))
            return
        seat.heard = seat.moved = time.monotonic()
        self.failed_starts = 0
        if seat.trial is None:
            seat.place, seat.step = step, None
        elif isinstance(step, Outcome):
            self._finish(seat, step)
        else:
            self._go_on(seat, seat.trial, step)

    def _go_on(self, seat: Seat, trial: Trial, epoch: Epoch) -> None:
        """Lets a worker train the next epoch, or ends its trial if ASHA says so."""
        self.search.epoch(trial, epoch)
        if self.asha and not trial.confirms and self.asha.stops(trial.trial, epoch.epoch, epoch.accuracy):
            measured = None, epoch.images_per_second, epoch.peak_memory, None, epoch.measures or {}
            self._finish(seat, Outcome(epoch.accuracy, epoch.epoch, epoch.seconds, seat.worker, *measured))
        else:
            seat.step = seat.actor.step.remote()

    def _finish(self, seat: Seat, outcome: Outcome) -> None:
        assert seat.trial
        if outcome.epochs and outcome.accuracy is not None:
            whole = self.search.trainings.epochs or outcome.epochs  # ASHA may have stopped it
            self.longest = max(self.longest, whole / outcome.epochs * outcome.seconds)
        trial, seat.trial, seat.step = seat.trial, None, None
        self.search.finish(trial, outcome)

    def _refuse(self, seat: Seat, cause: BaseException) -> None:
        """A worker cannot begin: it has no evaluator, or that says itself that no network is to blame."""
        if isinstance(cause, NasError):
            raise RunError(str(cause)) from cause
        self._dismiss(seat)
        trial = seat.trial or self.search.next()
        if trial:
            whole = f"{type(cause).__name__}: {cause}".strip()
            reason = whole.splitlines()[-1] if isinstance(cause, RayError) else whole  # Ray has a traceback
            self.search.finish(trial, Outcome(None, 0, 0.0, "", reason))

    def _lose(self, seat: Seat, reason: str, whose: Whose) -> None:
        """A worker is gone; its trial has failed only if it is to blame, or was lost too often."""
        self._dismiss(seat)
        trial = seat.trial
        if trial is None:
            self.failed_starts += whose != "machine"
            if self.failed_starts >= STARTS:
                raise RunError(f"workers die before they can train: {reason}")
            return
        self.losses[trial, whose] += 1
        times = self.losses[trial, whose]
        if times > {"trial": 0, "worker": self.resources.max_retries, "machine": MACHINES}[whose]:
            again = f", {times} times" if times > 1 else ""
            seconds = time.monotonic() - seat.began
            self.search.finish(trial, Outcome(None, 0, seconds, seat.worker, reason + again))
        else:
            self.search.retry(trial, reason)
            pause = min(PAUSE * 2 ** (times - 1), LONGEST_PAUSE)
            self.lost.append((time.monotonic() + pause, trial))

    def _watch(self) -> None:
        """Ends workers that hang, and trials that take too long."""
        now = time.monotonic()
        if now - self.watched < BEAT or not self.head.answers:
            return
        self.watched = now
        longest, timeout = max(SLOW * self.longest, SLOWEST), self.resources.trial_timeout
        for seat in [seat for seat in self.seats if seat.trial]:
            seconds = now - seat.began
            if timeout and seconds > timeout:
                self._lose(seat, f"it took longer than {timeout:g} s, its time limit", "trial")
            elif now - seat.heard > BEAT and (reason := self._hangs(seat, now)):
                self._lose(seat, reason, "worker")
            elif self.longest and not timeout and seconds > longest:
                self._lose(seat, f"it took {longest:.0f} s, {SLOW:g} times as long as others", "worker")

    def _hangs(self, seat: Seat, now: float) -> str | None:
        """Why a worker is taken for dead, if it is."""
        sign = last_sign(seat.name)
        if sign.beats != seat.sign.beats:
            seat.heard = now
        if sign.steps != seat.sign.steps or not sign.steps:
            seat.moved = now
        seat.sign = sign
        if now - seat.heard > SILENT:
            return f"its worker gave no sign of life for {SILENT:.0f} s"
        if now - seat.moved > STUCK:
            return f"its worker trained nothing for {STUCK:.0f} s"
        return None


def run_ray(search: Search, evaluator: Evaluator, resources: Resources) -> None:
    """Runs the trials on the open cluster, under ASHA if ``search.trainings.epochs`` is not None.

    Args:
        resources: with workers None, as many as there is room for at any time, shared with other searches.

    Raises:
        RunError: if the journal cannot be written, no worker can start, or the evaluator says that no network
            is to blame for its error.
    """
    asha = None if search.trainings.epochs is None else Asha(search.trainings.epochs, search.journal.curves())
    with sharing(resources.address, ray.get_runtime_context().get_session_name()) as share, search.session:
        head = Head(command("resume", search.journal.directory))
        Workers(search, ray.put(evaluator), resources, share, head, asha).run()
