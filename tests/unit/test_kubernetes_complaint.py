"""What is said of something that is tried again and again."""

import logging

import pytest

from podledger_adapters.kubernetes.complaint import Complaint


def test_a_reason_is_said_once_and_again_once_it_changed_or_all_was_well_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    complaint = Complaint(logging.getLogger("test"), "watching Pods")
    complaint.over()
    for why in ("refused", "refused", "no answer", "refused"):
        complaint.say(why)
    for _ in range(2):
        complaint.over()
    complaint.say("refused")
    again = "watching Pods: tried again until it works: "
    assert caplog.messages == [
        f"{again}refused",
        f"{again}no answer",
        f"{again}refused",
        "watching Pods: works again",
        f"{again}refused",
    ]
