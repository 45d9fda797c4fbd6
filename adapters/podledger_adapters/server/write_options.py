"""The parameters of writes: dryRun, fieldManager, fieldValidation, force. Kubernetes refuses the same ones."""

from typing import Final

from msgspec import Struct

from podledger.api.field_error import FieldError, invalid, not_supported
from podledger_adapters.server.call import Call
from podledger_adapters.server.field_validation import FieldValidation, field_validation

__all__ = ["WriteOptions", "dry_run", "read_write_options"]

MAX_MANAGER: Final = 128
"""Characters of a field manager's name."""


class WriteOptions(Struct, frozen=True):
    """`manager` is who is said to have written the fields."""

    dry_run: bool
    manager: str
    validation: FieldValidation
    force: bool


def read_write_options(call: Call, kind: str) -> WriteOptions:
    """`kind` is what Kubernetes calls the parameters: CreateOptions, UpdateOptions, PatchOptions. Raises ApiError."""
    manager = call.query.get("fieldManager", "")
    causes: list[FieldError] = []
    if len(manager) > MAX_MANAGER:
        causes.append(
            FieldError("fieldManager", "FieldValueTooLong", f"Too long: may not be more than {MAX_MANAGER} bytes")
        )
    if not manager.isprintable():
        causes.append(invalid("fieldManager", manager, "should only contain printable characters"))
    if causes:
        raise call.refuse_options(kind, *causes)
    return WriteOptions(
        dry_run=dry_run(call, kind),
        manager=manager or default_manager(call.user_agent),
        validation=field_validation(call.query.get("fieldValidation"), kind),
        force=call.flag("force"),
    )


def dry_run(call: Call, kind: str) -> bool:
    """The parameter dryRun: All, or nothing. Raises ApiError (422)."""
    value = call.query.get("dryRun", "")
    if value not in ("", "All"):
        raise call.refuse_options(kind, not_supported("dryRun", value, ["All"]))
    return value == "All"


def default_manager(user_agent: str) -> str:
    """Who writes that does not say so: the first part of the user agent."""
    name = user_agent.partition("/")[0][:MAX_MANAGER]
    return name if name.isprintable() and name else "unknown"
