"""What an error means to whoever ran the command: an exit code, and one line a fault, without a traceback."""

from collections.abc import Iterator, Sequence
from typing import cast

from podledger.errors import ControllerStopped, InputError, PodledgerError
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.manifest.fault import ManifestError, one_line

__all__ = ["explain"]


def explain(error: BaseException) -> tuple[ExitCode, Sequence[str]]:
    """The exit code, and the lines for stderr. Several errors at once (of tasks) give the lines of each, once."""
    known: list[PodledgerError] = []
    unknown: list[BaseException] = []
    for cause in _causes(error):
        if isinstance(cause, PodledgerError):
            known.append(cause)
        else:
            unknown.append(cause)
    if unknown:
        return ExitCode.FAILED, [_internal(cause) for cause in unknown]
    lines = dict.fromkeys(line for cause in known for line in _lines(cause))
    code = ExitCode.USAGE if all(isinstance(cause, InputError) for cause in known) else ExitCode.UNREACHABLE
    return code, list(lines)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, and what stopped a controller instead of the news that it stopped."""
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _causes(inner)
    elif isinstance(error, ControllerStopped) and error.__cause__ is not None:
        yield from _causes(error.__cause__)
    else:
        yield error


def _lines(error: PodledgerError) -> Iterator[str]:
    if isinstance(error, ManifestError):
        yield from (f"error: {fault}" for fault in error.faults)
    else:
        yield f"error: {one_line(str(error)) or type(error).__name__}"


def _internal(error: BaseException) -> str:
    return (
        f"error: podledger has a fault of its own: {type(error).__name__}: {one_line(str(error))}; please report it, "
        "with what the same command says under PODLEDGER_DEBUG=1, where you got podledger from"
    )
