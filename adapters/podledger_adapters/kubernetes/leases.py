"""Leader election by a coordination.k8s.io Lease: of several controllers one works, the others wait.

How long a lease is somebody else's is judged by our own monotonic clock since we last saw it change, never by its
times, which are another machine's. Our own is ours only until `RENEW_S` after the beginning of the last renewal that
succeeded: `leads` says so without asking anybody, so a process that was stopped and goes on finds out by itself. What
it may still have under way is harmless, for every write names what it means by uid or resourceVersion.
"""

import logging
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from podledger.api.lease import Lease, LeaseSpec
from podledger.api.meta import ObjectMeta
from podledger.errors import ClusterError
from podledger.ports import Clock
from podledger_adapters.kubernetes.client import Answer
from podledger_adapters.kubernetes.complaint import Complaint
from podledger_adapters.kubernetes.request import ApiRequest, create_lease, get_lease, update_lease

__all__ = ["LeaderElection", "LeaseLost"]

logger = logging.getLogger(__name__)

LEASE_S: Final = 15
RENEW_S: Final = 10.0
RETRY_S: Final = 2.0
"""As the built-in controllers have them: a lease lasts LEASE_S, its holder gives up after RENEW_S without renewal."""


class LeaseLost(ClusterError):
    """Another controller leads, or may lead by now: stop writing."""


class Sender(Protocol):
    """Who sends requests: an `ApiClient`."""

    async def send(self, request: ApiRequest) -> Answer:
        """The answer. Raises ClusterError."""
        ...


