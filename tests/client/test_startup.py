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
# What only a file of hosts needs, and a key that a command prints.
NEVER_FOR_A_URL = {
    "keyring", "subprocess", "tomlkit", "tomllib", "secftp.client.configured", "secftp.hosts.config",
    "secftp.hosts.edit", "secftp.hosts.key_command", "secftp.hosts.trusted", "secftp.hosts.words",
}  # fmt: skip
# Tables of locales, of international names, of Python's own grammar.
NEVER_FOR_A_TRANSFER = NEVER_FOR_A_URL | {
    "ast", "base64", "encodings.idna", "inspect", "locale", "random", "secrets", "stringprep", "tokenize",
    "secftp.exposure", "secftp.keys.create", "secftp.transport.congestion",
}  # fmt: skip
# What lists the directories of a server.
NEVER_FOR_AN_UPLOAD = {"bisect", "heapq", "zlib", "secftp.session.listings", "secftp.transfer.remote_tree"}
# All of secftp that is imported before the key is being stretched, and what others must not be. The rest is imported
# meanwhile, so whatever is added here makes every transfer with the text of a key slower.
BEFORE_THE_KEY = {
    f"secftp.{module}" for module in (
        "_core", "_core.lib", "_version", "client", "client.__main__", "client.key_ahead", "crypto", "crypto.binding",
        "crypto.password", "errors", "keys", "keys.files", "keys.key", "keys.text", "safe_path", "system", "text",
    )
}  # fmt: skip
BEHIND_THE_KEY = {"argparse", "hashlib", "msgspec", "re", "select", "signal", "socket", "threading", "typing"}
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


_ASK_BEFORE_THE_KEY = """
import _thread, atexit, sys
before = set(sys.modules)
from secftp.client.__main__ import main
start, found = _thread.start_new_thread, []
def starting(function, *rest):
    if not found:
        found.append((function.__name__, sorted(set(sys.modules) - before)))
    return start(function, *rest)
_thread.start_new_thread = starting
def tell():
    assert found[0][0] == "_stretch_quietly"
    print(*found[0][1], sep="\\n", file=sys.stderr)
atexit.register(tell)
sys.exit(main())
"""


def loaded(home, *arguments, ask=_ASK, key=SECRET):
    """The exit code of a command, and the modules that it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", ask, *arguments],
        env=environment(home, **({} if key is None else {"SECFTP_KEY": key})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
        check=False,
    )
    modules = set(filter(None, done.stderr.decode().split("\n")))
    assert ask == _ASK_BEFORE_THE_KEY or "secftp.client.commands" in modules
    return done.returncode, modules


def test_a_small_file_loads_nothing_that_it_does_not_need(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "name").write_bytes(bytes(1024))
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        code, modules = loaded(tmp_path, "-q", "read", "name", place(server), "aes128")
        assert (code, modules & (NEVER_FOR_A_FILE | NEVER_FOR_A_TRANSFER | SERVERS)) == (0, set())
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
                *NEVER_FOR_A_TRANSFER,
                *SERVERS,
            },
        ) == (0, set())
        assert "secftp.transfer" in modules
        code, modules = loaded(tmp_path, "put", "-q", f"{tmp_path}/copy", f"secftp://{place(server)}/")
        assert (code, modules & (NEVER_FOR_AN_UPLOAD | NEVER_FOR_A_TRANSFER | SERVERS)) == (0, set())


@pytest.mark.parametrize("source", ["variable", "file"])
def test_the_key_is_stretched_before_anything_else_is_imported(tmp_path, source):
    (tmp_path / "root").mkdir()
    (tmp_path / "key").write_text(SECRET)
    (tmp_path / "key").chmod(0o600)
    given = ["--key-file", str(tmp_path / "key")] if source == "file" else []
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        url = f"secftp://{place(server)}/"
        # Without the modules of the site: some of its hooks load what is to be missing here.
        code, modules = loaded(tmp_path, "ls", *given, url, ask=_ASK_BEFORE_THE_KEY)
    assert (code, modules & BEHIND_THE_KEY) == (0, set())
    assert {module for module in modules if module.startswith("secftp.")} == BEFORE_THE_KEY


def test_with_a_file_of_hosts_its_key_is_stretched_before_the_rest_is_imported(tmp_path):
    """And nothing that only edits the file or runs commands is imported."""
    (tmp_path / "root").mkdir()
    (tmp_path / ".config" / "secftp").mkdir(parents=True)
    file, key = tmp_path / ".config" / "secftp" / "config.toml", tmp_path / ".config" / "secftp" / "nas.key"
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        file.write_text(f'[hosts.nas]\nurl = "secftp://{place(server)}"\nkey-file = "nas.key"\n')
        key.write_text(SECRET)
        for path in (file, key):
            path.chmod(0o600)
        code, modules = loaded(tmp_path, "ls", "nas:", ask=_ASK_BEFORE_THE_KEY, key=None)
        behind = {"argparse", "msgspec", "socket", "secftp.client.options", "secftp.session"}
        assert (code, modules & behind) == (0, set())
        code, modules = loaded(tmp_path, "ls", "nas:", key=None)
    never = {"keyring", "subprocess", "tomlkit", "secftp.hosts.edit", "secftp.hosts.key_command"}
    assert (code, modules & never) == (0, set())


def test_msgspec_finds_typing_extensions_again_after_the_client_has_loaded_it(tmp_path):
    """It is hidden from it for the time of its import alone."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "typing_extensions.py").write_text("mark = 'found'\n")
    text = f"import sys\nsys.path.insert(0, {str(tmp_path / 'hidden')!r})\n{_ASK}".replace(
        "sys.exit(code)",
        "import typing_extensions\nassert typing_extensions.mark == 'found'\nsys.exit(code)",
    )
    code, modules = loaded(tmp_path, "ls", "--anonymous", "secftp://127.0.0.1:1/", ask=text)
    assert (code, "msgspec" in modules, "typing_extensions" in modules) == (3, True, False)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["put", "--help"], ["ls"], ["put", "a", "b"], ["xyzzy"], ["completion", "bash"]]
)
def test_help_and_typing_errors_load_no_core(tmp_path, arguments):
    _, modules = loaded(tmp_path, *arguments)
    assert modules & NEVER_FOR_WORDS == set()
