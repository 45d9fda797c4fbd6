"""What Kubernetes fills in: defaults of Jobs, pod templates and pods, and what it generates when a Job is created.

Defaults are applied on every decode, of requests and of what is stored; applying them twice changes nothing. What a
default value means is told by whoever uses it; whether values are allowed is `podledger.api.validation`'s matter.
Defaults inside the pod's spec are in `podledger.api.pod_defaults`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import structs

from podledger.api.cronjob import CronJob
from podledger.api.job import (
    Job,
    JobSpec,
    JobStatus,
    LabelSelector,
    PodFailurePolicy,
    PodFailurePolicyRule,
    PodTemplateSpec,
)
from podledger.api.pod import Pod
from podledger.api.pod_defaults import pod_spec_with_defaults, qos_class, template_spec_with_defaults

__all__ = [
    "CONTROLLER_UID_LABEL",
    "JOB_NAME_LABEL",
    "LEGACY_CONTROLLER_UID_LABEL",
    "LEGACY_JOB_NAME_LABEL",
    "generated_labels",
    "prepare_for_create",
    "with_cronjob_defaults",
    "with_defaults",
    "with_pod_defaults",
]

CONTROLLER_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID_LABEL: Final = "controller-uid"
LEGACY_JOB_NAME_LABEL: Final = "job-name"

DEFAULT_BACKOFF_LIMIT: Final = 6
UNLIMITED: Final = 2**31 - 1
"""The default of backoffLimit where backoffLimitPerIndex does the limiting."""


def with_defaults(job: Job) -> Job:
    """The Job with every default Kubernetes applies, its pod template included."""
    spec = job.spec
    parallelism, completions = spec.parallelism, spec.completions
    if completions is None and parallelism is None:
        completions = parallelism = 1
    elif parallelism is None:
        parallelism = 1
    policy = spec.pod_failure_policy
    spec = structs.replace(
        spec,
        parallelism=parallelism,
        completions=completions,
        pod_failure_policy=None if policy is None else policy_with_defaults(policy),
        backoff_limit=spec.backoff_limit if spec.backoff_limit is not None else default_backoff_limit(spec),
        manual_selector=spec.manual_selector or False,
        template=template_with_defaults(spec.template),
        completion_mode=spec.completion_mode if spec.completion_mode is not None else "NonIndexed",
        suspend=spec.suspend or False,
        pod_replacement_policy=spec.pod_replacement_policy
        if spec.pod_replacement_policy is not None
        else ("TerminatingOrFailed" if policy is None else "Failed"),
    )
    return with_template_labels(structs.replace(job, spec=spec))


def with_template_labels(job: Job) -> Job:
    """The Job, where it has no labels of its own with those of its template."""
    labels = job.spec.template.metadata.labels
    if job.metadata.labels or not labels:
        return job
    return structs.replace(job, metadata=structs.replace(job.metadata, labels=dict(labels)))


def default_backoff_limit(spec: JobSpec) -> int:
    """The backoffLimit of a Job that sets none."""
    return DEFAULT_BACKOFF_LIMIT if spec.backoff_limit_per_index is None else UNLIMITED


def policy_with_defaults(policy: PodFailurePolicy) -> PodFailurePolicy:
    """The policy with status True where a pod condition's pattern names none."""
    return PodFailurePolicy(rules=tuple(rule_with_defaults(rule) for rule in policy.rules))


def rule_with_defaults(rule: PodFailurePolicyRule) -> PodFailurePolicyRule:
    """One rule of the policy, likewise."""
    patterns = tuple(
        pattern if pattern.status else structs.replace(pattern, status="True") for pattern in rule.on_pod_conditions
    )
    return structs.replace(rule, on_pod_conditions=patterns)


def template_with_defaults(template: PodTemplateSpec) -> PodTemplateSpec:
    """The pod template with the defaults of its spec."""
    return structs.replace(template, spec=template_spec_with_defaults(template.spec))


def with_cronjob_defaults(cronjob: CronJob) -> CronJob:
    """The CronJob with its defaults. Inside jobTemplate only the pods' are filled in: the Job's are when it is made."""
    spec, job_template = cronjob.spec, cronjob.spec.job_template
    template = template_with_defaults(job_template.spec.template)
    spec = structs.replace(
        spec,
        concurrency_policy=spec.concurrency_policy or "Allow",
        suspend=spec.suspend or False,
        job_template=structs.replace(job_template, spec=structs.replace(job_template.spec, template=template)),
        successful_jobs_history_limit=3
        if spec.successful_jobs_history_limit is None
        else spec.successful_jobs_history_limit,
        failed_jobs_history_limit=1 if spec.failed_jobs_history_limit is None else spec.failed_jobs_history_limit,
    )
    return structs.replace(cronjob, spec=spec)


def prepare_for_create(job: Job, *, uid: str, now: datetime) -> Job:
    """The Job as it is stored when it is created, to be validated next: defaults, identity, labels and selector.

    The name must be final (a generateName resolved). `now` is UTC. Status and what only the server may set are wiped;
    resourceVersion and managedFields are the store's to set. An unlabelled Job shows all labels of its template, the
    generated ones included, as Kubernetes does when it reads the stored Job again.
    """
    unlabelled = not job.metadata.labels
    job = with_defaults(job)
    metadata = structs.replace(
        job.metadata,
        labels={} if unlabelled else job.metadata.labels,
        uid=uid,
        generation=1,
        creation_timestamp=now.replace(microsecond=0),
        deletion_timestamp=None,
        deletion_grace_period_seconds=None,
        self_link="",
    )
    job = structs.replace(job, metadata=metadata, spec=with_generated_selector(job, uid), status=JobStatus())
    return with_template_labels(job)


def with_generated_selector(job: Job, uid: str) -> JobSpec:
    """The spec with the selector and the template's labels that tie pods to this Job, unless manualSelector is set.

    Labels the user set are kept: where they differ, validation refuses them.
    """
    spec = job.spec
    if spec.manual_selector:
        return spec
    generated = generated_labels(uid, job.metadata.name)
    template = spec.template
    labels: Mapping[str, str] = {**generated, **template.metadata.labels}
    selector = spec.selector or LabelSelector()
    match_labels = {**selector.match_labels, CONTROLLER_UID_LABEL: uid}
    return structs.replace(
        spec,
        selector=structs.replace(selector, match_labels=match_labels),
        template=structs.replace(template, metadata=structs.replace(template.metadata, labels=labels)),
    )


def generated_labels(uid: str, name: str) -> dict[str, str]:
    """The four labels that tie pods to a Job, in the order in which validation looks for them."""
    return {
        LEGACY_CONTROLLER_UID_LABEL: uid,
        LEGACY_JOB_NAME_LABEL: name,
        CONTROLLER_UID_LABEL: uid,
        JOB_NAME_LABEL: name,
    }


def with_pod_defaults(pod: Pod) -> Pod:
    """The pod with every default Kubernetes applies to a pod of its own; phase Pending and qosClass if unset.

    Admission's additions (service account, tolerations, priority) depend on the cluster and are not made here.
    """
    spec = structs.replace(pod.spec, base=pod_spec_with_defaults(pod.spec.base))
    status = pod.status
    if not status.phase or not status.qos_class:
        status = structs.replace(
            status, phase=status.phase or "Pending", qos_class=status.qos_class or qos_class(spec.base)
        )
    return structs.replace(pod, spec=spec, status=status)
