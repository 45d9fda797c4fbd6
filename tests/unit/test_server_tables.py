"""Tables: against recordings of a real API server, and the states of pods that were not recorded."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from podledger_adapters.server.tables import partial, partial_list, table

RECORDED = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared")) / "recorded"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings in {RECORDED}; set PODLEDGER_REFERENCE")

Json = dict[str, Any]
CREATED = "2030-01-01T00:00:00Z"
CREATED_S = 1893456000.0


def read(name: str) -> Json:
    document: Json = json.loads((RECORDED / name).read_text(encoding="utf-8"))
    return document


def cells(kind: str, document: Json, now_s: float = CREATED_S) -> list[Any]:
    return list(table(kind, [document], now_s)["rows"][0]["cells"])


@recorded
@pytest.mark.parametrize(
    ("kind", "name"), [("Job", "jobs"), ("CronJob", "cronjobs"), ("Pod", "pods"), ("Event", "events")]
)
def test_columns_are_those_of_a_real_server(kind: str, name: str) -> None:
    ours = table(kind, [], 0)["columnDefinitions"]
    assert all(column["description"] for column in ours)
    # What a column says of itself is in words of our own.
    theirs = read(f"table-{name}.json")["columnDefinitions"]
    described = [column["description"] for column in ours]
    assert ours == [{**column, "description": text} for column, text in zip(theirs, described, strict=True)]


@recorded
@pytest.mark.parametrize(
    ("kind", "stored", "name", "row", "now_s"),
    [
        ("Job", "stored-job.json", "jobs", 0, 1795184686 + 3),
        ("CronJob", "stored-cronjob.json", "cronjobs", 0, 1795184653 + 36),
        ("Pod", "stored-pod-list.json", "pods", 1, 1795184686 + 4),
    ],
)
def test_cells_are_those_of_a_real_server(kind: str, stored: str, name: str, row: int, now_s: float) -> None:
    document = read(stored)
    document = document["items"][0] if "items" in document else document
    assert cells(kind, document, now_s) == read(f"table-{name}.json")["rows"][row]["cells"]


@recorded
def test_cells_of_an_event_are_those_of_a_real_server() -> None:
    event = read("stored-event-list.json")["items"][0]
    assert cells("Event", event, 1795184621 + 5) == [
        "5s", "Normal", "SuccessfulCreate", "job/pi", "", "job-controller", "Created pod: pi-vzvnj", "5s", 1,
        "pi.18e9c6e6e8a3c07f",
    ]  # fmt: skip


def event(**fields: Any) -> Json:
    return {"metadata": {"name": "e"}, "involvedObject": {"kind": "Job", "name": "a"}, **fields}


def test_events_in_a_series_and_without_times() -> None:
    series = {"count": 7, "lastObservedTime": "2030-01-01T00:00:05.000000Z"}
    row = cells("Event", event(eventTime=CREATED, series=series, reportingComponent="c"), CREATED_S + 10)
    assert (row[0], row[5], row[7], row[8]) == ("5s", "c", "10s", 7)
    row = cells("Event", event(source={"component": "kubelet", "host": "n"}, message=" a\n"))
    assert (row[0], row[5], row[6], row[7], row[8]) == ("<unknown>", "kubelet, n", "a", "<unknown>", 1)


def test_a_row_holds_of_its_object_what_is_asked_for() -> None:
    document = {"metadata": {"name": "a", "resourceVersion": "7"}, "spec": {}}
    whole = table("Lease", [document], 0)
    assert whole["metadata"] == {"resourceVersion": "7"}
    assert whole["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": document["metadata"],
    }
    assert table("Lease", [document], 0, include_object="Object")["rows"][0]["object"] is document
    assert table("Lease", [document], 0, include_object="None")["rows"][0]["object"] is None
    later = table("Lease", [document], 0, columns=False, version="v1beta1")
    assert (later["columnDefinitions"], later["apiVersion"]) == (None, "meta.k8s.io/v1beta1")
    assert table("Lease", [], 0)["rows"] == []


def test_metadata_alone() -> None:
    document = {"metadata": {"name": "a"}, "spec": {}}
    assert partial(document)["metadata"] == {"name": "a"}
    listed = partial_list([document], {"resourceVersion": "9"})
    assert (listed["kind"], listed["items"][0]["kind"]) == ("PartialObjectMetadataList", "PartialObjectMetadata")


def test_cron_jobs_namespaces_and_leases() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "j"}]}}
    cron_job: Json = {
        "metadata": {"name": "c", "creationTimestamp": CREATED},
        "spec": {"schedule": "@daily", "timeZone": "Etc/UTC", "jobTemplate": {"spec": {"template": template}}},
        "status": {"active": [{}, {}], "lastScheduleTime": CREATED},
    }
    assert cells("CronJob", cron_job, CREATED_S + 60) == [
        "c", "@daily", "Etc/UTC", "<unset>", 2, "60s", "60s", "a,b", "i,j", "<none>",
    ]  # fmt: skip
    assert cells("Namespace", {"metadata": {"name": "n"}, "status": {"phase": "Active"}}) == [
        "n",
        "Active",
        "<unknown>",
    ]
    assert cells("Lease", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}) == ["l", "me", "<unknown>"]


def test_a_selector_is_shown_as_it_would_be_typed() -> None:
    selector = {
        "matchLabels": {"b": "2"},
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["y", "x"]},
            {"key": "c", "operator": "DoesNotExist"},
            {"key": "d", "operator": "Exists"},
        ],
    }
    job: Json = {"metadata": {"name": "a"}, "spec": {"selector": selector, "template": {"spec": {}}}}
    assert cells("Job", job)[-1] == "a in (x,y),b=2,!c,d"


# ---- pods --------------------------------------------------------------------------------------------------------


def container(
    state: Json | None = None, *, name: str = "a", ready: bool = False, restarts: int = 0, **more: Any
) -> Json:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state or {}, **more}


RUNNING: Json = {"running": {"startedAt": CREATED}}
DONE: Json = {"terminated": {"exitCode": 0, "reason": "Completed"}}
FAILED: Json = {"terminated": {"exitCode": 1, "reason": "Error"}}


def waiting(reason: str) -> Json:
    return {"waiting": {"reason": reason}}


def conditions(**status: str) -> list[Json]:
    return [{"type": type_, "status": value} for type_, value in status.items()]


def pod(*containers: Json, init: tuple[Json, ...] = (), sidecars: tuple[str, ...] = (), **status: Any) -> Json:
    declared = [
        {"name": one["name"], **({"restartPolicy": "Always"} if one["name"] in sidecars else {})} for one in init
    ]
    return {
        "metadata": {"name": "p", "creationTimestamp": CREATED, **status.pop("metadata", {})},
        "spec": {"containers": [{"name": one["name"]} for one in containers], "initContainers": declared},
        "status": {
            "phase": "Running",
            "containerStatuses": list(containers),
            "initContainerStatuses": list(init),
            **status,
        },
    }


DELETED = {"deletionTimestamp": CREATED}
PODS = {
    "phase": (pod(container(), phase="Pending"), "0/1", "Pending"),
    "reason of the pod": (pod(container(), phase="Failed", reason="Evicted"), "0/1", "Evicted"),
    "running": (pod(container(RUNNING, ready=True)), "1/1", "Running"),
    "running, not ready": (pod(container(RUNNING)), "0/1", "Running"),
    "waiting": (pod(container(waiting("ContainerCreating")), phase="Pending"), "0/1", "ContainerCreating"),
    "the first container wins": (
        pod(container(DONE), container(waiting("ImagePullBackOff"), name="b")),
        "0/2",
        "Completed",
    ),
    "crash loop": (pod(container(waiting("CrashLoopBackOff"), restarts=3)), "0/1", "CrashLoopBackOff"),
    "done": (pod(container(DONE), phase="Succeeded"), "0/1", "Completed"),
    "signal": (pod(container({"terminated": {"exitCode": 137, "signal": 9}}), phase="Failed"), "0/1", "Signal:9"),
    "exit code": (pod(container({"terminated": {"exitCode": 3}}), phase="Failed"), "0/1", "ExitCode:3"),
    "one done, one failed": (pod(container(DONE), container(FAILED, name="b"), phase="Failed"), "0/2", "Error"),
    "one done, one ready": (
        pod(container(DONE), container(RUNNING, name="b", ready=True), conditions=conditions(Ready="True")),
        "1/2",
        "Running",
    ),
    "one done, one not ready": (
        pod(container(DONE), container(RUNNING, name="b", ready=True), conditions=conditions(Ready="False")),
        "1/2",
        "NotReady",
    ),
    "gated": (
        pod(phase="Pending", conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]),
        "0/0",
        "SchedulingGated",
    ),
    "init running": (
        pod(container(waiting("PodInitializing")), init=(container(DONE, name="i"), container(RUNNING, name="j"))),
        "0/1",
        "Init:1/2",
    ),
    "init failed": (pod(container(), init=(container(FAILED, name="i"),)), "0/1", "Init:Error"),
    "init killed": (
        pod(container(), init=(container({"terminated": {"exitCode": 137, "signal": 9}}, name="i"),)),
        "0/1",
        "Init:Signal:9",
    ),
    "init exit code": (
        pod(container(), init=(container({"terminated": {"exitCode": 2}}, name="i"),)),
        "0/1",
        "Init:ExitCode:2",
    ),
    "init waiting": (
        pod(container(), init=(container(waiting("ErrImagePull"), name="i"),)),
        "0/1",
        "Init:ErrImagePull",
    ),
    "sidecar started": (
        pod(
            container(RUNNING, ready=True),
            init=(container(RUNNING, name="s", ready=True, restarts=2, started=True),),
            sidecars=("s",),
        ),
        "2/2",
        "Running",
    ),
    "deleted": (pod(container(RUNNING, ready=True), metadata=DELETED), "1/1", "Terminating"),
    "deleted after its end": (pod(container(DONE), phase="Succeeded", metadata=DELETED), "0/1", "Completed"),
    "node lost": (pod(container(RUNNING), reason="NodeLost", metadata=DELETED), "0/1", "Unknown"),
}


@pytest.mark.parametrize("name", PODS)
def test_ready_and_status_of_a_pod(name: str) -> None:
    document, ready, status = PODS[name]
    assert cells("Pod", document)[1:3] == [ready, status]


def test_restarts_say_when_the_last_was() -> None:
    last = {"terminated": {"finishedAt": "2030-01-01T00:01:00Z"}}
    assert cells("Pod", pod(container(RUNNING, restarts=3, lastState=last)), CREATED_S + 360)[3] == "3 (5m ago)"
    assert cells("Pod", pod(container(RUNNING, restarts=3)))[3] == "3"


def test_restarts_of_init_containers_count_until_they_are_over() -> None:
    waits = pod(container(restarts=1), init=(container(waiting("CrashLoopBackOff"), name="i", restarts=4),))
    assert cells("Pod", waits)[3] == "4"
    over = pod(container(RUNNING, restarts=1), init=(container(DONE, name="i", restarts=4),))
    assert cells("Pod", over)[3] == "1"


def test_wide_columns_of_a_pod() -> None:
    document = pod(
        container(RUNNING), podIPs=[{"ip": "10.0.0.1"}], nominatedNodeName="m", conditions=conditions(gate="True")
    )
    document["spec"] |= {"nodeName": "n", "readinessGates": [{"conditionType": "gate"}, {"conditionType": "other"}]}
    assert cells("Pod", document)[5:] == ["10.0.0.1", "n", "m", "1/2"]
    assert cells("Pod", pod(container(RUNNING), podIP="10.0.0.2"))[5:] == ["10.0.0.2", "<none>", "<none>", "<none>"]


def test_rows_of_pods_that_ended_say_so() -> None:
    (row,) = table("Pod", [pod(container(FAILED), phase="Failed")], 0)["rows"]
    assert row["conditions"] == [
        {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}
    ]
    assert "conditions" not in table("Pod", [pod(container(RUNNING))], 0)["rows"][0]
