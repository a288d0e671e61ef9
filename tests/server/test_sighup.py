"""SIGHUP: what a reload reads, applies and logs, and when it terminates the server instead."""

from __future__ import annotations

import os
import pty
import signal

import pytest

from secftp.crypto import Suite
from secftp.errors import AuthenticationError, ExitCode, Forbidden, HandshakeRefused
from secftp.keys import read_key_file, write_key_file
from tests.support.serving import HOST, environment, get, put, server_command, server_process, session, until

SECRET = "correct horse battery staple"


@pytest.fixture
def key(home):
    write_key_file(home / "key")
    return read_key_file(home / "key")


def write(path, text, mode=0o600):
    path.unlink(missing_ok=True)
    path.touch(mode)
    path.write_text(text)


def serve(home, root, *arguments, **environment):
    return server_process(home, "0", "--host", HOST, "--root", root, *arguments, **environment)


def serve_config(home, config):
    return server_process(home, "0", "--host", HOST, "--config", config)


def reload_lines(server, before):
    """What the log says of a reload after `before`, without the stamps."""
    text = server.log.text[len(before) :]
    lines = [line.partition(": ")[2] for line in text.splitlines()]
    return [line for line in lines if not line.startswith("Done.")]  # of a session, whose end may come late


def test_a_reload_puts_the_rules_of_the_configuration_in_force_and_says_so(home, root, key):
    config = home / "server.toml"
    write(config, f'root = "{root}"\nkey-file = "key"\n')
    with serve_config(home, config) as server:
        with session(server.port, key) as client:
            put(client, b"name", b"contents")
        before = server.log.text
        write(
            config,
            f'root = "{root}"\nkey-file = "key"\nread-only = true\nciphers = ["aes256"]\nmax-clients = 7\ngrace = 9\n',
        )
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"Changed, but a restart is required: .*\.$")
        assert reload_lines(server, before)[-5:] == [
            "The keys were reloaded.",
            "Clients need the key (hidden). They may only read.",
            "The configuration was reloaded.",
            "In effect for new sessions: ciphers, read-only.",
            "Changed, but a restart is required: grace, max-clients.",
        ]
        with session(server.port, key, Suite.AES256) as client:
            assert get(client, b"name") == b"contents"
            with pytest.raises(Forbidden):
                put(client, b"other", b"contents")
        with pytest.raises(HandshakeRefused):
            session(server.port, key, Suite.AES128)
        # What needs a restart is said again, what is in force is not.
        before = server.log.text
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"Changed, but a restart is required: .*\.$", 2)
        assert not any("In effect" in line for line in reload_lines(server, before))


