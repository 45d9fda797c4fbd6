"""The pods a Job makes: names, labels, annotations, finalizer, and what they share."""

from msgspec.structs import replace
from tests.unit.job_performer import JOB_UID, Performer
from tests.unit.job_world import job

from podledger.api.document import pod_document
from podledger.api.job import Job, PodTemplateSpec
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod
from podledger.job import command as cmd
from podledger.job.names import (
    COMPLETION_INDEX,
    FINALIZER,
    IGNORED_FAILURE_COUNT,
    INDEX_FAILURE_COUNT,
    INTENT_ANNOTATION,
)

SHOWN = "batch.kubernetes.io/job-completion-index"


def created(made: Job) -> Pod:
    """The first pod that a Job makes."""
    world = Performer(made)
    world.observe_job()
    world.sync()
    return next(command.pod for command in world.commands if isinstance(command, cmd.CreatePod))


def with_template(made: Job, **spec: object) -> Job:
    """The Job with a template of its own."""
    template = PodTemplateSpec(
        metadata=ObjectMeta(
            name="ignored", labels={"app": "x"}, annotations={"note": "y"}, finalizers=("example.com/hold", FINALIZER)
        ),
        spec={**made.spec.template.spec, **spec},
    )
    return replace(made, spec=replace(made.spec, template=template))


def test_a_pod_is_its_template_with_owner_and_finalizer() -> None:
    pod = created(with_template(job(parallelism=1, completions=1), hostname="mine", nodeName="there"))
    meta = pod.metadata
    assert meta.finalizers == ("example.com/hold", FINALIZER)
    assert meta.owner_references == (
        OwnerReference(
            api_version="batch/v1", kind="Job", name="job", uid=JOB_UID, controller=True, block_owner_deletion=True
        ),
    )
    assert meta.generate_name == "job-"
    assert meta.name.startswith("job-")
    assert len(meta.name) == len("job-") + 5
    assert meta.labels["app"] == "x"
    assert meta.labels["batch.kubernetes.io/job-name"] == "job"
    assert meta.annotations.keys() == {"note", INTENT_ANNOTATION}
    assert pod.spec.hostname == "mine"
    assert pod.spec.node_name == "there"
    assert "nodeName" not in pod.spec.base


def test_an_indexed_pod_knows_its_index_everywhere() -> None:
    own = {"name": "own", "image": "x", "env": [{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]}
    plain = {"name": "plain", "image": "x", "env": [{"name": "A", "value": "b"}]}
    made = job(parallelism=1, completions=2, completion_mode="Indexed")
    pod = created(with_template(made, containers=[plain, own], initContainers=[{"name": "init", "image": "x"}]))
    assert pod.metadata.annotations[COMPLETION_INDEX] == pod.metadata.labels[COMPLETION_INDEX] == "0"
    assert pod.metadata.generate_name == "job-0-"
    assert pod.spec.hostname == "job-0"
    spec = pod_document(pod)["spec"]
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{SHOWN}']"}}
    variable = {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}
    assert spec["containers"][0]["env"] == [{"name": "A", "value": "b"}, variable]
    assert spec["containers"][1]["env"] == [{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]
    assert spec["initContainers"][0]["env"] == [variable]


def test_failure_counts_are_borne_only_where_an_index_has_its_own_back_off() -> None:
    plain = created(job(parallelism=1, completions=1, completion_mode="Indexed"))
    assert INDEX_FAILURE_COUNT not in plain.metadata.annotations
    counting = created(job(parallelism=1, completions=1, completion_mode="Indexed", backoff_limit_per_index=1))
    assert counting.metadata.annotations[INDEX_FAILURE_COUNT] == "0"
    assert IGNORED_FAILURE_COUNT not in counting.metadata.annotations


def test_a_long_name_is_cut_in_the_pods_names_but_not_in_its_hostname() -> None:
    made = job(parallelism=1, completions=1, completion_mode="Indexed")
    long = "n" * 61
    pod = created(replace(made, metadata=replace(made.metadata, name=long)))
    assert pod.metadata.generate_name == "n" * 55 + "-0-"
    assert len(pod.metadata.name) == 63
    assert pod.spec.hostname == f"{long}-0"


def test_pods_of_one_template_share_their_spec_and_a_changed_template_is_used_at_once() -> None:
    world = Performer(job(parallelism=2, completions=4))
    world.observe_job()
    world.sync()
    first, second = (command.pod for command in world.commands if isinstance(command, cmd.CreatePod))
    assert first.spec is second.spec
    world.forget_calls()
    changed = replace(world.job.spec.template, spec={**world.job.spec.template.spec, "nodeSelector": {"gpu": "x"}})
    world.change_job(spec=replace(world.job.spec, parallelism=3, template=changed))
    world.sync()
    third = next(command.pod for command in world.commands if isinstance(command, cmd.CreatePod))
    assert third.spec.base["nodeSelector"] == {"gpu": "x"}
