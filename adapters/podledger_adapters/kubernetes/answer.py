"""What an API server's answer to a command amounts to, in one table.

| answer                                                    | outcome                                              |
|-----------------------------------------------------------|------------------------------------------------------|
| 2xx                                                       | Done, Created                                        |
| 404; a uid that is another's (409, 422), of what we leave | Done: the pod that was meant is gone                 |
| 403 with cause NamespaceTerminating                       | Failed, by that reason                               |
| 4xx, 429 after its retries                                | Failed: refused, not applied                         |
| 500 of an admission webhook that could not be called      | Failed: the write never got as far as the store      |
| other 5xx, something that is no Kubernetes answer         | Unknown: it may have been applied                    |
| 404 of a proxy, or of an API that is not served           | Unknown: it says nothing of the object               |
| no connection                                             | Failed: never sent                                   |
| no answer                                                 | Unknown                                              |
"""

from typing import Final

import msgspec
from msgspec import Struct

from podledger.cron.command import CronCommand, DeleteJob
from podledger.job.command import Command, CreatePod, DeletePod, LetGoPod, ReleasePod
from podledger.ports import Created, Done, Failed, Outcome, Unknown
from podledger_adapters.kubernetes.client import Answer, CallLost
from podledger_adapters.kubernetes.decode import Status, decode_pod

__all__ = ["UNREACHABLE", "is_not_found", "is_refused", "lost", "outcome_of"]

UNREACHABLE: Final = "Unreachable"
"""The reason of a call that was never sent."""
LEAVING: Final = (DeletePod, ReleasePod, LetGoPod, DeleteJob)
"""Commands whose object may be gone already: all the better."""
WEBHOOK: Final = "failed calling webhook"


class _Meta(Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Object(Struct, frozen=True):
    metadata: _Meta = _Meta()


_object = msgspec.json.Decoder(_Object)


def outcome_of(command: Command | CronCommand, answer: Answer) -> Outcome:
    """The outcome of a command whose call was answered so."""
    if 200 <= answer.code < 300:
        return _done(command, answer)
    status = answer.status
    leaving = isinstance(command, LEAVING)
    if leaving and (is_not_found(answer) or _other_uid(answer.code, status)):
        return Done()
    if not is_refused(answer, status):
        said = status.message if status is not None else "not a Kubernetes answer"
        return Unknown(f"{answer.code}: {said}")
    if status is None:
        return Failed(answer.code, "", f"HTTP {answer.code}", answer.retry_after_s)
    terminating = any(cause.reason == "NamespaceTerminating" for cause in status.details.causes)
    reason = "NamespaceTerminating" if terminating else status.reason
    pause_s = answer.retry_after_s or float(status.details.retry_after_seconds) or None
    return Failed(answer.code, reason, status.message, pause_s)


def lost(error: CallLost) -> Unknown | Failed:
    """The outcome of a call that has no answer."""
    return Unknown(str(error)) if error.sent else Failed(0, UNREACHABLE, str(error))


def is_not_found(answer: Answer) -> bool:
    """Whether the API server says that the object is not there: a 404 alone may be a proxy's, or of no such API."""
    status = answer.status if answer.code == 404 else None
    return status is not None and status.reason == "NotFound"


def is_refused(answer: Answer, status: Status | None) -> bool:
    """Whether the call was surely not applied."""
    if answer.code == 404:
        return is_not_found(answer)
    if 400 <= answer.code < 500:
        return answer.code != 408
    return answer.code == 500 and status is not None and WEBHOOK in status.message


def _done(command: Command | CronCommand, answer: Answer) -> Outcome:
    try:
        if isinstance(command, CreatePod):
            return Created(decode_pod(answer.body))
        return Done(_object.decode(answer.body).metadata.resource_version)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unknown(f"{answer.code}, but the answer cannot be read: {error}")


def _other_uid(code: int, status: Status | None) -> bool:
    """Whether the object that has the name now is another one."""
    if status is None:
        return False
    if code == 422:
        return any(cause.field == "metadata.uid" for cause in status.details.causes)
    return code == 409 and "uid in" in status.message.lower().replace("the ", "")
