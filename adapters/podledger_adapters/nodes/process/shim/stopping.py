"""How one run of a container is ended: preStop, TERM, KILL, all within its grace.

A kubelet runs preStop first, then waits for those that end before this one, and takes both off the grace; but it leaves
the container a moment after TERM.
"""

from .action import ActionRun
from .container import ContainerRun
from .init import KILL, TERM

__all__ = ["MIN_GRACE_S", "Stopping"]

MIN_GRACE_S = 2.0
"""What a container gets after TERM, however little of its grace is left: a kubelet's number."""


class Stopping:
    """The end of a run, begun. `pre_stop` is its hook, if there is one and time for it. Times are monotonic.

    Where `kill_at` is not in the future it is killed at once, which a kubelet does not do: nobody is to wait for it.
    """

    def __init__(self, run: ContainerRun, pre_stop: ActionRun | None, kill_at: float, now: float) -> None:
        self._run, self._pre_stop = run, pre_stop
        self._asked = self._kill_at = kill_at
        self._at_once = kill_at <= now
        self._told = b""

    def hurry(self, kill_at: float, now: float) -> None:
        """End it by then; only ever sooner than before."""
        if kill_at < self._asked:
            self._asked = kill_at
            self._kill_at = min(self._kill_at, kill_at)
            self._at_once = kill_at <= now

    def step(self, now: float, *, in_turn: bool) -> float:
        """Do what is due; when to come again. `in_turn`: whether those that end before this one are over."""
        if not self._told:
            hook = self._pre_stop
            if now < self._kill_at and not (in_turn and (hook is None or hook.over)):
                return self._kill_at
            if hook is not None and not hook.over:
                hook.stop()
            if not self._at_once:
                self._kill_at = max(self._kill_at, now + MIN_GRACE_S)
                self._tell(TERM)
        if now < self._kill_at:
            return self._kill_at
        self._tell(KILL)
        return float("inf")

    def _tell(self, command: bytes) -> None:
        """Each command once."""
        if self._told != command:
            self._told = command
            self._run.command(command)
