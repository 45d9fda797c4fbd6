"""What names, labels and other small texts may look like: each function returns Kubernetes' messages, none if all well.

The paths these messages belong to are the callers' matter. Answers are remembered: the labels of a Job and of its pods
are the same few texts again and again.
"""

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final

__all__ = [
    "dns_label_faults",
    "dns_subdomain_faults",
    "environment_name_faults",
    "label_value_faults",
    "port_name_faults",
    "qualified_name_faults",
    "range_fault",
]

DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN: Final = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
QUALIFIED_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE: Final = f"({QUALIFIED_NAME})?"

MAX_DNS_LABEL: Final = 63
MAX_DNS_SUBDOMAIN: Final = 253
MAX_LABEL: Final = 63
"""Of a label's value, and of the name part of its key."""
MAX_PORT_NAME: Final = 15

REMEMBERED: Final = 2048
"""Texts of each kind whose answer is remembered."""
LONGEST_REMEMBERED: Final = 317
"""The longest qualified name; what is longer is wrong anyway, and may be of any length."""

DNS_LABEL_MESSAGE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character"
)
DNS_SUBDOMAIN_MESSAGE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
QUALIFIED_NAME_MESSAGE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
LABEL_VALUE_MESSAGE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)


def remembered(find: Callable[[str], tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    """The function, with its last answers remembered."""
    recall = lru_cache(REMEMBERED)(find)

    @wraps(find)
    def faults(value: str) -> tuple[str, ...]:
        return recall(value) if len(value) <= LONGEST_REMEMBERED else find(value)

    return faults


def regex_fault(message: str, pattern: str, *examples: str) -> str:
    """A message with examples and the expression, joined as Kubernetes joins them."""
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {listed}regex used for validation is '{pattern}')"


@remembered
def dns_label_faults(value: str) -> tuple[str, ...]:
    """What keeps a text from being a DNS-1123 label, such as a container's name."""
    faults: list[str] = []
    if len(value.encode()) > MAX_DNS_LABEL:
        faults.append(f"must be no more than {MAX_DNS_LABEL} characters")
    if not re.fullmatch(DNS_LABEL, value):
        faults.append(regex_fault(DNS_LABEL_MESSAGE, DNS_LABEL, "my-name", "123-abc"))
    return tuple(faults)


def dns_subdomain_faults(value: str, *, prefix: bool = False) -> tuple[str, ...]:
    """What keeps a text from being a DNS-1123 subdomain, such as a Job's name; a `prefix` may end with a dash."""
    if prefix and value.endswith("-"):
        value = value[:-1] + "a"
    faults: list[str] = []
    if len(value.encode()) > MAX_DNS_SUBDOMAIN:
        faults.append(f"must be no more than {MAX_DNS_SUBDOMAIN} characters")
    if not re.fullmatch(DNS_SUBDOMAIN, value):
        faults.append(regex_fault(DNS_SUBDOMAIN_MESSAGE, DNS_SUBDOMAIN, "example.com"))
    return tuple(faults)


@remembered
def qualified_name_faults(value: str) -> tuple[str, ...]:
    """What keeps a text from being a qualified name (`name` or `example.com/name`), such as a label's key."""
    examples = ("MyName", "my.name", "123-abc")
    prefix, slash, name = value.partition("/")
    if "/" in name:
        fault = regex_fault(f"a qualified name {QUALIFIED_NAME_MESSAGE}", QUALIFIED_NAME, *examples)
        return (f"{fault} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    faults: list[str] = []
    if not slash:
        name = prefix
    elif not prefix:
        faults.append("prefix part must be non-empty")
    else:
        faults += [f"prefix part {fault}" for fault in dns_subdomain_faults(prefix)]
    if not name:
        faults.append("name part must be non-empty")
    elif len(name.encode()) > MAX_LABEL:
        faults.append(f"name part must be no more than {MAX_LABEL} bytes")
    if not re.fullmatch(QUALIFIED_NAME, name):
        faults.append(regex_fault(f"name part {QUALIFIED_NAME_MESSAGE}", QUALIFIED_NAME, *examples))
    return tuple(faults)


@remembered
def label_value_faults(value: str) -> tuple[str, ...]:
    """What keeps a text from being a label's value."""
    faults: list[str] = []
    if len(value.encode()) > MAX_LABEL:
        faults.append(f"must be no more than {MAX_LABEL} bytes")
    if not re.fullmatch(LABEL_VALUE, value):
        faults.append(regex_fault(LABEL_VALUE_MESSAGE, LABEL_VALUE, "MyValue", "my_value", "12345"))
    return tuple(faults)


def port_name_faults(value: str) -> list[str]:
    """What keeps a text from being the name of a container's port."""
    faults: list[str] = []
    if len(value.encode()) > MAX_PORT_NAME:
        faults.append(f"must be no more than {MAX_PORT_NAME} characters")
    if not re.fullmatch("[-a-z0-9]+", value):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        faults.append("must contain at least one letter (a-z)")
    if "--" in value:
        faults.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def environment_name_faults(value: str) -> list[str]:
    """What keeps a text from being the name of an environment variable: printable ASCII without `=`."""
    if re.fullmatch("[ -<>-~]+", value):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def range_fault(lowest: int, highest: int) -> str:
    """The message for a number outside a range."""
    return f"must be between {lowest} and {highest}, inclusive"
