"""The tunables of the rules, with the defaults of Kubernetes' Job controller."""

from msgspec import Struct

__all__ = ["Limits"]


class Limits(Struct, frozen=True):
    """`backoff_base_s`, `backoff_max_s`: pod failure back-off, doubling from one to the other.

    `pod_changes`: pods created or deleted by replica management in one sync. `uncounted_pods`: entries of
    uncountedTerminatedPods after which a sync collects no more. `resolve_s`: how long a call whose answer was lost is
    left to show its effect before it is repeated; `expire_s`: when one that is no longer wanted is given up
    (upstream: an expectation expires).
    """

    backoff_base_s: float = 10.0
    backoff_max_s: float = 600.0
    pod_changes: int = 500
    uncounted_pods: int = 500
    resolve_s: float = 5.0
    expire_s: float = 300.0
