"""A Docker Engine for tests: the one that answers, else one of our own; and a base image without a registry."""

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

__all__ = ["Engine", "docker_engine"]

START_S: Final = 20.0
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
UNUSED: Final = re.compile(r"/(__pycache__|tests?|idlelib|tkinter|config-[^/]*|site-packages/(?!pip)[^/]+)$")
"""Folders of a Python that an image can do without."""
WHEELS: Final = ("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libgcc_s.so.1", "libstdc++.so.6")
"""What wheels (manylinux) take for granted."""


class Engine:
    """An Engine at an address, "" for the one that docker finds."""

    def __init__(self, host: str) -> None:
        self._environment = {**os.environ, "DOCKER_BUILDKIT": "0", **({"DOCKER_HOST": host} if host else {})}

    def run(self, *words: str, stdin: bytes | None = None) -> str:
        """What `docker WORDS` prints; it must succeed."""
        done = self.attempt(*words, stdin=stdin)
        assert done.returncode == 0, f"docker {' '.join(words)}: {(done.stderr + done.stdout).decode()}"
        return done.stdout.decode().strip()

    def attempt(self, *words: str, stdin: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
        """Run `docker WORDS`."""
        return subprocess.run(
            ("docker", *words), input=stdin, capture_output=True, check=False, env=self._environment, timeout=250
        )

    def has(self, image: str) -> bool:
        """Whether an image is there, or can be had."""
        return not self.attempt("image", "inspect", image).returncode or not self.attempt("pull", image).returncode

    def make_base(self, image: str) -> None:
        """An image of this machine's own Python, with a shell, under the name of one that cannot be had."""
        prefix = sys.base_prefix
        settings = (f"ENV PATH={prefix}/bin:/usr/local/bin:/usr/bin:/bin", f"ENV SSL_CERT_FILE={CERTIFICATES}")
        changes = [word for setting in settings for word in ("-c", setting)]
        self.run("import", *changes, "-", image, stdin=_root_file_system(Path(prefix)))


@contextmanager
def docker_engine(directory: Path) -> Generator[Engine]:
    """An Engine while inside; skips the test, saying why, where there is none and none is to be started."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command")
    engine = Engine("")
    if not engine.attempt("version").returncode:
        yield engine
        return
    if os.environ.get("PODLEDGER_TESTS") != "thorough" or shutil.which("dockerd") is None or os.geteuid() != 0:
        pytest.skip("no Docker Engine answers; to start one takes PODLEDGER_TESTS=thorough, dockerd and root")
    socket = f"unix://{directory}/socket"
    words = ("--bridge=none", "--iptables=false", "--ip6tables=false", "-H", socket, "-p", f"{directory}/pid")
    places = (f"--data-root={directory}/data", f"--exec-root={directory}/exec")
    with (directory / "log").open("wb") as log:
        daemon = subprocess.Popen(("dockerd", *words, *places), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        engine = Engine(socket)
        until = time.monotonic() + START_S
        while engine.attempt("version").returncode:
            if daemon.poll() is not None or time.monotonic() > until:
                pytest.skip(f"dockerd does not start here: {(directory / 'log').read_text()[-300:]}")
            time.sleep(0.1)
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(30)
        # It leaves the network namespace that it shared with its containers.
        for mount in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
            if (place := mount.split()[1]).startswith(f"{directory}/"):
                subprocess.run(("umount", place), check=True)


def _root_file_system(prefix: Path) -> bytes:
    """A tar of a Python, a shell, the libraries of both, and the certificates that this machine trusts."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:

        def needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            member.uid = member.gid = 0
            return None if UNUSED.search(member.name) else member

        for folder in ("bin", "lib"):
            tar.add(prefix / folder, filter=needed)
        python = prefix / "bin" / f"python{sysconfig.get_python_version()}"
        shell = Path("/bin/sh").resolve()
        binaries = [python, shell, Path("/usr/bin/env"), *prefix.rglob("lib-dynload/*.so")]
        libraries = {found for each in binaries for found in _libraries(each)}
        system = next(found.parent for found in libraries if found.name == "libc.so.6")
        for library in sorted(libraries | {system / name for name in WHEELS}):
            if not library.is_relative_to(prefix):
                tar.add(library.resolve(), arcname=str(library))
        tar.add(shell, arcname="bin/sh")
        tar.add("/usr/bin/env", arcname="usr/bin/env")
        if CERTIFICATES.exists():
            tar.add(CERTIFICATES.resolve(), arcname=str(CERTIFICATES))
        for name, content in (("etc/passwd", "root:x:0:0::/:/bin/sh\n"), ("tmp/.keep", "")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


def _libraries(binary: Path) -> Iterator[Path]:
    """What the loader loads for a binary, the loader too."""
    said = subprocess.run(("ldd", str(binary)), capture_output=True, text=True, check=False).stdout
    yield from (Path(found) for found in re.findall(r"(/\S+) \(0x", said))
