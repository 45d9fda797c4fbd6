"""Names of pods and intents: drawn again by a replay, never twice for one Job, within Kubernetes' lengths."""

import re

from hypothesis import given
from hypothesis import strategies as st

from podledger.job.names import intent_id, pod_name, pod_prefix

seeds = st.text(max_size=8)
uids = st.uuids().map(str)


@given(seeds, uids, st.integers(0, 10**7), st.integers(0, 2000))
def test_no_two_intents_of_a_job_draw_one_name(seed: str, uid: str, start: int, count: int) -> None:
    drawn = {pod_name("job-", seed, uid, ordinal) for ordinal in range(start, start + count)}
    assert len(drawn) == count


@given(seeds, uids)
def test_the_permutation_is_one(seed: str, uid: str) -> None:
    """A step that shares no factor with the number of names visits each of them once."""
    first, second = pod_name("", seed, uid, 0), pod_name("", seed, uid, 1)
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    numbers = [sum(alphabet.index(letter) * 27**place for place, letter in enumerate(name)) for name in (first, second)]
    assert (numbers[1] - numbers[0]) % 3 != 0


@given(seeds, uids, st.integers(0, 10**6))
def test_a_name_is_drawn_again_from_the_same_numbers(seed: str, uid: str, ordinal: int) -> None:
    assert pod_name("job-", seed, uid, ordinal) == pod_name("job-", seed, uid, ordinal)
    assert intent_id(seed, uid, ordinal) == intent_id(seed, uid, ordinal)
    assert intent_id(seed, uid, ordinal) != intent_id(seed, uid, ordinal + 1)


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True), st.integers(-1, 10**9), uids)
def test_a_name_is_a_dns_label_that_begins_with_the_jobs(job: str, index: int, uid: str) -> None:
    prefix = pod_prefix(job, index)
    name = pod_name(prefix, "seed", uid, 7)
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z0-9][-a-z0-9]*[a-z0-9]", name)
    if index >= 0:
        assert len(prefix) <= 58
        assert prefix.endswith(f"-{index}-")
        assert job.startswith(prefix.removesuffix(f"-{index}-"))
    else:
        assert prefix == f"{job}-"
