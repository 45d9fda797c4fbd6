"""Kubernetes Events on a real API server: told by one task of its own, so that no command waits for them.

Which are told is `event_correlation.py`. They are best effort: what is too much, or what the server does not take, is
dropped and counted.
"""

import logging
from collections import deque
from datetime import UTC, datetime
from typing import Final

import anyio

from podledger.errors import ClusterError
from podledger.ports import Clock
from podledger_adapters.event_correlation import EventCommand, EventCorrelator, Told
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.request import create_event, repeat_event

__all__ = ["EventTeller"]

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 1000
"""Events that may wait to be written."""


class EventTeller:
    """Writes Kubernetes Events."""

    def __init__(self, client: ApiClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._correlator = EventCorrelator()
        self._waiting: deque[Told] = deque()
        self._some, self._turn = anyio.Event(), anyio.Lock()

    def record(self, command: EventCommand) -> None:
        """Tell it, count it on an earlier one, or drop it; later."""
        now = self._clock.now()
        told = self._correlator.correlate(command, now, datetime.fromtimestamp(int(now), UTC))
        if told is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._client.metrics.events_dropped += 1
            return
        self._waiting.append(told)
        self._some.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self.flush()
            self._some = anyio.Event()
            await self._some.wait()

    async def flush(self) -> None:
        """Write what waits; what is being written is waited for."""
        async with self._turn:
            while self._waiting:
                await self._write(self._waiting.popleft())

    async def _write(self, told: Told) -> None:
        event = told.event()
        try:
            if told.count > 1:
                answer = await self._client.send(repeat_event(event))
                if answer.code < 300:
                    return
                if answer.code != 404:  # else the server let it go, after its hour
                    self._refused(answer.code)
                    return
            answer = await self._client.send(create_event(event))
            if answer.code >= 300:
                self._refused(answer.code)
        except ClusterError as error:
            self._client.metrics.events_dropped += 1
            logger.debug("a Kubernetes Event was not told: %s", error)

    def _refused(self, code: int) -> None:
        self._client.metrics.events_dropped += 1
        logger.debug("a Kubernetes Event was refused with %d", code)
