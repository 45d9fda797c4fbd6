"""Decoding what users write: every fault of the form is named, with its path, and with Kubernetes' words beside it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import manifests

from podledger.api.decode import decode_job, decode_pod
from podledger.api.document import job_document
from podledger.errors import UndecodableObject

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CONTAINER = "spec.template.spec.containers"


def job_manifest(**spec: Any) -> dict[str, Any]:
    """A manifest of a Job named pi with these fields in its spec."""
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec}


def with_container(**fields: Any) -> dict[str, Any]:
    """A manifest whose only container has these fields."""
    return job_manifest(template={"spec": {"containers": [fields]}})


def refusal(manifest: Mapping[str, Any]) -> UndecodableObject:
    """The error that decoding a Job raises."""
    with pytest.raises(UndecodableObject) as caught:
        decode_job(manifest)
    return caught.value


def test_every_unknown_field_is_named_by_path_with_what_may_have_been_meant() -> None:
    manifest = job_manifest(
        bogus=1, paralelism=2, template={"spec": {"containers": [{"name": "a"}, {"name": "b", "imge": "x"}]}}
    )
    error = refusal(manifest)
    assert error.unknown_fields == ("spec.bogus", "spec.paralelism", f"{CONTAINER}[1].imge")
    assert str(error) == (
        'Job "pi": unknown field "spec.bogus"; unknown field "spec.paralelism" (did you mean parallelism?); '
        f'unknown field "{CONTAINER}[1].imge" (did you mean image?)'
    )


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    error = refusal({**job_manifest(), "metadata": {"name": "a\nb", "\x1b[2J": 1}})
    assert str(error) == 'Job "a\\nb": unknown field "metadata.\\x1b[2J"'


def test_unknown_fields_are_dropped_when_asked_to() -> None:
    job = decode_job(job_manifest(bogus=1, parallelism=2), strict=False)
    assert job.spec.parallelism == 2
    assert "bogus" not in job_document(job)["spec"]


@pytest.mark.parametrize(
    ("manifest", "said", "kubernetes"),
    [
        (
            job_manifest(parallelism="two"),
            'spec.parallelism: must be an integer (int32), is string "two"',
            "json: cannot unmarshal string into Go struct field JobSpec.spec.parallelism of type int32",
        ),
        (
            job_manifest(parallelism=1.5),
            "spec.parallelism: must be an integer (int32), is number 1.5",
            "json: cannot unmarshal number 1.5 into Go struct field JobSpec.spec.parallelism of type int32",
        ),
        (
            job_manifest(backoffLimit=3_000_000_000),
            "spec.backoffLimit: must be an integer (int32), is number 3000000000",
            "json: cannot unmarshal number 3000000000 into Go struct field JobSpec.spec.backoffLimit of type int32",
        ),
        (
            job_manifest(suspend="yes"),
            'spec.suspend: must be true or false, is string "yes"',
            "json: cannot unmarshal string into Go struct field JobSpec.spec.suspend of type bool",
        ),
        (
            job_manifest(completions=True),
            "spec.completions: must be an integer (int32), is bool true",
            "json: cannot unmarshal bool into Go struct field JobSpec.spec.completions of type int32",
        ),
        (
            job_manifest(template=[]),
            "spec.template: must be an object (PodTemplateSpec), is array []",
            "json: cannot unmarshal array into Go struct field JobSpec.spec.template of type v1.PodTemplateSpec",
        ),
        (
            job_manifest(template={"spec": {"containers": {"name": "a"}}}),
            f'{CONTAINER}: must be a list of Container, is object {{"name": "a"}}',
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers "
            "of type []v1.Container",
        ),
        (
            with_container(env=[{"name": "A", "value": 1}]),
            f"{CONTAINER}[0].env[0].value: must be a string, is number 1",
            "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value "
            "of type string",
        ),
        (
            with_container(command=["sh", 1]),
            f"{CONTAINER}[0].command[1]: must be a string, is number 1",
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.command "
            "of type string",
        ),
        (
            job_manifest(template={"spec": {"restartPolicy": False}}),
            "spec.template.spec.restartPolicy: must be a string, is bool false",
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.template.spec.restartPolicy "
            "of type v1.RestartPolicy",
        ),
        (
            with_container(resources={"limits": {"memory": "much"}}),
            f'{CONTAINER}[0].resources.limits[memory]: string "much" is no quantity such as 500m or 128Mi',
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (
            {**job_manifest(), "status": {"startTime": "noon"}},
            'status.startTime: string "noon" is no time such as 2026-01-31T12:00:00Z',
            'parsing time "noon" as "2006-01-02T15:04:05Z07:00": cannot parse "noon" as "2006"',
        ),
        (
            {**job_manifest(), "metadata": {"name": "pi", "labels": {"n": 1}}},
            "metadata.labels[n]: must be a string, is number 1",
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
    ],
)
def test_a_wrong_type_is_told_with_its_path_and_in_kubernetes_words(
    manifest: dict[str, Any], said: str, kubernetes: str
) -> None:
    error = refusal(manifest)
    assert str(error) == f'Job "pi": {said}'
    assert error.type_errors == (kubernetes,)


def test_unknown_fields_and_wrong_types_are_told_at_once() -> None:
    error = refusal(job_manifest(bogus=1, parallelism="x", completions="y"))
    assert len(error.unknown_fields) == 1
    assert len(error.type_errors) == 2


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"apiVersion": "batch/v1beta1", "kind": "Job"}, "apiVersion: batch/v1beta1 was removed in Kubernetes 1.25"),
        ({"apiVersion": "batch/v2", "kind": "Job"}, "apiVersion: batch/v2 is unknown for Job, write batch/v1"),
        ({"kind": "Job"}, "apiVersion: missing, write batch/v1"),
        ({"apiVersion": "batch/v1"}, "kind: missing, write Job"),
        ({}, "kind: missing, write Job; apiVersion: missing, write batch/v1"),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, "kind: Deployment is not Job"),
    ],
)
def test_a_wrong_version_or_kind_is_told_with_the_right_one(document: dict[str, Any], said: str) -> None:
    assert str(refusal(document)).startswith(said)


@pytest.mark.parametrize("document", [None, "text", 3, [job_manifest()]])
def test_what_is_no_object_at_all_is_refused(document: Any) -> None:
    assert str(refusal(document)).startswith("not a Job")


def test_nulls_and_empty_values_are_left_out_as_kubernetes_leaves_them_out() -> None:
    container = {
        "name": "main",
        "image": "x",
        "command": [],
        "stdin": False,
        "workingDir": "",
        "resources": {},
        "env": [{"name": "A", "value": ""}],
        "securityContext": {"runAsUser": 0, "privileged": False},
    }
    manifest = job_manifest(
        completions=0, suspend=False, ttlSecondsAfterFinished=None, template={"spec": {"containers": [container]}}
    )
    spec = job_document(decode_job(manifest))["spec"]
    assert spec == {
        "completions": 0,
        "suspend": False,
        "template": {
            "metadata": {},
            "spec": {
                "containers": [
                    {
                        "name": "main",
                        "image": "x",
                        "resources": {},
                        "env": [{"name": "A"}],
                        "securityContext": {"runAsUser": 0, "privileged": False},
                    }
                ]
            },
        },
    }


def test_quantities_become_canonical_and_numbers_are_quantities_too() -> None:
    job = decode_job(with_container(resources={"limits": {"cpu": 0.5, "memory": "1024Mi", "example.com/gpu": 2}}))
    limits = job.spec.template.spec["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "1Gi", "example.com/gpu": "2"}


def test_fields_that_podledger_does_not_use_are_kept() -> None:
    volume = {"name": "data", "csi": {"driver": "x.example", "volumeAttributes": {"size": "1"}}}
    pod = decode_pod({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"volumes": [volume]}})
    assert pod.spec.base["volumes"] == [volume]


def test_the_namespace_is_the_manifests_or_the_callers() -> None:
    assert decode_job(job_manifest(), namespace="team").key == ("team", "pi")
    manifest = {**job_manifest(), "metadata": {"name": "pi", "namespace": "own"}}
    assert decode_job(manifest, namespace="team").key == ("own", "pi")


def test_the_document_that_was_given_is_left_as_it_is() -> None:
    manifest = with_container(name="main", resources={"limits": {"cpu": "1000m"}}, command=[], env=None)
    before = json.dumps(manifest)
    decode_job(manifest)
    assert json.dumps(manifest) == before


@given(manifests(), st.data())
def test_any_junk_anywhere_is_refused_or_taken_but_never_breaks_decoding(
    manifest: dict[str, Any], data: st.DataObject
) -> None:
    part = manifest
    for _ in range(data.draw(st.integers(0, 4))):
        inner: list[dict[str, Any]] = [value for value in part.values() if isinstance(value, dict)]
        if inner:
            part = data.draw(st.sampled_from(inner))
    part[data.draw(st.sampled_from(sorted(part)) | st.text(max_size=5))] = data.draw(JSON_VALUES)
    try:
        job = decode_job(manifest)
    except UndecodableObject as error:
        told = str(error)
    else:
        told = "taken"
        assert decode_job(job_document(job)) == job
    assert told
    assert "\n" not in told
