"""The `podledger` command as a user runs it: real processes, their output, and what they leave behind."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

__all__ = ["job", "left_over", "podledger", "start_podledger", "stored_job", "write_manifest"]

COMMAND = (sys.executable, "-m", "podledger_adapters.cli")
Stream = int | IO[str] | None
PATIENCE_S = 120
"""How long a command may take before the test gives up on it."""


def start_podledger(
    *words: str,
    cwd: Path,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = subprocess.PIPE,
    preexec_fn: Callable[[], None] | None = None,
) -> subprocess.Popen[str]:
    """Start `podledger WORDS` with `cwd` as its and its pods' working directory."""
    environment = {**os.environ, "TMPDIR": str(cwd), "TERM": "xterm", "PYTHONUNBUFFERED": ""}
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=cwd,
        env=environment,
        text=True,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        preexec_fn=preexec_fn,  # noqa: PLW1509 (the tests that give one have no threads)
    )


def podledger(*words: str, cwd: Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `podledger WORDS` to its end."""
    process = start_podledger(*words, cwd=cwd, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
    with process:
        try:
            out, err = process.communicate(stdin, timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def job(name: str, command: Sequence[str], *, pod: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """The manifest of a Job with one container. `spec` are fields of the Job's spec, `pod` more of the pod's."""
    container = {"name": "main", "image": "busybox", "command": list(command)}
    template = {"spec": {"restartPolicy": "Never", "containers": [container], **(pod or {})}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def write_manifest(directory: Path, *jobs: Mapping[str, Any], name: str = "jobs.yaml") -> str:
    """Write a manifest of these Jobs; its name. JSON is YAML too."""
    (directory / name).write_text("---\n".join(json.dumps(each, indent=1) + "\n" for each in jobs))
    return name


def stored_job(output: str) -> Any:
    """The one Job of a run with -o json."""
    document = json.loads(output)
    (stored,) = document["items"]
    return stored


def left_over(directory: Path, *, within_s: float = 10.0) -> list[str]:
    """The processes that still work in a directory or on something in it, those apart that end on their own."""
    left: list[str] = []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            words = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            at = str((process / "cwd").readlink())
            if str(directory) not in words and not at.startswith(str(directory)):
                continue
            pidfd = os.pidfd_open(int(process.name))
        except OSError:
            continue  # It ended meanwhile.
        ready, _, _ = select.select([pidfd], [], [], within_s)
        os.close(pidfd)
        if not ready:
            left.append(f"{process.name}: {words} in {at}")
    return left
