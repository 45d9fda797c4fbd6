"""Retries of failed syncs: upstream's curve, per key, reset by a success."""

from podledger.retry import Retries


def test_the_wait_doubles_from_one_second_to_sixty() -> None:
    retries = Retries()
    assert [retries.failed("a") for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_each_key_has_its_own_curve_and_a_success_resets_it() -> None:
    retries = Retries()
    retries.failed("a")
    retries.failed("a")
    assert retries.failed("b") == 1
    retries.succeeded("a")
    assert retries.failed("a") == 1
    retries.succeeded("b")
    retries.succeeded("never failed")
    assert repr(retries) == "<Retries 1 keys failing>"


def test_a_key_that_fails_for_ever_does_not_overflow() -> None:
    retries = Retries()
    assert {retries.failed("a") for _ in range(5000)} == {1, 2, 4, 8, 16, 32, 60}
