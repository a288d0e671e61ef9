"""Memory of pipes: 1 GiB through the command line, with at most 64 MiB of memory at either end.

The bytes come from `yes` and are compared by their checksum, so that most of the time here is the product's. A line
of a prime length fits no frame and no block: a frame that is lost, doubled or swapped changes the checksum.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from secftp.errors import ExitCode
from secftp.storage import new_digest
from tests.support.serving import DEADLINE, HOST, client_command, environment, listing, server_process

pytestmark = pytest.mark.exhaustive

SIZE = 1 << 30
LIMIT = 64 << 20
LINE = b"x" * 30 + bytes(range(0x30, 0x76))  # 100 bytes, and a newline: 101


# A process's record begins with the memory of the one that started it, and pytest has a lot: so a small one does.
_MEASURED = (
    "import os, sys\n"
    "child = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])\n"
    "_, status, usage = os.wait4(child, 0)\n"
    "os.write(int(sys.argv[1]), str(usage.ru_maxrss).encode())\n"
    "sys.exit(os.waitstatus_to_exitcode(status))\n"
)


def largest_so_far(pid):
    """The most memory that a process ever had, in bytes: VmHWM of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", status.read(), re.MULTILINE)[1]) << 10


def expected_checksum():
    """Of SIZE bytes of that line, over and over."""
    digest = new_digest("xxh128")
    block = (LINE + b"\n") * 65536
    for _ in range(SIZE // len(block)):
        digest.update(block)
    digest.update(block[: SIZE % len(block)])
    return digest.digest().hex()


def transfer(home, arguments, **streams):
    """Run a client to its end; its standard error and the most memory it had, in bytes."""
    reader, writer = os.pipe()
    command = [sys.executable, "-IS", "-c", _MEASURED, str(writer), *client_command(*arguments)]
    with open(reader, encoding="ascii") as report:
        try:
            process = subprocess.Popen(
                command, env=environment(home), stderr=subprocess.PIPE, pass_fds=[writer], **streams
            )
        finally:
            os.close(writer)
        try:
            errors = process.communicate(timeout=DEADLINE)[1].decode()
        finally:
            process.kill()
            process.wait()
        assert process.returncode == ExitCode.OK, errors
        return errors, int(report.read()) << 10


@pytest.fixture
def gibibyte():
    """A pipe out of which SIZE bytes come."""
    source = subprocess.Popen(["yes", LINE], stdout=subprocess.PIPE)
    cut = subprocess.Popen(["head", "-c", str(SIZE)], stdin=source.stdout, stdout=subprocess.PIPE)
    source.stdout.close()
    yield cut.stdout
    cut.stdout.close()
    for process in (cut, source):
        process.kill()
        process.wait()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the server's memory is read from /proc")
def test_a_gibibyte_through_pipes_both_ways_in_little_memory(tmp_path, gibibyte):
    """Written from a pipe of unknown length, read into a pipe; both clients and the server that did it all."""
    root = tmp_path / "root"
    root.mkdir()
    checksum = expected_checksum()
    with server_process(tmp_path, "0", "--host", HOST, "--root", root, "--anonymous-write") as server:
        common = ["name", f"{HOST}:{server.port}", "aes128", "--no-key"]
        errors, written_with = transfer(tmp_path, ["write", *common], stdin=gibibyte)
        assert errors.endswith(f"File confirmed, checksum: xxh128:{checksum}\n")
        assert (root / "name").stat().st_size == SIZE
        counter = subprocess.Popen(["wc", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            errors, read_with = transfer(tmp_path, ["read", *common], stdin=subprocess.DEVNULL, stdout=counter.stdin)
            assert errors.endswith(f"File confirmed, checksum: xxh128:{checksum}\n")
            assert int(counter.communicate(timeout=DEADLINE)[0]) == SIZE
        finally:
            counter.kill()
            counter.wait()
        served_with = largest_so_far(server.pid)
        server.log.wait_for(f"checksum: {checksum}", 2)
    (root / "name").unlink()
    assert listing(root) == []
    used = {"write": written_with, "read": read_with, "server": served_with}
    assert all(size > 8 << 20 for size in used.values()), f"what was measured is not them: {used}"
    assert all(size < LIMIT for size in used.values()), {
        who: f"{size / (1 << 20):.1f} MiB" for who, size in used.items()
    }
