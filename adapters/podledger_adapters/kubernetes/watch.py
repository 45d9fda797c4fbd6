"""Listing and watching a kind as a state machine: a type for each state, and one step from what happened to the next.

    Streaming ──its end──▶ Watching ◀──last page── Listing
        ▲                   │ ▲ │ silence             ▲
        │                   │ │ ▼                     │
        │              410  │ Checking                │        Waiting stands before any of them after a failure
        └───────────────────┴───┴── was set back ─────┘

Pure: who asks, waits and reads is `list_watch.py`. The rules on resourceVersions: a list asks for none, so that it is
consistent; a watch goes on from the last one seen; whoever is refused with 410 lists again. Silence is no failure: an
API server sends a bookmark only if its revision moved on since the watch began, and where nothing happens it need not.
"""

import logging
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeGuard

import msgspec
from msgspec import Struct

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod
from podledger.freshness import version_of
from podledger.ports import Bookmark, Change, Gone, Kind, ListBegan, ListEnded, Seen
from podledger_adapters.kubernetes.decode import (
    INITIAL_EVENTS_END,
    Page,
    Status,
    WatchLine,
    decode_seen,
    line_decoder,
)

__all__ = [
    "Broke",
    "Checking",
    "Ended",
    "Happened",
    "Lines",
    "ListWatch",
    "Listing",
    "Paged",
    "Refused",
    "Silent",
    "State",
    "Step",
    "Streaming",
    "Waiting",
    "Watching",
    "goes_on",
    "retry_delay_s",
]

logger = logging.getLogger(__name__)

FIRST_DELAY_S: Final = 0.5
MOST_DELAY_S: Final = 30.0
MOST_SILENCES: Final = 2
"""After as many idle deadlines in a row the server is asked where it stands: it may be behind what we wait for."""
MOST_TOO_NEW: Final = 5
"""After as many refusals of our revision as too new the kind is listed again: the cluster may have been set back."""


# ---- states: each holds what it needs, `failures` counts those in a row ------------------------------------------


class Listing(Struct, frozen=True):
    """A list in pages; `token` is what the next page is asked with."""

    token: str = ""
    failures: int = 0


class Streaming(Struct, frozen=True):
    """A list as the beginning of a watch; `began` once anything of it has come."""

    began: bool = False
    failures: int = 0


class Watching(Struct, frozen=True):
    """A watch of what comes after `revision`. `silences`: idle deadlines in a row; `heard`: by this connection.

    `fresh`: the list it goes on from was only just made.
    """

    revision: str
    failures: int = 0
    silences: int = 0
    heard: bool = False
    fresh: bool = False


class Checking(Struct, frozen=True):
    """A watch that stayed silent: does the server stand at `revision` or beyond? A page of the list tells."""

    revision: str
    failures: int = 0


class Waiting(Struct, frozen=True):
    """A pause before the next try; `why` is said to users."""

    then: "Listing | Streaming | Watching | Checking"
    delay_s: float
    why: str


State = Listing | Streaming | Watching | Checking | Waiting


# ---- what happened ------------------------------------------------------------------------------------------------


class Paged(Struct, frozen=True):
    """A page came."""

    page: Page


class Lines(Struct, frozen=True):
    """Whole lines came."""

    lines: Sequence[bytes]


class Ended(Struct, frozen=True):
    """The stream ended in good order; a line that was not complete is no line."""


class Silent(Struct, frozen=True):
    """Nothing came within the idle deadline."""


class Broke(Struct, frozen=True):
    """The connection could not be made, or broke."""

    why: str


class Refused(Struct, frozen=True):
    """The server answered with an error."""

    code: int
    status: Status | None
    retry_after_s: float | None = None

    @property
    def why(self) -> str:
        """The server's own words."""
        return f"{self.code} {self.status.message if self.status is not None else 'without a Status'}"

    @property
    def too_new(self) -> bool:
        """Whether our revision is beyond what the server has."""
        causes = self.status.details.causes if self.status is not None else ()
        return any(cause.reason == "ResourceVersionTooLarge" for cause in causes)


Happened = Paged | Lines | Ended | Silent | Broke | Refused


