"""The Kubernetes API types that podledger reads and writes: metadata, Jobs, pods.

Pure: types, defaults, validation and the JSON shape. What the values *mean* for a Job's progress is `podledger.job`.
"""

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
    "Job",
    "JobCondition",
    "JobKey",
    "JobSpec",
    "JobStatus",
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
