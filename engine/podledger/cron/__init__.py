"""The pure half for CronJobs: when a run is due and what to do about it, with no I/O, no clock and no randomness.

Read in this order: `schedule.py` (times of a schedule), `missed.py` (which of them is to be run now), `event.py`
(facts), `command.py` (what to do), `state.py` (what is known), `fold.py` (facts into state), `observation.py` (objects
into facts), `decision.py` (state into decisions).
"""
