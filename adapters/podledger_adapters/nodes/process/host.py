"""What the node finds on its machine: name, size, and the environment that every container begins with."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache

from podledger.errors import InputError
from podledger_adapters.nodes.process.check_container import Abilities
from podledger_adapters.nodes.process.environment import NodeFacts
from podledger_adapters.nodes.process.spawning import shim_command

__all__ = ["PASSED_ON", "base_environment", "host_facts", "node_name", "this_machine"]

PASSED_ON = ("PATH", "HOME", "USER", "LANG", "TMPDIR")
"""Variables of podledger's own environment that every container sees; all others must be asked for."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_IP = "127.0.0.1"


def node_name() -> str:
    """This machine's name, in the form Kubernetes allows for nodes."""
    name = re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.")
    return name or "localhost"


def host_facts(name: str) -> NodeFacts:
    """What containers may ask of this machine. Pods share its network: their address is that of the loopback."""
    return NodeFacts(
        name=name,
        ip=_IP,
        cpus=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def base_environment(environ: Mapping[str, str], pass_env: Sequence[str]) -> dict[str, str]:
    """The environment of every container before its own `env`.

    `pass_env`: more of them, as NAME (taken from `environ`, nothing if it is not there) or NAME=VALUE. Raises
    InputError for a name that is none.
    """
    values = {name: environ[name] for name in PASSED_ON if name in environ}
    for text in pass_env:
        name, given, value = text.partition("=")
        if not _NAME.fullmatch(name):
            raise InputError(f"--env {text}: {name!r} is no name of a variable; write NAME or NAME=VALUE")
        if given:
            values[name] = value
        elif name in environ:
            values[name] = environ[name]
    return values


def this_machine(*, mounts: bool) -> Abilities:
    """What this machine can do for pods. `mounts`: try to mount, in a process of its own (once; 30 ms)."""
    return Abilities(user=os.geteuid(), no_mounts=_no_mounts() if mounts else "")


@cache
def _no_mounts() -> str:
    if sys.platform != "linux":
        return "this system has no mount namespaces"
    trial = subprocess.run(
        shim_command("mounts", "enter_namespace"), capture_output=True, text=True, check=False, cwd="/", env={}
    )
    if trial.returncode == 0:
        return ""
    last = (trial.stderr.strip().splitlines() or ["?"])[-1]
    return f"the kernel refuses a mount namespace of the pod's own ({last})"
