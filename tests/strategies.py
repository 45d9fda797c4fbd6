"""Hypothesis strategies for Jobs and pods, shared by all tests.

`jobs()` and `pods()` draw anything the types can hold, for round trips. `manifests()` draws Job manifests that
Kubernetes would take, for everything that starts with a valid Job; what a Job's life may look like is drawn where
decisions are tested.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from podledger.api import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    CronJobSpec,
    CronJobStatus,
    Job,
    JobCondition,
    JobSpec,
    JobStatus,
    JobTemplateSpec,
    LabelSelector,
    LabelSelectorRequirement,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodCondition,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
    SuccessPolicy,
    SuccessPolicyRule,
    UncountedTerminatedPods,
)
from podledger.api.kubernetes_event import ObjectReference

__all__ = [
    "containers",
    "cronjob_specs",
    "cronjob_statuses",
    "dns_labels",
    "job_statuses",
    "jobs",
    "label_maps",
    "manifests",
    "metadata",
    "pod_specs",
    "pod_statuses",
    "pods",
    "selectors",
    "times",
    "uids",
]

Json = dict[str, Any]

dns_labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
uids = st.uuids(version=4).map(str)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
counts = st.integers(0, 2**31 - 1)
maybe_counts = st.none() | counts
label_keys = st.from_regex(r"([a-z]{1,8}\.example/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True)
label_values = st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?)?", fullmatch=True)
label_maps = st.dictionaries(label_keys, label_values, max_size=3)
times = st.integers(0, 4_000_000_000).map(lambda seconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
maybe_times = st.none() | times


def tuples(items: st.SearchStrategy[Any], max_size: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """Short tuples."""
    return st.lists(items, max_size=max_size).map(tuple)


def metadata(namespaces: st.SearchStrategy[str] = dns_labels) -> st.SearchStrategy[ObjectMeta]:
    """Metadata of a stored object."""
    owners = st.builds(
        OwnerReference,
        api_version=st.just("batch/v1"),
        kind=st.just("Job"),
        name=dns_labels,
        uid=uids,
        controller=st.none() | st.booleans(),
        block_owner_deletion=st.none() | st.booleans(),
    )
    return st.builds(
        ObjectMeta,
        name=dns_labels,
        generate_name=st.just("") | dns_labels,
        namespace=namespaces,
        uid=uids,
        resource_version=st.integers(1, 2**40).map(str),
        generation=st.integers(1, 100),
        creation_timestamp=maybe_times,
        deletion_timestamp=maybe_times,
        deletion_grace_period_seconds=maybe_counts,
        labels=label_maps,
        annotations=st.dictionaries(label_keys, texts, max_size=2),
        owner_references=tuples(owners, 2),
        finalizers=tuples(st.sampled_from(["batch.kubernetes.io/job-tracking", "example.com/hold"]), 2),
    )


# ---- specs --------------------------------------------------------------------------------------------------------

containers: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"name": dns_labels, "image": st.sampled_from(["busybox", "perl:5.34.0", "registry.example:5000/a/b:latest"])},
    optional={
        "command": st.lists(texts, min_size=1, max_size=3),
        "env": st.lists(
            st.fixed_dictionaries({"name": st.from_regex("[A-Z]{1,6}", fullmatch=True)}), min_size=1, max_size=2
        ),
        "resources": st.just({"limits": {"cpu": "500m", "memory": "1Gi"}}),
        "ports": st.just([{"containerPort": 80}]),
    },
)


def pod_specs(restart_policies: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Json]:
    """The spec of a pod or pod template, as plain JSON values that Kubernetes would take."""
    return st.fixed_dictionaries(
        {
            "containers": st.lists(containers, min_size=1, max_size=2, unique_by=lambda container: container["name"]),
            "restartPolicy": st.sampled_from(["Never", "OnFailure"]) if restart_policies is None else restart_policies,
        },
        optional={
            "nodeSelector": label_maps.filter(bool),
            "terminationGracePeriodSeconds": st.integers(0, 600),
            "activeDeadlineSeconds": st.integers(1, 10_000),
            "volumes": st.just([{"name": "scratch", "emptyDir": {}}]),
        },
    )


selectors = st.builds(
    LabelSelector,
    match_labels=label_maps,
    match_expressions=tuples(
        st.builds(
            LabelSelectorRequirement,
            key=label_keys,
            operator=st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
            values=tuples(label_values),
        ),
        2,
    ),
)
failure_policies = st.builds(
    PodFailurePolicy,
    rules=tuples(
        st.builds(
            PodFailurePolicyRule,
            action=st.sampled_from(["Ignore", "Count", "FailIndex", "FailJob"]),
            on_exit_codes=st.none()
            | st.builds(
                PodFailurePolicyOnExitCodesRequirement,
                container_name=st.none() | dns_labels,
                operator=st.sampled_from(["In", "NotIn"]),
                values=tuples(st.integers(0, 255)),
            ),
            on_pod_conditions=tuples(
                st.builds(
                    PodFailurePolicyOnPodConditionsPattern,
                    type=st.just("DisruptionTarget"),
                    status=st.sampled_from(["True", "False", "Unknown"]),
                ),
                2,
            ),
        ),
        2,
    ),
)
success_policies = st.builds(
    SuccessPolicy,
    rules=tuples(
        st.builds(
            SuccessPolicyRule, succeeded_indexes=st.none() | st.just("0,2-4"), succeeded_count=st.none() | counts
        ),
        2,
    ),
)
job_specs = st.builds(
    JobSpec,
    parallelism=maybe_counts,
    completions=maybe_counts,
    active_deadline_seconds=maybe_counts,
    pod_failure_policy=st.none() | failure_policies,
    success_policy=st.none() | success_policies,
    backoff_limit=maybe_counts,
    backoff_limit_per_index=maybe_counts,
    max_failed_indexes=maybe_counts,
    selector=st.none() | selectors,
    manual_selector=st.none() | st.booleans(),
    template=st.builds(PodTemplateSpec, metadata=st.builds(ObjectMeta, labels=label_maps), spec=pod_specs()),
    ttl_seconds_after_finished=maybe_counts,
    completion_mode=st.none() | st.sampled_from(["Indexed", "NonIndexed"]),
    suspend=st.none() | st.booleans(),
    pod_replacement_policy=st.none() | st.sampled_from(["Failed", "TerminatingOrFailed"]),
    managed_by=st.none() | st.just("example.com/controller"),
)


# ---- statuses -----------------------------------------------------------------------------------------------------

job_statuses = st.builds(
    JobStatus,
    conditions=tuples(
        st.builds(
            JobCondition,
            type=st.sampled_from(["Suspended", "FailureTarget", "SuccessCriteriaMet", "Failed", "Complete"]),
            status=st.sampled_from(["True", "False", "Unknown"]),
            last_probe_time=maybe_times,
            last_transition_time=maybe_times,
            reason=texts,
            message=texts,
        ),
        2,
    ),
    start_time=maybe_times,
    completion_time=maybe_times,
    active=counts,
    succeeded=counts,
    failed=counts,
    terminating=maybe_counts,
    completed_indexes=st.sampled_from(["", "0", "0,2-4"]),
    failed_indexes=st.none() | st.sampled_from(["", "1"]),
    uncounted_terminated_pods=st.none()
    | st.builds(UncountedTerminatedPods, succeeded=tuples(uids), failed=tuples(uids)),
    ready=maybe_counts,
)
container_states = st.one_of(
    st.builds(ContainerState),
    st.builds(ContainerState, waiting=st.builds(ContainerStateWaiting, reason=texts, message=texts)),
    st.builds(ContainerState, running=st.builds(ContainerStateRunning, started_at=maybe_times)),
    st.builds(
        ContainerState,
        terminated=st.builds(
            ContainerStateTerminated,
            exit_code=st.integers(0, 255),
            signal=st.integers(0, 64),
            reason=texts,
            started_at=maybe_times,
            finished_at=maybe_times,
        ),
    ),
)
container_statuses = st.builds(
    ContainerStatus,
    name=dns_labels,
    state=container_states,
    last_state=container_states,
    ready=st.booleans(),
    restart_count=st.integers(0, 5),
    image=texts,
    image_id=texts,
    container_id=texts,
    started=st.none() | st.booleans(),
)
pod_statuses = st.builds(
    PodStatus,
    phase=st.sampled_from(["", "Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    conditions=tuples(
        st.builds(
            PodCondition,
            type=st.sampled_from(["Ready", "PodScheduled", "DisruptionTarget"]),
            status=st.sampled_from(["True", "False", "Unknown"]),
            last_transition_time=maybe_times,
            reason=texts,
        ),
        2,
    ),
    message=texts,
    reason=texts,
    host_ip=st.sampled_from(["", "10.0.0.1"]),
    start_time=maybe_times,
    init_container_statuses=tuples(container_statuses, 1),
    # One a container: which of two would count is not said anywhere.
    container_statuses=st.lists(container_statuses, max_size=2, unique_by=lambda each: each.name).map(tuple),
    qos_class=st.sampled_from(["", "BestEffort", "Burstable", "Guaranteed"]),
)


# ---- objects ------------------------------------------------------------------------------------------------------


def jobs(
    specs: st.SearchStrategy[JobSpec] = job_specs, statuses: st.SearchStrategy[JobStatus] = job_statuses
) -> st.SearchStrategy[Job]:
    """Any Job: what it says need not make sense."""
    return st.builds(Job, metadata=metadata(), spec=specs, status=statuses)


def pods(statuses: st.SearchStrategy[PodStatus] = pod_statuses) -> st.SearchStrategy[Pod]:
    """Any pod: what it says need not make sense."""
    specs = st.builds(PodSpec, base=pod_specs(), hostname=st.just("") | dns_labels, node_name=st.just("") | dns_labels)
    return st.builds(Pod, metadata=metadata(), spec=specs, status=statuses)


@st.composite
def manifests(draw: st.DrawFn, *, max_pods: int = 20) -> Json:
    """A Job manifest that Kubernetes takes: all modes and policies, at most `max_pods` completions."""
    indexed = draw(st.booleans())
    completions = draw(st.integers(1 if indexed else 0, max_pods) if indexed else st.none() | st.integers(0, max_pods))
    failing = draw(st.booleans())
    spec: Json = {"template": {"spec": draw(pod_specs(st.just("Never") if failing else None))}}
    spec |= {"completionMode": "Indexed", "completions": completions} if indexed else {}
    if completions is not None:
        spec["completions"] = completions
    optional: dict[str, st.SearchStrategy[Any]] = {
        "parallelism": st.integers(0, max_pods),
        "backoffLimit": st.integers(0, 6),
        "activeDeadlineSeconds": st.integers(0, 1000),
        "ttlSecondsAfterFinished": st.integers(0, 1000),
        "suspend": st.booleans(),
    }
    if indexed:
        optional["backoffLimitPerIndex"] = st.integers(0, 3)
        optional["successPolicy"] = st.just({"rules": [{"succeededCount": 1}]})
    spec |= draw(st.fixed_dictionaries({}, optional=optional))
    if "backoffLimitPerIndex" in spec and draw(st.booleans()):
        spec["maxFailedIndexes"] = draw(st.integers(0, completions or 0))
    if failing:
        spec["podFailurePolicy"] = {"rules": draw(st.lists(valid_rules(spec), min_size=1, max_size=3))}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": draw(dns_labels)}, "spec": spec}


def valid_rules(spec: Json) -> st.SearchStrategy[Json]:
    """Rules of a failure policy that Kubernetes takes in a Job of this spec."""
    actions = ["Ignore", "Count", "FailJob"] + (["FailIndex"] if "backoffLimitPerIndex" in spec else [])
    codes = st.lists(st.integers(1, 255), min_size=1, max_size=4, unique=True).map(sorted)
    when = st.one_of(
        st.fixed_dictionaries(
            {
                "onExitCodes": st.fixed_dictionaries(
                    {"operator": st.sampled_from(["In", "NotIn"]), "values": codes},
                )
            }
        ),
        st.just({"onPodConditions": [{"type": "DisruptionTarget"}]}),
    )
    return st.tuples(st.sampled_from(actions), when).map(lambda rule: {"action": rule[0], **rule[1]})


cronjob_specs = st.builds(
    CronJobSpec,
    schedule=texts,
    time_zone=st.none() | texts,
    starting_deadline_seconds=st.none() | counts,
    concurrency_policy=st.sampled_from(("Allow", "Forbid", "Replace")),
    suspend=st.none() | st.booleans(),
    job_template=st.builds(JobTemplateSpec, metadata=metadata(texts), spec=job_specs),
    successful_jobs_history_limit=st.none() | counts,
    failed_jobs_history_limit=st.none() | counts,
)
cronjob_statuses = st.builds(
    CronJobStatus,
    active=st.lists(st.builds(ObjectReference, kind=st.just("Job"), name=texts, uid=uids), max_size=3).map(tuple),
    last_schedule_time=st.none() | times,
    last_successful_time=st.none() | times,
)