class Step(NamedTuple):
    """The next state, and what users are to be told."""

    state: State
    changes: Sequence[Change] = ()


def goes_on(state: State) -> TypeGuard[Streaming | Watching]:
    """Whether the same connection serves on in this state."""
    return isinstance(state, Watching) or (isinstance(state, Streaming) and state.began)


def retry_delay_s(failures: int) -> float:
    """0.5 s, 1 s, 2 s ... 30 s."""
    return min(FIRST_DELAY_S * 2.0 ** min(failures - 1, 16), MOST_DELAY_S)


class ListWatch:
    """The machine of one kind in a namespace, "" for all.

    `streams`: whether the server is asked for streaming lists; off once it refuses.
    """

    def __init__(self, kind: Kind, namespace: str = "", *, streams: bool) -> None:
        self.kind: Kind = kind
        self.streams = streams
        self._began = ListBegan(kind, (namespace,) if namespace else ())

    def start(self, failures: int = 0) -> Listing | Streaming:
        """List from the beginning."""
        return Streaming(failures=failures) if self.streams else Listing(failures=failures)

    def step(self, state: Listing | Streaming | Watching | Checking, happened: Happened) -> Step:
        """From what happened in a state to the next one."""
        match happened:
            case Paged() if isinstance(state, Listing):
                return self._paged(state, happened.page)
            case Paged() if isinstance(state, Checking):
                return Step(self._checked(state, happened.page))
            case Lines() if isinstance(state, Streaming | Watching):
                return self._lines(state, happened.lines)
            case Refused():
                return self._refused(state, happened)
            case Silent():
                return self._silent(state)
            case Ended() if isinstance(state, Watching) and state.heard:
                return Step(Watching(state.revision))
            case Broke():
                return Step(self._again(state, happened.why))
            case _:
                return Step(self._again(state, "the stream ended before anything came"))

    # ---- lists --------------------------------------------------------------------------------------------------

    def _paged(self, state: Listing, page: Page) -> Step:
        changes: list[Change] = [] if state.token else [self._began]
        changes += (Seen(seen) for raw in page.items if (seen := self._read(raw)) is not None)
        if page.metadata.token:
            return Step(Listing(page.metadata.token, state.failures), changes)
        revision = page.metadata.resource_version
        changes.append(ListEnded(self.kind, revision))
        return Step(Watching(revision, state.failures, fresh=True), changes)

    def _checked(self, state: Checking, page: Page) -> State:
        revision = page.metadata.resource_version
        if version_of(revision) < version_of(state.revision):
            return self._relist(state.failures, f"the server is at {revision}, behind {state.revision}")
        return Watching(state.revision)

    def _relist(self, failures: int, why: str) -> State:
        logger.info("%ss are listed again: %s", self.kind, why)
        start = self.start(failures + 1)
        return Waiting(start, retry_delay_s(failures), why) if failures else start

    # ---- lines --------------------------------------------------------------------------------------------------

    def _lines(self, state: Streaming | Watching, lines: Sequence[bytes]) -> Step:
        changes: list[Change] = []
        for at, line in enumerate(lines):
            try:
                following = self._line(state, line_decoder.decode(line), changes)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return Step(self._again(state, f"a line that is no watch event: {error}"), changes)
            if not goes_on(following):
                if at + 1 < len(lines):
                    logger.debug("%d lines behind the end of a watch are passed over", len(lines) - at - 1)
                return Step(following, changes)
            state = following
        return Step(state, changes)

    def _line(self, state: Streaming | Watching, line: WatchLine, changes: list[Change]) -> State:
        """Take one line in; changes are added to `changes`."""
        if isinstance(state, Streaming) and not state.began:
            changes.append(self._began)
            state = Streaming(began=True, failures=state.failures)
        match line.type:
            case "ADDED" | "MODIFIED":
                seen = self._read(line.object)
                if seen is None:
                    return state
                changes.append(Seen(seen))
                return _further(state, seen.metadata.resource_version)
            case "DELETED":
                meta = _metadata(line)
                changes.append(Gone(self.kind, meta.namespace, meta.name, meta.uid, meta.resource_version))
                return _further(state, meta.resource_version)
            case "BOOKMARK":
                return self._bookmark(state, _metadata(line), changes)
            case "ERROR":
                status = msgspec.json.decode(line.object, type=Status)
                return self._refused(state, Refused(status.code, status)).state
            case _:
                logger.warning("a watch of %ss said %r, which is passed over", self.kind, line.type)
                return state

    def _bookmark(self, state: Streaming | Watching, meta: ObjectMeta, changes: list[Change]) -> State:
        revision = meta.resource_version
        if isinstance(state, Streaming):
            if meta.annotations.get(INITIAL_EVENTS_END) != "true":
                return state
            changes.append(ListEnded(self.kind, revision))
            return Watching(revision, state.failures, heard=True, fresh=True)
        if version_of(revision) < version_of(state.revision):
            return self._relist(state.failures, f"the server is at {revision}, behind {state.revision}")
        changes.append(Bookmark(self.kind, revision))
        return _further(state, revision)

    def _read(self, raw: msgspec.Raw) -> Job | Pod | CronJob | KubernetesEvent | None:
        """The object; None for one that cannot be read, which must not keep the others from being seen."""
        try:
            return decode_seen(self.kind, raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.error("%s cannot be read and is passed over: %s", _named(self.kind, raw), error)
            return None

    # ---- faults -------------------------------------------------------------------------------------------------

    def _refused(self, state: Listing | Streaming | Watching | Checking, refused: Refused) -> Step:
        token_refused = isinstance(state, Listing) and bool(state.token) and refused.code == 400
        if refused.code == 410 or token_refused:
            # What failed until now was the connection: only lists that are refused once they are made slow down.
            failures = 0 if isinstance(state, Watching) and not state.fresh else state.failures
            return Step(self._relist(failures, refused.why))
        if isinstance(state, Streaming) and refused.code in (400, 422):
            logger.info("the server has no streaming lists (%s): lists come in pages", refused.why)
            self.streams = False
            return Step(self.start(state.failures))
        if isinstance(state, Watching) and refused.too_new and state.failures + 1 >= MOST_TOO_NEW:
            return Step(self._relist(state.failures, refused.why))
        return Step(self._again(state, refused.why, refused.retry_after_s))

    def _silent(self, state: Listing | Streaming | Watching | Checking) -> Step:
        if not isinstance(state, Watching):
            return Step(self._again(state, "nothing came"))
        silences = state.silences + 1
        if silences >= MOST_SILENCES:
            return Step(Checking(state.revision, state.failures))
        return Step(Watching(state.revision, state.failures, silences))

    def _again(self, state: Listing | Streaming | Watching | Checking, why: str, after_s: float | None = None) -> State:
        """Try the same again after a pause; a list that was begun is begun anew."""
        failures = state.failures + 1
        delay_s = max(retry_delay_s(failures), after_s or 0.0)
        match state:
            case Listing():
                # The token may be used again: pages are of one snapshot.
                return Waiting(Listing(state.token, failures), delay_s, why)
            case Streaming():
                return Waiting(Streaming(failures=failures), delay_s, why)
            case Watching():
                return Waiting(Watching(state.revision, failures, state.silences), delay_s, why)
            case Checking():
                return Waiting(Checking(state.revision, failures), delay_s, why)


class _Meta(Struct):
    metadata: ObjectMeta


_meta = msgspec.json.Decoder(_Meta)


def _metadata(line: WatchLine) -> ObjectMeta:
    return _meta.decode(line.object).metadata


def _named(kind: Kind, raw: msgspec.Raw) -> str:
    try:
        meta = _meta.decode(raw).metadata
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"a {kind} without readable metadata"
    return f"{kind} {meta.namespace}/{meta.name}, resourceVersion {meta.resource_version},"


def _further(state: Streaming | Watching, revision: str) -> Streaming | Watching:
    """A watch has come as far as this; something was heard, so failures are over."""
    if isinstance(state, Streaming):
        return state
    if version_of(revision) <= version_of(state.revision):
        revision = state.revision
    return Watching(revision, heard=True)
