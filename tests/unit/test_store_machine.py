"""Any writes in any order: watchers, the ledger and the indexes agree with the store about what there is."""

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from tests.store_objects import NAMESPACE, START_S, key_of, new_job, new_pod, pending, reference_to

from podledger.api.job import Job
from podledger.api.pod import Pod, PodStatus
from podledger.clock import VirtualClock
from podledger.errors import InvalidObject
from podledger.log.objects import ObjectRow
from podledger_adapters.store import ApiError, Batch, ObjectStore, StoreChange
from podledger_adapters.store.deletion import DeleteOptions, may_go
from podledger_adapters.store.kinds import StoredObject
from podledger_adapters.store.object_codec import ObjectCodec

Identity = tuple[type[StoredObject], tuple[str, str]]

names = st.sampled_from(["a", "b", "c"])
kinds = st.sampled_from([Job, Pod])
finalizers = st.sampled_from([(), ("example.com/x",), ("example.com/x", "example.com/y")])
options = st.builds(
    DeleteOptions,
    propagation=st.sampled_from([None, "Background", "Foreground", "Orphan"]),
    grace_s=st.sampled_from([None, 0, 5, 60]),
)


class StoreMachine(RuleBasedStateMachine):
    """Writes to a store and follows it in three ways."""

    @initialize()
    def begin(self) -> None:
        self.clock = VirtualClock(START_S)
        self.store = ObjectStore(self.clock, seed=1)
        self.watch = self.store.watch(0)
        self.codec = ObjectCodec()
        self.rows: dict[tuple[str, str, str], ObjectRow] = {}
        self.replayed: dict[Identity, StoredObject] = {}
        self.revision = 0
        self.follow()

    def attempt(self, write: Callable[[Batch], object]) -> None:
        """A write, refused or not."""
        try:
            with self.store.batch() as batch:
                write(batch)
        except (ApiError, InvalidObject):
            pass
        self.follow()

    def follow(self) -> None:
        changes = pending(self.watch)
        for change in changes:
            assert change.revision == self.revision + 1, "one revision a change, none left out"
            self.revision = change.revision
            self.replay(change)
        for kind, namespace, name, body in self.codec.writes(changes):
            if body is None:
                self.rows.pop((kind, namespace, name), None)
            else:
                self.rows[kind, namespace, name] = ObjectRow(kind, namespace, name, body)

    def replay(self, change: StoreChange) -> None:
        identity = (type(change.object), key_of(change.object))
        assert self.replayed.get(identity) == change.previous
        if change.removed:
            del self.replayed[identity]
        else:
            self.replayed[identity] = change.object

    @rule(name=names, held=finalizers, owner=st.one_of(st.none(), names))
    def create_pod(self, name: str, held: tuple[str, ...], owner: str | None) -> None:
        job = None if owner is None else self.store.find(Job, (NAMESPACE, owner))
        self.attempt(lambda batch: batch.create(new_pod(name, owner=job, finalizers=held)))

    @rule(name=names)
    def create_job(self, name: str) -> None:
        self.attempt(lambda batch: batch.create(new_job(name)))

    @rule(kind=kinds, name=names, held=finalizers)
    def set_finalizers(self, kind: type[Job] | type[Pod], name: str, held: tuple[str, ...]) -> None:
        self.attempt(
            lambda batch: batch.modify(
                kind, (NAMESPACE, name), lambda now: replace(now, metadata=replace(now.metadata, finalizers=held))
            )
        )

    @rule(name=names, owners=st.sets(names))
    def set_owners(self, name: str, owners: set[str]) -> None:
        jobs = [self.store.find(Job, (NAMESPACE, owner)) for owner in sorted(owners)]
        references = tuple(replace(reference_to(job), controller=None) for job in jobs if job is not None)
        self.attempt(
            lambda batch: batch.modify(
                Pod,
                (NAMESPACE, name),
                lambda pod: replace(pod, metadata=replace(pod.metadata, owner_references=references)),
            )
        )

    @rule(name=names, parallelism=st.integers(-1, 2))
    def set_parallelism(self, name: str, parallelism: int) -> None:
        self.attempt(
            lambda batch: batch.modify(
                Job, (NAMESPACE, name), lambda job: replace(job, spec=replace(job.spec, parallelism=parallelism))
            )
        )

    @rule(name=names)
    def bind(self, name: str) -> None:
        self.attempt(lambda batch: batch.bind((NAMESPACE, name), "node", PodStatus(phase="Pending")))

    @rule(name=names, phase=st.sampled_from(["Running", "Succeeded", "Failed"]))
    def report(self, name: str, phase: str) -> None:
        self.attempt(lambda batch: batch.set_pod_status((NAMESPACE, name), PodStatus(phase=phase), uid=""))

    @rule(kind=kinds, name=names, how=options)
    def delete(self, kind: type[Job] | type[Pod], name: str, how: DeleteOptions) -> None:
        self.attempt(lambda batch: batch.delete(kind, (NAMESPACE, name), how))

    @rule(seconds=st.floats(0.1, 100))
    def wait(self, seconds: float) -> None:
        self.clock.set_wall(self.clock.now() + seconds)

    @invariant()
    def everybody_agrees(self) -> None:
        stored = {(type(one), key_of(one)): one for one in self.store.objects()}
        assert self.replayed == stored
        read = {(type(one), key_of(one)): one for one in ObjectCodec().objects(list(self.rows.values()))}
        assert read == stored

    @invariant()
    def nothing_stays_that_may_go(self) -> None:
        assert not [one for one in self.store.objects() if may_go(one.metadata)]

    @invariant()
    def dependents_are_found_by_owner(self) -> None:
        for owner in self.store.objects():
            uid = owner.metadata.uid
            wanted = {
                key_of(one)
                for one in self.store.objects()
                if any(reference.uid == uid for reference in one.metadata.owner_references)
            }
            assert {key_of(one) for one in self.store.dependents(uid)} == wanted

    @invariant()
    def a_late_watcher_is_told_the_rest(self) -> None:
        middle = self.revision // 2
        revisions = [change.revision for change in pending(self.store.watch(middle))]
        assert revisions == list(range(middle + 1, self.revision + 1))


StoreMachine.TestCase.settings = settings(stateful_step_count=30)
TestStoreMachine = StoreMachine.TestCase
