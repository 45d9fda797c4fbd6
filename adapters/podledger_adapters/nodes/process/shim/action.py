"""Doing what a probe or a hook asks: a command in the container, a call over the network, a sleep.

Each is done under an init of its own, so that it can be killed with all it started, and ends with the shim.
"""

import os
import time
from collections.abc import Callable

from .cgroup import Cgroups
from .container import Place, execute
from .init import KILL
from .pod_spec import Action, ContainerSpec
from .probe import Result
from .supervised import Supervised

__all__ = ["MAX_OUTPUT", "ActionRun"]

MAX_OUTPUT = 10 * 1024
"""How many bytes of a command's output are kept: a kubelet's number."""


class ActionRun(Supervised):
    """An action that was begun; `result` and `text` once it is over. Raises OSError when made."""

    def __init__(
        self,
        action: Action,
        spec: ContainerSpec,
        place: Place,
        cgroups: Cgroups,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._action, self._place = action, place
        self._output_text = b""
        self._stopped_after_s: float | None = None
        super().__init__(
            place.poller,
            _execution(action, spec, place, cgroups),
            lock=place.lock,
            sink=self._keep,
            changed=changed,
        )

    def stop(self, after_s: float = 0.0) -> None:
        """Kill it: so much time it had."""
        self._stopped_after_s = after_s
        self.command(KILL)

    @property
    def stopped(self) -> bool:
        """Whether it was killed before it was done."""
        return self._stopped_after_s is not None

    @property
    def result(self) -> Result:
        """What it came to."""
        if self._stopped_after_s is not None:
            return "failure"
        if self.failure:
            return "unknown"
        return "success" if self.exit_code() == 0 else "failure"

    @property
    def text(self) -> str:
        """What there is to say about a result that is no success."""
        if self._stopped_after_s is not None:
            return _timed_out(self._action, self._stopped_after_s)
        return self.failure or self._output_text.decode(errors="replace")

    def _finish(self) -> None:
        super()._finish()
        # It may have been the last of a container that is over.
        self._place.remove_groups()

    def _keep(self, data: bytes) -> None:
        self._output_text += data[: MAX_OUTPUT - len(self._output_text)]


def _execution(action: Action, spec: ContainerSpec, place: Place, cgroups: Cgroups) -> Callable[[], str]:
    """What the new process does."""
    match action["kind"]:
        case "exec":
            return lambda: execute(spec, action["argv"], place, cgroups)
        case "sleep":
            return lambda: _sleep(action["seconds"])
        case "tcp":
            # Imported once by the shim, not by each process, and not by shims whose pods have no such probes.
            from .network import connect

            return lambda: _say(connect(action))
        case _:
            from .http_get import get

            return lambda: _say(get(action))


def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return _say((True, ""))


def _say(outcome: tuple[bool, str]) -> str:
    """End this process as a command would that ends so."""
    good, text = outcome
    os.write(1, text.encode())
    os._exit(0 if good else 1)


def _timed_out(action: Action, after_s: float) -> str:
    match action["kind"]:
        case "exec":
            return f'command timed out: "{" ".join(action["argv"])}" timed out after {after_s:.0f}s'
        case "http":
            from .http_get import url_of

            return f'Get "{url_of(action)}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        case "tcp":
            return f"dial tcp {action['host']}:{action['port']}: i/o timeout"
        case _:
            return f"not done after {after_s:.0f}s"
