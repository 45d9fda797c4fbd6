"""All tests. Which kind lives where, and where a new one goes: README.md."""
