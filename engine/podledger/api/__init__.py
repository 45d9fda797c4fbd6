"""The Kubernetes API types that podledger reads and writes: metadata, Jobs, CronJobs, pods.

Pure: types, defaults, validation and the JSON shape. What the values *mean* for a Job's progress is `podledger.job`.
"""

from podledger.api.cronjob import CronJob, CronJobSpec, CronJobStatus, JobTemplateSpec
from podledger.api.job import (
    Job,
    JobCondition,
    JobKey,
    JobSpec,
    JobStatus,
    LabelSelector,
    LabelSelectorRequirement,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    PodTemplateSpec,
    SuccessPolicy,
    SuccessPolicyRule,
    UncountedTerminatedPods,
)
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
)

__all__ = [
    "ContainerState",
    "ContainerStateRunning",
    "ContainerStateTerminated",
    "ContainerStateWaiting",
    "ContainerStatus",
    "CronJob",
    "CronJobSpec",
    "CronJobStatus",
    "Job",
    "JobCondition",
    "JobKey",
    "JobSpec",
    "JobStatus",
    "JobTemplateSpec",
    "LabelSelector",
    "LabelSelectorRequirement",
    "ObjectMeta",
    "OwnerReference",
    "Pod",
    "PodCondition",
    "PodFailurePolicy",
    "PodFailurePolicyOnExitCodesRequirement",
    "PodFailurePolicyOnPodConditionsPattern",
    "PodFailurePolicyRule",
    "PodSpec",
    "PodStatus",
    "PodTemplateSpec",
    "SuccessPolicy",
    "SuccessPolicyRule",
    "UncountedTerminatedPods",
]
