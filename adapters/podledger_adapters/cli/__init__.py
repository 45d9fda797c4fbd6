"""The command line. `__main__.py` puts the commands together; each command is a module, imported when it is used."""
