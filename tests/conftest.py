"""What holds for all tests: Hypothesis profiles, a marker by folder, and nothing left behind.

`PODLEDGER_TESTS=thorough` makes property tests look further than the quick default (see README.md).
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
FOLDER_MARKERS = ("conformance", "simulation", "system", "repository")
# A thread that was told to end gets this long before it counts as left behind.
THREAD_ENDS_S = 10.0
# A task that was cancelled needs some turns of the loop to end.
TASK_ENDS_TURNS = 20

# No deadline: the machine's mood is no fault of the code. A failure prints the line that repeats it.
settings.register_profile(
    "quick", max_examples=60, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=2000)
settings.load_profile(os.environ.get("PODLEDGER_TESTS", "quick"))


def pytest_configure() -> None:
    """Heed the signals that tests send to the commands they start, also where whoever started the tests ignores them.

    A process begun in the background of a script ignores SIGINT and hands that on to its children, and podledger keeps
    ignoring what it was told to ignore.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they live in; let asyncio tests be checked for tasks left behind."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in FOLDER_MARKERS:
            item.add_marker(getattr(pytest.mark, folder))
        if isinstance(item, pytest.Function) and item.get_closest_marker("asyncio") is not None:
            # First, so that it is set up before all other fixtures and looks after they have ended.
            item.fixturenames.insert(0, "no_task_left")


@pytest_asyncio.fixture
async def no_task_left() -> AsyncGenerator[None]:
    """Fail a test that leaves tasks behind on its event loop."""
    yield
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for _ in range(TASK_ENDS_TURNS):
        await asyncio.sleep(0)
        left = [task for task in left if not task.done()]
    if left:
        names = sorted(f"{task.get_name()}: {task.get_coro()}" for task in left)
        pytest.fail(f"the test left {len(left)} tasks behind: {'; '.join(names)}")


@pytest.fixture(autouse=True)
def no_thread_left() -> Generator[None]:
    """Fail a test that leaves threads behind, such as that of a connection nobody closed."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(THREAD_ENDS_S)
    names = [thread.name for thread in left if thread.is_alive()]
    if names:
        pytest.fail(f"the test left {len(names)} threads behind: {'; '.join(names)}")
