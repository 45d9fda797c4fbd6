"""Resource quantities such as `500m`, `1.5` or `128Mi`: their value, and the canonical text Kubernetes stores.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

from podledger.errors import InputError

__all__ = ["InvalidQuantity", "Quantity"]

PATTERN: Final = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?")
BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
LARGEST: Final = Decimal(2**63 - 1)
SMALLEST: Final = Decimal(1).scaleb(-9)
MAX_EXPONENT: Final = 400
"""A written exponent beyond it is refused before it can make a number of a billion digits."""


class InvalidQuantity(InputError):
    """The text is no quantity; the message is Kubernetes' own."""

    def __init__(self) -> None:
        super().__init__("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")


class Quantity:
    """A number and the family of suffixes it was written with: binary (Ki), decimal (k, m) or exponent (e3)."""

    __slots__ = ("family", "value")

    def __init__(self, value: Decimal, family: str) -> None:
        self.value, self.family = value, family

    @classmethod
    def parse(cls, text: str) -> "Quantity":
        """Read a quantity. Values finer than a nano are rounded up, values beyond 2**63-1 cut, as Kubernetes does.

        Raises InvalidQuantity.
        """
        match = PATTERN.fullmatch(text.strip())
        if match is None:
            raise InvalidQuantity
        sign, digits, binary, decimal, exponent = match.groups()
        if exponent is not None and abs(int(exponent)) > MAX_EXPONENT:
            raise InvalidQuantity
        value = Decimal(digits)
        if binary:
            value *= 1 << (10 * BINARY.index(binary))
        else:
            value = value.scaleb(int(exponent) if exponent is not None else DECIMAL[decimal or ""])
        value = min(value, LARGEST)
        if value != value.to_integral_value():
            value = (value / SMALLEST).to_integral_value(ROUND_CEILING) * SMALLEST
        family = "binary" if binary else "exponent" if exponent is not None else "decimal"
        return cls(-value if sign == "-" else value, family)

    def __str__(self) -> str:
        """The canonical text: no fraction, the largest suffix of its family that needs none."""
        value = self.value
        if value == 0:
            return "0"
        if self.family == "binary" and (abs(value) < 1024 or value != value.to_integral_value()):
            return Quantity(value, "decimal").__str__()
        if self.family == "binary":
            number, step = int(value), 0
            while number % 1024 == 0 and step < len(BINARY) - 1:
                number, step = number // 1024, step + 1
            return f"{number}{BINARY[step]}"
        exponent = max(power for power in DECIMAL.values() if value.scaleb(-power) % 1 == 0)
        number = int(value.scaleb(-exponent))
        if self.family == "exponent":
            return f"{number}e{exponent}" if exponent else str(number)
        suffix = next(suffix for suffix, power in DECIMAL.items() if power == exponent)
        return f"{number}{suffix}"
