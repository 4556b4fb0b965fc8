"""The one search loop: ask, price, train, journal, tell.

    next() -- Trial --> an executor -- epochs, Outcome --> finish()

``Search`` is the loop's state; an executor decides where and when trials run. Each step is in the journal
before the listener is told. A controller is a pure function of its seed and the order of asks and tells, so
replaying the journal's events restores it; a slow one is also saved now and then, and only later events are
replayed.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque

from controllers import Controller, Observer
from nas.search.ending import SECONDS, ended
from nas.search.events import check_events
from nas.search.journal import Journal
from nas.search.learning_curves import final_accuracy
from nas.search.measures import NONE, Measures, measured
from nas.search.session import Session
from nas.search.trainings import Trainings
from nas.spec.listener import Listener, Standing
from nas.spec.objective import Objective
from nas.spec.seeds import trial_seed
from nas.spec.trial import Epoch, Outcome, Row, Trial
from search_spaces import ArchSpec, Built, SearchSpace

GIVE_UP_AFTER = 5
"""This many failures without a success end a search, because the networks are not to blame."""

MOST_WAITING = 8
"""Proposals that may wait for a network that is being trained; beyond this many, proposing stops."""

SAVE_EVERY = 5.0
"""Seconds of thinking after which a controller is saved: the most that a resumed search repeats."""


class Search:
    """A search in progress, new or resumed from its journal.

    Args:
        trainings: those to make, the ones already in the journal included.
        listener: told of every epoch, finished trial and confirmation, after the journal and the controller.
        measures: costs beyond ``Cost`` that are predicted before a trial; others come with its outcome.
    """

    def __init__(
        self,
        space: SearchSpace,
        controller: Controller,
        objective: Objective,
        journal: Journal,
        trainings: Trainings,
        *,
        listener: Listener | None = None,
        measures: Measures = NONE,
    ) -> None:
        self.space, self.controller, self.objective, self.journal = space, controller, objective, journal
        self.trainings, self.listener, self.measures = trainings, listener or Listener(), measures
        self.trials = trainings.trials
        """Proposals to make in all; fewer than were asked for if ``session.ends`` comes first."""
        self.session = Session(journal)
        self.confirmed = 0, trainings.confirm.most(trainings.trials)
        """Finished confirmations and their total, an upper bound until all trials have finished."""
        self.rows: dict[int, Row] = {}
        self.running: set[Trial] = set()
        self.gave_up: str | None = None
        self.replayed_exactly = True
        self._saved = 0.0  # the controller's seconds when it was saved
        self._longest = 0.0  # seconds of a trial
        self._failures = 0  # in this process; a resumed search counts anew
        self._successes = 0
        self._queue: deque[Trial] = deque()  # to start before anything new is proposed
        self._told: dict[int, float | None] = {}  # trial -> the reward that the controller was told
        self._trainer: dict[str, int] = {}  # arch -> the trial that trains it or has trained it
        self._waiting: defaultdict[int, list[int]] = defaultdict(list)  # trainer -> its twins
        self._restore()

    @property
    def done(self) -> bool:
        """Whether nothing is running, and nothing will be started any more."""
        return not (self.running or self._queue) and (self.gave_up is not None or self._left == 0)

    @property
    def standing(self) -> Standing:
        """How far the search has come."""
        return Standing(self.trials, len(self._told), len(self.running), *self.confirmed)

    @property
    def _left(self) -> int:
        return self.trials - len(self.rows)

    def next(self) -> Trial | None:
        """The next network to train; None if there is nothing to start now (or ever: ``done``)."""
        if self.gave_up is not None:
            return None
        trial = self._queue.popleft() if self._queue else self._propose()
        if trial is not None:
            self.running.add(trial)
        return trial

    def epoch(self, trial: Trial, epoch: Epoch) -> None:
        """A running trial has finished an epoch."""
        if not trial.confirms:
            self.journal.epoch(trial.trial, epoch)
        self.listener.on_epoch(trial, epoch, self.standing)

    def finish(self, trial: Trial, outcome: Outcome) -> None:
        """A running trial has ended."""
        self.running.remove(trial)
        self.session.train(outcome.seconds)
        if trial.confirms:
            if trial.baseline:
                known = measured(self.measures, trial.arch) | self.space.price(trial.arch)
                self.journal.baseline(trial, outcome, outcome.costs | known)
            else:
                self.journal.confirm(trial.trial, trial.seed, outcome)
            self.confirmed = self.confirmed[0] + 1, self.confirmed[1]
            self.listener.on_confirm(trial, outcome, self.standing)
            return
        self._tell(trial.trial, outcome)
        for twin in self._waiting.pop(trial.trial, []):
            self._repeat(twin, outcome)
        self._confirm_when_all_are_told()

    def retry(self, trial: Trial, reason: str) -> None:
        """A running trial was lost with its worker, and will run again; the controller hears nothing."""
        if trial.baseline:  # it has no number of its own
            self.journal.retry(0, f"{trial.baseline}: {reason}")
        else:
            self.journal.retry(trial.trial, reason)
        self.listener.on_retry(trial, reason, self.standing)

    def _propose(self) -> Trial | None:
        """Asks until the controller names a network that is new to the run."""
        while self._left and sum(map(len, self._waiting.values())) < MOST_WAITING and self._has_time():
            actions = self.session.think(self.controller.ask)
            arch = self.space.decode(actions)
            number, text = len(self.rows), str(arch)
            twin = None if self.trainings.repeats else self._trainer.get(text)
            status = "waiting" if twin is not None and self.rows[twin].status == "running" else "running"
            seed = trial_seed(self.trainings.seed, number)
            costs = self._costs(arch)
            flops = int(costs["flops"]) if "flops" in costs else None
            row = Row(number, status, text, actions, flops, seed, repeat_of=twin, costs=costs)
            self.journal.ask(row)
            if self.session.controller_seconds - self._saved > SAVE_EVERY:
                self.journal.save_controller(self.controller.state_dict())
                self._saved = self.session.controller_seconds
            self.rows[number] = row
            if wrong := [name for name in self.measures if name not in costs]:
                self._tell(number, Outcome(None, 0, 0.0, "", f"{wrong[0]} of this network is not known"))
                continue
            if twin is None:
                self._trainer[text] = number
                return Trial(number, arch, seed)
            self._follow(row)
        self._confirm_when_all_are_told()
        return self._queue.popleft() if self._queue else None

    def _has_time(self) -> bool:
        """Whether another trial and then all confirmations would end in time; if not, no more trials begin.

        A trial or a baseline is expected to take as long as the longest trial so far, a confirmation as long
        as its own trial.
        """
        if self.session.ends == math.inf or not (self._successes or self.running):
            return True
        confirm, left, longest = self.trainings.confirm, self._confirmations(), self._longest
        again = [longest if one.baseline else self._seconds(self.rows[one.trial]) for one in left]
        again += [longest] * confirm.seeds * max(0, confirm.networks - self._successes)
        if self.session.fits(longest, again):
            return True
        why = ", which leaves time to train the best again" if again else ""
        made = f"{len(self.rows)} of {self.trials} trials"
        self.listener.say(f"Time is nearly up: after {made} no other begins{why}.")
        self.trials, self.session.stopped = len(self.rows), True
        return False

    def _seconds(self, row: Row) -> float:
        """How long a trial takes that is trained to the end."""
        share = self.trainings.epochs / row.epochs if self.trainings.epochs and row.epochs else 1.0
        return share * (row.seconds or 0.0)

    def _costs(self, arch: Built) -> dict[str, float]:
        """All costs that are known before a trial."""
        found = measured(self.measures, arch)
        positive = {name: value for name, value in found.items() if 0 < value < math.inf}
        return {**{name: float(value) for name, value in self.space.price(arch).items()}, **positive}

    def _follow(self, row: Row) -> None:
        """Handles a proposal of a network that another trial has trained or is training."""
        assert row.repeat_of is not None
        twin = self.rows[row.repeat_of]
        if twin.status == "running":
            self._waiting[twin.trial].append(row.trial)
        else:
            outcome = Outcome(twin.accuracy, 0, 0.0, "", twin.error, measures=twin.costs)
            self._repeat(row.trial, outcome)

    def _repeat(self, number: int, outcome: Outcome) -> None:
        """Tells the outcome of a trial's twin again, at no cost of time."""
        worker = f"trial {self.rows[number].repeat_of}"
        told = Outcome(outcome.accuracy, 0, 0.0, worker, outcome.error, measures=outcome.costs)
        self._tell(number, told)

    def _tell(self, number: int, outcome: Outcome) -> None:
        row = ended(self.rows[number], outcome, self.objective)
        told = row.reward if row.repeat_of is None else self._told[row.repeat_of]
        if self.trainings.epochs and 0 < outcome.epochs < self.trainings.epochs and row.status == "done":
            assert outcome.accuracy is not None
            curves = self.journal.curves().values()
            final = final_accuracy(outcome.epochs, outcome.accuracy, curves, self.trainings.epochs)
            told = self.objective(final, row.costs)
        self.journal.tell(row, outcome, told)
        self._remember(row)
        self._told[number] = told
        self.session.think(self._inform, row, told)
        self.listener.on_finish(row, outcome, self.standing)
        self._failures += row.status == "failed"
        if self._failures >= min(GIVE_UP_AFTER, self.trials) and not self._successes:
            which = f"the first {self._failures} trials all failed, the last one"
            self.gave_up = f"{which if self.trials > 1 else 'the only trial failed'} with {row.error}"
            self._queue.clear()

    def _inform(self, row: Row, told: float | None) -> None:
        """Tells the controller of a trial: what it cost, where no formula knew, and its reward."""
        if isinstance(self.controller, Observer) and (names := self.objective.measures):
            costs = {name: row.costs[name] for name in names if name in row.costs}
            if learned := {name: cost for name, cost in costs.items() if name not in self.measures}:
                self.controller.observe(row.actions, self.objective.as_costs(learned))
        self.controller.tell(row.actions, told)

    def _remember(self, row: Row) -> None:
        self.rows[row.trial] = row
        self._successes += row.status == "done"
        self._longest = max(self._longest, self._seconds(row) if row.status == "done" else 0.0)
        if row.status == "failed" and self._trainer.get(row.arch) == row.trial:
            del self._trainer[row.arch]  # another seed may succeed

    def _confirm_when_all_are_told(self) -> None:
        """Queues the networks with the highest rewards to be trained again, on fresh seeds."""
        if self._left or self.running or self._waiting or self._queue or not self.trainings.confirm.networks:
            return
        self._queue.extend(self._confirmations())
        done = len(self.journal.confirmed()) + len(self.journal.compared())
        self.confirmed = done, done + len(self._queue)

    def _confirmations(self) -> list[Trial]:
        """The confirmations that are left if no other trial begins."""
        if not self.trainings.confirm.networks:
            return []
        trained = [row for row in self.rows.values() if row.status == "done" and row.repeat_of is None]
        trained.sort(key=lambda row: (-(self._told[row.trial] or 0.0), row.trial))
        confirmed, compared = self.journal.confirmed(), self.journal.compared()
        return [
            one
            for one in self.trainings.confirm.trainings(trained, self.trainings.seed, self._network)
            if (one.trial, one.seed) not in confirmed and (one.baseline, one.seed) not in compared
        ]

    def _restore(self) -> None:
        """Replays the journal into the controller, and queues the trials that were running.

        Raises:
            ValueError: if the journal has more trials than were asked for, they are not of this space, or its
                events do not lead to them.
        """
        journalled = {row.trial: row for row in self.journal.rows()}
        if len(journalled) > self.trials:
            raise ValueError(f"trials must be at least the {len(journalled)} there are, got {self.trials}")
        self.space.check_all([row.actions for row in journalled.values()])
        events = self.journal.events()
        check_events(events, journalled)
        known, state = self.journal.saved_controller()
        if known:
            self.controller.load_state_dict(state)
        for number, event in enumerate(events):
            row = journalled[event.trial]
            if event.kind == "ask":
                if number >= known:
                    self.replayed_exactly &= self.controller.ask() == row.actions
                self.rows[row.trial] = row._replace(status="running", accuracy=None, reward=None, error=None)
                self._trainer.setdefault(row.arch, row.trial)
                continue
            if row.repeat_of is not None and SECONDS in self.objective.costs:
                took = journalled[row.repeat_of].costs.get(SECONDS, 0.0)  # its own are of no training
                row = row._replace(costs={**row.costs, SECONDS: took})
            self._remember(row)
            self._told[row.trial] = event.reward
            if number >= known:
                self._inform(row, event.reward)
        for row in list(self.rows.values()):
            if row.status == "running" and row.repeat_of is not None:
                self._follow(row)
            elif row.status == "running":
                self._queue.append(Trial(row.trial, self._network(row), row.seed))
        self._confirm_when_all_are_told()

    def _network(self, row: Row) -> Built:
        """The network of a trial.

        Raises:
            ValueError: if its actions no longer give what they gave.
        """
        network = self.space.decode(row.actions)
        if isinstance(network, ArchSpec):
            return ArchSpec.parse(row.arch)
        if str(network) != row.arch:
            raise ValueError(f"trial {row.trial} must be {row.arch}, and its actions now give {network}")
        return network
