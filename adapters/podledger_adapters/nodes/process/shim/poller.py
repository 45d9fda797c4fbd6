"""What the shim waits for: descriptors, each with what to do when something can be read from it."""

import select
from collections.abc import Callable

__all__ = ["Poller"]


class Poller:
    """poll(2) with handlers. A handler is given the events; it may forget descriptors but opens none: the number of
    one that was closed would stand for another in the same round."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, handler: Callable[[int], None], events: int = select.POLLIN) -> None:
        """Call the handler whenever something can be read; without events only when the other end hangs up."""
        self._handlers[fd] = handler
        self._poll.register(fd, events)

    def forget(self, fd: int) -> None:
        """Watch it no more. Before it is closed."""
        del self._handlers[fd]
        self._poll.unregister(fd)

    def wait(self, timeout_ms: float | None) -> None:
        """Wait for anything, for ever without a time, and handle it."""
        for fd, events in self._poll.poll(timeout_ms):
            handler = self._handlers.get(fd)
            if handler is not None:
                handler(events)
