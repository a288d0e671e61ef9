"""A file of more than 4 GiB in both directions: beyond 32-bit numbers, and beyond 65,536 frames and batches.

What is sent is sparse; the two copies of it are not, and take 4 GiB each while a test runs. Not in the fast suite.
"""

from __future__ import annotations

import os
import shutil

import pytest

from secftp.errors import ExitCode
from tests.support.command_line import SECRET, run
from tests.support.serving import HOST, server_process

SIZE = (1 << 32) + (1 << 20) + 12345
MARKS = {0: b"first", (1 << 31) - 2: b"past 2 GiB", (1 << 32) - 3: b"past 4 GiB", SIZE - 4: b"last"}


@pytest.fixture
def huge(tmp_path):
    if shutil.disk_usage(tmp_path).free < 3 * SIZE:
        pytest.fail("there is not enough room for this test; run it elsewhere with --basetemp")
    path = tmp_path / "huge"
    with open(path, "wb") as file:
        file.truncate(SIZE)
        for offset, mark in MARKS.items():
            file.seek(offset)
            file.write(mark)
    assert path.stat().st_size == SIZE
    return path


def _marks(path):
    with open(path, "rb") as file:
        found = {}
        for offset, mark in MARKS.items():
            file.seek(offset)
            found[offset] = file.read(len(mark))
        return found


@pytest.mark.slow
@pytest.mark.parametrize("way", ["files", "pipes"])
@pytest.mark.parametrize("cipher", ["none", "aes128", "aes256"])
def test_more_than_four_gibibytes(tmp_path, huge, cipher, way):
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    with server_process(tmp_path, "0", "--host", HOST, "--root", root, SECFTP_KEY=SECRET) as server:
        where = f"{HOST}:{server.port}"
        if way == "files":
            written = run(tmp_path, "write", "name", where, cipher, "-i", huge, timeout=300)
            read = run(tmp_path, "read", "name", where, cipher, "-o", out, timeout=300)
        else:
            with open(huge, "rb") as source:
                written = run(tmp_path, "write", "name", where, cipher, stdin=source.fileno(), timeout=300)
            with open(out, "wb") as target:
                read = run(tmp_path, "read", "name", where, cipher, stdout=target, timeout=300)
    assert (written.code, read.code) == (ExitCode.OK, ExitCode.OK)
    confirmed = {result.errors.splitlines()[-1] for result in (written, read)}
    assert len(confirmed) == 1
    assert confirmed.pop().startswith("File confirmed, checksum: ")
    for path in (root / "name", out):
        assert path.stat().st_size == SIZE
        assert _marks(path) == MARKS
        os.unlink(path)
