"""`podledger serve`: its flags and its help, and how it says where it is and how it stops.

What is served is `podledger_adapters.server`, put together by `server/local_server.py`.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Final

import anyio
from cyclopts import App, Parameter

from podledger.errors import InputError
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.stopping import Stop, signals_heeded
from podledger_adapters.server.local_server import (
    CONTROLLERS,
    ClusterKind,
    LocalServer,
    PodsMode,
    ServerOptions,
    check_options,
    local_server,
)
from podledger_adapters.server.serving import parse_address

__all__ = ["app", "serve_command"]

HELP = """Serve the Kubernetes API for Jobs here, with their controllers.

kubectl and Kubernetes client libraries work unmodified. Each pod is a process
(--cluster process), or acts as if (memory). Whoever has the token can run
commands as you: it is in the kubeconfig, which only you can read."""

EXAMPLES = """Examples:
  podledger serve                          do the export that it prints
  podledger serve --db jobs.db             keep objects, pods and logs
  podledger serve --cluster memory --pods manual
                                           pods wait for you to patch them
  podledger serve --controllers '*,-job'   bring a Job controller of your own

Ctrl-C and SIGTERM stop it. With --db process pods run on, and the next start
finds them; without, they end.

Exit codes: 0 or 130 after Ctrl-C, 143 after SIGTERM, 2 wrong usage,
3 the address or the ledger cannot be used."""

DEFAULT_ADDRESS: Final = "127.0.0.1:8443"

app = App(name="serve", help=HELP, usage="Usage: podledger serve [OPTIONS]", help_epilogue=EXAMPLES)


@app.default
def serve_command(
    *,
    cluster: Annotated[ClusterKind, Parameter(help="Where pods run.")] = "process",
    pods: Annotated[
        PodsMode | None,
        Parameter(help="run (process), simulate (memory), or manual: they wait for patches of their status."),
    ] = None,
    listen: Annotated[str, Parameter(help="HOST:PORT; port 0 is any free one.")] = DEFAULT_ADDRESS,
    insecure_http: Annotated[
        bool, Parameter(negative="", help="Plain HTTP, on loopback only, still with the token.")
    ] = False,
    token: Annotated[str | None, Parameter(help="By default a fresh one, or the ledger's.")] = None,
    controllers: Annotated[str, Parameter(help=f"Of {', '.join(CONTROLLERS)}; * is all, -NAME leaves one out.")] = "*",
    db: Annotated[str | None, Parameter(help="Keep everything in this ledger, a file.")] = None,
    kubeconfig: Annotated[Path | None, Parameter(help="Where to write the kubeconfig.")] = None,
    max_pods: Annotated[int | None, Parameter(help="Pods that run at once (process: 110).")] = None,
    env: Annotated[
        tuple[str, ...],
        Parameter(negative="", show_default=False, help="NAME or NAME=VALUE for all pods; repeatable."),
    ] = (),
) -> ExitCode:
    """Serve until told to stop; the exit code. Raises PodledgerError."""
    if max_pods is not None and max_pods < 1:
        raise InputError(f"--max-pods {max_pods}: must be 1 or more")
    options = ServerOptions(
        cluster=cluster,
        pods=pods,
        listen=parse_address(listen),
        insecure_http=insecure_http,
        token=token,
        controllers=chosen_controllers(controllers),
        db=db,
        kubeconfig=kubeconfig,
        max_pods=max_pods,
        env=env,
    )
    check_options(options)
    return anyio.run(_serve, options)


def chosen_controllers(text: str) -> tuple[str, ...]:
    """The controllers of a list such as `*,-job`. Raises InputError."""
    chosen: dict[str, None] = {}
    for word in filter(None, (each.strip() for each in text.split(","))):
        name = word.removeprefix("-")
        if name not in (*CONTROLLERS, "*"):
            raise InputError(f"--controllers {text}: there is no {name}; there are {', '.join(CONTROLLERS)}")
        names = CONTROLLERS if name == "*" else (name,)
        for each in names:
            if word.startswith("-"):
                chosen.pop(each, None)
            else:
                chosen[each] = None
    return tuple(chosen)


async def _serve(options: ServerOptions) -> ExitCode:
    stop = Stop()
    async with signals_heeded(stop), local_server(options) as server:
        _say_where(server)
        _say_limits(options)
        await _until_told(server, stop)
        _say_stopping(options, server)
    return ExitCode.OK if stop.reason is None else stop.reason.code


async def _until_told(server: LocalServer, stop: Stop) -> None:
    """Until a signal asks, or a part of the server cannot go on. Raises what it met."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.wait_stopped)
        await stop.requested.wait()
        tasks.cancel_scope.cancel()


def _say_where(server: LocalServer) -> None:
    """What to do next, for people and for `eval`."""
    print(f"export KUBECONFIG={shlex.quote(str(server.kubeconfig))}", flush=True)
    print(f"serving {server.url}; Ctrl-C stops", file=sys.stderr, flush=True)


def _say_limits(options: ServerOptions) -> None:
    """What this machine cannot limit pods in."""
    if options.pods_mode == "run":
        from podledger_adapters.nodes.process.check import unmet_limits

        for text in unmet_limits().values():
            print(f"note: {text}", file=sys.stderr, flush=True)


def _say_stopping(options: ServerOptions, server: LocalServer) -> None:
    running = server.running_pods if options.pods_mode == "run" else 0
    if not running:
        return
    pods = f"{running} pod" + ("s" if running > 1 else "")
    if options.db is not None:
        print(f"{pods} run on; podledger serve --db {shlex.quote(os.fspath(options.db))} finds them", file=sys.stderr)
    else:
        print(f"ending {pods}", file=sys.stderr)
