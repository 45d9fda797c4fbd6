"""The clocks against the suite of their port."""

import pytest

from podledger.clock import RealClock, VirtualClock
from podledger.ports import Clock
from podledger.testing.clock import ClockConformance, VirtualClockConformance


@pytest.mark.asyncio
class TestRealClock(ClockConformance):
    def make_clock(self) -> Clock:
        return RealClock()


@pytest.mark.asyncio
class TestVirtualClock(VirtualClockConformance):
    def make_clock(self) -> Clock:
        return VirtualClock()
