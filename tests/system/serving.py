"""`podledger serve` as a process of its own, and what its users have: kubectl, and plain HTTP."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import start_podledger

from podledger_adapters.server.kubeconfig import read_kubeconfig

__all__ = ["KUBECTL", "KUBECTL_FAULT", "Served", "kubectl_fault", "require_kubectl", "serve"]

OLDEST_KUBECTL = (1, 28)
"""The oldest release whose commands and words the tests know."""
PATIENCE_S = 60
"""How long a kubectl may take before the test gives up on it."""


def kubectl_fault(path: str | None) -> str:
    """Why tests cannot use the kubectl at this path; "" if they can."""
    oldest = f"{OLDEST_KUBECTL[0]}.{OLDEST_KUBECTL[1]}"
    if path is None:
        return f"there is no kubectl; install {oldest} or newer: https://kubernetes.io/docs/tasks/tools/"
    try:
        said = subprocess.run(
            [path, "version", "--client", "-o", "json"], capture_output=True, check=True, timeout=PATIENCE_S
        ).stdout
        version: dict[str, str] = json.loads(said)["clientVersion"]
        found = (int(version["major"]), int(version["minor"].rstrip("+")))
    except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        return f"{path} does not run: {error}"
    return "" if found >= OLDEST_KUBECTL else f"{path} is {found[0]}.{found[1]}, the tests need {oldest} or newer"


_PATH = shutil.which("kubectl")
KUBECTL_FAULT = kubectl_fault(_PATH)
KUBECTL = None if KUBECTL_FAULT else _PATH

require_kubectl = pytest.mark.skipif(KUBECTL is None, reason=KUBECTL_FAULT)


class Served:
    """A server that runs as a process."""

    def __init__(self, process: subprocess.Popen[str], kubeconfig: Path, directory: Path) -> None:
        self.process, self.kubeconfig, self.directory = process, kubeconfig, directory
        known = read_kubeconfig(kubeconfig)
        self.url, self.token = known.server, known.token

    def environment(self, **more: str) -> dict[str, str]:
        """What clients need to know; kubectl's caches stay in the test's directory."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.directory), **more}

    def try_kubectl(
        self, *words: str, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `kubectl WORDS`."""
        assert KUBECTL is not None, "kubectl is required"
        return subprocess.run(
            [KUBECTL, *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(**environment),
            cwd=self.directory,
            timeout=PATIENCE_S,
        )

    def kubectl(self, *words: str, stdin: str | None = None, **environment: str) -> str:
        """Run `kubectl WORDS`, which must succeed; what it printed."""
        done = self.try_kubectl(*words, stdin=stdin, **environment)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def get(self, *words: str) -> Any:
        """What `kubectl get WORDS -o json` says."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def write(self, name: str, document: Mapping[str, Any]) -> str:
        """Write a manifest; its name."""
        (self.directory / name).write_text(json.dumps(document))
        return name

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and wait for the end: the exit code, and what was said on stderr."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@contextmanager
def serve(directory: Path, *words: str) -> Generator[Served]:
    """Run `podledger serve WORDS` on a free port while inside; it is killed if it still runs then."""
    listen = () if "--listen" in words else ("--listen", "127.0.0.1:0")
    process = start_podledger("serve", *listen, *words, cwd=directory)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        if not first:
            pytest.fail(f"podledger serve ended: {process.stderr.read()}")
        # It listens once it says so.
        assert "serving" in process.stderr.readline()
        path = first.strip().removeprefix("export KUBECONFIG=")
        yield Served(process, Path(path), directory)
    finally:
        process.kill()
        process.communicate()
