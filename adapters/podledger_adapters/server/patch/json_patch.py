"""JSON merge patches (RFC 7386) and JSON patches (RFC 6902), within Kubernetes' bounds."""

from collections.abc import Mapping
from typing import Any, Final

import jsonpatch
import msgspec
from jsonpointer import JsonPointer, JsonPointerException

from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.json_text import MAX_DEPTH
from podledger_adapters.server.status import bad_request, invalid_patch, too_large

__all__ = ["MAX_OPERATIONS", "apply_operations", "merge_json"]

Json = dict[str, Any]

MAX_OPERATIONS: Final = 10_000
MAX_COPIED: Final = 3 * 1024 * 1024
"""Bytes that `copy` operations may add, all together."""
OPERATIONS: Final = ("add", "remove", "replace", "move", "copy", "test")


def merge_json(original: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """The original with a merge patch: null deletes, objects merge, all else replaces. Neither is changed."""
    merged = dict(original)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif is_object(value):
            before = merged.get(key)
            merged[key] = merge_json(before if is_object(before) else {}, value)
        else:
            merged[key] = value
    return merged


def apply_operations(original: Mapping[str, Any], operations: object) -> object:
    """The original after all operations, or the refusal of all of them; the original stays as it is.

    Raises ApiError: 400 for what is no JSON patch, 413 for too many operations, 422 where one fails.
    """
    if not is_array(operations):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > MAX_OPERATIONS:
        raise too_large(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    document: object = msgspec.json.decode(msgspec.json.encode(original))
    copied = 0
    for operation in operations:
        if not is_object(operation):
            raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Operation")
        if operation.get("op") not in OPERATIONS:
            raise invalid_patch()
        try:
            if operation["op"] == "copy":
                copied += len(msgspec.json.encode(JsonPointer(str(operation["from"])).resolve(document)))
                if copied > MAX_COPIED:
                    raise invalid_patch()
            document = jsonpatch.apply_patch(document, [operation], in_place=True)
        except (
            jsonpatch.JsonPatchException,
            JsonPointerException,
            KeyError,
            TypeError,
            ValueError,
            IndexError,
            RecursionError,
        ):
            # The library lets some errors of Python through where a path leads into a plain value.
            raise invalid_patch() from None
    if _deeper_than(document, MAX_DEPTH):
        raise invalid_patch()
    return document


def _deeper_than(document: object, limit: int) -> bool:
    """Whether moves have put values into one another beyond a depth; nothing here recurses."""
    level: list[object] = [document]
    for _ in range(limit):
        inside: list[object] = []
        for value in level:
            if is_object(value):
                inside += value.values()
            elif is_array(value):
                inside += value
        if not inside:
            return False
        level = inside
    return True
