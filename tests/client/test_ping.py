"""`secftp ping`: with a key, without one, and where no server is."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

import pytest

from secftp.client.commands.ping import parse
from secftp.errors import UsageError
from secftp.transport.connect import Network
from secftp.transport.tcp_connect import AllFailed
from tests.support.command_line import main, place
from tests.support.serving import DEADLINE, HOST, serving


def test_a_server_tells_what_it_is_and_supports(secftp):
    done = secftp("ping", "//", "--count", "5")
    lines = done.output.decode().splitlines()
    assert done.code == 0
    assert lines[0].startswith(f"{HOST}:{secftp.server.port} ({HOST}) is a secftp server: secftp ")
    assert [line.split()[0] for line in lines[1:7]] == [
        "connected", "handshake", "round", "cipher", "rights", "capabilities",
    ]  # fmt: skip
    assert ", of 5" in lines[3]
    assert max(map(len, lines)) < 80


def test_the_answer_as_json(secftp):
    done = secftp("ping", "--json", "--cipher", "aes128", "--count=2", "//some/path")
    (line,) = done.output.decode().splitlines()
    answer = json.loads(line)
    assert (answer["host"], answer["address"], answer["port"]) == (HOST, HOST, secftp.server.port)
    assert (answer["key"], answer["cipher"], answer["version"]) == ("keyed", "aes128", 1)
    assert {"stat", "list"} <= set(answer["capabilities"])
    assert {"read", "write"} <= set(answer["rights"])
    assert len(answer["round_trips"]) == 2
    assert answer["software"].startswith("secftp ")
    assert min(answer["connected"], answer["handshake"], *answer["round_trips"]) > 0


def test_without_a_key_a_server_that_requires_one_is_known_to_be_there(secftp, capfdbinary, monkeypatch):
    """Nothing is asked for, and no guess is charged."""
    monkeypatch.setattr("secftp.client.key.ask", None)
    url = secftp.url()
    for _ in range(30):
        assert main(["ping", url]) == 0
    assert b"is a secftp server, which requires a key." in capfdbinary.readouterr().out
    assert main(["ping", "--json", url]) == 0
    answer = json.loads(capfdbinary.readouterr().out)
    assert (answer["key"], answer["capabilities"], answer["round_trips"]) == ("required", None, [])
    assert main(["ping", "--name", "joe", url]) == 0
    assert main(["ping", "--anonymous", url]) == 7
    capfdbinary.readouterr()
    assert secftp("ping", "//").code == 0


def test_an_anonymous_session_tells_everything(tmp_path, capfdbinary):
    with serving(tmp_path, key=None, anonymous=True) as server:
        assert main(["ping", f"secftp://{place(server)}/"]) == 0
        assert b"anonymous: the server is not authenticated" in capfdbinary.readouterr().out
        assert main(["ping", "--json", "--anonymous", f"secftp://{place(server)}/"]) == 0
        assert json.loads(capfdbinary.readouterr().out)["key"] == "anonymous"


def test_a_wrong_key_is_an_error(secftp, capfdbinary, tmp_path):
    (tmp_path / "other").write_text("another key")
    (tmp_path / "other").chmod(0o600)
    assert main(["ping", "--key-file", str(tmp_path / "other"), secftp.url()]) == 4


def test_where_no_server_is(capfdbinary):
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(DEADLINE)
        port = listener.getsockname()[1]
        assert main(["ping", f"secftp://{HOST}:{port}/", "--timeout", "0.2"]) == 5
    assert main(["ping", f"secftp://{HOST}:{port}/"]) == 3


@pytest.mark.parametrize("text", ["0", "-1", "1001", "x", ""])
def test_a_count_is_a_number(text):
    with pytest.raises(UsageError, match="--count"):
        parse([f"--count={text}", "secftp://host/"])


def test_the_connection_has_a_timeout_of_its_own(monkeypatch, capfdbinary):
    left = []

    def connect_first(_addresses, deadline, *_more, **_settings):
        left.append(deadline - time.monotonic())
        raise AllFailed([])

    monkeypatch.setattr(sys.modules[Network.__module__], "connect_first", connect_first)
    for options in (["--connect-timeout", "7"], ["--connect-timeout", "90"], []):
        assert main(["ping", f"secftp://{HOST}:1/", *options]) == 3
    assert 0 < left[0] <= 7
    assert 60 < left[1] <= 90
    assert 7 < left[2] <= 60


def link_local():
    """A link-local address of this machine with its zone, if there is one."""
    try:
        with open("/proc/net/if_inet6") as table:
            for line in table:
                number, *_, name = line.split()
                if number.startswith("fe80"):
                    return ":".join(number[at : at + 4] for at in range(0, 32, 4)) + f"%{name}"
    except FileNotFoundError:
        pass
    return None


def test_an_address_with_a_zone(tmp_path, capfdbinary):
    found = link_local()
    if found is None:
        pytest.skip("no interface has a link-local address")
    with serving(tmp_path, key=None, anonymous=True, host=found) as server:
        for text in (found, found.replace("%", "%25")):
            assert main(["ping", "--anonymous", f"secftp://[{text}]:{server.port}/"]) == 0


def test_an_address_without_its_zone_is_told(capfdbinary):
    code = main(["ping", "--timeout", "2", "secftp://[fe80::1%nosuch0]/"])
    assert (code, b"network interface" in capfdbinary.readouterr().err) == (3, True)


def test_nothing_of_the_environment_is_left(secftp, monkeypatch):
    monkeypatch.setenv("SECFTP_KEY", "x")
    secftp("ping", "//")
    assert "SECFTP_KEY" not in os.environ
