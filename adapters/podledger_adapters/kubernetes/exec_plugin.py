"""Credential plugins of a kubeconfig: commands that print who we are (client.authentication.k8s.io, v1 and v1beta1).

Run without a terminal, whatever theirs: a controller has nobody to ask. How long what they print is kept is
`credentials.py`.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import anyio
import msgspec
from msgspec import Struct

from podledger.errors import ClusterError

__all__ = ["ExecPlugin", "PluginStatus", "run_plugin"]

PLUGIN_S: Final = 60.0
"""How long a plugin may take."""
EXEC_INFO: Final = "KUBERNETES_EXEC_INFO"
MOST_SAID: Final = 500
"""How much of what a plugin says on stderr is shown, in characters."""


class _Variable(Struct, frozen=True):
    name: str
    value: str = ""


class ExecPlugin(Struct, frozen=True, rename="camel"):
    """A command that prints credentials. `interactive_mode` may be left out with v1beta1 only."""

    command: str
    api_version: Literal["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
    args: tuple[str, ...] | None = None
    env: tuple[_Variable, ...] | None = None
    install_hint: str = ""
    interactive_mode: Literal["", "Never", "IfAvailable", "Always"] = ""
    provide_cluster_info: bool = False

    def __repr__(self) -> str:
        return f"<ExecPlugin {self.command}>"

    def __post_init__(self) -> None:
        if not self.command:
            raise ValueError("command: must not be empty")
        if not self.interactive_mode and self.api_version == "client.authentication.k8s.io/v1":
            raise ValueError(f"interactiveMode: required with {self.api_version}: Never, IfAvailable or Always")


class PluginStatus(Struct, frozen=True, rename="camel"):
    """What a plugin printed: a token, or a client certificate with its key (PEM), or both; and until when."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None

    def __repr__(self) -> str:
        return f"<PluginStatus until {self.expiration_timestamp or 'further notice'}>"


class _ExecCredential(Struct, frozen=True, rename="camel"):
    kind: Literal["ExecCredential"]
    api_version: str
    status: PluginStatus | None = None


async def run_plugin(plugin: ExecPlugin, cluster: Mapping[str, object]) -> PluginStatus:
    """Run it; `cluster` is what it is told of the cluster if it wants to know. Raises ClusterError."""
    name = f"credential plugin {plugin.command}"
    if plugin.interactive_mode == "Always":
        raise ClusterError(f"{name}: it wants a terminal (interactiveMode: Always), which a controller has not")
    words = [plugin.command, *(plugin.args or ())]
    try:
        with anyio.fail_after(PLUGIN_S):
            done = await anyio.run_process(
                words, env=_environment(plugin, cluster), check=False, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
    except FileNotFoundError as error:
        hint = " ".join(plugin.install_hint.split()) or "install it"
        raise ClusterError(f"{name}: not found; {hint}") from error
    except TimeoutError as error:
        raise ClusterError(f"{name}: no answer within {PLUGIN_S:g} s") from error
    except OSError as error:
        raise ClusterError(f"{name}: {error.strerror}") from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[-MOST_SAID:]
        raise ClusterError(f"{name}: exit code {done.returncode}: {said or 'it said nothing'}")
    return _read(done.stdout, plugin, name)


def _environment(plugin: ExecPlugin, cluster: Mapping[str, object]) -> dict[str, str]:
    spec: dict[str, object] = {"interactive": False}
    if plugin.provide_cluster_info:
        spec["cluster"] = cluster
    info = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}
    given = {each.name: each.value for each in plugin.env or ()}
    return {**os.environ, **given, EXEC_INFO: json.dumps(info)}


def _read(printed: bytes, plugin: ExecPlugin, name: str) -> PluginStatus:
    """Raises ClusterError for what is no credential."""
    try:
        answer = msgspec.json.decode(printed, type=_ExecCredential)
    except msgspec.DecodeError as error:
        raise ClusterError(f"{name}: what it printed is no ExecCredential: {error}") from error
    if answer.api_version != plugin.api_version:
        why = f"it printed apiVersion {answer.api_version}, and the kubeconfig says {plugin.api_version}"
        raise ClusterError(f"{name}: {why}; write there what it speaks")
    status = answer.status
    if status is None:
        raise ClusterError(f"{name}: what it printed is no ExecCredential with a status")
    if bool(status.client_certificate_data) != bool(status.client_key_data):
        raise ClusterError(f"{name}: it printed a client certificate without its key, or the reverse")
    if not status.token and not status.client_key_data:
        raise ClusterError(f"{name}: it printed neither a token nor a client certificate")
    return status
