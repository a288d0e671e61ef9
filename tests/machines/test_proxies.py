"""Servers behind HAProxy that sends PROXY headers; the configuration in docs/operators.md is checked and run."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

import secftp
from secftp.crypto import Suite
from secftp.keys import read_key_file
from secftp.protocol.handshake import ClientHandshake
from tests.machines.processes import program
from tests.support.serving import DEADLINE, HOST, WRONG_KEY, credentials

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "operators.md").read_text()
(CONFIGURATION,) = re.findall(r"```text\n(#.*?)```", GUIDE, re.DOTALL)
CHECKS = 4


def challenge(port, source, key):
    """The answer to a hello from one of loopback's addresses."""
    asked = credentials(key, Suite.AES128)
    handshake = ClientHandshake(asked.password, asked.suite, asked.mode, asked.name)
    with socket.create_connection((HOST, port), timeout=DEADLINE, source_address=(source, 0)) as sock:
        sock.sendall(handshake.hello)
        return sock.recv(141, socket.MSG_WAITALL)


@pytest.fixture
def root(tmp_path):
    directory = tmp_path / "root"
    directory.mkdir()
    return directory


def test_the_configuration_of_the_guide_is_valid(tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION)
    checked = subprocess.run(
        [program("haproxy"), "-c", "-f", file], capture_output=True, text=True, check=False, timeout=DEADLINE
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr + checked.stdout
    idle = 60
    assert all(int(seconds) > idle for seconds in re.findall(r"timeout (?:client|server) (\d+)s", CONFIGURATION))


def test_the_configuration_of_the_guide_works(serve, processes, root, tmp_path):
    servers = [serve(root, "--proxy-from", HOST) for _ in range(2)]
    text = CONFIGURATION
    for address, server in zip(("10.0.0.21:8888", "10.0.0.22:8888"), servers, strict=True):
        text = text.replace(address, f"{HOST}:{server.port}")
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        os.set_inheritable(listener.fileno(), True)
        file = tmp_path / "haproxy.cfg"
        file.write_text(text.replace("bind :8888", f"bind fd@{listener.fileno()}"))
        processes.start("haproxy", program("haproxy"), "-f", file, "-db", pass_fds=[listener.fileno()])
    key_file = servers[0].key_file
    with secftp.connect(f"secftp://{HOST}:{port}", key_file=key_file) as remote:
        remote.write_bytes("name", b"contents")
        assert remote.read_bytes("name") == b"contents"
    # One address is one client, whatever server it would be sent to.
    key = read_key_file(key_file)
    for source in ("127.0.0.5", "127.0.0.6", "127.0.0.5"):
        assert len(challenge(port, source, key)) == 141
    logs = "".join(server.log for server in servers)
    assert logs.count("Client connected: 127.0.0.5 ") == 2
    assert logs.count("Client connected: 127.0.0.6 ") == 1
    assert [server.log.count("Client connected: 127.0.0.5 ") for server in servers] in ([2, 0], [0, 2])


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_a_server_behind_the_balancer_sees_the_clients(serve, haproxy, root, tmp_path, version):
    key_file = tmp_path / "key"  # of a key that can be guessed
    key_file.write_text("a passphrase\n")
    key_file.chmod(0o600)
    server = serve(root, "--proxy-from", HOST, "--free-guesses", "2", key_file=key_file)
    balancer = haproxy([server.port], server=f"check inter 100ms {version}")
    balancer.wait_until_up()
    for number in range(5):
        assert len(challenge(balancer.port, f"127.0.1.{1 + number}", WRONG_KEY)) == 141
    assert "Too many wrong keys" not in server.log
    for _ in range(4):
        assert len(challenge(balancer.port, "127.0.2.1", WRONG_KEY)) == 141
    server.process.wait_for(r"Too many wrong keys from its address: the answer is delayed\. .* 127\.0\.2\.1:\d+\]")
    # Without the balancer the same address has to send a header, and another one must not.
    assert challenge(server.port, HOST, WRONG_KEY) == b""
    server.process.wait_for(r"A connection from a listed proxy is refused: The PROXY header is missing\.")
    assert len(challenge(server.port, "127.0.0.9", WRONG_KEY)) == 141


@pytest.mark.parametrize("check", ["send-proxy-v2", "send-proxy", "", "check-send-proxy send-proxy-v2"])
def test_health_checks_leave_no_line(serve, haproxy, root, check):
    """The third server logs what the others do not: that they were checked, too."""
    listed = ("--proxy-from", HOST)
    texts, events = serve(root, *listed), serve(root, *listed, "--log-format", "json", "--log-level", "info")
    talkative = serve(root, *listed, "--log-level", "debug")
    port = talkative.port
    for server in (texts, events):
        server.process.wait_for(r"Clients need the key.*\n")  # the last line of the start
    before = texts.log, events.log
    balancer = haproxy([texts.port, events.port, port], server=f"check inter 20ms fall 1 rise 1 {check}")
    balancer.wait_until_up()
    if check:  # else it resets the connection before the server can accept it
        talkative.process.wait_for(r"The client disconnected\.", CHECKS)
    assert (texts.log, events.log) == before
