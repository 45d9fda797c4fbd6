"""spec.json: what a shim is told to run, with every name resolved. Written by the node (`process.spec`), once.

Standard library only, as all of the shim. What becomes of it is `pod_state`; where the files are, `record`.
"""

from typing import TypedDict

__all__ = [
    "EMPTY_DIR",
    "FORMAT",
    "Action",
    "ContainerSpec",
    "Mount",
    "ProbeSpec",
    "RestartRule",
    "ShimSpec",
    "Volume",
]

FORMAT = 1
EMPTY_DIR = "emptyDir"
"""The kind of a volume that is made for the pod."""


class Volume(TypedDict):
    """One volume: `path` is a path of this machine, `kind` emptyDir or the type of a hostPath ("" for any).

    `memory`: a file system in memory, of `size` bytes if that is given, mounted on the path.
    """

    name: str
    kind: str
    path: str
    memory: bool
    size: int | None


class Mount(TypedDict):
    """One volumeMount: `inside` the volume's path, "" for all of it, mounted on `target`."""

    volume: str
    inside: str
    target: str
    read_only: bool


class Action(TypedDict):
    """What a probe or a hook does: `kind` is exec, http, tcp or sleep, and the fields of the others are empty.

    `any_status`: a hook, to which every answer is a good one. `seconds` is how long to sleep.
    """

    kind: str
    argv: list[str]
    scheme: str
    host: str
    port: int
    path: str
    headers: list[tuple[str, str]]
    any_status: bool
    seconds: float


class ProbeSpec(TypedDict):
    """A probe. Times in seconds; `grace_s` None: the pod's."""

    action: Action
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int
    grace_s: float | None


class RestartRule(TypedDict):
    """One of restartPolicyRules: `action` is Restart or RestartAllContainers, `operator` In or NotIn."""

    action: str
    operator: str
    exit_codes: list[int]


class ContainerSpec(TypedDict):
    """One container, with nothing left to resolve. `memory` in bytes, `cpu` in cores; None for no limit.

    `message_from_log`: the message of a failure is the end of its log (terminationMessagePolicy).
    `restart_policy` is its own or else the pod's; a `sidecar` is an init container that is always restarted.
    """

    name: str
    image: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    restart_policy: str
    restart_rules: list[RestartRule]
    sidecar: bool
    startup: ProbeSpec | None
    liveness: ProbeSpec | None
    readiness: ProbeSpec | None
    post_start: Action | None
    pre_stop: Action | None
    mounts: list[Mount]
    memory: int | None
    cpu: float | None
    user: int | None
    group: int | None
    no_new_privileges: bool
    message_from_log: bool


class ShimSpec(TypedDict):
    """spec.json. Times in seconds. `survive` False: the pod ends when the podledger that started it is gone."""

    format: int
    uid: str
    namespace: str
    name: str
    qos_class: str
    grace_s: float
    deadline_s: float | None
    survive: bool
    volumes: list[Volume]
    init_containers: list[ContainerSpec]
    containers: list[ContainerSpec]
