"""What of a Job may change after it was created, and how a refused change is told."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs
from tests.merge_patch import merged

from podledger.api import Job, JobCondition, JobStatus
from podledger.api.decode import decode_job
from podledger.api.defaults import prepare_for_create, with_defaults
from podledger.api.document import job_document
from podledger.api.validation import validate_job_update

Json = dict[str, Any]
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SUSPENDED = JobCondition(type="Suspended", status="True")
AFFINITY: Json = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
POLICY: Json = {"rules": [{"action": "Count", "onExitCodes": {"operator": "In", "values": [1]}}]}
TEMPLATE: Json = {"spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"}}


def manifest(**spec: Any) -> Json:
    """A manifest of a Job named pi with these fields in its spec."""
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": {"template": TEMPLATE, **spec}}


def stored(status: JobStatus | None = None, **spec: Any) -> Job:
    """A Job as the store has it."""
    job = prepare_for_create(decode_job(manifest(**spec)), uid="u-1", now=NOW)
    return structs.replace(job, status=status or JobStatus())


def told(job: Job, **patch: Any) -> list[tuple[str, str]]:
    """Field and detail of what validation says of the stored Job patched in its spec."""
    new = with_defaults(decode_job(merged(job_document(job), {"spec": patch})))
    return [(error.field, error.message.rpartition(": ")[2]) for error in validate_job_update(new, job)]


@pytest.mark.parametrize(
    "patch",
    [
        {"parallelism": 7},
        {"backoffLimit": 0},
        {"activeDeadlineSeconds": 60},
        {"ttlSecondsAfterFinished": 0},
        {"suspend": True},
        {"podReplacementPolicy": "Failed"},
        {"manualSelector": True},
    ],
)
def test_numbers_and_suspend_may_always_change(patch: Json) -> None:
    running = JobStatus(active=1, start_time=NOW)
    assert told(stored(running), **patch) == []


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"completions": 5}, "spec.completions"),
        ({"completionMode": "Indexed"}, "spec.completionMode"),
        ({"podFailurePolicy": POLICY, "podReplacementPolicy": "Failed"}, "spec.podFailurePolicy"),
        ({"managedBy": "example.com/x"}, "spec.managedBy"),
        ({"template": {"spec": {"terminationGracePeriodSeconds": 1}}}, "spec.template"),
        ({"template": {"spec": {"nodeSelector": {"zone": "a"}}}}, "spec.template"),
        ({"template": {"metadata": {"labels": {"zone": "a"}}}}, "spec.template"),
    ],
)
def test_the_rest_never_changes_while_the_job_runs(patch: Json, field: str) -> None:
    assert told(stored(), **patch) == [(field, "field is immutable")]


def test_what_is_only_for_indexed_jobs_never_changes_either() -> None:
    job = stored(completionMode="Indexed", completions=3, backoffLimitPerIndex=1)
    assert told(job, backoffLimitPerIndex=2) == [("spec.backoffLimitPerIndex", "field is immutable")]
    success = {"rules": [{"succeededCount": 1}]}
    assert told(job, successPolicy=success) == [("spec.successPolicy", "field is immutable")]
    assert told(job, maxFailedIndexes=1) == []


def test_a_removed_value_is_shown_as_null() -> None:
    job = stored(managedBy="example.com/x")
    (error,) = validate_job_update(structs.replace(job, spec=structs.replace(job.spec, managed_by=None)), job)
    assert str(error) == 'spec.managedBy: Invalid value: "null": field is immutable'


def test_indexed_completions_change_only_together_with_parallelism() -> None:
    job = stored(completionMode="Indexed", completions=3, parallelism=3)
    assert told(job, completions=5, parallelism=5) == []
    tandem = [("spec.completions", "can only be modified in tandem with spec.parallelism")]
    assert told(job, completions=5) == tandem
    assert told(job, completions=5, parallelism=4) == tandem
    assert told(job, parallelism=1) == []


SCHEDULING: list[Json] = [
    {"spec": {"nodeSelector": {"zone": "a"}}},
    {"spec": {"tolerations": [{"operator": "Exists"}]}},
    {"spec": {"affinity": AFFINITY}},
    {"spec": {"schedulingGates": [{"name": "example.com/quota"}]}},
    {"metadata": {"labels": {"zone": "a"}, "annotations": {"note": "n"}}},
    {"spec": {"containers": [{"name": "main", "image": "x", "resources": {"requests": {"cpu": "1"}}}]}},
]


@pytest.mark.parametrize("template", SCHEDULING)
@pytest.mark.parametrize(
    ("status", "open_"),
    [
        (JobStatus(), True),
        (JobStatus(conditions=(SUSPENDED,)), True),
        (JobStatus(conditions=(SUSPENDED,), start_time=NOW), True),
        (JobStatus(start_time=NOW), False),
        (JobStatus(active=1), False),
        (JobStatus(terminating=1), True),
    ],
)
def test_a_suspended_job_with_nothing_running_may_be_scheduled_anew(
    status: JobStatus, open_: bool, template: Json
) -> None:
    expected = [] if open_ else [("spec.template", "field is immutable")]
    assert told(stored(status, suspend=True), template=template) == expected
    assert told(stored(status, suspend=True), template=template, suspend=False) == expected


@pytest.mark.parametrize(
    "template",
    [
        {"spec": {"containers": [{"name": "main", "image": "y"}]}},
        {"spec": {"containers": [{"name": "other", "image": "x"}]}},
        {"spec": {"containers": [{"name": "main", "image": "x"}, {"name": "more", "image": "x"}]}},
        {"spec": {"terminationGracePeriodSeconds": 1}},
        {"spec": {"affinity": {"podAffinity": {}}}},
    ],
)
def test_what_a_suspended_job_may_not_change_is_told_at_its_pods_spec(template: Json) -> None:
    assert told(stored(suspend=True), template=template) == [("spec.template.spec", "field is immutable")]


def test_affinity_may_go_if_it_held_nothing_else() -> None:
    template = merged(TEMPLATE, {"spec": {"affinity": AFFINITY}})
    assert told(stored(suspend=True, template=template), template={"spec": {"affinity": None}}) == []
    template = merged(TEMPLATE, {"spec": {"affinity": {**AFFINITY, "podAffinity": {}}}})
    assert told(stored(suspend=True, template=template), template={"spec": {"affinity": None}}) == [
        ("spec.template.spec", "field is immutable")
    ]


def test_identity_may_not_change() -> None:
    job = stored()
    changed = structs.replace(job, metadata=structs.replace(job.metadata, name="e", namespace="other"))
    assert [str(error) for error in validate_job_update(changed, job)] == [
        'metadata.name: Invalid value: "e": field is immutable',
        'metadata.namespace: Invalid value: "other": field is immutable',
    ]


def test_no_finalizer_joins_a_job_that_is_being_deleted() -> None:
    job = stored()
    deleting = structs.replace(job, metadata=structs.replace(job.metadata, deletion_timestamp=NOW))
    held = structs.replace(deleting, metadata=structs.replace(deleting.metadata, finalizers=("example.com/x",)))
    assert [str(error) for error in validate_job_update(held, deleting)] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
        'finalizers []string{"example.com/x"}'
    ]
    assert validate_job_update(deleting, held) == []


def test_a_full_replacement_without_selector_is_refused_as_kubernetes_refuses_it() -> None:
    job = stored()
    sent = with_defaults(decode_job(manifest()))
    fields = [error.field for error in validate_job_update(structs.replace(sent, metadata=job.metadata), job)]
    assert fields == ["spec.selector", "spec.template.metadata.labels", "spec.selector", "spec.template"]


def test_a_refused_template_is_shown_as_the_internal_type() -> None:
    job = stored()
    template = {"spec": {"hostNetwork": True, "tolerations": [{"operator": "Exists"}], "containers": [
        {"name": "main", "image": "x", "env": [{"name": "A", "value": "<1>"}], "resources": {"limits": {"cpu": "1"}}}
    ]}}  # fmt: skip
    new = with_defaults(decode_job(merged(job_document(job), {"spec": {"template": template}})))
    (error,) = validate_job_update(new, job)
    text = error.message.removeprefix("Invalid value: ").removesuffix(": field is immutable")
    assert "\\u003c1\\u003e" in text
    shown = json.loads(text)
    assert list(shown) == ["labels", "Spec"]
    assert shown["Spec"]["SecurityContext"]["HostNetwork"] is True
    assert shown["Spec"]["Tolerations"] == [
        {"Key": "", "Operator": "Exists", "Value": "", "Effect": "", "TolerationSeconds": None}
    ]
    assert shown["Spec"]["Containers"][0]["Env"] == [{"Name": "A", "Value": "<1>", "ValueFrom": None}]
    assert shown["Spec"]["Containers"][0]["Resources"] == {"Limits": {"cpu": "1"}, "Requests": None, "Claims": None}
