"""What a shim tells people about its pod, kept in the record until the node has made Kubernetes Events of it."""

import time

from .pod_state import PodState

__all__ = ["MAX_NOTICES", "tell"]

MAX_NOTICES = 32
"""How many are kept while no podledger takes them; the oldest go first."""


def tell(state: PodState, container: str, type_: str, reason: str, message: str) -> None:
    """Add a notice about a container; `type_` is Normal or Warning."""
    notices = state["notices"]
    number = notices[-1]["number"] + 1 if notices else 1
    notices.append(
        {
            "number": number,
            "at": time.time(),
            "container": container,
            "type": type_,
            "reason": reason,
            "message": message,
        }
    )
    del notices[:-MAX_NOTICES]
