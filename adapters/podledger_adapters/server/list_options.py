"""The parameters of lists and watches: read, and refused in Kubernetes' words where they do not go together."""

from typing import Final

from msgspec import Struct

from podledger.api.field_error import FieldError, forbidden, go_quote, not_supported
from podledger_adapters.server.call import Call
from podledger_adapters.server.status import bad_request, too_large_resource_version

__all__ = ["ListOptions", "read_options", "require_reached"]

EXACT: Final = "Exact"
NOT_OLDER: Final = "NotOlderThan"
MATCH: Final = "resourceVersionMatch"


class ListOptions(Struct, frozen=True):
    """`revision` None: unset; 0: any. `exact`: exactly this revision. `limit` 0: no limit."""

    revision: int | None
    exact: bool
    limit: int
    token: str
    send_initial_events: bool | None
    bookmarks: bool
    timeout_s: int | None


def read_options(call: Call, *, watch: bool) -> ListOptions:
    """The options of a request. Raises ApiError (400, 422)."""
    version, match = call.query.get("resourceVersion", ""), call.query.get(MATCH, "")
    token = call.query.get("continue", "")
    initial = call.flag("sendInitialEvents") if "sendInitialEvents" in call.query else None
    causes = _watch_faults(match, token, initial) if watch else _list_faults(match, version, token, initial)
    if causes:
        raise call.refuse_options("ListOptions", *causes)
    revision: int | None = None
    if version:
        if not (version.isascii() and version.isdecimal()) or int(version) >= 1 << 64:
            why = f"strconv.ParseUint: parsing {go_quote(version)}: invalid syntax"
            raise bad_request(f"invalid resource version: resourceVersion: Invalid value: {go_quote(version)}: {why}")
        revision = int(version)
    if token and not watch and revision:
        raise bad_request("specifying resource version is not allowed when using continue")
    return ListOptions(
        revision=revision,
        exact=match == EXACT,
        limit=max(0, call.integer("limit") or 0),
        token=token,
        send_initial_events=initial,
        bookmarks=call.flag("allowWatchBookmarks"),
        timeout_s=call.integer("timeoutSeconds"),
    )


def require_reached(revision: int | None, current: int) -> None:
    """Refuse a revision that lies ahead. Raises ApiError (504)."""
    if revision is not None and revision > current:
        raise too_large_resource_version(revision, current)


def _list_faults(match: str, version: str, token: str, initial: bool | None) -> list[FieldError]:
    causes: list[FieldError] = []
    if initial is not None:
        causes.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if not match:
        return causes
    if not version:
        causes.append(forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if token:
        causes.append(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    if match not in (EXACT, NOT_OLDER):
        causes.append(not_supported(MATCH, match, [EXACT, NOT_OLDER, ""]))
    if match == EXACT and version == "0":
        causes.append(forbidden(MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    return causes


def _watch_faults(match: str, token: str, initial: bool | None) -> list[FieldError]:
    causes: list[FieldError] = []
    if initial is not None and match != NOT_OLDER:
        why = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}"
        causes.append(forbidden(MATCH, why))
    if not match:
        return causes
    if initial is None:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(forbidden(MATCH, why))
    if match != NOT_OLDER:
        causes.append(not_supported(MATCH, match, [NOT_OLDER]))
    if token:
        causes.append(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    return causes
