"""JSON merge patch (RFC 7396) for tests that change a document in one place."""

from typing import Any

from podledger.api.json_value import is_object

__all__ = ["merged"]


def merged(value: object, patch: object) -> Any:
    """The value with the patch applied; neither is changed."""
    if not is_object(patch):
        return patch
    result: dict[str, Any] = dict(value) if is_object(value) else {}
    for key, item in patch.items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), item)
    return result
