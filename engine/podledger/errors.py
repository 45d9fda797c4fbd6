"""Everything podledger raises on purpose. Foreign errors are translated where the foreign library is called.

PodledgerError
├── InputError              what was given is wrong: the text names file, field and way out
│   ├── InvalidObject       an API object breaks Kubernetes' rules; carries every cause
│   └── UndecodableObject   a document is no object of its kind: unknown fields, wrong types
├── LogError                the log cannot do what was asked
│   ├── NotALedger          the file is something else
│   ├── NewerSchema         written by a newer podledger
│   ├── LedgerLocked        another process writes it
│   ├── StaleEpoch          another holder took the stream over
│   ├── PositionConflict    the expected position is not the end of the stream
│   ├── EventsForgotten     a log in memory that keeps no history was asked for it
│   ├── DamagedLog          digest, chain or position does not fit; names the first bad batch
│   ├── LogUnavailable      disk full, I/O error, failed fsync: nothing more is acknowledged
│   └── LogClosed           used after close
├── ClusterError            the cluster cannot be reached or refused everything
│   └── OtherCluster        the ledger belongs to another cluster
└── ControllerStopped       the controller ended while somebody waited for it; the cause is chained
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podledger.api.field_error import FieldError

__all__ = [
    "ClusterError",
    "ControllerStopped",
    "DamagedLog",
    "EventsForgotten",
    "InputError",
    "InvalidObject",
    "LedgerLocked",
    "LogClosed",
    "LogError",
    "LogUnavailable",
    "NewerSchema",
    "NotALedger",
    "OtherCluster",
    "PodledgerError",
    "PositionConflict",
    "StaleEpoch",
    "UndecodableObject",
]


class PodledgerError(Exception):
    """Base of all errors raised by podledger."""


class InputError(PodledgerError):
    """Something given by the user is wrong; one line, naming the place and the way out."""


class InvalidObject(InputError):
    """An API object that Kubernetes would refuse with 422 Invalid.

    `kind` and `name` are the object's, `causes` all violations in Kubernetes' order.
    """

    def __init__(self, kind: str, name: str, causes: Sequence["FieldError"]) -> None:
        self.kind, self.name, self.causes = kind, name, tuple(causes)
        texts = list(dict.fromkeys(str(cause) for cause in self.causes))
        listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        super().__init__(f'{kind} "{name}" is invalid: {listed}')


class UndecodableObject(InputError):
    """A document that Kubernetes would refuse with 400 BadRequest before it looks at the values.

    `unknown_fields` are paths (`spec.template.spec.containers[0].imge`), `type_errors` Kubernetes' own messages about
    wrong JSON types; both in the document's order. The text of the error names everything found.
    """

    def __init__(self, message: str, unknown_fields: Sequence[str] = (), type_errors: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.unknown_fields, self.type_errors = tuple(unknown_fields), tuple(type_errors)


class LogError(PodledgerError):
    """Base of the log's errors."""


class NotALedger(LogError):
    """The file exists but holds no podledger ledger; it was left untouched."""


class NewerSchema(LogError):
    """The ledger was written by a newer podledger; upgrade to read it."""


class LedgerLocked(LogError):
    """Another process writes this ledger; the text says who, where and since when, as far as known."""


class StaleEpoch(LogError):
    """Another holder took the stream over; nothing was appended. Stop: somebody else is the controller now."""


class PositionConflict(LogError):
    """The expected position is not the end of the stream; nothing was appended. Rebuild the fold from the log."""


class EventsForgotten(LogError):
    """The log does not keep events that old (`MemoryLog(keep_events=False)`); read from its oldest snapshot on."""


class DamagedLog(LogError):
    """The stored chain does not hold. `position` is the first event of the first bad batch."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class LogUnavailable(LogError):
    """The disk refused a write (full, I/O error, failed sync). Nothing of this append was acknowledged."""


class LogClosed(LogError):
    """The log was used after it was closed."""


class ClusterError(PodledgerError):
    """The cluster could not be reached, or answered something that is no Kubernetes."""


class OtherCluster(ClusterError):
    """The ledger was made with another cluster; use that cluster, or another --db."""


class ControllerStopped(PodledgerError):
    """The controller is not running (any more); where it failed, the failure is the cause (`__cause__`)."""
