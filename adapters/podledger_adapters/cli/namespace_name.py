"""Namespaces on the command line."""

import re
from collections.abc import Iterable

from podledger.errors import InputError

__all__ = ["check_namespaces"]

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def check_namespaces(flag: str, names: Iterable[str]) -> None:
    """Raises InputError, which names the flag, for what no namespace can be called: "" would mean all of them."""
    for name in names:
        if not NAMESPACE.fullmatch(name):
            raise InputError(f"{flag} {name}: must be at most 63 lower case letters, digits and -, such as team-a")
