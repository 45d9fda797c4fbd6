"""What types and fields mean, in our own words: what `kubectl explain` shows, and Tables say of their columns.

Data, by API group: type to field to text, where the field "" is the type itself. What nobody asks a Job server about
has no text here, and then no description.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final

from msgspec import convert

__all__ = ["FILES", "field_text", "type_text"]

FILES: Final = ("batch.json", "core.json", "meta.json")
"""The files of this folder, by API group."""


@lru_cache(maxsize=1)
def _texts() -> Mapping[str, Mapping[str, str]]:
    """All texts, read when first asked for."""
    found: dict[str, dict[str, str]] = {}
    for name in FILES:
        text = files(__name__).joinpath(name).read_text(encoding="utf-8")
        found |= convert(json.loads(text), dict[str, dict[str, str]])
    return found


def type_text(type_: str) -> str:
    """What a type is for, "" for nothing."""
    return field_text(type_, "")


def field_text(type_: str, field: str) -> str:
    """What a field means, "" for nothing."""
    return _texts().get(type_, {}).get(field, "")
