"""Without root, volumes are mounted in a user namespace. Only the shim is somebody else, run by the system Python."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.system.process_pods import make_pod, shell

from podledger_adapters.nodes.process.environment import NodeFacts
from podledger_adapters.nodes.process.shim.record import PodRecord, write_json
from podledger_adapters.nodes.process.spawning import shim_command
from podledger_adapters.nodes.process.spec import NodeSettings, shim_spec

NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"


def as_nobody(*command: str) -> list[str]:
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]


def missing() -> str:
    """What this machine lacks for these tests, "" for nothing."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return "needs root and setpriv, to become somebody else"
    _, *arguments = shim_command("mounts", "enter_namespace")
    trial = subprocess.run(as_nobody(SYSTEM_PYTHON, *arguments), capture_output=True, text=True, check=False, cwd="/")
    return f"needs {SYSTEM_PYTHON} and user namespaces for all: {trial.stderr[-200:]}" if trial.returncode else ""


LACKS = missing()


@pytest.mark.skipif(LACKS != "", reason=LACKS)
def test_volumes_are_mounted_without_root(tmp_path: Path) -> None:
    mounts: list[dict[str, Any]] = [
        {"name": "scratch", "mountPath": "/podledger-test/deep"},
        {"name": "host", "mountPath": "/podledger-test-ro", "readOnly": True},
        {"name": "fast", "mountPath": "/mnt"},
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "host", "hostPath": {"path": "/etc"}},
        {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    script = """
        id -u; echo kept > /podledger-test/deep/f; cat /podledger-test/deep/f
        test -r /podledger-test-ro/passwd && echo readable
        (echo x > /podledger-test-ro/x) 2>&1 | grep -o 'Read-only'
        head -c 2000000 /dev/zero > /mnt/big || echo full
    """
    pod = make_pod(shell(script, volumeMounts=mounts, workingDir="/"), volumes=volumes)
    # pytest's own directories are closed to others.
    root = Path("/var/tmp") / f"podledger-test-{os.getpid()}"
    record = PodRecord(str(root), pod.metadata.uid)
    facts = NodeFacts(name="here", ip="127.0.0.1", cpus=1, memory=1 << 30)
    settings = NodeSettings(facts=facts, environment={"PATH": "/usr/bin:/bin"}, working_dir="/", survive=True)
    try:
        Path(record.path).mkdir(parents=True)
        write_json(record.spec_path, shim_spec(pod, settings, f"{record.path}/volumes"), durable=False)
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        _, *arguments = shim_command("spawner", "main", str(root))
        with subprocess.Popen(as_nobody(SYSTEM_PYTHON, *arguments), stdin=subprocess.PIPE, cwd="/") as spawner:
            assert spawner.stdin is not None
            os.mkfifo(root / "wake")
            os.chown(root / "wake", NOBODY, NOBODY)
            with os.fdopen(os.open(root / "wake", os.O_RDWR), "rb", buffering=0) as wake:
                spawner.stdin.write(f"{pod.metadata.uid}\n".encode())
                spawner.stdin.flush()
                while (state := record.read_state()) is None or not state["done"]:
                    wake.read(1000)
            spawner.stdin.close()
        log = Path(record.logs_path("main"), "0.log").read_text()
        assert log.split()[:4] == [str(NOBODY), "kept", "readable", "Read-only"], json.dumps(state)
        assert log.endswith("full\n")
        assert (root / pod.metadata.uid / "volumes" / "scratch" / "f").read_text() == "kept\n"
    finally:
        shutil.rmtree(root)
