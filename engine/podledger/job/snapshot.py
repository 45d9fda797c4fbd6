"""A Job's state in its stored form. What is derived (the tally) is left out and made anew on loading."""

import msgspec

from podledger.job.shares import rebuild
from podledger.job.state import JobState
from podledger.job.tally import Tally

__all__ = ["decode_state", "encode_state"]


def _leave_out(value: object) -> object:
    if isinstance(value, Tally):
        return None
    raise NotImplementedError(f"a {type(value).__name__} has no stored form")


def _make_anew(type_: type, value: object) -> object:
    if type_ is Tally:
        return Tally()
    raise NotImplementedError(f"a {type_.__name__} has no stored form")


_encoder = msgspec.msgpack.Encoder(enc_hook=_leave_out)
_decoder = msgspec.msgpack.Decoder(JobState, dec_hook=_make_anew)


def encode_state(state: JobState) -> bytes:
    """The state as msgpack."""
    return _encoder.encode(state)


def decode_state(body: bytes) -> JobState:
    """The state again, tally included. Raises msgspec.DecodeError."""
    state = _decoder.decode(body)
    rebuild(state)
    return state
