"""A ledger that knows the Job: resume, report, or refuse naming what differs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from podledger.api.decode import decode_job
from podledger.api.defaults import prepare_for_create
from podledger.api.job import Job, JobCondition, JobStatus
from podledger_adapters.cli.manifest import ManifestObject, read_manifests
from podledger_adapters.cli.preflight import Submission
from podledger_adapters.cli.resume import difference, plan_run

BORN = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


def manifest(**spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox", "command": ["true"]}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": template, **spec}}


def stored(status: JobStatus | None = None, **spec: Any) -> Job:
    job = prepare_for_create(decode_job(manifest(**spec)), uid="5f0d1d3c-0000-4000-8000-000000000001", now=BORN)
    return structs.replace(job, status=status or JobStatus())


def submission(tmp_path: Path, **spec: Any) -> Submission:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(manifest(**spec)))
    objects, _ = read_manifests([str(file)])
    source: ManifestObject = objects[0]
    return Submission(source, decode_job(source.value))


def test_an_unknown_job_is_started(tmp_path: Path) -> None:
    (plan,), faults = plan_run([submission(tmp_path)], {})
    assert (plan.step, plan.stored, faults) == ("start", None, [])


@pytest.mark.parametrize(
    ("asked", "known"),
    [({}, {}), ({"suspend": False}, {"suspend": True}), ({"suspend": True}, {}), ({"completions": 1}, {})],
)
def test_the_same_spec_is_resumed_whatever_was_generated_and_suspended(
    tmp_path: Path, asked: dict[str, Any], known: dict[str, Any]
) -> None:
    job = stored(**known)
    (plan,), faults = plan_run([submission(tmp_path, **asked)], {job.key: job})
    assert (plan.step, plan.stored, faults) == ("resume", job, [])
    assert plan.suspend == asked.get("suspend", False)


@pytest.mark.parametrize("type_", ["Complete", "Failed"])
def test_a_finished_job_is_only_reported(tmp_path: Path, type_: str) -> None:
    job = stored(JobStatus(conditions=(JobCondition(type=type_, status="True"),)))
    (plan,), faults = plan_run([submission(tmp_path)], {job.key: job})
    assert (plan.step, faults) == ("report", [])


def test_another_spec_is_refused_with_the_fields_that_differ(tmp_path: Path) -> None:
    job = stored(completions=3, parallelism=2)
    plans, (fault,) = plan_run([submission(tmp_path, completions=4, parallelism=2)], {job.key: job})
    assert plans == []
    assert "this ledger knows Job default/a with another spec (differs in spec.completions)" in str(fault)
    assert "another --db" in str(fault)


def test_differences_go_down_to_the_field() -> None:
    one = manifest()
    one["spec"]["template"]["spec"]["containers"][0]["command"] = ["false"]
    one["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    one["spec"]["template"]["metadata"]["labels"]["app"] = "y"
    assert difference(decode_job(one), stored()) == [
        "spec.template.metadata.labels.app",
        "spec.template.spec.containers[0].command[0]",
        "spec.template.spec.containers[0].env",
    ]


def test_a_job_that_is_being_deleted_is_refused(tmp_path: Path) -> None:
    job = stored()
    job = structs.replace(job, metadata=structs.replace(job.metadata, deletion_timestamp=BORN))
    plans, (fault,) = plan_run([submission(tmp_path)], {job.key: job})
    assert plans == []
    assert "is being deleted in this ledger" in str(fault)
