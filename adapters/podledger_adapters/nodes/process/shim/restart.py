"""Whether a container that ended is started again: restartPolicyRules, then its restart policy. Pure.

As of Kubernetes 1.36 (ContainerRestartRules and RestartAllContainersOnContainerExits are on by default): the first rule
that fits the exit code decides, and where none does the container's own policy, else the pod's.
"""

from .pod_spec import ContainerSpec

__all__ = ["RESTARTED_REASON", "RESTART_ALL", "restart_action", "shall_restart"]

RESTART_ALL = "RestartAllContainers"
"""The action of a rule that starts the whole pod anew in place."""

RESTARTED_REASON = "RestartingAllContainers"
"""Why each container ended by that, for a kubelet."""


def restart_action(spec: ContainerSpec, exit_code: int) -> str:
    """The action of the rule that fits the exit code, "" if there is none."""
    for rule in spec["restart_rules"]:
        if (exit_code in rule["exit_codes"]) == (rule["operator"] == "In"):
            return rule["action"]
    return ""


def shall_restart(spec: ContainerSpec, exit_code: int) -> bool:
    """Whether it is started again after this exit code."""
    if restart_action(spec, exit_code):
        return True
    policy = spec["restart_policy"]
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
