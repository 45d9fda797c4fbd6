"""The `podledger` command: what commands there are, and how every one of them ends.

Commands are imported when they are used, so that `podledger --help` does not load a controller. Errors end here, in
one line each on stderr and with the exit codes of `exit_code.py`; only an error of podledger's own gets a traceback,
and only when it is asked for (`--debug`, or PODLEDGER_DEBUG=1).
"""

import json
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.extras import missing_module

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

__all__ = ["main"]

DEBUG_FLAG, DEBUG_VARIABLE = "--debug", "PODLEDGER_DEBUG"
"""Both ask for tracebacks; the flag may stand anywhere before `--`."""

HELP = "Kubernetes Jobs, here or on a cluster, each pod counted exactly once."
EPILOGUE = """Examples:
  podledger run job.yaml                run a Job here and wait for it
  podledger run job.yaml --db jobs.db   keep a ledger: run it again to resume
  podledger serve                       a Kubernetes API for kubectl, here
  podledger controller                  run the marked Jobs of a cluster
  podledger log info jobs.db            what is in a ledger

Exit codes: 0 all well, 1 a Job failed or timed out, 2 wrong usage or input,
3 something could not be reached or opened, 130 after Ctrl-C, 143 after SIGTERM.
Tracebacks of podledger's own errors: --debug, or PODLEDGER_DEBUG=1."""


COMMANDS = {
    "run": ("podledger_adapters.cli.run", "Run the Jobs of manifests and wait for them."),
    "serve": ("podledger_adapters.cli.serve", "Serve the Kubernetes API for Jobs here."),
    "controller": ("podledger_adapters.cli.controller", "Run the Job controller against a Kubernetes cluster."),
    "record": ("podledger_adapters.cli.record", "Record what happens on a Kubernetes cluster."),
    "cron": ("podledger_adapters.cli.cron", "Say when the schedule of a CronJob runs."),
    "log": ("podledger_adapters.cli.log", "Look after a ledger."),
}
"""Each command's name, the module whose `app` it is, and what it does."""
FLAGS = ("--help", "-h", "--version")
"""What may stand in place of a command."""


def build_app(command: str) -> "App":
    """The commands; the module of `command`, the one that is asked for, is imported, the others' are not."""
    from cyclopts import App

    app = App(
        name="podledger",
        help=HELP,
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        help_formatter="plain",
        version=_version,
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
    )
    for name, (module, help_text) in COMMANDS.items():
        if name == command:
            app.command(import_module(module).app, name=name)
        else:
            app.command(f"{module}:app", name=name, help=help_text)
    return app


def _version() -> str:
    return f"podledger {version('podledger')}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code. `arguments` are those behind the command's name, by default sys.argv's."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = bool(os.environ.get(DEBUG_VARIABLE))
    if DEBUG_FLAG in (words[: words.index("--")] if "--" in words else words):
        words.remove(DEBUG_FLAG)
        debug = True
    try:
        code = _run(words, debug=debug)
    except KeyboardInterrupt:  # Before or after a command takes signals into its own hands.
        code = int(ExitCode.INTERRUPTED)
    try:
        sys.stdout.flush()
    except OSError:  # The reader is gone (`| head`); Python would say so once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def _run(words: Sequence[str], *, debug: bool) -> int:
    from podledger_adapters.cli.descriptors import open_missing_descriptors

    open_missing_descriptors()
    if words == ["--version"]:  # The one answer that needs nothing to be loaded.
        print(_version())
        return ExitCode.OK
    if words and words[0] not in (*COMMANDS, *FLAGS):
        print(f"error: {_unknown(words[0])}; see podledger --help", file=sys.stderr)
        return ExitCode.USAGE
    try:
        from cyclopts import CycloptsError
    except ModuleNotFoundError as error:
        return _missing(error)
    try:
        result = build_app(words[0] if words else "")(words or ["--help"])
    except CycloptsError as error:
        command = f"podledger {words[0]}" if words and words[0] in COMMANDS else "podledger"
        print(f"error: {_usage_fault(error)}; see {command} --help", file=sys.stderr)
        return ExitCode.USAGE
    except ModuleNotFoundError as error:
        if debug or (error.name or "").startswith("podledger"):
            raise
        return _missing(error)
    except Exception as error:
        if debug:
            raise
        from podledger_adapters.cli.explain import explain

        code, lines = explain(error)
        for line in lines:
            print(line, file=sys.stderr)
        return code
    return int(result) if isinstance(result, int) else ExitCode.OK


def _unknown(word: str) -> str:
    """What to say of a first word that is no command. The parser would load all commands to say it."""
    what = "option" if word.startswith("-") else "command"
    close = get_close_matches(word, [*COMMANDS, *FLAGS], n=1)
    known = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
    return f"unknown {what} {json.dumps(word, ensure_ascii=False)}; {known}"


def _usage_fault(error: "CycloptsError") -> str:
    """What is wrong with the words, in one line; what a check of ours said is said alone."""
    text = getattr(error, "exception_message", "") or str(error)
    return " ".join(text.split()).rstrip(".")


def _missing(error: ModuleNotFoundError) -> int:
    print(f"error: {missing_module(error)}", file=sys.stderr)
    return ExitCode.UNREACHABLE


if __name__ == "__main__":
    main()
