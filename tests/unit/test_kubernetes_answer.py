"""What answers to commands amount to: a row of the table in `answer.py` is a row here."""

from typing import Any

import msgspec
import pytest
from tests.unit.kubernetes_objects import JOB, KEY, POD_UID, new_pod, pod_document

from podledger.api.job import JobStatus
from podledger.job.command import AdoptPod, Command, CreatePod, DeletePod, LetGoPod, PublishStatus, ReleasePod
from podledger.ports import Created, Done, Failed, Unknown
from podledger_adapters.kubernetes.answer import lost, outcome_of
from podledger_adapters.kubernetes.client import Answer, CallLost

CREATE = CreatePod(JOB, "i-0", new_pod())
DELETE = DeletePod(JOB, "batch", "pi-abcde", POD_UID, release=False)
RELEASE = ReleasePod(JOB, "batch", "pi-abcde", POD_UID)
LET_GO = LetGoPod(JOB, "batch", "pi-abcde", POD_UID)
ADOPT = AdoptPod(JOB, KEY, "pi-abcde", POD_UID)
PUBLISH = PublishStatus(JOB, KEY, "7", JobStatus())
IMMUTABLE: dict[str, Any] = {
    "causes": [{"reason": "FieldValueInvalid", "message": "field is immutable", "field": "metadata.uid"}]
}


def refusal(code: int, reason: str, message: str = "no", **details: Any) -> Answer:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return Answer(code, msgspec.json.encode(body | ({"details": details} if details else {})))


def test_a_created_pod_comes_back_as_stored() -> None:
    outcome = outcome_of(CREATE, Answer(201, msgspec.json.encode(pod_document(12))))
    assert isinstance(outcome, Created)
    assert (outcome.pod.metadata.resource_version, outcome.pod.spec.node_name) == ("12", "n1")
    assert outcome.pod.spec.base["newField"] == [1], "what this release does not know is kept"


@pytest.mark.parametrize("command", [DELETE, RELEASE, LET_GO, ADOPT, PUBLISH])
def test_what_was_written_has_a_new_version(command: Command) -> None:
    assert outcome_of(command, Answer(200, b'{"metadata":{"resourceVersion":"9"}}')) == Done("9")


@pytest.mark.parametrize("command", [DELETE, RELEASE, LET_GO])
@pytest.mark.parametrize(
    "answer",
    [
        refusal(404, "NotFound"),
        refusal(422, "Invalid", **IMMUTABLE),
        refusal(409, "Conflict", "the UID in the precondition (A) does not match the UID in record (B)"),
        refusal(409, "Conflict", "Precondition failed: UID in precondition: A, UID in object meta: B"),
    ],
)
def test_a_pod_that_is_gone_needs_no_leaving(command: Command, answer: Answer) -> None:
    assert outcome_of(command, answer) == Done("")


@pytest.mark.parametrize("body", [b"404 page not found\n", b"<html>no such page</html>", b"{}", b""])
@pytest.mark.parametrize("command", [CREATE, DELETE, RELEASE, ADOPT, PUBLISH])
def test_a_404_that_is_not_kubernetes_own_says_nothing_of_the_object(command: Command, body: bytes) -> None:
    """A proxy's page, or an API that is not served any more: taken for gone, a held pod would count twice."""
    assert outcome_of(command, Answer(404, body)) == Unknown("404: not a Kubernetes answer")


@pytest.mark.parametrize("command", [CREATE, ADOPT, PUBLISH])
def test_others_hear_that_it_is_gone(command: Command) -> None:
    assert outcome_of(command, refusal(404, "NotFound", "gone")) == Failed(404, "NotFound", "gone")


@pytest.mark.parametrize(
    "answer",
    [refusal(403, "Forbidden"), refusal(409, "Conflict", "the object has been modified"), refusal(422, "Invalid")],
)
@pytest.mark.parametrize("command", [CREATE, DELETE, RELEASE, PUBLISH])
def test_a_refusal_was_not_applied(command: Command, answer: Answer) -> None:
    outcome = outcome_of(command, answer)
    assert isinstance(outcome, Failed)
    assert outcome.code == answer.code


def test_a_namespace_that_goes_away_is_named_by_its_own_reason() -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "being terminated", "field": "metadata.namespace"}]
    outcome = outcome_of(CREATE, refusal(403, "Forbidden", causes=causes))
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.reason) == (403, "NamespaceTerminating")


def test_throttling_says_how_long() -> None:
    answer = refusal(429, "TooManyRequests")._replace(retry_after_s=7.0)
    assert outcome_of(CREATE, answer) == Failed(429, "TooManyRequests", "no", 7.0)
    assert outcome_of(CREATE, refusal(429, "TooManyRequests", retryAfterSeconds=3)) == Failed(
        429, "TooManyRequests", "no", 3.0
    )


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_what_may_have_been_applied_is_unknown(code: int) -> None:
    assert isinstance(outcome_of(CREATE, refusal(code, "InternalError")), Unknown)
    assert isinstance(outcome_of(CREATE, Answer(code, b"<html>")), Unknown)


def test_a_webhook_that_could_not_be_called_kept_the_write_from_the_store() -> None:
    message = 'Internal error occurred: failed calling webhook "x.example.com": connection refused'
    assert isinstance(outcome_of(RELEASE, refusal(500, "InternalError", message)), Failed)


def test_an_answer_that_cannot_be_read_is_unknown() -> None:
    assert isinstance(outcome_of(CREATE, Answer(201, b"{")), Unknown)
    assert isinstance(outcome_of(RELEASE, Answer(200, b"ok")), Unknown)
    assert isinstance(outcome_of(RELEASE, Answer(302, b"")), Unknown)


def test_a_call_that_was_never_sent_failed_and_one_without_an_answer_is_unknown() -> None:
    assert lost(CallLost("refused", sent=False)) == Failed(0, "Unreachable", "refused")
    assert lost(CallLost("timeout", sent=True)) == Unknown("timeout")
