"""JSON text to plain values, with the words of Go's decoder for what is no JSON, and the keys that were given twice.

Bounded in depth before anything recursive is built. What the values mean is `body.py`'s matter.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, Final

from podledger.api.json_value import is_array, is_object

__all__ = ["MAX_DEPTH", "MalformedJson", "duplicates", "read_json"]

MAX_DEPTH: Final = 200
"""The deepest nesting. A pod needs about 15; what walks a document recurses."""

STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)|[{}\[\]]', re.DOTALL)
LITERALS: Final = ("true", "false", "null")
SPACE: Final = " \t\n\r"
SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
MAX_DIGITS: Final = 40
"""Digits of an integer that are read; longer ones are floats anyway."""


class MalformedJson(ValueError):
    """The text is no JSON; the message is that of Go's decoder."""


class ObjectWithDuplicates(dict[str, object]):
    """An object in which keys were given more than once; the last one stands, as in Go."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.repeated: list[str] = []
        for key, _ in pairs:
            if key in seen:
                self.repeated.append(key)
            seen.add(key)


def read_json(data: bytes) -> object:
    """The value of a JSON text. Raises MalformedJson."""
    text = data.decode("utf-8", errors="replace").removeprefix("\ufeff")
    _check_depth(text)
    try:
        value: object = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(_go_message(text, error)) from None
    return _readable(value) if SURROGATE.search(text) else value


def duplicates(value: object, path: str = "") -> Sequence[str]:
    """The paths of the keys given twice in what `read_json` returned, in the text's order."""
    found: list[str] = []
    if is_object(value):
        if isinstance(value, ObjectWithDuplicates):
            found += [f"{path}.{key}" if path else key for key in value.repeated]
        for key, item in value.items():
            found += duplicates(item, f"{path}.{key}" if path else key)
    elif is_array(value):
        for number, item in enumerate(value):
            found += duplicates(item, f"{path}[{number}]")
    return found


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else ObjectWithDuplicates(pairs)


def _constant(name: str) -> object:
    raise MalformedJson(f"invalid character '{name.lstrip('-')[0]}' looking for beginning of value")


def _integer(text: str) -> int | float:
    """As Go has it: what is no 64-bit integer is a float."""
    if len(text) > MAX_DIGITS:
        return _float(text)
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else float(number)


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedJson(f"json: cannot unmarshal number {text[:MAX_DIGITS]} into Go value of type float64")
    return number


def _readable(value: object) -> Any:
    """A value in which halves of surrogate pairs are replaced, as Go does: they are no text that can be sent."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if is_object(value):
        readable = {_readable(key): _readable(item) for key, item in value.items()}
        if isinstance(value, ObjectWithDuplicates):
            value.clear()
            value.update(readable)
            return value
        return readable
    return [_readable(item) for item in value] if is_array(value) else value


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for match in STRUCTURE.finditer(text):
        first = match.group()[0]
        if first in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedJson("exceeded max depth")
        elif first in "}]":
            depth -= 1


def _go_message(text: str, error: json.JSONDecodeError) -> str:
    """What Go's decoder says of the place where Python's stopped."""
    at = error.pos
    if error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    if error.msg.startswith("Invalid \\"):
        at, where = at + 1, "in string escape code"
        if "uXXXX" in error.msg:
            at = next((n for n in range(at, at + 4) if not _is_hex(text[n : n + 1])), at)
            where = "in \\u hexadecimal character escape"
    elif error.msg.startswith("Invalid control character"):
        where = "in string literal"
    elif error.msg.startswith("Expecting property name"):
        where = "looking for beginning of object key string"
    elif error.msg.startswith("Expecting ':'"):
        where = "after object key"
    elif error.msg.startswith("Expecting ','"):
        where = "after object key:value pair" if _inside(text, at) == "{" else "after array element"
    elif error.msg.startswith("Extra data"):
        where = "after top-level value"
    else:
        at, where = _broken_value(text, at)
    while at < len(text) and text[at] in SPACE and where != "in string literal":
        at += 1
    if at >= len(text):
        return "unexpected end of JSON input"
    return f"invalid character {_quoted(text[at])} {where}"


def _broken_value(text: str, at: int) -> tuple[int, str]:
    """Where a value cannot begin, or where a literal or number goes wrong."""
    while at < len(text) and text[at] in SPACE:
        at += 1
    for literal in LITERALS:
        if text[at : at + 1] == literal[0]:
            good = next(n for n in range(len(literal)) if text[at + n : at + n + 1] != literal[n])
            return at + good, f"in literal {literal} (expecting {_quoted(literal[good])})"
    if text[at : at + 1] == "-":
        return at + 1, "in numeric literal"
    return at, "looking for beginning of value"


def _inside(text: str, at: int) -> str:
    """The bracket that is open at a place."""
    opened: list[str] = []
    for match in STRUCTURE.finditer(text, 0, at):
        first = match.group()[0]
        if first in "{[":
            opened.append(first)
        elif first in "}]" and opened:
            opened.pop()
    return opened[-1] if opened else ""


def _is_hex(char: str) -> bool:
    return bool(char) and char in "0123456789abcdefABCDEF"


def _quoted(char: str) -> str:
    """A character as Go's messages quote it."""
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    code = ord(char)
    escapes = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}
    if char in escapes:
        return f"'{escapes[char]}'"
    return f"'{char}'" if char.isprintable() else f"'\\x{code:02x}'" if code < 0x100 else f"'\\u{code:04x}'"
