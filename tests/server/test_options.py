"""Options of the server's command line, parsed without a server."""

from __future__ import annotations

import dataclasses
import re

import pytest

from secftp.errors import ExitCode, UsageError
from secftp.server.config import parse
from secftp.server.options import ServerLimits
from secftp.server.parser import CIPHERS


def test_the_least_that_can_be_said():
    options = parse(["8888"])
    assert vars(options) == {
        "port": 8888,
        "key": None,
        "key_file": None,
        "key_fd": None,
        "keys": None,
        "root": ".",
        "object_times": "own",
        "hosts": [],
        "proxy_from": [],
        "compression": True,
        "congestion": None,
        "ciphers": CIPHERS,
        "read_only": False,
        "no_overwrite": False,
        "mode_mask": 0o777,
        "anonymous": False,
        "anonymous_write": False,
        "limits": ServerLimits(),
        "grace": 5.0,
        "user": None,
        "log_format": "text",
        "log_file": None,
        "log_level": "info",
        "metrics": None,
        "shared": None,
        "shared_password": None,
        "shared_password_file": None,
        "config": None,
        "check_config": False,
    }


def test_everything_that_can_be_said():
    options = parse(
        [
            *(
                "0",
                "secret",
                "--root",
                "/srv",
                "--host",
                "::1",
                "--host",
                "127.0.0.1",
                "--ciphers",
                "aes256,aes128,aes256",
            ),
            *("--read-only", "--no-overwrite", "--max-clients", "7"),
            *("--anonymous", "--anonymous-write"),
        ]
    )
    assert options.port == 0
    assert options.key == "secret"
    assert options.root == "/srv"
    assert options.hosts == ["::1", "127.0.0.1"]
    assert options.ciphers == ("aes256", "aes128")
    assert options.read_only
    assert options.no_overwrite
    assert options.limits.max_clients == 7
    assert options.anonymous
    assert options.anonymous_write


@pytest.mark.parametrize(
    "arguments",
    [
        ["8888", "secret", "--root", "/srv"],
        ["--root", "/srv", "8888", "secret"],
        ["8888", "--root", "/srv", "secret"],
        ["8888", "--root=/srv", "secret"],
        ["8888", "--root", "/srv", "--", "secret"],
    ],
    ids=" ".join,
)
def test_options_stand_before_between_and_after(arguments):
    options = parse(arguments)
    assert (options.port, options.key, options.root) == (8888, "secret", "/srv")


@pytest.mark.parametrize("text", ["", " ", "x", "-1", "65536", "80 ", "8_0", "0x50", "٣", "1e2", "8.0", "9" * 5000])
def test_what_is_no_port(text):
    with pytest.raises(UsageError, match=r"from 0 .* to 65535"):
        parse([text])


@pytest.mark.parametrize(("text", "port"), [("0", 0), ("1", 1), ("65535", 65535), ("00080", 80)])
def test_what_is_a_port(text, port):
    assert parse([text]).port == port


@pytest.mark.parametrize(("text", "mask"), [("750", 0o750), ("0640", 0o640), ("0", 0), ("777", 0o777)])
def test_what_is_a_mode_mask(text, mask):
    assert parse(["1", "--mode-mask", text]).mode_mask == mask


@pytest.mark.parametrize("text", ["", "1777", "4755", "788", "0o750", "-1", "u=rwx", "7_0", "\u0667", "00750"])
def test_what_is_no_mode_mask(text):
    with pytest.raises(UsageError, match=r"an octal number from 0 to 777 is required"):
        parse(["1", f"--mode-mask={text}"])


@pytest.mark.parametrize(
    ("given", "networks"),
    [
        (["--proxy-from", "192.0.2.7"], ["192.0.2.7/32"]),
        (["--proxy-from=10.0.0.0/24", "--proxy-from", "2001:db8::/64"], ["10.0.0.0/24", "2001:db8::/64"]),
        (["--proxy-from", "::ffff:10.0.0.0/104"], ["10.0.0.0/8"]),
        (["--proxy-from", "0.0.0.0/0"], ["0.0.0.0/0"]),
    ],
    ids=str,
)
def test_which_proxies_may_be_listed(given, networks):
    assert [str(network) for network in parse(["1", *given]).proxy_from] == networks


