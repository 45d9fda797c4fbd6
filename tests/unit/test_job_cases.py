"""A table of states and, row by row, what one sync of Kubernetes' own Job controller makes of a given state."""

import pytest
from tests.unit.job_case import Row, check, play
from tests.unit.job_cases_counting import ROWS as COUNTING_ROWS
from tests.unit.job_cases_elastic import ROWS as ELASTIC_ROWS
from tests.unit.job_cases_finish import ROWS as FINISH_ROWS
from tests.unit.job_cases_index import ROWS as INDEX_ROWS
from tests.unit.job_cases_pods import ROWS as POD_ROWS
from tests.unit.job_cases_suspend import ROWS as SUSPEND_ROWS

ROWS = [*POD_ROWS, *COUNTING_ROWS, *FINISH_ROWS, *INDEX_ROWS, *SUSPEND_ROWS, *ELASTIC_ROWS]

# Rows that need another controller or a live API server; these test them.
ELSEWHERE = {
    32: "PodGC marks an unscheduled terminating pod Failed: the store's controllers",
    79: "pods of a Job with a foreign managedBy are left alone: the controller",
    80: "an orphan that lost its finalizer is adopted again: the controller",
    82: "a Job deleted while the controller was down: the controller",
    83: "a Job recreated under its name: the controller",
    88: "our own writes not seen yet: the reflector, which keeps older objects back",
}
IN_OTHER_ROWS = {34: 33, 52: 51, 74: 73}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_one_sync_makes_of_this_state_what_kubernetes_makes_of_it(row: Row) -> None:
    check(row, play(row))


def test_every_row_of_the_table_is_here_or_named_as_anothers() -> None:
    here = {row.number for row in ROWS}
    assert not here & (ELSEWHERE.keys() | IN_OTHER_ROWS.keys())
    assert IN_OTHER_ROWS.keys() <= set(range(1, 89))
    assert set(IN_OTHER_ROWS.values()) <= here
    assert here | ELSEWHERE.keys() | IN_OTHER_ROWS.keys() == set(range(1, 89))
