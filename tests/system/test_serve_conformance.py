"""The conformance scenarios, recorded from Kubernetes, played against `podledger serve`.

They are not part of the repository: they are looked for in $PODLEDGER_REFERENCE, then beside the checkout. Without
them this is skipped.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.system.serving import serve

REFERENCE = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared"))
RUN = REFERENCE / "conformance" / "run.py"


@pytest.mark.skipif(
    not RUN.exists(), reason=f"no scenarios in {REFERENCE}; set PODLEDGER_REFERENCE to the folder with conformance/"
)
@pytest.mark.timeout(600)  # Back-off in them is real.
def test_all_scenarios_pass(tmp_path: Path) -> None:
    with serve(tmp_path, "--cluster", "memory", "--pods", "manual", "--insecure-http", "--token", "T") as served:
        words = [sys.executable, str(RUN), "--server", served.url, "--token", "T"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.rstrip().endswith(" 0 failed")
