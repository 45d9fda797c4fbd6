"""The pods a Job makes: a copy of its template with labels, owner, finalizer and index.

Pods of one Job share everything that does not differ between them: the spec, the owner references, without indexes
the labels too. `PodTemplate` holds these shared parts; it is made once a Job and spec.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from podledger.api.job import PodTemplateSpec
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod, PodSpec
from podledger.job.event import CreateIntended
from podledger.job.names import (
    COMPLETION_INDEX,
    FINALIZER,
    IGNORED_FAILURE_COUNT,
    INDEX_FAILURE_COUNT,
    INTENT_ANNOTATION,
    pod_prefix,
)
from podledger.job.state import JobState

__all__ = ["build_pod", "owner_reference"]

_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


def owner_reference(job: str, name: str) -> OwnerReference:
    """The controller reference that every pod of the Job bears."""
    return OwnerReference(
        api_version="batch/v1", kind="Job", name=name, uid=job, controller=True, block_owner_deletion=True
    )


class PodTemplate:
    """The parts that all pods of a Job share. `base` is the pod spec without hostname."""

    __slots__ = ("annotations", "base", "finalizers", "hostname", "labels", "owners", "plain_spec")

    def __init__(self, job: str, name: str, template: PodTemplateSpec, indexed: bool) -> None:
        meta = template.metadata
        self.labels = dict(meta.labels)
        self.annotations = dict(meta.annotations)
        self.finalizers = tuple(dict.fromkeys((*meta.finalizers, FINALIZER)))
        self.owners = (owner_reference(job, name),)
        spec: Mapping[str, Any] = template.spec
        self.hostname, node_name = str(spec.get("hostname", "")), str(spec.get("nodeName", ""))
        if "hostname" in spec or "nodeName" in spec:
            spec = {name: value for name, value in spec.items() if name not in ("hostname", "nodeName")}
        if indexed:
            spec = dict(spec)
            for containers in ("initContainers", "containers"):
                if containers in spec:
                    spec[containers] = [_with_index(container) for container in spec[containers]]
        self.base: Mapping[str, Any] = spec
        self.plain_spec = PodSpec(base=spec, hostname=self.hostname, node_name=node_name)


def _with_index(container: Mapping[str, Any]) -> dict[str, Any]:
    """The container with JOB_COMPLETION_INDEX as its last variable, unless it defines one of that name itself."""
    env: list[Mapping[str, Any]] = list(container.get("env") or ())
    if all(variable.get("name") != _INDEX_VARIABLE for variable in env):
        path = f"metadata.labels['{COMPLETION_INDEX}']"
        env.append({"name": _INDEX_VARIABLE, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}})
    return {**container, "env": env}


class _Identity:
    """Makes an unhashable template a cache key by identity, and keeps it alive so that the identity stays its own."""

    __slots__ = ("template",)

    def __init__(self, template: PodTemplateSpec) -> None:
        self.template = template

    def __hash__(self) -> int:
        return id(self.template)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.template is self.template


@lru_cache(maxsize=1024)
def _share(job: str, name: str, indexed: bool, identity: _Identity) -> PodTemplate:
    """The shared parts, made once for as long as the state keeps one template object."""
    return PodTemplate(job, name, identity.template, indexed)


def build_pod(state: JobState, intent: CreateIntended) -> Pod:
    """The pod that an intent to create asks for."""
    shared = _share(state.uid, state.name, state.indexed, _Identity(state.spec.template))
    labels: Mapping[str, str] = shared.labels
    annotations = {**shared.annotations, INTENT_ANNOTATION: intent.intent}
    spec = shared.plain_spec
    if intent.index >= 0:
        index = str(intent.index)
        labels = {**shared.labels, COMPLETION_INDEX: index}
        annotations[COMPLETION_INDEX] = index
        spec = PodSpec(base=shared.base, hostname=f"{state.name}-{index}", node_name=shared.plain_spec.node_name)
    if state.per_index:
        annotations[INDEX_FAILURE_COUNT] = str(intent.failure_count)
        if intent.ignored_count > 0:
            annotations[IGNORED_FAILURE_COUNT] = str(intent.ignored_count)
    return Pod(
        metadata=ObjectMeta(
            name=intent.name,
            generate_name=pod_prefix(state.name, intent.index),
            namespace=state.namespace,
            labels=labels,
            annotations=annotations,
            owner_references=shared.owners,
            finalizers=shared.finalizers,
        ),
        spec=spec,
    )
