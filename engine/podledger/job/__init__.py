"""The pure half: what happened to a Job and what to do next, with no I/O, no clock and no randomness.

Read in this order: `event.py` (facts), `command.py` (what to do), `state.py` (what is known), `fold.py` (facts into
state), `observation.py` (objects into facts), `decision.py` (state into decisions), then a file per family of rules.

The rules are those of Kubernetes 1.36, here called upstream: what its Job controller does, what its documentation says
(https://kubernetes.io/docs/concepts/workloads/controllers/job/), and the KEPs behind it: 2214 Indexed Jobs, 2232
suspension, 2307 counting by finalizer, 3329 failure policy, 3715 elastic Indexed Jobs, 3850 back-off per index, 3939
replacement policy, 3998 success policy.
"""
