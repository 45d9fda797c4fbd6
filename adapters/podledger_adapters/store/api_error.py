"""What an API server answers when it refuses: code, reason, message and details, as a Kubernetes Status body.

Violations of validation (422) are `podledger.errors.InvalidObject`; `status_body` writes both.
"""

from collections.abc import Mapping
from typing import Any, Final

from podledger.errors import ClusterError, InvalidObject, PodledgerError
from podledger_adapters.store.kinds import RESOURCES, Resource

__all__ = ["ApiError", "Expired", "StoreUnavailable", "already_exists", "conflict", "not_found", "status_body"]

MAX_CAUSES: Final = 1_000
MAX_MESSAGE: Final = 256 * 1024
"""Of a Status: causes, and characters of its message. An object of 3 MB can have faults that fill twenty times that."""


class ApiError(PodledgerError):
    """A refusal. `code` is the HTTP status, `reason` Kubernetes' CamelCase word for it (NotFound, Conflict, ...).

    `details`, where given, are the Status' details as they are; else they name `resource` and `name`.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        resource: Resource | None = None,
        name: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.resource, self.name, self.details = resource, name, details
        self.stale_uid = False
        """Whether it was refused since another object has the name by now."""


class Expired(ApiError):
    """410: changes as old as asked for are no longer kept; list again."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(410, "Expired", f"too old resource version: {asked} ({oldest})")


class StoreUnavailable(ClusterError):
    """The ledger refused to store objects: the store acknowledges nothing more. The refusal is the cause."""


def not_found(resource: Resource, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, "NotFound", f'{resource.label} "{name}" not found', resource=resource, name=name)


def already_exists(resource: Resource, name: str, *, terminating: bool = False, generated: bool = False) -> ApiError:
    """409: the name is taken, perhaps by an object that is still being deleted.

    `generated`: the object has a generateName, so that the server believes to have drawn its name, and another try
    may help.
    """
    prefix = "object is being deleted: " if terminating else ""
    suffix = ", the server was not able to generate a unique name for the object" if generated else ""
    message = f'{prefix}{resource.label} "{name}" already exists{suffix}'
    details: dict[str, object] | None = None
    if generated:
        group = {"group": resource.group} if resource.group else {}
        details = {"name": name, **group, "kind": resource.plural, "retryAfterSeconds": 1}
    return ApiError(409, "AlreadyExists", message, resource=resource, name=name, details=details)


def conflict(label: str, name: str, why: str, *, resource: Resource) -> ApiError:
    """409: a precondition does not hold."""
    message = f'Operation cannot be fulfilled on {label} "{name}": {why}'
    return ApiError(409, "Conflict", message, resource=resource, name=name)


def status_body(error: ApiError | InvalidObject) -> dict[str, Any]:
    """The error as a v1 Status; empty fields are left out, as the API server does."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    details: dict[str, Any] = {}
    if isinstance(error, InvalidObject):
        resource = next((one for one in RESOURCES.values() if one.kind == error.kind), None)
        group, label = (resource.group, resource.kind_label) if resource is not None else ("", error.kind)
        code, reason, message = 422, "Invalid", label + str(error).removeprefix(error.kind)
        causes = [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in error.causes[:MAX_CAUSES]
        ]
        details = {"name": error.name, "group": group, "kind": error.kind, "causes": causes}
    else:
        code, reason, message = error.code, error.reason, error.message
        if error.resource is not None:
            details = {"name": error.name, "group": error.resource.group, "kind": error.resource.plural}
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 1] + "…"
    body |= {"message": message, "reason": reason} if reason else {"message": message}
    if isinstance(error, ApiError) and error.details is not None:
        body["details"] = dict(error.details)
    elif details := {key: value for key, value in details.items() if value}:
        body["details"] = details
    return body | {"code": code}
