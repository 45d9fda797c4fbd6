"""The process node: pods run as processes of this machine, each under a shim of its own.

`node` is the port's implementation, `check` says what it cannot run, `shim` is what stays when podledger goes.
Imports nothing: the shim passes through here and must stay small.
"""
