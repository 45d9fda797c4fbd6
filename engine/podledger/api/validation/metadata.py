"""Rules of metadata that all kinds share: names, labels, annotations, owners, finalizers; on create and on update."""

from collections.abc import Mapping
from typing import Final

from podledger.api.field_error import FieldError, forbidden, invalid, required, too_long
from podledger.api.meta import ObjectMeta
from podledger.api.validation.names import (
    dns_label_faults,
    dns_subdomain_faults,
    label_value_faults,
    qualified_name_faults,
)

__all__ = [
    "IMMUTABLE",
    "NOT_NEGATIVE",
    "not_negative",
    "validate_annotations",
    "validate_labels",
    "validate_metadata",
    "validate_metadata_update",
    "validate_namespace_metadata",
]

IMMUTABLE: Final = "field is immutable"
NOT_NEGATIVE: Final = "must be greater than or equal to 0"
MAX_ANNOTATIONS_BYTES: Final = 256 * 1024
"""Of all keys and values of an object's annotations together."""


def not_negative(path: str, value: int | None) -> list[FieldError]:
    """A number that may be 0 but not less; None is fine."""
    return [invalid(path, value, NOT_NEGATIVE)] if value is not None and value < 0 else []


def validate_metadata(meta: ObjectMeta, path: str = "metadata") -> list[FieldError]:
    """The metadata of a namespaced object whose name is a DNS subdomain (Job, CronJob, Pod)."""
    errors: list[FieldError] = []
    if meta.generate_name:
        faults = dns_subdomain_faults(meta.generate_name, prefix=True)
        errors += [invalid(f"{path}.generateName", meta.generate_name, fault) for fault in faults]
    if not meta.name:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    else:
        errors += [invalid(f"{path}.name", meta.name, fault) for fault in dns_subdomain_faults(meta.name)]
    if not meta.namespace:
        errors.append(required(f"{path}.namespace"))
    else:
        errors += [invalid(f"{path}.namespace", meta.namespace, fault) for fault in dns_label_faults(meta.namespace)]
    errors += not_negative(f"{path}.generation", meta.generation)
    return errors + validate_shared(meta, path)


def validate_namespace_metadata(meta: ObjectMeta) -> list[FieldError]:
    """The metadata of a namespace: cluster-scoped, and its name is a DNS label."""
    errors: list[FieldError] = []
    if meta.generate_name:
        name = meta.generate_name.removesuffix("-")
        errors += [invalid("metadata.generateName", meta.generate_name, fault) for fault in dns_label_faults(name)]
    if not meta.name:
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += [invalid("metadata.name", meta.name, fault) for fault in dns_label_faults(meta.name)]
    if meta.namespace:
        errors.append(forbidden("metadata.namespace", "not allowed on this type"))
    return errors + validate_shared(meta, "metadata")


def validate_shared(meta: ObjectMeta, path: str) -> list[FieldError]:
    """What is checked on create and again on update."""
    errors = validate_labels(meta.labels, f"{path}.labels")
    errors += validate_annotations(meta.annotations, f"{path}.annotations")
    errors += validate_owners(meta, f"{path}.ownerReferences")
    return errors + validate_finalizers(meta.finalizers, f"{path}.finalizers")


def validate_labels(labels: Mapping[str, str], path: str) -> list[FieldError]:
    """Keys are qualified names, values label values; the path does not name the key."""
    errors: list[FieldError] = []
    for key, value in labels.items():
        errors += [invalid(path, key, fault) for fault in qualified_name_faults(key)]
        errors += [invalid(path, value, fault) for fault in label_value_faults(value)]
    return errors


def validate_annotations(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    """Keys are qualified names in any case; all together are bounded."""
    errors: list[FieldError] = []
    for key in annotations:
        errors += [invalid(path, key, fault) for fault in qualified_name_faults(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > MAX_ANNOTATIONS_BYTES:
        errors.append(too_long(path, MAX_ANNOTATIONS_BYTES))
    return errors


def validate_owners(meta: ObjectMeta, path: str) -> list[FieldError]:
    """Every reference is complete, and one at most is the controller."""
    errors: list[FieldError] = []
    controller = ""
    for owner in meta.owner_references:
        if not owner.api_version.rpartition("/")[2]:
            errors.append(invalid(f"{path}.apiVersion", owner.api_version, "version must not be empty"))
        for name, value in (("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)):
            if not value:
                errors.append(invalid(f"{path}.{name}", value, "must not be empty"))
        if owner.controller:
            called = f"{owner.kind}/{owner.name}"
            if controller:
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {called}"
                )
                errors.append(invalid(path, list(meta.owner_references), detail))
            else:
                controller = called
    return errors


def validate_finalizers(finalizers: tuple[str, ...], path: str) -> list[FieldError]:
    """Qualified names; an object cannot be orphaned and deleted in the foreground at once."""
    errors: list[FieldError] = []
    for finalizer in finalizers:
        errors += [invalid(path, finalizer, fault) for fault in qualified_name_faults(finalizer)]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid(path, list(finalizers), detail))
    return errors


def validate_metadata_update(new: ObjectMeta, old: ObjectMeta, path: str = "metadata") -> list[FieldError]:
    """What may not change: identity; and no finalizer joins an object that is being deleted."""
    errors: list[FieldError] = []
    added = [name for name in new.finalizers if name not in old.finalizers]
    if new.deletion_timestamp is not None and added:
        listed = "[]string{" + ", ".join(f'"{name}"' for name in added) + "}"
        detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}"
        errors.append(forbidden(f"{path}.finalizers", detail))
    for name, now, before in (
        ("name", new.name, old.name),
        ("namespace", new.namespace, old.namespace),
        ("uid", new.uid, old.uid),
        ("creationTimestamp", new.creation_timestamp, old.creation_timestamp),
        ("deletionTimestamp", new.deletion_timestamp, old.deletion_timestamp),
        ("deletionGracePeriodSeconds", new.deletion_grace_period_seconds, old.deletion_grace_period_seconds),
    ):
        if now != before:
            errors.append(invalid(f"{path}.{name}", now, IMMUTABLE))
    if new.generation < old.generation:
        errors.append(invalid(f"{path}.generation", new.generation, "must not be decremented"))
    return errors + validate_shared(new, path)
