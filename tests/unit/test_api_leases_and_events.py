"""Validation of Leases and Kubernetes Events, in Kubernetes' words."""

from typing import Any

import msgspec
import pytest

from podledger.api.fields import inspect_fields
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.lease import Lease
from podledger.api.validation import validate_event, validate_lease

NEWER: dict[str, Any] = {
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingComponent": "example.com/watcher",
    "reportingInstance": "watcher-1",
    "action": "Looked",
    "reason": "Seen",
}


def told_of_event(fields: dict[str, Any], *, about: str = "ns", namespace: str = "ns") -> list[str]:
    """What validation says of an Event with these fields, one text a violation."""
    document = {"metadata": {"name": "e", "namespace": namespace}, "involvedObject": {"namespace": about}, **fields}
    return [str(error) for error in validate_event(msgspec.convert(document, KubernetesEvent))]


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        ({"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 0}, []),
        ({"leaseDurationSeconds": 0}, ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]),
        ({"leaseTransitions": -1}, ["spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"]),
        ({"preferredHolder": "b", "strategy": "OldestEmulationVersion"}, []),
        (
            {"preferredHolder": "b"},
            ["spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined"],
        ),
    ],
)
def test_a_lease(spec: dict[str, Any], faults: list[str]) -> None:
    assert [str(error) for error in validate_lease(msgspec.convert({"spec": spec}, Lease))] == faults


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.0000000Z"])
def test_a_micro_time_has_six_digits(text: str) -> None:
    (fault,) = inspect_fields("Lease", {"spec": {"renewTime": text}})[1].wrong
    assert fault.path == "spec.renewTime"
    assert "2006-01-02T15:04:05.000000Z07:00" in fault.message
    assert not inspect_fields("Lease", {"spec": {"renewTime": "2026-01-01T00:00:00.000001Z"}})[1].wrong


@pytest.mark.parametrize(
    ("about", "namespace", "fields", "misplaced"),
    [
        ("ns", "ns", {}, False),
        ("other", "ns", {}, True),
        ("", "ns", {}, True),
        ("", "default", {}, False),
        ("", "kube-system", {}, True),
        ("other", "ns", NEWER, False),
        ("", "ns", NEWER, True),
        ("", "kube-system", NEWER, False),
    ],
)
def test_an_event_is_where_its_object_is(about: str, namespace: str, fields: dict[str, Any], misplaced: bool) -> None:
    fault = f'involvedObject.namespace: Invalid value: "{about}": does not match event.namespace'
    assert told_of_event(fields, about=about, namespace=namespace) == ([fault] if misplaced else [])


def test_a_classic_event_may_say_what_it_likes() -> None:
    assert told_of_event({"message": "m" * 5000, "reason": ""}) == []


def test_an_event_of_the_newer_form_says_who_tells_it_and_why() -> None:
    faults = told_of_event({"eventTime": NEWER["eventTime"]})
    assert faults[0] == "reportingComponent: Required value"
    assert faults[1].startswith('reportingComponent: Invalid value: "": name part')
    assert faults[-3:] == [f"{name}: Required value" for name in ("reportingInstance", "action", "reason")]


@pytest.mark.parametrize(
    ("name", "most"), [("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)]
)
def test_the_texts_of_an_event_of_the_newer_form_are_bounded(name: str, most: int) -> None:
    assert told_of_event({**NEWER, name: "x" * most}) == []
    assert told_of_event({**NEWER, name: "x" * (most + 1)}) == [
        f'{name}: Invalid value: "": can have at most {most} characters'
    ]
