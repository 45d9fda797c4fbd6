"""Our objects and messages against recordings of a real Kubernetes API server.

The recordings are not part of the repository: they are looked for in $PODLEDGER_REFERENCE, then beside the checkout.
Without them these tests are skipped.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.merge_patch import merged

from podledger.api import Job
from podledger.api.decode import decode_job
from podledger.api.defaults import prepare_for_create, with_defaults, with_pod_defaults
from podledger.api.document import job_document, job_from_document, pod_document, pod_from_document
from podledger.api.validation import validate_job, validate_job_update, validate_pod
from podledger.errors import InvalidObject, UndecodableObject

Json = dict[str, Any]
REFERENCE = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared"))
RECORDED, CONFORMANCE = REFERENCE / "recorded", REFERENCE / "conformance"
UID = "ada176e5-68b8-453d-be80-74bc5da0e590"
NOW = datetime.fromisoformat("2026-01-31T12:00:00Z")

pytestmark = pytest.mark.skipif(
    not (RECORDED / "stored-job.json").exists(),
    reason=f"no recordings in {REFERENCE}; set PODLEDGER_REFERENCE to the folder that holds recorded/ and conformance/",
)


def read(path: Path) -> Json:
    """A recording; uids in it are ours."""
    document: Json = json.loads(path.read_text(encoding="utf-8").replace("<uid>", UID))
    return document


def scenarios() -> list[str]:
    """The scenarios that keep replies to compare with, by name."""
    files = sorted((CONFORMANCE / "scenarios").glob("*.json"))
    return [path.stem for path in files if not path.stem.startswith("cron") and '"keep_reply"' in path.read_text()]


def test_a_created_job_is_what_the_api_server_stored() -> None:
    stored = read(RECORDED / "stored-job.json")
    metadata = stored["metadata"]
    applied = metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    # kubectl sends the manifest with the annotation that remembers it.
    manifest = merged(json.loads(applied), {"metadata": {"annotations": metadata["annotations"]}})
    job = prepare_for_create(
        decode_job(manifest), uid=metadata["uid"], now=datetime.fromisoformat(metadata["creationTimestamp"])
    )
    assert validate_job(job) == []
    for later in ("managedFields", "resourceVersion"):
        del metadata[later]
    stored["status"] = {}
    assert job_document(job) == stored


def test_recorded_objects_survive_being_read_and_written() -> None:
    stored = read(RECORDED / "stored-job.json")
    job = job_from_document(stored)
    assert job_document(job) == stored
    assert list(job_document(job)["spec"]) == list(stored["spec"])
    assert with_defaults(decode_job(stored)) == job
    for item in read(RECORDED / "stored-pod-list.json")["items"]:
        document = {"kind": "Pod", "apiVersion": "v1", **item}
        pod = pod_from_document(document)
        assert pod_document(pod) == document
        assert with_pod_defaults(pod) == pod
        assert validate_pod(pod) == []


def test_an_empty_job_is_refused_with_the_recorded_message() -> None:
    reply = read(RECORDED / "error-empty-post.json")
    job = prepare_for_create(decode_job({"apiVersion": "batch/v1", "kind": "Job"}), uid=UID, now=NOW)
    errors = validate_job(job)
    assert str(InvalidObject("Job.batch", "", errors)) == reply["message"]
    assert causes(job, errors) == reply["details"]["causes"]


def test_unknown_fields_are_named_as_recorded() -> None:
    reply = read(RECORDED / "error-unknown-field-strict.json")
    template = {"spec": {"containers": [{"name": "a", "imge": "x"}]}}
    with pytest.raises(UndecodableObject) as caught:
        decode_job({"apiVersion": "batch/v1", "kind": "Job", "spec": {"bogus": 1, "template": template}})
    listed = ", ".join(f'unknown field "{path}"' for path in caught.value.unknown_fields)
    assert reply["message"].endswith(f"strict decoding error: {listed}")


def causes(job: Job, errors: Any) -> list[Json]:
    """The causes of a 422 Status."""
    return [{"field": error.field, "message": error.message, "reason": error.reason} for error in errors]


@pytest.mark.parametrize("name", scenarios() if CONFORMANCE.exists() else [])
def test_replies_to_creates_and_patches_are_those_recorded(name: str) -> None:
    recorded = {each["step"]: each for each in read(CONFORMANCE / "golden" / f"{name}.json")["observations"]}
    job: Job | None = None
    compared = 0
    for step in read(CONFORMANCE / "scenarios" / f"{name}.json")["steps"]:
        if step["do"] == "create":
            job = prepare_for_create(decode_job(step["body"]), uid=UID, now=NOW)
            errors = validate_job(job)
        elif step["do"] == "patch-job" and job is not None:
            new = with_defaults(decode_job(merged(job_document(job), step["patch"])))
            errors = validate_job_update(new, job)
            job = job if errors else new
        else:
            continue
        if step.get("keep_reply"):
            compare(job, errors, recorded[step["label"]])
            compared += 1
        else:
            assert errors == []
    assert compared


def compare(job: Job, errors: Any, recorded: Json) -> None:
    """One reply: the refusal in full, or the spec as stored (a generation and a status belong to the store)."""
    reply = recorded["reply"]
    if recorded["code"] == 422:
        assert str(InvalidObject("Job.batch", job.metadata.name, errors)) == reply["message"]
        assert sorted(causes(job, errors), key=str) == sorted(reply["causes"], key=str)
    else:
        assert errors == []
        assert job_document(job)["spec"] == reply["spec"]
        assert job_document(job)["metadata"]["labels"] == reply["metadata"]["labels"]
