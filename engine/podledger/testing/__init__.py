"""The ports' conformance suites as public API.

Whoever writes a cluster, node, log or clock runs the authors' own tests.
"""
