"""The node's end of the spawner: starting it, handing it uids, noticing its end.

The spawner forks the shims (`shim.spawner` says why there is one). It inherits nothing but the pipe that hands it
uids; that pipe is also the leash of the shims that must not outlive podledger.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import podledger_adapters
from podledger.errors import ClusterError

__all__ = ["Spawner", "shim_command"]

_END_TIMEOUT_S = 5.0


def shim_command(module: str, function: str, *arguments: str) -> list[str]:
    """The command that calls a function of the shim's in a lean Python: nothing of this one's set-up reaches it."""
    packages = Path(podledger_adapters.__file__).parent.parent
    program = (
        "import sys; sys.path.append(sys.argv.pop(1)); "
        f"from {__package__}.shim.{module} import {function}; {function}()"
    )
    return [sys.executable, "-I", "-S", "-E", "-c", program, str(packages), *arguments]


class Spawner:
    """A running spawner. All methods may block for a moment: call them in a thread."""

    def __init__(self, root: Path) -> None:
        """Start it. Raises ClusterError."""
        self._errors = root / "spawner.err"
        command = shim_command("spawner", "main", str(root))
        try:
            with open(self._errors, "wb", opener=_private) as errors:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    cwd="/",
                    env={},
                    # Out of the terminal's reach: Ctrl-C is podledger's to handle.
                    start_new_session=True,
                )
        except OSError as error:
            raise ClusterError(f"cannot start {sys.executable} for the pods' shims: {error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    @property
    def end_fd(self) -> int:
        """A descriptor that becomes readable when the spawner has ended."""
        return self._stdout.fileno()

    def spawn(self, uids: Iterable[str]) -> bool:
        """Ask for a shim for each; False if the spawner is gone, then its end is seen on `end_fd` too."""
        data = "".join(f"{uid}\n" for uid in uids).encode()
        try:
            self._stdin.write(data)
            self._stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def failure(self) -> str:
        """What it said last, where it ended with an error."""
        text = self._errors.read_text(errors="replace").strip()
        return text.splitlines()[-1] if text else ""

    def close(self) -> None:
        """End it; shims on a leash end their pods then."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # A process of a session of its own each, the shims do not notice.
            self._process.kill()
            self._process.wait()
        self._stdout.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