class LeaderElection:
    """Tries for one lease. `acquire` waits for it, `hold` keeps it, `release` gives it back; then it may begin anew."""

    def __init__(self, client: Sender, clock: Clock, *, namespace: str, name: str, identity: str) -> None:
        self._client, self._clock = client, clock
        self.namespace, self.name, self._identity = namespace, name, identity
        self._complaint = Complaint(logger, f"lease {namespace}/{name}")
        self._lease: Lease | None = None
        self._changed_s = 0.0
        """When we last saw the lease change, in monotonic seconds."""
        self._ours_until_s = 0.0
        self.holder = ""
        """Who holds it, as far as known."""

    @property
    def leads(self) -> bool:
        """Whether the lease is ours, for sure, at this moment."""
        return self._clock.monotonic() < self._ours_until_s

    async def acquire(self) -> None:
        """Wait until the lease is ours. Raises ClusterError where that cannot be."""
        said = ""
        while not await self._try():
            if self.holder not in (said, self._identity):
                said = self.holder
                logger.info("waiting: lease %s/%s is held by %s", self.namespace, self.name, said or "nobody known")
            await self._pause()
        logger.info("leading: lease %s/%s is ours, as %s", self.namespace, self.name, self._identity)

    async def hold(self) -> None:
        """Renew until that fails for too long, or somebody else has it. Raises LeaseLost, always."""
        while True:
            await self._pause()
            if await self._renew():
                continue
            if not self.leads:
                why = f"lease {self.namespace}/{self.name} could not be renewed for {RENEW_S:g} s"
                raise LeaseLost(f"{why}; another controller may lead by now")

    async def release(self) -> None:
        """Give the lease back, so that the next one need not wait. Best effort."""
        if self._lease is None or not self.leads:
            return
        self._ours_until_s = 0.0
        spec = replace(self._lease.spec, holder_identity="", lease_duration_seconds=1, renew_time=self._stamp())
        try:
            _read(await self._client.send(update_lease(replace(self._lease, spec=spec))))
        except ClusterError as error:
            logger.info("the lease is not given back, and runs out by itself: %s", error)
        else:
            logger.info("lease %s/%s is given back", self.namespace, self.name)

    # ---- steps --------------------------------------------------------------------------------------------------

    async def _try(self) -> bool:
        """One try for the lease; whether it is ours now."""
        begun_s = self._clock.monotonic()
        try:
            answer = await self._client.send(get_lease(self.namespace, self.name))
            if answer.code == 404:
                return await self._create(begun_s)
            self._look(_read(answer))
            if self.holder not in ("", self._identity) and begun_s < self._changed_s + self._lasts_s:
                self._complaint.over()
                return False
            return await self._write(begun_s)
        except _Refusal as refusal:
            if refusal.forbidden:
                raise ClusterError(str(refusal)) from refusal
            self._complaint.say(str(refusal))
        except ClusterError as error:
            self._complaint.say(str(error))
        return False

    async def _create(self, begun_s: float) -> bool:
        spec = LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=LEASE_S,
            acquire_time=self._stamp(),
            renew_time=self._stamp(),
            lease_transitions=0,
        )
        metadata = ObjectMeta(namespace=self.namespace, name=self.name)
        answer = await self._client.send(create_lease(Lease(metadata=metadata, spec=spec)))
        if answer.code == 409:  # somebody was faster
            return False
        self._won(_read(answer), begun_s)
        return True

    async def _write(self, begun_s: float) -> bool:
        """Take the lease over, or renew it, on top of what we saw; whether that was so still."""
        assert self._lease is not None
        spec, now = self._lease.spec, self._stamp()
        taken = spec.holder_identity != self._identity
        spec = replace(
            spec,
            holder_identity=self._identity,
            lease_duration_seconds=LEASE_S,
            acquire_time=now if taken else spec.acquire_time,
            renew_time=now,
            lease_transitions=(spec.lease_transitions or 0) + taken,
        )
        answer = await self._client.send(update_lease(replace(self._lease, spec=spec)))
        if answer.code in (404, 409):
            return False
        self._won(_read(answer), begun_s)
        return True

    async def _renew(self) -> bool:
        """One renewal; whether it succeeded. Raises LeaseLost when somebody else has the lease."""
        begun_s = self._clock.monotonic()
        try:
            if await self._write(begun_s):
                return True
            # Somebody wrote it. If it was ours all the time, that was no take-over.
            answer = await self._client.send(get_lease(self.namespace, self.name))
            if answer.code == 404:
                raise LeaseLost(f"lease {self.namespace}/{self.name} was deleted")
            known = self._lease
            self._look(_read(answer))
            assert known is not None
            assert self._lease is not None
            same = known.spec.lease_transitions == self._lease.spec.lease_transitions
            if self.holder != self._identity or not same:
                raise LeaseLost(f"lease {self.namespace}/{self.name} is held by {self.holder or 'nobody'} now")
        except LeaseLost:
            self._ours_until_s = 0.0
            raise
        except ClusterError as error:
            self._complaint.say(str(error))
        return False

    def _look(self, lease: Lease) -> None:
        if self._lease is None or lease.metadata.resource_version != self._lease.metadata.resource_version:
            self._changed_s = self._clock.monotonic()
        self._lease = lease
        self.holder = lease.spec.holder_identity or ""

    def _won(self, lease: Lease, begun_s: float) -> None:
        self._look(lease)
        self._complaint.over()
        # From the beginning of the call: the server may have stored it as soon as that.
        self._ours_until_s = begun_s + RENEW_S

    @property
    def _lasts_s(self) -> float:
        """How long the lease as we saw it lasts from then on."""
        return float((self._lease and self._lease.spec.lease_duration_seconds) or LEASE_S)

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    async def _pause(self) -> None:
        await self._clock.sleep_until(self._clock.now() + RETRY_S)


class _Refusal(ClusterError):
    """The server refused."""

    def __init__(self, message: str, *, forbidden: bool) -> None:
        super().__init__(message)
        self.forbidden = forbidden


def _read(answer: Answer) -> Lease:
    """The lease in an answer. Raises ClusterError."""
    if answer.code >= 300:
        said = answer.status.message if answer.status is not None else "no Kubernetes answer"
        raise _Refusal(f"lease: {answer.code} {said}", forbidden=answer.code in (401, 403))
    try:
        return msgspec.json.decode(answer.body, type=Lease)
    except msgspec.DecodeError as error:
        raise ClusterError(f"a lease that cannot be read: {error}") from error
