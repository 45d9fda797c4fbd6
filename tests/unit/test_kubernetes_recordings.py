"""The client's readers against recordings of a real Kubernetes API server.

The recordings are not part of the repository: they are looked for in $PODLEDGER_REFERENCE, then beside the checkout.
Without them these tests are skipped.
"""

import os
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.kubernetes_objects import JOB, KEY, POD_UID, event_line

from podledger.api.cronjob import CronJob
from podledger.api.document import cronjob_from_document, pod_from_document
from podledger.api.job import Job, JobStatus
from podledger.api.pod import Pod
from podledger.job.command import CreatePod, PublishStatus, ReleasePod
from podledger.job.decision import decide
from podledger.job.fold import fold
from podledger.job.names import INTENT_ANNOTATION
from podledger.job.observation import observe_job
from podledger.job.state import JobState
from podledger.ports import Done, Failed, Seen
from podledger_adapters.kubernetes.answer import outcome_of
from podledger_adapters.kubernetes.client import Answer
from podledger_adapters.kubernetes.decode import decode_job, decode_page, decode_pod, decode_seen, decode_status
from podledger_adapters.kubernetes.request import create_pod
from podledger_adapters.kubernetes.watch import Lines, Listing, ListWatch, Paged, Streaming, Watching

REFERENCE = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared"))
RECORDED = REFERENCE / "recorded"

pytestmark = pytest.mark.skipif(
    not (RECORDED / "stored-pod-list.json").exists(),
    reason=f"no recordings in {REFERENCE}; set PODLEDGER_REFERENCE to the folder that holds recorded/",
)


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def test_a_list_of_pods_is_seen_as_its_whole_objects_are() -> None:
    page = decode_page(recorded("stored-pod-list.json"))
    step = ListWatch("Pod", streams=False).step(Listing(), Paged(page))
    assert step.state == Watching(page.metadata.resource_version, fresh=True)
    seen = [change.object for change in step.changes if isinstance(change, Seen)]
    assert len(seen) == len(page.items) > 0
    for slim, raw in zip(seen, page.items, strict=True):
        whole = decode_pod(bytes(raw))
        assert whole == pod_from_document(msgspec.json.decode(raw))
        assert isinstance(slim, Pod)
        kept, full = slim.metadata, whole.metadata
        assert (slim.status, slim.spec.node_name, slim.spec.restart_policy) == (
            whole.status,
            whole.spec.node_name,
            whole.spec.restart_policy,
        )
        assert (kept.uid, kept.labels, kept.annotations, kept.owner_references, kept.finalizers) == (
            full.uid,
            full.labels,
            full.annotations,
            full.owner_references,
            full.finalizers,
        )


def test_a_stored_job_is_read_with_its_status() -> None:
    job = decode_job(recorded("stored-job.json"))
    assert job.metadata.uid
    assert job.status != JobStatus()
    line = event_line("MODIFIED", msgspec.json.decode(recorded("stored-job.json")))
    (change,) = ListWatch("Job", streams=True).step(Watching("1"), Lines([line])).changes
    assert isinstance(change, Seen)
    assert isinstance(change.object, Job)
    assert change.object == job


def test_the_pod_we_make_for_a_job_is_the_one_the_builtin_controller_made() -> None:
    job = decode_job(recorded("stored-job.json"))
    (made,) = (
        item
        for item in msgspec.json.decode(recorded("stored-pod-list.json"))["items"]
        if item["metadata"]["ownerReferences"][0]["uid"] == job.metadata.uid
    )
    state = JobState(uid=job.metadata.uid, namespace=job.metadata.namespace, name=job.metadata.name, seed="seed")
    for event in observe_job(None, replace(job, status=JobStatus())):
        fold(state, event)
    (command,) = (each for each in decide(state, 1_800_000_000.0).commands if isinstance(each, CreatePod))
    ours = msgspec.json.decode(create_pod(command).body)
    given_by_server = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
    theirs = {name: item for name, item in made["metadata"].items() if name not in given_by_server | {"name"}}
    assert ours["metadata"].pop("name").startswith("pi-")
    assert ours["metadata"].pop("annotations") == {INTENT_ANNOTATION: command.intent}
    assert ours["metadata"] == theirs
    # Admission and the defaults of pods add to the spec; nothing of what we ask for is missing or otherwise.
    added = {"tolerations", "priority", "enableServiceLinks", "preemptionPolicy"}
    assert ours["spec"] == {name: item for name, item in made["spec"].items() if name not in added}


def test_the_end_of_a_history_is_a_relist() -> None:
    lines = recorded("watch-too-old.txt").splitlines()
    assert ListWatch("Pod", streams=True).step(Watching("1"), Lines(lines)).state == Streaming(failures=1)


def test_bookmarks_end_the_initial_list_and_then_move_on() -> None:
    marks = [line for line in recorded("watch-list-stream-cut.txt").splitlines() if b'"BOOKMARK"' in line]
    step = ListWatch("Pod", streams=True).step(Streaming(), Lines(marks))
    assert step.state == Watching("5335", heard=True)


def test_a_stored_cronjob_is_read_with_its_status() -> None:
    document = msgspec.json.decode(recorded("stored-cronjob.json"))
    cronjob = decode_seen("CronJob", recorded("stored-cronjob.json"))
    assert isinstance(cronjob, CronJob)
    assert cronjob.metadata.uid == document["metadata"]["uid"]
    assert cronjob == cronjob_from_document(document)


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("already-exists", 409, "AlreadyExists"),
        ("anonymous", 403, "Forbidden"),
        ("bad-json", 400, "BadRequest"),
        ("conflict", 409, "Conflict"),
        ("empty-post", 422, "Invalid"),
        ("not-acceptable", 406, "NotAcceptable"),
        ("not-found", 404, "NotFound"),
        ("unknown-field-strict", 400, "BadRequest"),
        ("unsupported-patch", 415, "UnsupportedMediaType"),
    ],
)
def test_every_recorded_refusal_is_one_that_was_not_applied(name: str, code: int, reason: str) -> None:
    body = recorded(f"error-{name}.json")
    status = decode_status(body)
    assert status is not None
    assert (status.code, status.reason) == (code, reason)
    outcome = outcome_of(PublishStatus(JOB, KEY, "7", JobStatus()), Answer(code, body))
    assert outcome == Failed(code, reason, status.message)
    # None of them says that a pod we want to be rid of is another one's by now; one says that it is gone.
    released = outcome_of(ReleasePod(JOB, "kt", "none", POD_UID), Answer(code, body))
    assert released == (Done() if code == 404 else outcome)


def test_no_recorded_refusal_is_left_out() -> None:
    assert len(list(RECORDED.glob("error-*.json"))) == 9
