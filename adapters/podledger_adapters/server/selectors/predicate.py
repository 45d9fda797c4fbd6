"""What a selector is once it is read."""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Predicate"]

Predicate = Callable[[Mapping[str, Any]], bool]
"""Whether a document is selected."""
