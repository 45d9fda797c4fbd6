"""The names the field gives to things on the wire, and the names of pods and intents.

A pod's name and its intent id are a function of (seed kept in the log, Job uid, ordinal of the intent), so that a
decision replayed draws them again. The five random-looking characters are a permutation of the ordinal: two
intents of one Job can never draw the same.
"""

from functools import lru_cache
from hashlib import blake2b

__all__ = [
    "COMPLETION_INDEX",
    "FINALIZER",
    "IGNORED_FAILURE_COUNT",
    "INDEX_FAILURE_COUNT",
    "INTENT_ANNOTATION",
    "JOB_CONTROLLER",
    "PODLEDGER_CONTROLLER",
    "intent_id",
    "pod_name",
    "pod_prefix",
]

FINALIZER = "batch.kubernetes.io/job-tracking"
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURE_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"
INTENT_ANNOTATION = "podledger.io/intent"
JOB_CONTROLLER = "kubernetes.io/job-controller"
PODLEDGER_CONTROLLER = "podledger.io/job-controller"

PREFIX_LIMIT = 58
"""Characters a generated name keeps of its prefix; five more follow (63 in all, a DNS label)."""

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LETTERS = 5
_NAMES = len(_ALPHABET) ** _LETTERS


@lru_cache(maxsize=4096)
def _draw(seed: str, job: str) -> tuple[str, int, int]:
    """The intent prefix, and factor and offset of the permutation of 0.._NAMES-1, of one Job."""
    digest = blake2b(f"{seed}\0{job}".encode(), digest_size=20).digest()
    # The number of names is a power of three: a factor that three does not divide permutes them.
    factor = int.from_bytes(digest[4:12], "big") % _NAMES
    factor += 1 if factor % 3 == 0 else 0
    return digest[:4].hex(), factor, int.from_bytes(digest[12:20], "big") % _NAMES


def intent_id(seed: str, job: str, ordinal: int) -> str:
    """The id of a Job's intent number `ordinal`: the pod it creates bears it as an annotation."""
    return f"{_draw(seed, job)[0]}-{ordinal}"


def pod_prefix(job_name: str, index: int) -> str:
    """What a pod's name begins with: `<job>-`, for an Indexed Job `<job>-<index>-` with the Job's part cut to fit."""
    if index < 0:
        return f"{job_name}-"
    tail = f"-{index}-"
    return job_name[: PREFIX_LIMIT - len(tail)] + tail


def pod_name(prefix: str, seed: str, job: str, ordinal: int) -> str:
    """A pod's name: the prefix cut to 58 characters and five that no other ordinal of the Job has."""
    _, factor, offset = _draw(seed, job)
    number = (ordinal * factor + offset) % _NAMES
    letters = ""
    for _ in range(_LETTERS):
        number, digit = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[digit]
    return prefix[:PREFIX_LIMIT] + letters
