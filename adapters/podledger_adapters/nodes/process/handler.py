"""Probes, hooks and restart rules of a container, as its shim is told of them. Pure.

Ports have numbers, hosts are this machine's where none is named (a pod's address is the loopback), and commands are
expanded as a kubelet expands them: those of probes by the values that stand in `env`, those of hooks not at all.
"""

from podledger_adapters.nodes.process.environment import expand
from podledger_adapters.nodes.process.model import (
    Container,
    Handler,
    HttpGetAction,
    Lifecycle,
    Probe,
    RestartRule,
    TcpSocketAction,
)
from podledger_adapters.nodes.process.shim.pod_spec import Action, ProbeSpec
from podledger_adapters.nodes.process.shim.pod_spec import RestartRule as ShimRule

__all__ = ["hook_actions", "port_number", "probe_spec", "restart_rules"]

_LOOPBACK = "127.0.0.1"


def port_number(container: Container, port: int | str) -> int | None:
    """The port's number: its own, or that of the container's port of this name; None if there is none."""
    if isinstance(port, int):
        return port
    for each in container.ports or ():
        if each.name == port:
            return each.container_port
    return int(port) if port.isdecimal() else None


def probe_spec(container: Container, probe: Probe | None) -> ProbeSpec | None:
    """A probe, or None where there is none."""
    if probe is None:
        return None
    values = {each.name: each.value or "" for each in container.env or ()}
    action = _action(container, probe)
    action["argv"] = [expand(word, values) for word in action["argv"]]
    grace = probe.termination_grace_period_seconds
    # Where a number may not be 0, that stands for the default, as for an API server.
    return {
        "action": action,
        "initial_delay_s": float(probe.initial_delay_seconds),
        "period_s": float(probe.period_seconds or 10),
        "timeout_s": float(probe.timeout_seconds or 1),
        "success_threshold": probe.success_threshold or 1,
        "failure_threshold": probe.failure_threshold or 3,
        "grace_s": None if grace is None else float(grace),
    }


def hook_actions(container: Container) -> tuple[Action | None, Action | None]:
    """postStart and preStop; None for one that there is not. To their HTTP calls every answer is a good one."""
    lifecycle = container.lifecycle or Lifecycle()
    post_start, pre_stop = (
        None if hook is None else _action(container, hook, any_status=True)
        for hook in (lifecycle.post_start, lifecycle.pre_stop)
    )
    return post_start, pre_stop


def restart_rules(rules: tuple[RestartRule, ...] | None) -> list[ShimRule]:
    """restartPolicyRules."""
    return [
        {"action": rule.action, "operator": rule.exit_codes.operator, "exit_codes": list(rule.exit_codes.values or ())}
        for rule in rules or ()
    ]


def _action(container: Container, handler: Handler, *, any_status: bool = False) -> Action:
    action: Action = {
        "kind": "exec",
        "argv": [],
        "scheme": "",
        "host": "",
        "port": 0,
        "path": "",
        "headers": [],
        "any_status": any_status,
        "seconds": 0.0,
    }
    if handler.exec is not None:
        action["argv"] = list(handler.exec.command or ())
    elif handler.http_get is not None:
        _fill_http(action, container, handler.http_get)
    elif handler.tcp_socket is not None:
        _fill_address(action, "tcp", container, handler.tcp_socket)
    elif handler.sleep is not None:
        action["kind"], action["seconds"] = "sleep", float(handler.sleep.seconds)
    return action


def _fill_http(action: Action, container: Container, get: HttpGetAction) -> None:
    _fill_address(action, "http", container, get)
    action["scheme"], action["path"] = get.scheme or "HTTP", get.path
    action["headers"] = [(each.name, each.value) for each in get.http_headers or ()]


def _fill_address(action: Action, kind: str, container: Container, target: HttpGetAction | TcpSocketAction) -> None:
    action["kind"], action["host"] = kind, target.host or _LOOPBACK
    # `check` refuses a name that no port of the container has.
    action["port"] = port_number(container, target.port) or 0
