"""Time zones: found by name, also where only the package tzdata has them; where nothing has, the way out is told."""

import subprocess
import sys

import pytest

from podledger.api.time_zone import UnknownTimeZone, find_time_zone

WITHOUT_SYSTEM = "import zoneinfo; zoneinfo.reset_tzpath([])\n"
WITHOUT_ANY = WITHOUT_SYSTEM + "import sys; sys.modules['tzdata'] = None\n"
FIND = "from podledger.api.time_zone import find_time_zone, UnknownTimeZone\n"
TRY = "try: print(find_time_zone('Europe/Berlin'))\nexcept UnknownTimeZone as error: print(error)\n"


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_name_that_no_zone_has_is_refused_in_gos_words() -> None:
    for name in ("Europe/Nowhere", "Europe", "/etc/passwd", "../UTC"):
        with pytest.raises(UnknownTimeZone, match=f"^unknown time zone {name}$"):
            find_time_zone(name)


def test_the_package_serves_where_the_system_has_no_data() -> None:
    pytest.importorskip("tzdata", reason="pip install tzdata: it comes with the extra all")
    assert printed(WITHOUT_SYSTEM + FIND + TRY) == "Europe/Berlin\n"


def test_without_any_data_it_is_told_what_to_install() -> None:
    assert printed(WITHOUT_ANY + FIND + TRY) == (
        "unknown time zone Europe/Berlin (this machine has no time zone data: install its package tzdata, or "
        "pip install 'podledger[tzdata]')\n"
    )
    assert printed(WITHOUT_ANY + FIND + "print(find_time_zone('UTC'), find_time_zone(''))") == "UTC UTC\n"
