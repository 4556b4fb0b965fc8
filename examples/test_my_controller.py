"""The tests of my_controller.py: what every controller of nas must do. Run them with pytest."""

from my_controller import HillClimbing

from controllers.testing import ControllerContract


class TestHillClimbing(ControllerContract):
    """Hill climbing."""

    def make(self, space, seed):
        """A new one."""
        return HillClimbing(space, seed)
