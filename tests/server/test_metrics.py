"""Metrics: counters, their names, and the port where Prometheus reads them."""

from __future__ import annotations

import re
import sys
import urllib.request
from pathlib import Path

import pytest

from secftp.errors import AuthenticationError, ExitCode, InstallationError, NotFound, UsageError
from secftp.protocol import ErrorCode
from secftp.server.log_format import Operation
from secftp.server.metrics import Metrics, serve_metrics
from tests.support.serving import HOST, WRONG_KEY, get, put, server_process, session

RULES = Path(__file__).resolve().parents[2] / "contrib" / "prometheus" / "secftp.rules.yml"
RESULTS = {"ok", "wrong_key", "left", "timeout", "protocol", "internal", "busy"}
RESULTS |= {"version", "suite", "mode", "stopping", "revoked", "proxy_header", "probe"}
LIMITS = {
    *("pending", "source", "waiting", "handshake", "guesses", "all_guesses", "clients", "threads", "descriptors"),
    *("clients_per_source", "clients_per_key", "anonymous", "streams"),
    *("idle", "min_rate", "bandwidth", "max_file_size", "min_free", "min_free_files", "min_free_unknown"),
    *("log", "session_log", "proxy_header", "shared_guesses"),
}


def shown(metrics):
    from prometheus_client import generate_latest

    return generate_latest(metrics.registry).decode()


def names_of(text):
    return set(re.findall(r"^(secftp_\w+?)(?:\{[^}]*\})? ", text, re.MULTILINE))


def test_what_happens_is_counted():
    metrics = Metrics()
    metrics.session(1)
    metrics.session(1)
    metrics.session(-1)
    metrics.handshake("ok")
    metrics.limit("pending")
    metrics.operation(Operation("write", (b"secret name",), "ok", 0.5, 1000), "aes256")
    metrics.operation(Operation("read", (b"x",), "not_found", 0.002), "none")
    metrics.operation(Operation("read", (b"x",), "cancelled", 2.0, 10), "none")
    metrics.operation(Operation("list", (b"x",), "ok", 2.0), "none")
    text = shown(metrics)
    for line in (
        "secftp_sessions 1.0",
        'secftp_handshakes_total{result="ok"} 1.0',
        'secftp_limits_total{limit="pending"} 1.0',
        'secftp_operations_total{operation="write",result="ok"} 1.0',
        'secftp_operations_total{operation="read",result="not_found"} 1.0',
        'secftp_bytes_total{cipher="aes256",direction="in"} 1000.0',
        'secftp_bytes_total{cipher="none",direction="out"} 10.0',
        'secftp_files_total{cipher="aes256",direction="in"} 1.0',
        'secftp_operation_seconds_bucket{le="0.01",operation="read"} 1.0',
        'secftp_operation_seconds_count{operation="list"} 1.0',
    ):
        assert line in text.splitlines(), text
    assert 'secftp_files_total{cipher="none",direction="out"}' not in text, "a file that was broken off is none"
    assert "secret" not in text


def test_the_alert_rules_use_names_and_labels_that_there_are():
    metrics = Metrics()
    metrics.handshake("ok")
    metrics.limit("pending")
    metrics.operation(Operation("write", (), "ok", 0.0), "none")
    known = names_of(shown(metrics))
    text = RULES.read_text()
    used = set(re.findall(r"\bsecftp_\w+", text))
    assert len(used) >= 3
    assert used <= known
    labels = re.findall(r'(secftp_\w+)\{(\w+)=~?"([^"]*)"\}', text)
    allowed = {"limit": LIMITS, "result": RESULTS | {str(code) for code in ErrorCode}}
    assert len(labels) >= 5
    for _, label, values in labels:
        assert set(values.split("|")) <= allowed[label], values


def test_limits_and_results_are_the_ones_in_the_source():
    """The lists above, which the rules are held to, are the product's."""
    server = Path(sys.modules["secftp.server.metrics"].__file__).parent
    sources = "".join(path.read_text() for path in server.rglob("*.py"))
    limits = set(re.findall(r'(?:\b(?:limit|_tell)\(|SlotLimit\.\w+: \()\s*"(\w+)",', sources))
    assert limits == LIMITS
    left = set(re.findall(r'_drop\(\w+, "(\w+)"', sources)) | set(re.findall(r'handshake\("(\w+)"\)', sources))
    assert len(left) > 5
    assert left | {"wrong_key"} <= RESULTS


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(InstallationError, match="prometheus_client") as failure, serve_metrics(HOST, 0):
        pass
    assert "secftp[metrics]" in failure.value.hint


def test_an_address_that_is_taken_is_a_mistake_in_usage():
    with serve_metrics(HOST, 0) as metrics:
        with pytest.raises(UsageError, match="already in use") as failure, serve_metrics(HOST, metrics.port):
            pass
        assert failure.value.hint


def test_prometheus_reads_it_over_http(tmp_path):
    (tmp_path / "root").mkdir()
    with server_process(
        tmp_path, "0", "--host", HOST, "--root", tmp_path / "root", "--anonymous-write", "--metrics", ":0"
    ) as server:
        port = server.log.wait_for(r"Metrics @ 127\.0\.0\.1 on port (\d+)$")[1]
        with session(server.port, None) as client:
            put(client, b"name", b"contents")
            assert get(client, b"name") == b"contents"
            with pytest.raises(NotFound):
                get(client, b"none")
        with pytest.raises(AuthenticationError):
            session(server.port, WRONG_KEY)
        server.log.wait_for(r"^!! [0-9:]{8}: Done\.", 2)
        with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        for line in (
            "secftp_sessions 0.0",
            'secftp_handshakes_total{result="ok"} 1.0',
            'secftp_handshakes_total{result="wrong_key"} 1.0',
            'secftp_bytes_total{cipher="aes128",direction="in"} 8.0',
            'secftp_bytes_total{cipher="aes128",direction="out"} 8.0',
            'secftp_operations_total{operation="read",result="not_found"} 1.0',
        ):
            assert line in text.splitlines(), text
        server.signal(15)
        assert server.wait() == ExitCode.OK
        assert server.errors.text == ""
