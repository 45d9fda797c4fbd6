"""batch/v1 Job: the whole type, spec and status, in the order of Kubernetes' own documentation.

The pod template's spec stays a plain JSON mapping: podledger passes on what it does not use. Defaults are in
`podledger.api.defaults`, validation in `podledger.api.validation`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from podledger.api.meta import ApiStruct, ObjectMeta, always

__all__ = [
    "Job",
    "JobCondition",
    "JobKey",
    "JobSpec",
    "JobStatus",
    "LabelSelector",
    "LabelSelectorRequirement",
    "PodFailurePolicy",
    "PodFailurePolicyOnExitCodesRequirement",
    "PodFailurePolicyOnPodConditionsPattern",
    "PodFailurePolicyRule",
    "PodTemplateSpec",
    "SuccessPolicy",
    "SuccessPolicyRule",
    "UncountedTerminatedPods",
]


class JobKey(NamedTuple):
    """What users call a Job by: its namespace and name. A Job recreated under a name has the same key, another uid."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class LabelSelectorRequirement(ApiStruct, frozen=True):
    """One of matchExpressions: `operator` is In, NotIn, Exists or DoesNotExist."""

    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


class LabelSelector(ApiStruct, frozen=True):
    """A label query: all of `match_labels` and all of `match_expressions` must hold."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class PodTemplateSpec(ApiStruct, frozen=True):
    """What a pod of the Job is made from; `spec` is the PodSpec as plain JSON values."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: Mapping[str, Any] = always({})


class PodFailurePolicyOnExitCodesRequirement(ApiStruct, frozen=True):
    """Matches exit codes of terminated containers (KEP-3329); `operator` is In or NotIn."""

    container_name: str | None = None
    operator: str = always("")
    values: tuple[int, ...] = always(())


class PodFailurePolicyOnPodConditionsPattern(ApiStruct, frozen=True):
    """Matches a pod condition by type and status (KEP-3329)."""

    type: str = always("")
    status: str = ""


class PodFailurePolicyRule(ApiStruct, frozen=True):
    """One rule: `action` is Ignore, Count, FailIndex or FailJob."""

    action: str = always("")
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class PodFailurePolicy(ApiStruct, frozen=True):
    """How failed pods are judged; the first matching rule decides (spec.podFailurePolicy, KEP-3329)."""

    rules: tuple[PodFailurePolicyRule, ...] = always(())


class SuccessPolicyRule(ApiStruct, frozen=True):
    """One rule of a success policy (KEP-3998); `succeeded_indexes` in interval notation such as `0,3-5`."""

    succeeded_indexes: str | None = None
    succeeded_count: int | None = None


class SuccessPolicy(ApiStruct, frozen=True):
    """When an Indexed Job may succeed before all indexes did (spec.successPolicy, KEP-3998)."""

    rules: tuple[SuccessPolicyRule, ...] = always(())


class JobSpec(ApiStruct, frozen=True):
    """What was asked for. None means unset; `podledger.api.defaults` fills in what Kubernetes fills in."""

    parallelism: int | None = None
    completions: int | None = None
    active_deadline_seconds: int | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    success_policy: SuccessPolicy | None = None
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    selector: LabelSelector | None = None
    manual_selector: bool | None = None
    template: PodTemplateSpec = always(PodTemplateSpec())
    ttl_seconds_after_finished: int | None = None
    completion_mode: str | None = None
    suspend: bool | None = None
    pod_replacement_policy: str | None = None
    managed_by: str | None = None


class JobCondition(ApiStruct, frozen=True):
    """One of status.conditions: Suspended, FailureTarget, SuccessCriteriaMet, Failed or Complete."""

    type: str = always("")
    status: str = always("")
    last_probe_time: datetime | None = always(None)
    last_transition_time: datetime | None = always(None)
    reason: str = ""
    message: str = ""


class UncountedTerminatedPods(ApiStruct, frozen=True):
    """Pods that are counted but whose finalizer may still be on (KEP-2307); uids in the order they were listed."""

    succeeded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class JobStatus(ApiStruct, frozen=True):
    """What became of the Job, as `kubectl get job -o yaml` shows it."""

    conditions: tuple[JobCondition, ...] = ()
    start_time: datetime | None = None
    completion_time: datetime | None = None
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int | None = None
    completed_indexes: str = ""
    failed_indexes: str | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None
    ready: int | None = None

    def condition(self, type_: str) -> JobCondition | None:
        """The first condition of a type, or None."""
        for condition in self.conditions:
            if condition.type == type_:
                return condition
        return None

    def is_true(self, type_: str) -> bool:
        """Whether the condition of this type is present with status True."""
        for condition in self.conditions:  # not by `condition`: this is asked a hundred times for every Job
            if condition.type == type_:
                return condition.status == "True"
        return False

    @property
    def finished(self) -> bool:
        """Whether the Job is Complete or Failed: nothing of it changes any more."""
        return bool(self.conditions) and (self.is_true("Complete") or self.is_true("Failed"))


class Job(ApiStruct, frozen=True):
    """A batch/v1 Job. `apiVersion` and `kind` are added when it is written as a document."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: JobSpec = always(JobSpec())
    status: JobStatus = always(JobStatus())

    @property
    def key(self) -> JobKey:
        """Namespace and name."""
        return JobKey(self.metadata.namespace, self.metadata.name)
