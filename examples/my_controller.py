"""A controller of your own: hill climbing with random restarts. test_my_controller.py has its tests."""

import numpy as np

from controllers.controller import check_identity, checked_reward, identity


class HillClimbing:
    def __init__(self, space, seed=0):
        self.space, self.best, self.rng = space, None, np.random.default_rng(seed)

    def ask(self):
        if self.best is None or self.rng.random() < 0.1:
            return self.space.sample(self.rng)
        place = int(self.rng.integers(len(self.best[0])))
        choice = int(self.rng.integers(len(self.space.decisions[place].choices)))
        return (*self.best[0][:place], choice, *self.best[0][place + 1 :])

    def tell(self, actions, reward):
        actions, reward = self.space.check(actions), checked_reward(reward)
        if reward is not None and (self.best is None or reward > self.best[1]):
            self.best = actions, reward

    def state_dict(self):
        return {**identity("climb", self.space), "best": self.best, "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        check_identity(identity("climb", self.space), state)
        self.best = state["best"] and (tuple(state["best"][0]), state["best"][1])
        self.rng.bit_generator.state = state["rng"]
