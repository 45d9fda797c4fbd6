"""What each extra of the distribution brings, so that whoever lacks one is told which `pip install` brings it."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Final

__all__ = ["EXTRAS", "missing_module", "require_extra"]

EXTRAS: Final[Mapping[str, Sequence[str]]] = {
    "cli": ("cyclopts", "rich", "yaml"),
    "server": ("starlette", "uvicorn", "httptools", "cryptography", "jsonpatch", "jsonpointer", "yaml"),
    "kubernetes": ("aiohttp", "yarl", "prometheus_client", "yaml"),
}
"""Extra to the modules it is there for; pyproject.toml names the distributions."""
PURPOSES: Final = {"cli": "command line", "server": "API server", "kubernetes": "Kubernetes client"}


def require_extra(extra: str) -> None:
    """For a package whose modules need an extra. Raises ModuleNotFoundError that says how to install it."""
    for module in EXTRAS[extra]:
        if find_spec(module) is None:
            raise ModuleNotFoundError(_how_to_install(module, extra), name=module)


def missing_module(error: ModuleNotFoundError) -> str:
    """What to say of a module that is not there: how to install it, if an extra brings it."""
    for extra, modules in EXTRAS.items():
        if error.name is not None and error.name in modules:
            text = str(error)
            # require_extra knows better which extra was wanted, where several bring the module.
            return text if "pip install" in text else _how_to_install(error.name, extra)
    return f"{error.name or error} is missing; reinstall it, or podledger: pip install --force-reinstall podledger"


def _how_to_install(module: str, extra: str) -> str:
    return f"{module} is missing; install the {PURPOSES[extra]}: pip install 'podledger[{extra}]'"
