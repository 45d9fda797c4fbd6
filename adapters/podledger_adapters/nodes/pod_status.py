"""Pod statuses as a scheduler and a kubelet write them: pure functions over the API's types."""

from datetime import datetime

from msgspec.structs import replace

from podledger.api.pod import PodCondition, PodStatus

__all__ = ["merged_status", "scheduled", "unscheduled"]


def scheduled(status: PodStatus, now: datetime) -> PodStatus:
    """The status of a pod that was just bound."""
    return _with_condition(status, PodCondition(type="PodScheduled", status="True", last_transition_time=now))


def unscheduled(status: PodStatus, reason: str, message: str, now: datetime) -> PodStatus:
    """The status of a pod that cannot be bound; `status` itself if it says so already."""
    present = status.condition("PodScheduled")
    if present is not None and present.status == "False" and present.reason == reason:
        return status
    condition = PodCondition(
        type="PodScheduled", status="False", reason=reason, message=message, last_transition_time=now
    )
    return _with_condition(status, condition)


def merged_status(stored: PodStatus, reported: PodStatus) -> PodStatus:
    """What a kubelet writes: its own report, and what others had written beside it.

    Conditions that the report does not speak of stay (PodScheduled, DisruptionTarget, readiness gates); one whose
    status did not change keeps its transition time.
    """
    before = {condition.type: condition for condition in stored.conditions}
    conditions: list[PodCondition] = []
    for condition in reported.conditions:
        old = before.pop(condition.type, None)
        if old is not None and old.status == condition.status:
            condition = replace(condition, last_transition_time=old.last_transition_time)
        conditions.append(condition)
    return replace(
        reported,
        conditions=(*before.values(), *conditions),
        qos_class=reported.qos_class or stored.qos_class,
        start_time=reported.start_time or stored.start_time,
        nominated_node_name=stored.nominated_node_name,
        host_ip=reported.host_ip or stored.host_ip,
        pod_ip=reported.pod_ip or stored.pod_ip,
    )


def _with_condition(status: PodStatus, new: PodCondition) -> PodStatus:
    others = tuple(condition for condition in status.conditions if condition.type != new.type)
    return replace(status, conditions=(*others, new))
