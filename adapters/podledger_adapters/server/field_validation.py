"""The parameter fieldValidation: what becomes of fields that Kubernetes does not know, of keys given twice, and of
values of a wrong type.

The fields are those of `podledger.api.fields`; which values a field may have is validation's matter.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from podledger.api.field_error import FieldError, go_quote, not_supported
from podledger.api.fields import FieldReport, inspect_fields
from podledger_adapters.server.status import bad_request, invalid, invalid_unnamed

__all__ = ["FieldValidation", "checked", "checked_patch", "field_validation", "patch_error"]

FieldValidation = Literal["Ignore", "Warn", "Strict"]

MODES: Final[Mapping[str, FieldValidation]] = {"": "Warn", "Ignore": "Ignore", "Warn": "Warn", "Strict": "Strict"}
MAX_SHOWN: Final = 10_000
"""Characters of a patch that a message shows."""


def field_validation(value: str | None, options: str) -> FieldValidation:
    """The parameter's value; `options` is what Kubernetes calls the request's parameters (`CreateOptions`).

    Raises ApiError (422).
    """
    mode = MODES.get(value or "")
    if mode is None:
        causes = [not_supported("fieldValidation", value, sorted(MODES))]
        raise invalid(f"{options}.meta.k8s.io", "meta.k8s.io", options, "", causes)
    return mode


def checked(
    kind: str, version: str, document: Mapping[str, Any], mode: FieldValidation, duplicates: Sequence[str] = ()
) -> tuple[dict[str, Any], Sequence[str]]:
    """The document of a create or update as it can be stored, and the warnings it deserves.

    `version` is that of the kind (`v1`). Raises ApiError (400).
    """
    copy, report = inspect_fields(kind, document)
    head = f"{kind} in version {go_quote(version)} cannot be handled as a {kind}: "
    if report.wrong:
        raise bad_request(head + report.wrong[0].message)
    problems = _problems(report, duplicates)
    if problems and mode == "Strict":
        raise bad_request(f"{head}strict decoding error: {', '.join(problems)}")
    return copy, problems if mode == "Warn" else ()


def checked_patch(
    kind: str, document: Mapping[str, Any], mode: FieldValidation, shown: str, duplicates: Sequence[str] = ()
) -> tuple[dict[str, Any], Sequence[str]]:
    """As `checked`, for what a patch made; `shown` is the patch or its result, as the message shows it.

    Raises ApiError (422).
    """
    copy, report = inspect_fields(kind, document)
    if report.wrong:
        raise invalid_unnamed([patch_error(shown, report.wrong[0].message)])
    problems = _problems(report, duplicates)
    if problems and mode == "Strict":
        raise invalid_unnamed([patch_error(shown, f"strict decoding error: {', '.join(problems)}")])
    return copy, problems if mode == "Warn" else ()


def patch_error(shown: str, why: str) -> FieldError:
    """The cause that blames a patch."""
    text = shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + " ..."
    return FieldError("patch", "FieldValueInvalid", f"Invalid value: {go_quote(text)}: {why}")


def _problems(report: FieldReport, duplicates: Sequence[str]) -> Sequence[str]:
    twice = [f"duplicate field {go_quote(path)}" for path in duplicates]
    return [*twice, *(f"unknown field {go_quote(field.path)}" for field in report.unknown)]
