"""`podledger run`: its flags and its help, and what can be refused before anything is opened.

The run itself is `session.py` (what is opened) and `job_run.py` (what happens to the Jobs); how it ends is told by
`report.py`.
"""

from typing import Annotated, Literal

import anyio
from cyclopts import App, Parameter

from podledger.errors import InputError
from podledger_adapters.cli.cron_plan import check_cronjobs, is_cronjob, parse_for
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.manifest import read_manifests
from podledger_adapters.cli.namespace_name import check_namespaces
from podledger_adapters.cli.preflight import check_jobs
from podledger_adapters.cli.run_cluster import ClusterKind, pod_check
from podledger_adapters.cli.session import RunOptions, run_jobs
from podledger_adapters.manifest.fault import Fault, ManifestError

__all__ = ["app", "run_command"]

HELP = """Run the Jobs of Kubernetes manifests here until they are Complete or Failed.

Each pod is a process: its command is run, its image is not used. All is
checked before the first Job starts. Logs of pods go to stdout, progress to
stderr; a table of the Jobs comes last."""

EXAMPLES = """Examples:
  podledger run job.yaml                    the ledger is kept if a Job fails
  podledger run job.yaml --db jobs.db       kept always; run again to resume
  podledger run a.yaml b.yaml --timeout 60  what is not done then is suspended
  make-jobs | podledger run - -o json       stdout: the Jobs as stored
  podledger run job.yaml --cluster memory   simulated pods, virtual time
  podledger run cron.yaml --for 5m          CronJobs, for five minutes

Ctrl-C, SIGTERM and --timeout suspend the Jobs: their pods get TERM, their
grace period, then KILL, and do not count. A second Ctrl-C kills at once.

Exit codes: 0 all Jobs complete, 1 one failed or timed out, 2 bad input,
3 the ledger cannot be opened, 130 after Ctrl-C, 143 after SIGTERM."""


app = App(name="run", help=HELP, usage="Usage: podledger run FILE... [OPTIONS]", help_epilogue=EXAMPLES)


def _no_option(_: object, word: str) -> None:
    """A word that looks like an option is none we know: `-` is let through as stdin's name, and all else with it."""
    if word.startswith("-") and word != "-":
        raise ValueError(f"Unknown option: {word} (for a file of this name write ./{word})")


@app.default
def run_command(
    *files: Annotated[
        str,
        Parameter(
            name="FILE",
            required=True,
            allow_leading_hyphen=True,
            validator=_no_option,
            help="Manifests, YAML or JSON; - is stdin.",
        ),
    ],
    cluster: Annotated[ClusterKind, Parameter(help="Where pods run.")] = "process",
    db: Annotated[str | None, Parameter(help="The ledger, a file, made if there is none.")] = None,
    namespace: Annotated[
        str | None,
        Parameter(name=["--namespace", "-n"], help="Namespace of Jobs that name none."),
    ] = None,
    for_: Annotated[str | None, Parameter(name="--for", help="How long CronJobs run: 90s, 5m, 1h30m.")] = None,
    timeout: Annotated[float | None, Parameter(help="Suspend what is not done after so many seconds.")] = None,
    max_pods: Annotated[int | None, Parameter(help="Pods that run at once (process: 110).")] = None,
    env: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="NAME or NAME=VALUE for all pods; repeatable.",
        ),
    ] = (),
    output: Annotated[
        Literal["json"] | None,
        Parameter(name=["--output", "-o"], help="Print the List of the Jobs as stored."),
    ] = None,
) -> ExitCode:
    """Run Jobs; the exit code. Raises PodledgerError."""
    for_s = None if for_ is None else parse_for(for_)
    options = RunOptions(files, cluster, db, namespace, timeout, max_pods, env, output == "json", for_s)
    _check(options)
    objects, unread = read_manifests(files)
    crons = [source for source in objects if is_cronjob(source)] if for_s is not None else []
    jobs = [source for source in objects if source not in crons]
    submissions, wrong = check_jobs(jobs, namespace=namespace, check_pod=pod_check(cluster))
    cronjobs, also_wrong = check_cronjobs(crons, namespace=namespace, check_pod=pod_check(cluster))
    if unread or wrong or also_wrong:
        raise ManifestError(_in_order(files, [*unread, *wrong, *also_wrong]))
    if for_s is not None and not cronjobs:
        raise InputError(f"--for {for_}: no CronJob is among the manifests; leave it out")
    return anyio.run(run_jobs, options, submissions, cronjobs)


def _check(options: RunOptions) -> None:
    """Raises InputError for a flag that cannot be used as it is."""
    if options.timeout_s is not None and not 0 < options.timeout_s < float("inf"):
        raise InputError(f"--timeout {options.timeout_s:g}: must be a number of seconds above 0")
    if options.max_pods is not None and options.max_pods < 1:
        raise InputError(f"--max-pods {options.max_pods}: must be 1 or more")
    if options.namespace is not None:
        check_namespaces("--namespace", [options.namespace])
    if options.env and options.cluster != "process":
        raise InputError(f"--env: pods of --cluster {options.cluster} have no environment; leave it out")


def _in_order(files: tuple[str, ...], faults: list[Fault]) -> list[Fault]:
    """The faults in the order of the files, whatever found them."""
    order = {"stdin" if file == "-" else file: i for i, file in reversed(list(enumerate(files)))}
    return sorted(faults, key=lambda fault: (order.get(fault.place.source, 0), fault.place[1:]))
