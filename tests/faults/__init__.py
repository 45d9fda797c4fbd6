"""Runs of the Kubernetes adapter and the controller over HTTP, with a bad network and lagging servers between."""