@pytest.mark.parametrize("broken", ['port = "x"', "[", 'key = "x"', "nonsense = 1", None])
def test_a_configuration_that_can_not_be_used_changes_nothing(home, root, key, broken):
    config = home / "server.toml"
    write(config, f'root = "{root}"\nkey-file = "key"\n')
    with serve_config(home, config) as server:
        assert server.port
        if broken is None:
            config.chmod(0o666)
        else:
            write(config, f'root = "{root}"\nkey-file = "key"\nread-only = true\n{broken}\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"Nothing was reloaded: The configuration .*\.$")
        with session(server.port, key) as client:
            put(client, b"name", b"contents")


def test_rules_and_keys_change_together_or_not_at_all(home, root, key):
    config = home / "server.toml"
    write(config, f'root = "{root}"\nkey-file = "key"\n')
    with serve_config(home, config) as server:
        assert server.port
        write(config, f'root = "{root}"\nkey-file = "missing"\nread-only = true\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The keys were not changed: The key file .*missing.*\.$")
        with session(server.port, key) as client:
            put(client, b"name", b"contents")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('key-file = "{root}/key"', "Nothing was reloaded: The key file"),
        ('key-file = "key"\nkeys = "keys.toml"', "The keys were not changed: The key file"),
    ],
    ids=["configuration", "keys"],
)
def test_what_lies_beneath_the_root_is_asked_of_the_root_that_is_served(home, root, key, line, told):
    """The configuration may name another root already, which needs a restart."""
    config = home / "server.toml"
    write(config, f'root = "{root}"\nkey-file = "key"\n')
    write(home / "keys.toml", f'[named]\nkey-file = "{root}/key"\nrights = ["read", "list"]\n')
    write_key_file(root / "key")
    with serve_config(home, config) as server:
        assert server.port
        (home.parent / "elsewhere").mkdir()
        write(config, f'root = "{home.parent}/elsewhere"\n{line.format(root=root)}\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(rf"{told} .*is below the served .*\.$")
        with session(server.port, key) as client:
            put(client, b"name", b"contents")


def test_a_key_that_came_from_no_file_stays_and_the_log_says_why(home, root):
    for arguments, more, told in (
        ([SECRET], {}, "it was given on the command line"),
        ([], {"SECFTP_KEY": SECRET}, "it came from SECFTP_KEY"),
        ([], {}, "it is the server's own"),
    ):
        with serve(home, root, *arguments, **more) as server:
            assert server.port
            server.signal(signal.SIGHUP)
            server.log.wait_for(rf"The default key was not reloaded: {told}\.$")
            assert "The keys were reloaded" not in server.log.text
            assert SECRET not in server.log.text + server.errors.text


@pytest.mark.parametrize("line", ['key-file = "key"', 'keys = "keys.toml"', "anonymous = true"])
def test_the_servers_own_key_ends_where_the_configuration_names_another_way_in(home, root, key, line):
    """As after a restart: an operator who names a key takes back the one that was made before."""
    config = home / "server.toml"
    write(home / "keys.toml", '[named]\nkey-file = "key"\nrights = ["read", "list"]\n')
    write(config, f'root = "{root}"\n')
    with serve_config(home, config) as server:
        assert server.port
        own = read_key_file(home / "state" / "secftp" / "server.key")
        session(server.port, own).close()
        write(config, f'root = "{root}"\n{line}\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"In effect for new sessions: .*\.$")
        assert "the server's own" not in server.log.text
        with pytest.raises((AuthenticationError, HandshakeRefused)):
            session(server.port, own)
        if line.startswith("key-file"):
            session(server.port, key).close()
        # Where no way in is named any more it is the own key again, and not a new one.
        write(config, f'root = "{root}"\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The default key was not reloaded: it is the server's own\.$")
        session(server.port, own).close()


def test_the_log_goes_on_in_the_file_that_is_open_whatever_a_reload_brings(home, root, key):
    config, first, second = home / "server.toml", home / "first.log", home / "second.log"
    start = f'root = "{root}"\nkey-file = "key"\n'
    write(config, f'{start}log-file = "first.log"\nhost = "{HOST}"\n')

    def reload(server, text, path, told):
        """Write a configuration, move the log away as logrotate does, and wait for a line in the new file."""
        write(config, text)
        if path.exists():
            path.rename(home / "rotated")
        server.signal(signal.SIGHUP)
        until(lambda: path.exists() and told in path.read_text(), f"the log says {told!r}")
        return path.read_text()

    with server_process(home, "0", "--config", config) as server:
        until(lambda: first.exists() and "Serving" in first.read_text(), "it listens")
        # Another file of keys can't be read: the log is in the new file by now, and stays there after the next failure.
        reload(server, f'{start}keys = "missing"\nlog-file = "second.log"\n', second, "The keys were not changed")
        reload(server, "[", second, "Nothing was reloaded")
        # None is named, which needs a restart: said at each reload, and the file is opened again nevertheless.
        for _ in range(2):
            text = reload(server, f'{start}host = "127.0.0.2"\n', second, "a restart is required: host, log-file.")
            assert "In effect" not in text
        # One that can't be opened is not in force either.
        text = reload(server, f'{start}log-file = "missing/log"\n', second, "a restart is required: host, log-file.")
        assert "The log file was not changed" in text
        reload(server, f'{start}log-file = "first.log"\n', first, "In effect for new sessions: log-file.")


def test_a_credential_is_told_to_be_systemds_copy(home, root, tmp_path):
    write(tmp_path / "secftp.key", SECRET + "\n", 0o400)
    with serve(home, root, CREDENTIALS_DIRECTORY=str(tmp_path)) as server:
        assert server.port
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"not reloaded: it is a credential, which systemd copies when the service starts\.$")


def test_no_key_is_made_by_a_reload(home, root, key):
    """A configuration that no longer names a key is a mistake, not a wish for a new key."""
    config = home / "server.toml"
    write(config, f'root = "{root}"\nkey-file = "key"\n')
    with serve_config(home, config) as server:
        assert server.port
        write(config, f'root = "{root}"\n')
        server.signal(signal.SIGHUP)
        server.log.wait_for(r"The keys were not changed: .* no longer names a key\.$")
        with session(server.port, key) as client:
            put(client, b"name", b"contents")
    assert not (home / "state").exists()


@pytest.mark.parametrize("ignored", [False, True], ids=["terminal", "nohup"])
def test_a_closed_terminal_ends_a_server_that_was_started_from_it(home, root, key, ignored):
    pid, terminal = pty.fork()
    if pid == 0:  # the child: its controlling terminal is the other end
        try:
            os.chdir(home)
            if ignored:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            command = server_command(
                "0", "--host", HOST, "--root", root, "--key-file", home / "key", "--log-file", home / "log"
            )
            os.execve(command[0], command, environment(home))
        finally:
            os._exit(99)
    try:
        until(lambda: (home / "log").exists() and "Serving" in (home / "log").read_text(), "it listens")
        os.close(terminal)
        if ignored:
            until(lambda: "The keys were reloaded." in (home / "log").read_text(), "it reloads")
            os.kill(pid, signal.SIGTERM)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == (ExitCode.OK if ignored else ExitCode.HUNG_UP)
        assert "Stopped." in (home / "log").read_text()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
