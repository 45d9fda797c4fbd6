"""What of a pod may change after it was created."""

from typing import Any

import pytest
from hypothesis import given
from msgspec import structs
from tests.strategies import pods

from podledger.api import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStatus,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
)
from podledger.api.validation import validate_pod_status_update, validate_pod_update

BASE: dict[str, Any] = {
    "containers": [{"name": "main", "image": "x"}],
    "restartPolicy": "Never",
    "activeDeadlineSeconds": 60,
    "tolerations": [{"operator": "Exists"}],
    "schedulingGates": [{"name": "example.com/a"}],
}
FIXED = "pod updates may not change fields other than"


def pod(status: PodStatus | None = None, **spec: Any) -> Pod:
    """A stored pod with these fields in its spec."""
    meta = ObjectMeta(name="p", namespace="default", uid="u")
    return Pod(metadata=meta, spec=PodSpec(base={**BASE, **spec}), status=status or PodStatus())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [{"name": "main", "image": "y"}]}, []),
        ({"activeDeadlineSeconds": 30}, []),
        ({"tolerations": [{"operator": "Exists"}, {"key": "a", "operator": "Exists"}]}, []),
        ({"schedulingGates": []}, []),
        (
            {"activeDeadlineSeconds": 61},
            ["spec.activeDeadlineSeconds: Invalid value: 61: must be less than or equal to previous value"],
        ),
        ({"tolerations": []}, ["spec.tolerations: Forbidden: existing toleration can not be modified"]),
        (
            {"schedulingGates": [{"name": "example.com/b"}]},
            ["spec.schedulingGates[0]: Forbidden: only deletion is allowed, but found new scheduling gate"],
        ),
        ({"containers": [{"name": "main", "image": "x", "command": ["sh"]}]}, [f"spec: Forbidden: {FIXED}"]),
        ({"restartPolicy": "Always"}, [f"spec: Forbidden: {FIXED}"]),
    ],
)
def test_next_to_nothing_of_the_spec_changes(spec: dict[str, Any], expected: list[str]) -> None:
    told = [str(error) for error in validate_pod_update(pod(**spec), pod())]
    assert len(told) == len(expected)
    assert all(text.startswith(start) for text, start in zip(told, expected, strict=True))


def test_a_pod_is_bound_through_its_binding_only() -> None:
    bound = structs.replace(pod(), spec=PodSpec(base=BASE, node_name="local"))
    assert [error.field for error in validate_pod_update(bound, pod())] == ["spec"]


@given(pods())
def test_a_pod_may_always_be_stored_as_it_is(any_pod: Pod) -> None:
    assert [error for error in validate_pod_update(any_pod, any_pod) if error.field.startswith("spec")] == []
    assert [error for error in validate_pod_status_update(any_pod, any_pod) if error.field.startswith("status")] == []


@pytest.mark.parametrize(
    ("policy", "exit_code", "allowed"),
    [("Never", 0, False), ("Never", 1, False), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Always", 0, True)],
)
def test_a_container_that_will_not_be_restarted_stays_ended(policy: str, exit_code: int, allowed: bool) -> None:
    ended = ContainerState(terminated=ContainerStateTerminated(exit_code=exit_code))
    running = ContainerState(running=ContainerStateRunning())
    old = pod(PodStatus(container_statuses=(ContainerStatus(name="main", state=ended),)), restartPolicy=policy)
    new = structs.replace(old, status=PodStatus(container_statuses=(ContainerStatus(name="main", state=running),)))
    told = [str(error) for error in validate_pod_status_update(new, old)]
    refused = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    assert told == ([] if allowed else [refused])
