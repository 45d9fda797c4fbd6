"""Status bodies, word for word: against recordings of a real API server, and the forms that were not recorded."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from podledger.api.decode import decode_job
from podledger.api.field_error import required
from podledger.errors import InvalidObject, UndecodableObject
from podledger_adapters.server import status
from podledger_adapters.server.resource import of_kind
from podledger_adapters.store.api_error import StoreUnavailable, already_exists, conflict, not_found
from podledger_adapters.store.kinds import RESOURCES

JOB = next(resource for resource in RESOURCES.values() if resource.kind == "Job")
RECORDED = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared")) / "recorded"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"

ERRORS = {
    "already-exists": already_exists(JOB, "pi", terminating=False),
    "anonymous": status.forbidden("system:anonymous", "list", of_kind("Job"), namespace="kt"),
    "conflict": conflict("jobs.batch", "pi", MODIFIED, resource=JOB),
    "empty-post": InvalidObject(
        "Job",
        "",
        [
            required("metadata.name", "name or generateName is required"),
            required("spec.template.spec.containers"),
            required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'),
        ],
    ),
    "not-acceptable": status.not_acceptable(collection=True),
    "not-found": not_found(JOB, "none"),
    "unsupported-patch": status.unsupported_patch_type(),
}


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings in {RECORDED}; set PODLEDGER_REFERENCE")
@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_written_as_recorded(name: str) -> None:
    recorded: dict[str, Any] = json.loads((RECORDED / f"error-{name}.json").read_text(encoding="utf-8"))
    ours = status.status_of(ERRORS[name])
    assert ours == recorded
    assert list(ours) == list(recorded)


def test_a_document_that_is_no_object_is_a_bad_request() -> None:
    with pytest.raises(UndecodableObject) as caught:
        decode_job({"apiVersion": "batch/v1", "kind": "Job", "spec": {"bogus": 1}})
    body = status.status_of(caught.value)
    assert (body["code"], body["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.bogus"' in body["message"]


def test_what_nobody_foresaw_is_an_internal_error_and_says_so() -> None:
    assert status.status_of(RuntimeError("the sky fell")) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Internal error occurred: the sky fell",
        "reason": "InternalError",
        "details": {"causes": [{"message": "the sky fell"}]},
        "code": 500,
    }


def test_a_store_that_stopped_is_unavailable() -> None:
    assert status.status_of(StoreUnavailable("disk full"))["code"] == 503


def test_a_state_of_the_future_is_to_be_asked_for_again() -> None:
    body = status.status_of(status.too_large_resource_version(9, 7))
    assert (body["code"], body["message"]) == (504, "Timeout: Too large resource version: 9, current: 7")
    assert body["details"]["causes"] == [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    assert status.retry_after_s(body) == 1
    assert status.retry_after_s(status.status_of(status.method_not_allowed())) is None


def test_options_are_refused_like_objects_of_a_kind_of_their_own() -> None:
    causes = [required("resourceVersion", "is needed"), required("limit")]
    body = status.status_of(status.invalid("ListOptions.meta.k8s.io", "meta.k8s.io", "ListOptions", "", causes))
    assert body["message"] == (
        'ListOptions.meta.k8s.io "" is invalid: [resourceVersion: Required value: is needed, limit: Required value]'
    )
    assert body["details"]["kind"] == "ListOptions"
    assert len(body["details"]["causes"]) == 2
    assert status.status_of(status.invalid_unnamed(causes[:1]))["message"].startswith(' "" is invalid: resourceVersion')


def test_a_deletion_that_leaves_nothing_names_what_is_gone() -> None:
    assert status.deleted(of_kind("Job"), "pi", "u")["details"] == {
        "name": "pi",
        "group": "batch",
        "kind": "jobs",
        "uid": "u",
    }
    assert "group" not in status.deleted(of_kind("Event"), "pi", "u")["details"]


def test_access_is_refused_in_the_words_of_rbac() -> None:
    assert status.forbidden("u", "get", of_kind("Namespace"), name="a").message == (
        'namespaces "a" is forbidden: User "u" cannot get resource "namespaces" in API group "" at the cluster scope'
    )
    assert status.forbidden_path("u", "get", "/metrics").message == 'forbidden: User "u" cannot get path "/metrics"'
