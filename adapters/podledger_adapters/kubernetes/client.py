"""Sending requests to an API server: connections, TLS, credentials, limits, and what may have been applied.

A call either has an answer, whatever its code, or is lost: `CallLost` says whether it may have been applied. Only two
answers are dealt with here, for both say that nothing was done: 401 is tried once more with a fresh credential, 429
after the pause the server asks for. What answers mean is `answer.py`, how errors are told is `connection_error.py`.
"""

import os
import ssl
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from podledger.errors import ClusterError
from podledger.ports import Clock
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.connection_error import tell_connection_error
from podledger_adapters.kubernetes.credentials import Credential, Credentials
from podledger_adapters.kubernetes.decode import Status, decode_status
from podledger_adapters.kubernetes.metrics import ClientMetrics
from podledger_adapters.kubernetes.proxy import choose_proxy
from podledger_adapters.kubernetes.rate_limit import RateLimit
from podledger_adapters.kubernetes.request import ApiRequest
from podledger_adapters.kubernetes.tls import tls_context

__all__ = ["CALL_S", "IDLE_S", "Answer", "ApiClient", "CallLost", "Silence", "Stream"]

CONNECT_S: Final = 10.0
CALL_S: Final = 60.0
"""How long a call may take: API servers give up after as long themselves."""
URGENT_S: Final = 5.0
"""How long an urgent call may take: half the time within which a lease must be renewed, as in client-go."""
IDLE_S: Final = 90.0
"""A watch in which nothing comes for so long is begun anew: servers send bookmarks once a minute if there is news."""
CONNECTIONS: Final = 64
READ_BYTES: Final = 1024 * 1024
MAX_THROTTLED: Final = 3
"""How often a call answered with 429 is sent again before its caller hears of it."""
MAX_PAUSE_S: Final = 30.0
USER_AGENT: Final = "podledger"

_CALL: Final = aiohttp.ClientTimeout(total=CALL_S, sock_connect=CONNECT_S)
_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class Answer(NamedTuple):
    """What a server answered. `retry_after_s`: the pause it asks for, None for none."""

    code: int
    body: bytes
    retry_after_s: float | None = None

    @property
    def status(self) -> Status | None:
        """The Status in the body, None for something else."""
        return decode_status(self.body)


class CallLost(ClusterError):
    """There is no answer. `sent`: the request may have reached the server, and may have been applied."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Silence(CallLost):
    """Nothing came in a stream within the idle deadline."""


class Stream:
    """A watch under way: its pieces as they come. Raises CallLost when it breaks, Silence when nothing comes."""

    def __init__(self, response: aiohttp.ClientResponse, place: str) -> None:
        self._response, self._place = response, place

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Bytes, in pieces of any size, until the server ends the stream."""
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except aiohttp.SocketTimeoutError as error:
            raise Silence(f"{self._place}: nothing came for {IDLE_S:g} s", sent=True) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise CallLost(f"{self._place}: {tell_connection_error(error, self._place)}", sent=True) from error


class ApiClient:
    """One API server. Use it with `async with`, which may be entered and left in different tasks.

    `limit` holds back writes that are not urgent, None for no limit.
    """

    def __init__(
        self,
        access: Access,
        clock: Clock,
        *,
        limit: RateLimit | None = None,
        idle_s: float = IDLE_S,
        call_s: float = CALL_S,
    ) -> None:
        self.access = access
        self.metrics = ClientMetrics()
        self._clock, self._limit, self._idle_s = clock, limit, idle_s
        self._call = _CALL if call_s == CALL_S else aiohttp.ClientTimeout(total=call_s, sock_connect=CONNECT_S)
        self._urgent = aiohttp.ClientTimeout(total=URGENT_S)
        self._credentials = Credentials(access, clock)
        self._contexts: dict[tuple[bytes, bytes], ssl.SSLContext] = {}
        self._proxy = choose_proxy(access.server, access.proxy, access.source, os.environ)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            auto_decompress=True,
            read_bufsize=READ_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(self, request: ApiRequest) -> Answer:
        """Send a request and read the answer whole. Raises CallLost, ClusterError for what keeps us from trying."""
        throttled = 0
        renewed = False
        while True:
            if self._limit is not None and request.method != "GET" and not request.urgent:
                await self._limit.wait()
            credential = await self._credentials.current()
            answer = await self._once(request, credential)
            if answer.code == 401 and not renewed and self._credentials.refresh(credential):
                renewed = True
                continue
            if answer.code != 429 or throttled >= MAX_THROTTLED or request.urgent:
                return answer
            throttled += 1
            pause_s = min(answer.retry_after_s or 2.0 ** (throttled - 1), MAX_PAUSE_S)
            await self._clock.sleep_until(self._clock.now() + pause_s)

    async def _once(self, request: ApiRequest, credential: Credential) -> Answer:
        begun_s = self._clock.monotonic()
        try:
            async with self._open(request, credential, self._urgent if request.urgent else self._call) as response:
                body = await response.read()
                code, pause = response.status, response.headers.get("Retry-After")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.metrics.lost(request.method)
            raise self._lost(error, sent=not isinstance(error, _NOT_SENT)) from error
        self.metrics.answered(request.method, code, self._clock.monotonic() - begun_s)
        return Answer(code, body, _seconds(pause))

    @asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncGenerator[Stream | Answer]:
        """Open a stream: the stream, or the answer of a server that refused. Raises CallLost, ClusterError."""
        credential = await self._credentials.current()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=self._idle_s)
        place = f"{self.access.server}{urlsplit(request.path).path}"
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(self._open(request, credential, timeout))
                # A stream that is left early cannot be used for another call.
                stack.callback(response.close)
                body = b"" if response.status == 200 else await response.read()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise self._lost(error, sent=False) from error
            self.metrics.answered("WATCH", response.status, 0.0)
            if response.status == 200:
                yield Stream(response, place)
                return
            if response.status == 401:
                self._credentials.refresh(credential)
            yield Answer(response.status, body, _seconds(response.headers.get("Retry-After")))

    def _open(
        self, request: ApiRequest, credential: Credential, timeout: aiohttp.ClientTimeout
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        assert self._session is not None, "use the client inside `async with`"
        headers = list(self.access.identity.impersonate)
        if credential.authorization is not None:
            headers.append(("Authorization", credential.authorization))
        if request.content_type:
            headers.append(("Content-Type", request.content_type))
        return self._session.request(
            request.method,
            URL(self.access.server + request.path, encoded=True),
            data=request.body or None,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            ssl=self._context(credential),
            server_hostname=self.access.server_name or None,
            proxy=self._proxy or None,
        )

    def _lost(self, error: Exception, *, sent: bool) -> CallLost:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            self._contexts.clear()  # the authority's file may say something else by now
        return CallLost(f"{self.access.server}: {tell_connection_error(error, self.access.server)}", sent=sent)

    def _context(self, credential: Credential) -> ssl.SSLContext | bool:
        if self.access.server.startswith("http://"):
            return True
        pair = (credential.certificate, credential.key)
        context = self._contexts.get(pair)
        if context is None:
            self._contexts.clear()  # what a plugin replaced is of no use any more
            context = self._contexts[pair] = tls_context(self.access, *pair)
        return context


def _seconds(text: str | None) -> float | None:
    """A Retry-After header in seconds; dates, which API servers do not send, are none."""
    return float(text) if text is not None and text.isdecimal() else None
