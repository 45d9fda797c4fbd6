"""What is new, what is stale, and when the cluster itself was set back: resourceVersions compared.

Within one kind and namespace a watch shows changes in the order of their resourceVersions, so whatever is not beyond
the last one is a repeat. Our own writes run ahead of the watch: until it has caught up, older states of the objects
are not believed.
"""

from collections.abc import Callable
from typing import Final, get_args

from podledger.ports import Kind

__all__ = ["KINDS", "Freshness", "IsGone", "version_of"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

IsGone = Callable[[str, str, int], bool]
"""Whether a list shows that an object is gone, by its namespace, its uid and the version that is known of it."""


def version_of(resource_version: str) -> int:
    """The number of a resourceVersion, 0 where there is none to compare."""
    return int(resource_version) if resource_version.isdecimal() else 0


class Freshness:
    """How far each kind has come. `floor` is the highest version known from before this process watched."""

    def __init__(self, floor: int) -> None:
        self._floor: dict[Kind, int] = dict.fromkeys(KINDS, floor)
        self._listed: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self._highest: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self._delivered: dict[tuple[Kind, str], int] = {}
        self._written: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Freshness Jobs at {self._highest['Job']}, pods at {self._highest['Pod']}, {len(self._written)} ahead>"

    def deliver(self, kind: Kind, namespace: str, version: int) -> bool:
        """Note how far a kind's watch has come; whether this is new. A version of 0 says nothing and is always new."""
        if not version:
            return True
        place = (kind, namespace)
        if version <= max(self._delivered.get(place, 0), self._listed[kind]):
            return False
        self._delivered[place] = version
        self._highest[kind] = max(self._highest[kind], version)
        return True

    def list_known(self, kind: Kind) -> int:
        """What a list must have reached not to be older than what we know: own writes do not count.

        They may have been answered after the list was made.
        """
        return max(self._highest[kind], self._floor[kind])

    def take_list(self, kind: Kind, version: int) -> None:
        """A whole list, or a bookmark: everything up to this version was shown."""
        self._listed[kind] = max(self._listed[kind], version)
        self._highest[kind] = max(self._highest[kind], version)
        self._floor[kind] = 0

    def rewind(self) -> None:
        """The cluster was set back: from here on versions are compared only with newer ones."""
        self._floor = dict.fromkeys(KINDS, 0)
        self._listed = dict.fromkeys(KINDS, 0)
        self._highest = dict.fromkeys(KINDS, 0)
        self._delivered.clear()
        self._written.clear()

    # ---- own writes -------------------------------------------------------------------------------------------------

    def wrote_pod(self, namespace: str, uid: str, version: int) -> None:
        """We wrote this pod ourselves: unless the watch showed that already, older states are not believed."""
        if version > max(self._delivered.get(("Pod", namespace), 0), self._listed["Pod"]):
            self._written[uid] = version

    def is_overtaken(self, uid: str, version: int) -> bool:
        """Whether this state of a pod is from before our own last write; a later one settles the question."""
        written = self._written.get(uid)
        if written is None:
            return False
        if version and version < written:
            return True
        del self._written[uid]
        return False

    def written(self, uid: str) -> int:
        """The version of our own last write of this pod that the watch has not shown yet, 0 for none."""
        return self._written.get(uid, 0)

    def written_after(self, uid: str, version: int) -> bool:
        """Whether we wrote this pod after that version."""
        return self._written.get(uid, 0) > version

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._written.pop(uid, None)
