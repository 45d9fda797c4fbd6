"""When probes are tried and what their results come to: thresholds, ticks and delays, against a plain model."""

import math

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.process_specs import container_spec

from podledger_adapters.nodes.process.shim.pod_spec import Action, ContainerSpec, ProbeSpec, RestartRule
from podledger_adapters.nodes.process.shim.probe import Probe, Result
from podledger_adapters.nodes.process.shim.restart import restart_action, shall_restart

ACTION: Action = {
    "kind": "exec",
    "argv": ["true"],
    "scheme": "",
    "host": "",
    "port": 0,
    "path": "",
    "headers": [],
    "any_status": False,
    "seconds": 0.0,
}


def spec(*, delay_s: int = 0, period_s: int = 10, success: int = 1, failure: int = 3) -> ProbeSpec:
    return {
        "action": ACTION,
        "initial_delay_s": float(delay_s),
        "period_s": float(period_s),
        "timeout_s": 1.0,
        "success_threshold": success,
        "failure_threshold": failure,
        "grace_s": None,
    }


RESULTS = st.lists(st.sampled_from(["success", "failure", "unknown"]), max_size=30)


@given(results=RESULTS, success=st.integers(1, 4), failure=st.integers(1, 4))
def test_a_verdict_needs_as_many_of_a_kind_in_a_row(results: list[Result], success: int, failure: int) -> None:
    probe = Probe(spec(success=success, failure=failure), ticking_since=0.0)
    probe.begin(0.0)
    counted: list[Result] = []
    verdict: Result = "unknown"
    for result in results:
        made = probe.take(result)
        if result != "unknown":
            counted.append(result)
        needed = {"success": success, "failure": failure, "unknown": math.inf}[result]
        full = len(counted) >= needed and set(counted[-int(needed) :]) == {result} if needed != math.inf else False
        assert made == full
        if full:
            verdict = result
        assert probe.verdict == verdict


@given(
    delay_s=st.integers(0, 40),
    period_s=st.integers(1, 15),
    started_s=st.integers(0, 100),
    durations_s=st.lists(st.floats(0, 40), min_size=1, max_size=20),
)
def test_attempts_begin_at_ticks_after_the_delay_or_right_after_a_long_one(
    delay_s: int, period_s: int, started_s: int, durations_s: list[float]
) -> None:
    probe = Probe(spec(delay_s=delay_s, period_s=period_s), ticking_since=0.0)
    assert probe.due() == math.inf
    probe.begin(float(started_s))
    free_since = 0.0
    last_tick = 0
    for duration_s in durations_s:
        due = probe.due()
        assert due >= started_s + delay_s
        now = max(due, free_since)
        tick = round(due / period_s)
        assert math.isclose(due, tick * period_s)
        # Of the ticks that passed meanwhile one is left; none is used twice.
        assert tick > last_tick
        if now > due:
            assert now == free_since
        last_tick = math.floor(now / period_s)
        probe.try_now(now)
        assert probe.due() == math.inf
        free_since = now + duration_s
        probe.take("success")


def test_the_first_tick_is_a_period_after_the_pod_began_however_long_its_images_took() -> None:
    probe = Probe(spec(period_s=10), ticking_since=100.0)
    probe.begin(104.0)
    assert probe.due() == 110.0
    probe.try_now(110.5)
    probe.take("success")
    assert probe.due() == 120.0


def test_readiness_is_triggered_and_ticks_from_there() -> None:
    probe = Probe(spec(period_s=10), ticking_since=100.0)
    probe.begin(104.0)
    probe.trigger(104.0)
    assert probe.due() == 104.0
    probe.try_now(104.0)
    probe.take("failure")
    assert probe.due() == 114.0
    late = Probe(spec(period_s=10, delay_s=15), ticking_since=100.0)
    late.begin(104.0)
    late.trigger(104.0)
    assert late.due() == 124.0


def test_a_new_run_forgets_the_one_before() -> None:
    probe = Probe(spec(failure=2), ticking_since=0.0)
    probe.begin(0.0)
    assert not probe.take("failure")
    probe.end()
    assert probe.due() == math.inf
    probe.begin(50.0)
    assert [probe.take("failure"), probe.verdict] == [False, "unknown"]
    assert [probe.take("failure"), probe.verdict] == [True, "failure"]


RULES = st.lists(
    st.tuples(
        st.sampled_from(["Restart", "RestartAllContainers"]),
        st.sampled_from(["In", "NotIn"]),
        st.lists(st.integers(0, 5), max_size=3),
    ),
    max_size=4,
)


@given(rules=RULES, policy=st.sampled_from(["Always", "OnFailure", "Never"]), code=st.integers(0, 6))
def test_the_first_rule_that_fits_decides_and_then_the_policy(
    rules: list[tuple[str, str, list[int]]], policy: str, code: int
) -> None:
    made: list[RestartRule] = [
        {"action": action, "operator": operator, "exit_codes": codes} for action, operator, codes in rules
    ]
    container: ContainerSpec = {**container_spec("c"), "restart_policy": policy, "restart_rules": made}
    fitting = [
        action
        for action, operator, codes in rules
        if (operator == "In" and code in codes) or (operator == "NotIn" and code not in codes)
    ]
    assert restart_action(container, code) == (fitting[0] if fitting else "")
    by_policy = {"Always": True, "OnFailure": code != 0, "Never": False}[policy]
    assert shall_restart(container, code) == (bool(fitting) or by_policy)