@pytest.mark.parametrize("text", ["", "proxy.example", "10.0.0.1/24", "10.0.0.0/24,::1", "10.1", "::1%lo"])
def test_what_is_no_proxy(text):
    with pytest.raises(UsageError, match=r"an address or a network is required, such as 192\.0\.2\.10 or") as caught:
        parse(["1", f"--proxy-from={text}"])
    assert not text or text not in str(caught.value)


def test_proxies_in_a_configuration_and_others_on_the_command_line(tmp_path):
    config = tmp_path / "server.toml"
    config.write_text('port = 1\nproxy-from = ["10.0.0.0/24", "::1"]\n')
    assert [str(network) for network in parse(["--config", str(config)]).proxy_from] == ["10.0.0.0/24", "::1/128"]
    options = parse(["--config", str(config), "--proxy-from", "192.0.2.7"])
    assert [str(network) for network in options.proxy_from] == ["192.0.2.7/32"]
    config.write_text('port = 1\nproxy-from = "10.0.0.1/24"\n')
    with pytest.raises(UsageError, match=r"server\.toml.*proxy-from: an address or a network is required"):
        parse(["--config", str(config)])


# Each limit with what may stand on a command line, and what that means.
LIMITS = {
    "max_clients": ("7", 7),
    "max_clients_per_source": ("5", 5),
    "max_clients_per_key": ("6", 6),
    "max_anonymous": ("4", 4),
    "streams": ("16", 16),
    "idle": ("120", 120.0),
    "min_rate": ("1k", 1000),
    "limit_rate": ("5MiB", 5 << 20),
    "handshake_seconds": ("2.5", 2.5),
    "max_pending": ("9", 9),
    "max_pending_per_source": ("3", 3),
    "max_waiting": ("10", 10),
    "max_waiting_per_source": ("4", 4),
    "free_guesses": ("0", 0),
    "guess_delay": ("1", 1.0),
    "guess_rate": ("50", 50),
    "max_file_size": ("2GiB", 2 << 30),
    "min_free": ("100M", 100_000_000),
    "min_free_files": ("1000", 1000),
}
# What only programs that embed a server, and tests, have a reason to change.
INTERNAL = {"min_rate_seconds", "waiting_seconds", "guess_burst", "forgiven_seconds"}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_is_an_option(name):
    text, value = LIMITS[name]
    option = "--" + name.replace("_", "-")
    assert parse(["1", option, text]).limits == dataclasses.replace(ServerLimits(), **{name: value})
    assert parse(["1"]).limits == ServerLimits()


ALIASES = {
    "--bandwidth=5M": "--limit-rate=5M",
    "--limit=5M": "--limit-rate=5M",
    "--bwlimit=5M": "--limit-rate=5M",
    "--no-key": "--anonymous",
    "--no-clobber": "--no-overwrite",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_the_same_option_and_not_in_the_help(alias, capsys):
    assert parse(["1", alias]) == parse(["1", ALIASES[alias]]) != parse(["1"])
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert not re.search(re.escape(alias.partition("=")[0]) + r"\b(?!-)", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('limit-rate = "5M"', ["--limit-rate=5M"]),
        ('limit_rate = "5M"', ["--limit-rate=5M"]),
        ('bandwidth = "5M"', ["--limit-rate=5M"]),
        ("no-key = true", ["--anonymous"]),
        ("no_clobber = true", ["--no-overwrite"]),
        ("no-overwrite = false", []),
        ("overwrite = false", ["--no-overwrite"]),
        ("overwrite = true", []),
        ("compression = false", ["--no-compression"]),
        ("compression = true", []),
        ("no_compression = true", ["--no-compression"]),
        ("compression = false\nno-compression = true", None),
        ("max_clients = 7", ["--max-clients=7"]),
        ('mode_mask = "750"', ["--mode-mask=750"]),
        ("check_config = true", None),
        ('"-h" = true', None),
        ('limit-rate = "5M"\nbandwidth = "6M"', None),
        ("max_clients = 7\nmax-clients = 7", None),
    ],
)
def test_a_configuration_knows_the_aliases_and_takes_each_option_once(text, arguments, tmp_path):
    config = tmp_path / "server.toml"
    config.write_text(f"{text}\nport = 1\n")
    if arguments is None:
        with pytest.raises(UsageError, match=r"the same option|no option"):
            parse(["--config", str(config)])
    else:
        assert dataclasses.replace(parse(["--config", str(config)]), config=None) == parse(["1", *arguments])


