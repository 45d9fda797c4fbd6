"""Adapters: clusters, nodes, logs beyond SQLite, and the faces.

Imports nothing, so that a missing extra hurts only its own adapter.
"""
