"""Kubernetes Status bodies: what the API server answers when it refuses, and when a deletion leaves nothing to show.

The words are the API server's own: clients and people compare them. Which request is refused is decided elsewhere;
errors of the store (`store/api_error.py`) and of validation come here to be written.
"""

from collections.abc import Sequence
from typing import Any, Final

from podledger.api.field_error import FieldError
from podledger.errors import InvalidObject, UndecodableObject
from podledger_adapters.server.resource import ApiResource
from podledger_adapters.store.api_error import ApiError, StoreUnavailable, status_body

__all__ = [
    "PATH_NOT_FOUND",
    "bad_request",
    "deleted",
    "forbidden",
    "forbidden_path",
    "gone",
    "internal_error",
    "invalid",
    "invalid_patch",
    "invalid_unnamed",
    "method_not_allowed",
    "not_acceptable",
    "not_acceptable_as",
    "resource_not_found",
    "retry_after_s",
    "server_timeout",
    "status_of",
    "too_large",
    "too_large_resource_version",
    "too_many_requests",
    "unauthorized",
    "unsupported_media_type",
    "unsupported_patch_type",
]

PATH_NOT_FOUND: Final = "404 page not found\n"
"""The plain text that answers a path outside the API, with code 404."""

MEDIA_TYPES: Final = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
STREAMS: Final = ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
EXPIRED_CONTINUE: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def status_of(error: Exception) -> dict[str, Any]:
    """The Status body of any error; its `code` is the HTTP status. What is no refusal of ours is an internal error."""
    match error:
        case ApiError() | InvalidObject():
            return status_body(error)
        case UndecodableObject():
            return status_body(bad_request(str(error)))
        case StoreUnavailable():
            return status_body(ApiError(503, "ServiceUnavailable", str(error)))
        case _:
            return status_body(internal_error(str(error) or type(error).__name__))


def retry_after_s(status: dict[str, Any]) -> int | None:
    """The seconds of the Retry-After header that belongs to a Status, or None."""
    seconds: object = status.get("details", {}).get("retryAfterSeconds")
    return seconds if isinstance(seconds, int) else None


def deleted(resource: ApiResource, name: str, uid: str) -> dict[str, Any]:
    """The Status of a deletion that left nothing (Jobs, CronJobs, Leases, Kubernetes Events)."""
    details = {"name": name, "group": resource.group, "kind": resource.plural, "uid": uid}
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return body | {"details": {key: value for key, value in details.items() if value}}


# ---- access ------------------------------------------------------------------------------------------------------


def unauthorized() -> ApiError:
    """401: the token is wrong."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, resource: ApiResource, *, namespace: str = "", name: str = "") -> ApiError:
    """403: this user may not do it. `verb` is the API's (list, create, ...)."""
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    what = f'{resource.label} "{name}"' if name else resource.label
    message = (
        f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource.plural}" '
        f'in API group "{resource.group}"{where}'
    )
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return ApiError(403, "Forbidden", message, details={key: value for key, value in details.items() if value})


def forbidden_path(user: str, verb: str, path: str) -> ApiError:
    """403 for a path that is no resource; `verb` is the HTTP method in small letters."""
    return ApiError(403, "Forbidden", f'forbidden: User "{user}" cannot {verb} path "{path}"', details={})


# ---- routes and headers ------------------------------------------------------------------------------------------


def resource_not_found() -> ApiError:
    """404: no such version, resource or subresource."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> ApiError:
    """405: the path does not take this method."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def not_acceptable(*, collection: bool) -> ApiError:
    """406: nothing of the Accept header can be served. Collections can also be streamed."""
    offered = MEDIA_TYPES + STREAMS if collection else MEDIA_TYPES
    message = f"406: Not Acceptable\n\nAvailable representations: {offered}"
    return ApiError(406, "NotAcceptable", message, details={})


def not_acceptable_as() -> ApiError:
    """406: the Accept header only asks for a form (`as=`) that is not known."""
    message = f"only the following media types are accepted: {MEDIA_TYPES}"
    return ApiError(406, "NotAcceptable", message)


def unsupported_media_type() -> ApiError:
    """415: the body of a POST or PUT is in a form that is not read."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def unsupported_patch_type() -> ApiError:
    """415: the type of a PATCH is none of the four."""
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})


# ---- content -----------------------------------------------------------------------------------------------------


def bad_request(message: str) -> ApiError:
    """400, with these words."""
    return ApiError(400, "BadRequest", message)


def invalid(kind_label: str, group: str, kind: str, name: str, causes: Sequence[FieldError]) -> ApiError:
    """422 for what is no object of the store: options (`ListOptions.meta.k8s.io`, `PodLogOptions`), patches.

    Objects themselves are refused with InvalidObject.
    """
    texts = list(dict.fromkeys(str(cause) for cause in causes))
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details: dict[str, object] = {"name": name, "group": group, "kind": kind}
    details["causes"] = [{"reason": each.reason, "message": each.message, "field": each.field} for each in causes]
    kept = {key: value for key, value in details.items() if value}
    return ApiError(422, "Invalid", f'{kind_label} "{name}" is invalid: {listed}', details=kept)


def invalid_unnamed(causes: Sequence[FieldError]) -> ApiError:
    """422 of a request that is judged before its object is known, as patches are."""
    return invalid("", "", "", "", causes)


def invalid_patch() -> ApiError:
    """422: an operation of a JSON patch, or one of its tests, fails."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, details={})


def too_large(what: str) -> ApiError:
    """413: `what` names the limit, such as `limit is 3145728`."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {what}")


# ---- versions and load -------------------------------------------------------------------------------------------


def gone(message: str = EXPIRED_CONTINUE) -> ApiError:
    """410: a list or continue token asks for a state that is no longer kept."""
    return ApiError(410, "Expired", message)


def too_large_resource_version(asked: int, current: int) -> ApiError:
    """504: a list or watch asks for a state that does not exist yet."""
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(504, "Timeout", message, details={"causes": [cause], "retryAfterSeconds": 1})


def server_timeout(message: str) -> ApiError:
    """504: it took too long."""
    return ApiError(504, "Timeout", f"Timeout: {message}", details={})


def too_many_requests(retry_after: int = 1) -> ApiError:
    """429: come again in so many seconds."""
    message = "Too many requests, please try again later."
    return ApiError(429, "TooManyRequests", message, details={"retryAfterSeconds": retry_after})


def internal_error(message: str) -> ApiError:
    """500: something is wrong with the server."""
    text = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", text, details={"causes": [{"message": message}]})
