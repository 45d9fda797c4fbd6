"""Retries after a failed sync: 1 s, 2 s, 4 s ... 60 s per key, forgotten after a success; as upstream."""

__all__ = ["Retries"]

BASE_S = 1.0
MAX_S = 60.0


class Retries:
    """How often each key failed in a row."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Retries {len(self._failures)} keys failing>"

    def failed(self, key: str) -> float:
        """Note a failure; the seconds to wait before the next try."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return min(BASE_S * 2.0 ** min(failures, 16), MAX_S)

    def succeeded(self, key: str) -> None:
        """Note a success."""
        self._failures.pop(key, None)
