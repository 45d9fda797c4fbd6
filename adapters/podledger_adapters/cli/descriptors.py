"""The process's own three descriptors: always open, whatever the process was started with."""

import os
import sys

__all__ = ["open_missing_descriptors"]


def open_missing_descriptors() -> None:
    """Where stdin, stdout or stderr was closed (`>&-`), put /dev/null there: the next file opened would get its number.

    Python itself keeps None for the stream; output then goes nowhere, as was asked.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
    # typeshed says they are never None, Python's documentation that they may be.
    if getattr(sys, "stdout", None) is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (lives as long as the process)
    if getattr(sys, "stderr", None) is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (lives as long as the process)
