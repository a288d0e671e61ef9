"""Restart by a service manager that holds the port: clients that connect during the drain get the new server."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time

import psutil
import pytest

from secftp.protocol import End, Ok, Ping, Write, encode
from tests.server.test_running import _started, activated
from tests.support.serving import DEADLINE, HOST, Hostile, client_command, digest_of, environment, put, session, until

pytestmark = pytest.mark.exhaustive

DRAIN_SECONDS = 20.0


def test_a_drain_of_twenty_seconds_loses_no_client(home, root):
    """The new server starts when the old one is gone, as with systemd; until then nothing answers a handshake."""
    arguments = ["--root", root, "--anonymous-write", "--grace", "60"]
    command = client_command("ls", "--no-key")
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with activated(home, listener, *arguments) as old, Hostile(port, None) as wire:
            _started(old)
            wire.welcome()
            wire.frame(*encode(Write(id=1, path=(b"name",))))
            wire.queue_data(b"before, ")
            wire.flush()
            next(line for line in old.stdout if "requested to write" in line)
            old.send_signal(signal.SIGTERM)
            connections = psutil.Process(old.pid).net_connections
            until(lambda: not [one for one in connections() if one.status == psutil.CONN_LISTEN], "the drain begins")
            began = time.monotonic()
            client = subprocess.Popen(
                [*command, f"secftp://{HOST}:{port}/"],
                env=environment(home),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            program = threading.Thread(target=_put_one, args=(port,))
            program.start()
            until(lambda: time.monotonic() - began >= DRAIN_SECONDS, "the drain is over", deadline=2 * DRAIN_SECONDS)
            wire.queue_data(b"after")
            wire.send(End(size=13, digest=digest_of(b"before, after")))
            answer = wire.receive()
            while isinstance(answer, Ping):
                answer = wire.receive()
            assert answer == Ok(id=1, size=13, digest=digest_of(b"before, after"))
            wire.close()
            assert old.wait(DEADLINE) == 0
        with activated(home, listener, *arguments) as new:
            _started(new)
            output, errors = client.communicate(timeout=DEADLINE)
            program.join(DEADLINE)
    assert (client.returncode, output.split()[:1]) == (0, ["name"]), errors
    assert "Waiting for the server to answer the handshake." in errors
    assert (root / "other").read_bytes() == b"contents"


def _put_one(port):
    with session(port, None, timeout=3 * DRAIN_SECONDS) as client:
        put(client, b"other", b"contents")
