"""Standard streams and lost connections: output is continued, input that was read is not sent again."""

from __future__ import annotations

import os

import pytest

from secftp.errors import ExitCode
from secftp.session import retry
from tests.support.command_line import SECRET_KEY, client_and_server, run
from tests.support.cutting import cutting
from tests.support.serving import HOST, serving

DATA = os.urandom(6_000_000)


def test_what_was_read_of_standard_input_is_not_sent_again_without_it(tmp_path):
    """A second try would send what is left, and the server would have a file that lacks its beginning."""
    root = tmp_path / "root"
    root.mkdir()
    with serving(root, key=SECRET_KEY) as server, cutting(server.port, 2_000_000) as proxy:
        result = run(tmp_path, "put", "--retries", "3", "-", f"secftp://{HOST}:{proxy.port}/name", stdin=DATA)
        assert result.code == ExitCode.CONNECTION_LOST
        assert "Retrying" not in result.errors
    assert os.listdir(root) == []


@pytest.mark.parametrize(
    ("other", "goes_on"),
    [(DATA[:1] + bytes(len(DATA) - 1), False), (DATA[:1], False), (DATA + b"x", True)],
    ids=["other bytes", "shorter", "appended to"],
)
def test_standard_output_goes_on_in_the_same_file_alone(tmp_path, capfdbinary, monkeypatch, other, goes_on):
    """The file was replaced while the connection was lost; what is out must be the beginning of what follows."""
    with client_and_server(tmp_path, capfdbinary) as client:
        (tmp_path / "root" / "name").write_bytes(DATA)

        def replace(*_):
            (tmp_path / "root" / "name").write_bytes(other)
            return 0

        monkeypatch.setattr(retry.Retries, "_pause", replace)
        with cutting(client.server.port, 3_000_000) as proxy:
            result = client("get", "--retries", "2", f"secftp://{HOST}:{proxy.port}/name", "-")
    if goes_on:
        result.succeed(other)
    else:
        assert (result.code, "the file has changed since" in result.complaint) == (ExitCode.FAILED, True)
        assert DATA.startswith(result.output)
