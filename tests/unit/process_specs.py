"""What shims are told to run, for tests of the process node's pure half."""

from podledger_adapters.nodes.process.shim.pod_spec import ContainerSpec, ShimSpec

__all__ = ["container_spec", "shim_spec"]


def container_spec(name: str, *, sidecar: bool = False) -> ContainerSpec:
    return {
        "name": name,
        "image": f"{name}:1",
        "argv": ["true"],
        "env": {},
        "cwd": "/",
        "restart_policy": "Always" if sidecar else "Never",
        "restart_rules": [],
        "sidecar": sidecar,
        "startup": None,
        "liveness": None,
        "readiness": None,
        "post_start": None,
        "pre_stop": None,
        "mounts": [],
        "memory": None,
        "cpu": None,
        "user": None,
        "group": None,
        "no_new_privileges": False,
        "message_from_log": False,
    }


def shim_spec(init: list[ContainerSpec] | None = None, main: list[ContainerSpec] | None = None) -> ShimSpec:
    return {
        "format": 1,
        "uid": "u",
        "namespace": "ns",
        "name": "p",
        "qos_class": "BestEffort",
        "grace_s": 30.0,
        "deadline_s": None,
        "survive": True,
        "volumes": [],
        "init_containers": init or [],
        "containers": [container_spec("main")] if main is None else main,
    }
