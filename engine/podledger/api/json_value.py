"""What kind of JSON value a parsed value is, told so that type checkers understand it."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

__all__ = ["is_array", "is_object", "json_kind"]


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether it is a JSON object. Keys that YAML made something else than a string are left to whoever reads them."""
    return isinstance(value, Mapping)


def is_array(value: object) -> TypeGuard[Sequence[object]]:
    """Whether it is a JSON array."""
    return isinstance(value, list | tuple)


def json_kind(value: object) -> str:
    """What Go's decoder calls the kind of a value; anything that is not of JSON counts as a string."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if is_object(value):
        return "object"
    return "array" if is_array(value) else "string"
