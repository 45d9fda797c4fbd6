"""What probes ask of the network: whether somebody accepts a connection; the words for a refusal.

Blocking, and run in a process of its own: time-outs are whoever kills that. What HTTP takes beyond this is `http_get`.
"""

import socket

from .pod_spec import Action

__all__ = ["connect", "refusal"]


def connect(action: Action) -> tuple[bool, str]:
    """Whether somebody accepts connections; why not."""
    host, port = action["host"], action["port"]
    try:
        socket.create_connection((host, port)).close()
    except (OSError, UnicodeError) as error:
        return False, refusal(error, host, port)
    return True, ""


def refusal(error: OSError | UnicodeError, host: str, port: int | None) -> str:
    """The error in the words of a kubelet's log."""
    # A name that cannot be encoded cannot exist either.
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"dial tcp: lookup {host}: no such host"
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {address}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {address}: connection reset by peer"
    return str(error)
