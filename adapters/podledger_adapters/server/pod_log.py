"""GET of pods/NAME/log: what a container wrote, whole or its end, from now on or from a time on, with times or without.

Where the bytes come from is the node's matter (`LocalCluster.timed_logs`).
"""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from podledger.api.field_error import FieldError, invalid
from podledger.api.fields import RFC3339
from podledger.api.pod import Pod
from podledger_adapters.nodes.container_log import container_of
from podledger_adapters.nodes.log_chunk import LogChunk
from podledger_adapters.server.call import Call
from podledger_adapters.server.status import bad_request
from podledger_adapters.server.status import invalid as invalid_options
from podledger_adapters.server.streaming import StreamAnswer
from podledger_adapters.store.api_error import not_found
from podledger_adapters.store.kinds import RESOURCES

__all__ = ["LogOptions", "read_pod_log", "selected_lines"]

Batch = Sequence[LogChunk]

NOT_NEGATIVE: Final = "must be greater than or equal to 0"
POSITIVE: Final = "must be greater than 0"
PIECE_BYTES: Final = 256 * 1024
MAX_LINE: Final = 1024 * 1024
"""A line longer than this is taken for several."""


class LogOptions(Struct, frozen=True):
    """`since_s` is a Unix time, `limit_bytes` and `tail_lines` None for no limit."""

    container: str
    follow: bool
    previous: bool
    timestamps: bool
    since_s: float | None
    tail_lines: int | None
    limit_bytes: int | None


async def read_pod_log(call: Call) -> Response:
    """The log as text; 204 for a pod that is on no node yet. Raises ApiError."""
    options = read_log_options(call)
    pod = call.store.find(Pod, call.key)
    await call.store.durable()
    if pod is None:
        raise not_found(RESOURCES[Pod], call.name)
    if not pod.spec.node_name:
        container_of(pod, options.container)
        return Response(None, 204)
    batches = call.state.cluster.timed_logs(pod, options.container, follow=options.follow, previous=options.previous)
    # The first batch before the headers, so that what is refused is refused with a Status. It never waits for the
    # container: the empty batch comes as soon as nothing more is there.
    first = await anext(batches, ())
    return StreamAnswer(selected_lines(_again(first, batches), options), "text/plain", call.state.stopping)


async def _again(first: Batch, rest: AsyncGenerator[Batch]) -> AsyncGenerator[Batch]:
    async with aclosing(rest):
        yield first
        async for batch in rest:
            yield batch


def read_log_options(call: Call) -> LogOptions:
    """The parameters of a log request. Raises ApiError (400, 422)."""
    tail, limit = call.integer("tailLines"), call.integer("limitBytes")
    since_s, since_time = call.integer("sinceSeconds"), call.query.get("sinceTime", "")
    causes: list[FieldError] = []
    if tail is not None and tail < 0:
        causes.append(invalid("tailLines", tail, NOT_NEGATIVE))
    if limit is not None and limit < 1:
        causes.append(invalid("limitBytes", limit, POSITIVE))
    if since_s is not None and since_time:
        causes.append(
            FieldError(
                "", "FieldValueForbidden", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            )
        )
    elif since_s is not None and since_s < 1:
        causes.append(invalid("sinceSeconds", since_s, POSITIVE))
    if causes:
        raise invalid_options("PodLogOptions", "", "PodLogOptions", call.name, causes)
    since: float | None = None
    if since_time:
        since = _time(since_time)
    elif since_s is not None:
        since = call.state.clock.now() - since_s
    return LogOptions(
        container=call.query.get("container", ""),
        follow=call.flag("follow"),
        previous=call.flag("previous"),
        timestamps=call.flag("timestamps"),
        since_s=since,
        tail_lines=tail,
        limit_bytes=limit,
    )


def _time(text: str) -> float:
    if RFC3339.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).timestamp()
        except (ValueError, OverflowError):
            pass
    raise bad_request(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"')


async def selected_lines(batches: AsyncGenerator[Batch], options: LogOptions) -> AsyncGenerator[bytes]:
    """What the options leave of a log, in pieces."""
    left = options.limit_bytes
    async with aclosing(_tailed(_lines(batches), options)) as pieces:
        async for piece in pieces:
            if left is not None:
                piece = piece[:left]
                left -= len(piece)
            if piece:
                yield piece
            if left == 0:
                return


async def _lines(batches: AsyncGenerator[Batch]) -> AsyncGenerator[LogChunk | None]:
    """Lines with the time at which each began, the last perhaps without its line break; None: no more by now."""
    rest, began_ns = b"", 0
    async with aclosing(batches):
        async for chunks in batches:
            for chunk in chunks:
                if not rest:
                    began_ns = chunk.time_ns
                *whole, rest = (rest + chunk.data).split(b"\n")
                for line in whole:
                    yield LogChunk(began_ns, line + b"\n")
                    began_ns = chunk.time_ns
                if len(rest) > MAX_LINE:
                    yield LogChunk(began_ns, rest)
                    rest = b""
            if not chunks:
                yield None
    if rest:
        yield LogChunk(began_ns, rest)


async def _tailed(lines: AsyncGenerator[LogChunk | None], options: LogOptions) -> AsyncGenerator[bytes]:
    """The last lines of what is there, then what follows; lines before the time asked for are left out."""
    since_ns = None if options.since_s is None else int(options.since_s * 1e9)
    kept: deque[LogChunk] | None = None if options.tail_lines is None else deque(maxlen=options.tail_lines)
    piece: list[bytes] = []
    size = 0
    async with aclosing(lines):
        async for line in lines:
            if line is None:
                # All that was written by now has been seen.
                if kept is not None:
                    piece += [_shown(each, options) for each in kept]
                    kept = None
                if piece:
                    yield b"".join(piece)
                    piece, size = [], 0
                continue
            if since_ns is not None and line.time_ns < since_ns:
                continue
            if kept is not None:
                kept.append(line)
                continue
            shown = _shown(line, options)
            piece.append(shown)
            size += len(shown)
            if size >= PIECE_BYTES:
                yield b"".join(piece)
                piece, size = [], 0
    if kept is not None:
        piece += [_shown(each, options) for each in kept]
    if piece:
        yield b"".join(piece)


def _shown(line: LogChunk, options: LogOptions) -> bytes:
    if not options.timestamps:
        return line.data
    seconds, nanoseconds = divmod(line.time_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{nanoseconds:09d}Z ".encode() + line.data
