"""The pure half: what happened to a Job and what to do next, with no I/O, no clock and no randomness.

Read in this order: `event.py` (facts), `command.py` (what to do), `state.py` (what is known), `fold.py` (facts into
state), `observation.py` (objects into facts), `decision.py` (state into decisions), then a file per family of rules.
"""
