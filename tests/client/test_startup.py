"""Modules that the client imports: start-up is part of the time that a small file takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from secftp.client.commands import COMMANDS
from tests.support.command_line import SECRET, SECRET_KEY, place
from tests.support.serving import DEADLINE, environment, serving

# Nothing that one file in one connection has a use for; json and shlex stand for their like.
NEVER_FOR_A_FILE = {
    "asyncio", "dataclasses", "difflib", "email", "json", "logging", "shlex", "shutil", "tempfile", "tqdm",
    "unittest", "urllib", "blake3", "secftp.api", "secftp.transfer", "secftp.server", "secftp.client.copy_options",
    "secftp.client.copying", "secftp.client.listing", "secftp.client.comparison", "secftp.client.streams",
    "secftp.client.report", "secftp.json_lines", "secftp.session.retry", "secftp.session.operations",
    "secftp.transport.compression", "secftp.transport.compressed_data", "compression", "backports",
    *(f"secftp.client.commands.{command}" for command in COMMANDS if command != "read"),
}  # fmt: skip
# What only a server needs, beside its own package.
SERVERS = {f"secftp.transport.{module}" for module in ("accept", "listener", "bandwidth", "page", "systemd")}
NEVER_FOR_WORDS = {
    "dataclasses",
    "inspect",
    "msgspec",
    "_cffi_backend",
    "socket",
    "xxhash",
    "secftp.transport",
    "secftp.crypto",
    "secftp.storage",
}

_ASK = """
import sys
before = set(sys.modules)
from secftp.client.__main__ import main
code = main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), sep="\\n", file=sys.stderr)
sys.exit(code)
"""


def loaded(home, *arguments):
    """The exit code of a command, and the modules that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, *arguments],
        env=environment(home, SECFTP_KEY=SECRET),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
        check=False,
    )
    modules = set(done.stderr.decode().split("\n"))
    assert "secftp.client.commands" in modules
    return done.returncode, modules


def test_a_small_file_loads_nothing_that_it_does_not_need(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "name").write_bytes(bytes(1024))
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        code, modules = loaded(tmp_path, "-q", "read", "name", place(server), "aes128")
        assert (code, modules & (NEVER_FOR_A_FILE | SERVERS)) == (0, set())
        assert "secftp.session" in modules
        code, modules = loaded(tmp_path, "get", "-q", f"secftp://{place(server)}/name", f"{tmp_path}/copy")
        assert (
            code,
            modules
            & {
                "backports",
                "compression",
                "dataclasses",
                "json",
                "secftp.transfer.compression",
                "secftp.transport.compressed_data",
                "secftp.client.report_json",
                "secftp.json_lines",
                "secftp.server",
                "shlex",
                *SERVERS,
            },
        ) == (0, set())
        assert "secftp.transfer" in modules


@pytest.mark.parametrize(
    "arguments", [["--help"], ["put", "--help"], ["ls"], ["put", "a", "b"], ["xyzzy"], ["completion", "bash"]]
)
def test_help_and_typing_errors_load_no_core(tmp_path, arguments):
    _, modules = loaded(tmp_path, *arguments)
    assert modules & NEVER_FOR_WORDS == set()
