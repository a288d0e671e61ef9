"""The real client with model servers that lack one capability, or all: what can be done is done, the rest is told of.

Such a server closes the session at a request whose type it does not know, or answers `unsupported`; the model also
fails the test if a field leaves that it would ignore. Requests that leave before WELCOME are the reason why the client
has to know what was missing (docs/PROTOCOL.md, section 10.2).
"""

from __future__ import annotations

import base64

import pytest

from secftp.client.__main__ import main
from tests.model.server import ALL, Directory, File, Server
from tests.protocol.test_model_peers import HELLO, LARGE, W, url

pytestmark = pytest.mark.exhaustive

TEXT = b"".join(b"line %d\n" % number for number in range(8000))

VERBS = {
    "ls": lambda s: ["ls", url(s, "d")],
    "ls -R": lambda s: ["ls", "-R", url(s)],
    "ls of several": lambda s: ["ls", url(s, "d"), url(s, "text")],
    "ls -d": lambda s: ["ls", "-d", url(s, "d")],
    "du": lambda s: ["du", url(s)],
    "df": lambda s: ["df", url(s), url(s, "d")],
    "cat": lambda s: ["cat", url(s, "text"), url(s, "large")],
    "stat": lambda s: ["stat", url(s, "large")],
    "sum": lambda s: ["sum", url(s, "large"), url(s, "text")],
    "rm": lambda s: ["rm", url(s, "text")],
    "rm -r": lambda s: ["rm", "-r", url(s, "d")],
    "mkdir": lambda s: ["mkdir", url(s, "new")],
    "mkdir -p": lambda s: ["mkdir", "-p", url(s, "new", "er")],
    "cp": lambda s: ["cp", url(s, "text"), url(s, "other")],
    "cp into": lambda s: ["cp", url(s, "text"), url(s, "d")],
    "cp -r": lambda s: ["cp", "-r", url(s, "d"), url(s, "e")],
    "mv": lambda s: ["mv", url(s, "text"), url(s, "other")],
    "sync": lambda s: ["sync", "--delete", "tree/", url(s, "d")],
    "sync to here": lambda s: ["sync", "--delete", url(s, "d") + "/", "tree"],
    "verify": lambda s: ["verify", "tree", url(s, "d")],
    "put": lambda s: ["put", "large", url(s)],
    "put to a name": lambda s: ["put", "small", url(s, "name")],
    "put of a tree": lambda s: ["put", "tree", url(s)],
    "put of a tree, no times": lambda s: ["put", "--no-preserve", "tree", url(s)],
    "put into a new directory": lambda s: ["put", "small", url(s, "new") + "/"],
    "put -u": lambda s: ["put", "-u", "tree", url(s)],
    "put -n": lambda s: ["put", "-n", "tree", url(s)],
    "put -z": lambda s: ["put", "-z", "tree", "text", url(s)],
    "put --resume": lambda s: ["put", "--resume", "large", url(s, "kept")],
    "put --streams": lambda s: ["put", "--streams", "3", "large", url(s)],
    "put --dry-run": lambda s: ["put", "--dry-run", "tree", url(s)],
    "get": lambda s: ["get", url(s, "large")],
    "get of a tree": lambda s: ["get", url(s, "d")],
    "get -u": lambda s: ["get", "-u", url(s, "d")],
    "get -z": lambda s: ["get", "-z", url(s, "text"), url(s, "d")],
    "get --resume": lambda s: ["get", "--resume", url(s, "large"), "began"],
    "get --streams": lambda s: ["get", "--streams", "3", url(s, "large")],
    "get --dry-run": lambda s: ["get", "--dry-run", url(s, "d")],
}


@pytest.fixture
def here(monkeypatch, tmp_path):
    """A directory with something to send, and the client's environment."""
    for name, data in {"large": LARGE, "small": HELLO, "text": TEXT, "tree/a": HELLO, "tree/b/c": HELLO}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "key").write_bytes(b"secftp-key-1 " + base64.b64encode(W.to_bytes(32, "big")) + b"\n")  # not stretched
    (tmp_path / "key").chmod(0o600)
    monkeypatch.delenv("SECFTP_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("unsupported", [False, True], ids=["closes", "unsupported"])
@pytest.mark.parametrize("verb", VERBS)
def test_what_a_server_lacks_is_told_in_a_sentence(here, capfd, verb, unsupported):
    for missing in [*((each,) for each in ALL), ALL]:
        had = tuple(each for each in ALL if each not in missing)
        if "uploads" in had and not {"stat", "sum", "resume"} <= set(had):
            had = tuple(each for each in had if each != "uploads")  # it names these, too
        with Server(W, capabilities=had) as server:
            server.unsupported = unsupported
            server.tree.nodes |= {(b"large",): File(LARGE), (b"text",): File(TEXT), (b"d",): Directory()}
            server.tree.nodes |= {(b"d", b"a"): File(HELLO), (b"d", b"b"): Directory(), (b"d", b"b", b"c"): File(HELLO)}
            server.tree.partials[b"kept",] = LARGE[: 1 << 19]
            code = main([*VERBS[verb](server), "--cipher", "none", "--key-file", "key"])
        _, errors = capfd.readouterr()
        assert "Traceback" not in errors, (missing, errors)
        told = "the server can't" in errors or "the server does not support this" in errors
        assert code in (0, 1, 15), (missing, code, errors)
        assert told == (code != 0), (missing, code, errors)
        rest = "Nothing" if verb in ("ls of several", "df") else "Everything"  # of two names, neither has worked
        assert code != 1 or f"hint: {rest} else was done." in errors, (missing, errors)
