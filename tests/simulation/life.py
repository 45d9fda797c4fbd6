"""One life of the controller's process: as long as it lasts its ports work; when it ends, every port is dead at once.

A crash is not a cancellation: clean-up code that a crash would not run must find that nothing it calls has any effect.
So first the ports die, then `world.py` cancels the tasks and drops the state.
"""

import asyncio
from collections.abc import Callable

from tests.simulation.faults import Fault, Faults

__all__ = ["Life", "PortDead"]


class PortDead(Exception):
    """The process that called is dead already; the call had no effect."""


class Life:
    """Whether a process lives. Ports ask before they do anything; the world waits for the end."""

    def __init__(self, faults: Faults, number: int) -> None:
        self.number = number
        self.alive = True
        self.why = ""
        self.ended = asyncio.Event()
        self.recovering = number > 1
        self._faults = faults
        self._at_end: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Call this when the life ends, in the same instant."""
        self._at_end.append(call)

    def die(self, why: str) -> None:
        """End it. Nothing that is called from here on has any effect."""
        if not self.alive:
            return
        self.alive, self.why = False, why
        self.ended.set()
        for call in self._at_end:
            call()

    def check(self) -> None:
        """Raise PortDead if it has ended."""
        if not self.alive:
            raise PortDead(self.why)

    def point(self, fault: Fault) -> None:
        """A place where this crash may strike. Raises PortDead if it does, or did before."""
        self.check()
        if self._faults.strikes(fault):
            self.die(fault)
        elif self.recovering and self._faults.strikes(Fault.CRASH_IN_RECOVERY):
            self.die(Fault.CRASH_IN_RECOVERY)
        self.check()

    def __repr__(self) -> str:
        return f"<Life {self.number} {'alive' if self.alive else self.why}>"
