"""Label selectors of requests, by the grammar of Kubernetes' parser and with its messages.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#api
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from podledger.api.field_error import FieldError, invalid
from podledger.api.json_value import is_object
from podledger.api.validation.names import label_value_faults, qualified_name_faults
from podledger_adapters.server.selectors.predicate import Predicate
from podledger_adapters.server.status import bad_request

__all__ = ["LabelTerm", "label_selector"]

TOKEN: Final = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
SYMBOLS: Final = frozenset({"==", "!=", "=", "!", "(", ")", ",", "<", ">"})
OPERATORS: Final[Mapping[str, str]] = {
    "=": "in", "==": "in", "!=": "notin", "in": "in", "notin": "notin", ">": "gt", "<": "lt",
}  # fmt: skip
BINARY: Final = "in, notin, =, ==, !=, gt, lt"
END: Final = ""
NO_LABELS: Final[Mapping[str, object]] = {}


class LabelTerm(Struct, frozen=True):
    """One requirement: `operator` is in, notin, exists, absent, gt or lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, Any]) -> bool:
        """Whether labels meet it; what is not there is not in any set."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "absent":
                return value is None
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case comparison:
                if not isinstance(value, str) or not re.fullmatch(r"[+-]?\d{1,19}", value):
                    return False
                (bound,) = self.values
                return int(value) > int(bound) if comparison == "gt" else int(value) < int(bound)


def label_selector(text: str) -> Predicate:
    """Whether the labels of a document fit `a=b,c in (d,e),!f`. Raises ApiError (400)."""
    terms = _LabelParser(text).terms()

    def matches(document: Mapping[str, Any]) -> bool:
        labels: object = document.get("metadata", {}).get("labels")
        return all(term.holds(labels if is_object(labels) else NO_LABELS) for term in terms)

    return matches


class _LabelParser:
    """The grammar of label selectors; faults are told as Kubernetes' parser tells them."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = TOKEN.findall(text)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else END

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def terms(self) -> Sequence[LabelTerm]:
        terms: list[LabelTerm] = []
        if self.peek() != END and self.peek() in SYMBOLS - {"!"}:
            raise _unparsable(f"found '{self.peek()}', expected: !, identifier, or 'end of string'")
        while self.peek() != END:
            terms.append(self.term())
            token = self.take()
            if token == END:
                break
            if token != ",":
                raise _unparsable(f"found '{token}', expected: ',' or 'end of string'")
            if self.peek() == END or self.peek() in SYMBOLS - {"!"}:
                raise _unparsable(f"found '{self.peek()}', expected: identifier after ','")
        return terms

    def term(self) -> LabelTerm:
        absent = self.peek() == "!"
        if absent:
            self.take()
        key = self.take()
        if key == END or key in SYMBOLS:
            raise _requirement(f"found '{key}', expected: identifier")
        if faults := qualified_name_faults(key):
            raise _requirement(str(invalid("key", key, "; ".join(faults))))
        if absent:
            return LabelTerm(key, "absent")
        if self.peek() in (END, ","):
            return LabelTerm(key, "exists")
        token = self.take()
        operator = OPERATORS.get(token)
        if operator is None:
            raise _requirement(f"found '{token}', expected: {BINARY}")
        values = self.listed() if token in ("in", "notin") else [self.exact()]
        if not values:
            why = "for 'in', 'notin' operators, values set can't be empty"
            raise _requirement(str(FieldError("values", "FieldValueInvalid", f"Invalid value: []: {why}")))
        for number, value in enumerate(sorted(set(values))):
            if faults := label_value_faults(value):
                raise _requirement(str(invalid(f"values[{number}][{key}]", value, "; ".join(faults))))
        if operator in ("gt", "lt") and not re.fullmatch(r"[+-]?\d{1,19}", values[0]):
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise _requirement(str(invalid("values[0]", values[0], why)))
        return LabelTerm(key, operator, frozenset(values))

    def exact(self) -> str:
        if self.peek() in (END, ","):
            return ""
        token = self.take()
        if token in SYMBOLS:
            raise _requirement(f"found '{token}', expected: identifier")
        return token

    def listed(self) -> list[str]:
        token = self.take()
        if token != "(":
            raise _requirement(f"found '{token}', expected: '('")
        values: list[str] = []
        if self.peek() == ")":
            self.take()
            return values
        while True:
            token = self.peek()
            # Nothing between two commas, or beside a parenthesis, is the empty value.
            values.append("" if token in (",", ")") else self.take())
            if (values[-1] == END and token == END) or values[-1] in SYMBOLS:
                raise _requirement(f"found '{token}', expected: ',', ')' or identifier")
            token = self.take()
            if token == ")":
                return values
            if token != ",":
                raise _requirement(f"found '{token}', expected: ',' or ')'")


def _unparsable(why: str) -> Exception:
    return bad_request(why)


def _requirement(why: str) -> Exception:
    return bad_request(f"unable to parse requirement: {why}")
