"""Quantities: canonical text, order, and what is none."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger.api.quantity import InvalidQuantity, Quantity


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1", "1"),
        ("0", "0"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("128Mi", "128Mi"),
        ("1e3", "1e3"),
        ("12E0", "12"),
        ("100n", "100n"),
        ("0.1n", "1n"),
        ("-1.5", "-1500m"),
        ("2E", "2E"),
        ("99999E", "9223372036854775807"),
    ],
)
def test_a_quantity_is_stored_in_its_canonical_form(written: str, canonical: str) -> None:
    assert str(Quantity.parse(written)) == canonical


@pytest.mark.parametrize(
    "text", ["", "much", "1 Gi", "1gb", "1ki", "--1", "1.2.3", "1e", "Mi", "1e99999999999", "1Kii"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantity, match="quantities must match the regular expression"):
        Quantity.parse(text)


@given(st.integers(0, 10**6), st.sampled_from(["", "m", "u", "n", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2"]))
def test_the_canonical_form_has_the_same_value_and_stays(number: int, suffix: str) -> None:
    quantity = Quantity.parse(f"{number}{suffix}")
    again = Quantity.parse(str(quantity))
    assert again.value == quantity.value
    assert str(again) == str(quantity)


def test_quantities_of_different_families_compare_by_value() -> None:
    assert Quantity.parse("1Ki").value == Decimal(1024)
    assert Quantity.parse("1k").value < Quantity.parse("1Ki").value
