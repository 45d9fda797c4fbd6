"""Listing and watching, done: asks what the state machine of `watch.py` wants to know and hands its changes on.

One task a kind and namespace. Several namespaces are shown as one list and one stream, as the Cluster port has it
(`scopes.py`); what waits for the consumer is bounded (`mailbox.py`).
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

import anyio
import msgspec

from podledger.errors import ClusterError
from podledger.ports import Change, Clock, Kind
from podledger_adapters.kubernetes.client import Answer, ApiClient, CallLost, Silence
from podledger_adapters.kubernetes.complaint import Complaint
from podledger_adapters.kubernetes.decode import LineSplitter, LineTooLong, decode_page
from podledger_adapters.kubernetes.request import PAGE_SIZE, Resource, list_page, streaming_list, watch
from podledger_adapters.kubernetes.scopes import Scopes
from podledger_adapters.kubernetes.watch import (
    Broke,
    Checking,
    Ended,
    Happened,
    Lines,
    Listing,
    ListWatch,
    Paged,
    Refused,
    Silent,
    State,
    Streaming,
    Waiting,
    Watching,
    goes_on,
)

__all__ = ["KindWatcher"]

logger = logging.getLogger(__name__)

WATCH_S: Final = (300, 600)
"""How long a watch is asked to last: drawn between these, so that watches do not come back all at once."""
RESOURCES: Final[dict[Kind, Resource]] = {"Job": "jobs", "Pod": "pods", "CronJob": "cronjobs", "Event": "events"}

Put = Callable[[Sequence[Change]], Awaitable[None]]


class KindWatcher:
    """Shows one kind of some namespaces (none: all) for ever. `streams`: whether to ask for streaming lists."""

    def __init__(
        self,
        client: ApiClient,
        kind: Kind,
        namespaces: Sequence[str],
        put: Put,
        *,
        clock: Clock,
        streams: bool,
        draw: Callable[[int, int], int],
    ) -> None:
        self._kind: Kind = kind
        self._client, self._put, self._clock, self._draw = client, put, clock, draw
        self._namespaces = tuple(dict.fromkeys(namespaces)) or ("",)
        # Servers keep no watch cache of Events, which streaming lists come from.
        self._streams = streams and kind != "Event"
        self._complaints = {
            each: Complaint(logger, f"watching {kind}s" + (f" of namespace {each}" if each else ""))
            for each in self._namespaces
        }

    async def run(self) -> None:
        """Until cancelled."""
        if len(self._namespaces) == 1:
            await self._watch(self._namespaces[0], self._put)
            return
        scopes = Scopes(self._kind, self._namespaces)
        async with anyio.create_task_group() as tasks:
            for namespace in self._namespaces:
                tasks.start_soon(self._watch_scope, namespace, scopes)

    async def _watch_scope(self, namespace: str, scopes: Scopes) -> None:
        """One namespace of several: begun anew when another one has to be listed again."""

        async def put(changes: Sequence[Change]) -> None:
            await self._put(scopes.take(namespace, changes))

        while True:
            with anyio.CancelScope() as scope:
                scopes.begin(namespace, scope)
                await self._watch(namespace, put)

    async def _watch(self, namespace: str, put: Put) -> None:
        machine = ListWatch(self._kind, namespace, streams=self._streams)
        state: State = machine.start()
        while True:
            match state:
                case Waiting():
                    self._client.metrics.watch_failures[self._kind] += 1
                    self._complaints[namespace].say(state.why)
                    # Not all clients that lost a server shall come back at the same moment.
                    delay_s = state.delay_s * (1.0 + self._draw(0, 250) / 1000.0)
                    await self._clock.sleep_until(self._clock.now() + delay_s)
                    state = state.then
                case Listing():
                    if not state.token:
                        self._client.metrics.relists[self._kind] += 1
                    step = machine.step(state, await self._page(namespace, PAGE_SIZE, state.token))
                    await put(step.changes)
                    state = step.state
                case Checking():
                    state = machine.step(state, await self._page(namespace, 1)).state
                case Streaming() | Watching():
                    state = await self._stream(namespace, machine, state, put)

    async def _page(self, namespace: str, size: int, token: str = "") -> Happened:
        try:
            answer = await self._client.send(list_page(RESOURCES[self._kind], namespace, size, token))
        except ClusterError as error:
            return Broke(str(error))
        if answer.code != 200:
            return _refused(answer)
        try:
            paged = Paged(decode_page(answer.body))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Broke(f"what the server listed is no list: {error}")
        self._complaints[namespace].over()
        return paged

    async def _stream(self, namespace: str, machine: ListWatch, state: Streaming | Watching, put: Put) -> State:
        """Read one connection to its end; the state after it."""
        resource, timeout_s = RESOURCES[self._kind], self._draw(*WATCH_S)
        if isinstance(state, Streaming):
            self._client.metrics.relists[self._kind] += 1
            request = streaming_list(resource, namespace, timeout_s)
        else:
            request = watch(resource, namespace, state.revision, timeout_s)
        splitter = LineSplitter()
        happened: Happened = Ended()
        try:
            async with self._client.stream(request) as stream:
                if isinstance(stream, Answer):
                    return machine.step(state, _refused(stream)).state
                self._heard()
                self._complaints[namespace].over()
                async with aclosing(stream.pieces()) as pieces:
                    async for piece in pieces:
                        self._heard()
                        if not (lines := splitter.feed(piece)):
                            continue
                        step = machine.step(state, Lines(lines))
                        await put(step.changes)
                        if not goes_on(step.state):
                            return step.state
                        state = step.state
        except Silence:
            happened = Silent()
        except (CallLost, ClusterError, LineTooLong) as error:
            happened = Broke(str(error))
        return machine.step(state, happened).state

    def _heard(self) -> None:
        self._client.metrics.heard_s[self._kind] = self._clock.monotonic()


def _refused(answer: Answer) -> Refused:
    return Refused(answer.code, answer.status, answer.retry_after_s)