def test_no_limit_lacks_its_option():
    assert {field.name for field in dataclasses.fields(ServerLimits)} == set(LIMITS) | INTERNAL


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("500", 500),
        ("500B", 500),
        ("20k", 20_000),
        ("20KiB", 20_480),
        ("5M", 5_000_000),
        ("1GiB", 1 << 30),
        ("1t", 10**12),
        ("7TiB", 7 << 40),
    ],
)
def test_what_is_a_size(text, size):
    assert parse(["1", "--min-free", text]).limits.min_free == size


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "k", "1.5.0M", "20kB", "5MB", "1 M", "1ki b", "9" * 400, "10000000TiB", "٣"]
)
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="a size above 0"):
        parse(["1", "--min-free", text])


@pytest.mark.parametrize("text", ["0", "-1", "", "x", "1e5", "inf", "nan", "86401"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError, match="seconds above 0"):
        parse(["1", "--grace", text])


def test_a_session_may_be_silent_for_longer_than_a_sign_of_life_takes():
    with pytest.raises(UsageError, match="every 15"):
        parse(["1", "--idle", "15"])


@pytest.mark.parametrize(
    ("text", "address"),
    [(":9100", ("127.0.0.1", 9100)), ("0.0.0.0:1", ("0.0.0.0", 1)), ("[::1]:9100", ("::1", 9100))],
)
def test_where_metrics_are_served(text, address):
    assert parse(["1", "--metrics", text]).metrics == address


@pytest.mark.parametrize("text", ["", "9100", "host:", "host:x", "host:65536"])
def test_where_metrics_can_not_be_served(text):
    with pytest.raises(UsageError, match="HOST:PORT"):
        parse(["1", "--metrics", text])


@pytest.mark.parametrize(
    ("text", "names"),
    [("none", ("none",)), ("aes128, aes256", ("aes128", "aes256")), ("aes128,aes128", ("aes128",))],
)
def test_what_is_a_list_of_ciphers(text, names):
    assert parse(["1", "--ciphers", text]).ciphers == names


@pytest.mark.parametrize("text", ["", ",", "aes128,", "AES128", "aes192", "aes128;aes256"])
def test_what_is_no_list_of_ciphers(text):
    with pytest.raises(UsageError, match="none, aes128, aes256"):
        parse(["1", "--ciphers", text])


@pytest.mark.parametrize("text", ["0", "-1", "", "many", "1.5", "9" * 5000])
def test_what_is_no_number_of_clients(text):
    with pytest.raises(UsageError):
        parse(["1", "--max-clients", text])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["1", "sesame", "--key-file", "sesame"],
        ["1", "sesame", "sesame"],
        ["1", "--sesame"],
        ["1", "--sesame=sesame"],
        ["1", "--root"],
        ["1", "--read-only=sesame"],
        ["1", "--anonym", "sesame"],
        ["sesame"],
        ["1", "--ciphers", "sesame"],
        ["1", "--max-clients", "sesame"],
        ["1", "--log-format", "sesame"],
        ["1", "--log-level", "sesame"],
        ["1", "--idle", "sesame"],
        ["1", "--metrics", "sesame"],
        ["1", "--key-fd", "sesame"],
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_sentence_that_repeats_nothing(arguments):
    """What was typed may be a key in the wrong place."""
    with pytest.raises(UsageError) as failure:
        parse(arguments)
    problem = failure.value
    assert problem.exit_code is ExitCode.USAGE
    assert re.fullmatch(r"[A-Z-][^\n]*\.", str(problem))
    assert "sesame" not in str(problem) + problem.hint
    assert problem.hint


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_shown_and_end_it(option, capsys):
    with pytest.raises(SystemExit) as end:
        parse([option])
    assert end.value.code == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert re.fullmatch(r"secftp \d+\.\d+\.\d+\n", shown.out) or "usage: secftpd" in shown.out


def test_help_names_every_option_and_every_exit_code_that_the_server_has(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    shown = capsys.readouterr().out
    for name in [*vars(parse(["1"])), *LIMITS]:
        if name == "limits":
            continue
        others = {"port": "port", "key": "key", "hosts": "--host", "compression": "--no-compression"}
        option = others.get(name, "--" + name.replace("_", "-"))
        assert option in shown
    for code in (ExitCode.OK, ExitCode.FAILED, ExitCode.USAGE, ExitCode.KEY, ExitCode.NOT_FOUND, ExitCode.INSTALLATION):
        assert re.search(rf"\b{int(code)} [a-z]", shown)
