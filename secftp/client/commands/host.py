"""`secftp host`: the names for servers in the user's file of hosts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secftp.client.options import CommandParser, add_connection_options, split_command
from secftp.command_line import closest
from secftp.errors import NotFound, UsageError
from secftp.text import from_locale

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal
    from secftp.hosts.config import Host
    from secftp.json_lines import Value

ACTIONS: Final = ("add", "list", "test", "remove")
_OPERANDS: Final = {"add": 2, "list": 0, "test": 1, "remove": 1}
# What an entry can have, by the option's name in the parsed values.
_FIELDS: Final = {
    "key_file": "key-file",
    "key_command": "key-command",
    "keyring": "keyring",
    "cipher": "cipher",
    "name": "name",
    "limit_rate": "limit-rate",
    "streams": "streams",
    "retries": "retries",
    "connect_timeout": "connect-timeout",
    "timeout": "timeout",
}
_SOURCES: Final = ("key-file", "key-command", "keyring")
_NOT_FOR_TEST: Final = ("keyring", "limit_rate", "streams", "retries")


class HostOptions(NamedTuple):
    """What to do with which entry. `fields`: what `add` sets; `ping`: the command line of `test`."""

    action: str
    operands: tuple[str, ...]
    fields: tuple[tuple[str, Any], ...]
    ping: tuple[str, ...]
    json: bool
    quiet: bool

    def __repr__(self) -> str:
        return "<host options>"  # without the arguments of a key command, which may be secret


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "host",
        usage="[options] add NAME URL | list | test NAME | remove NAME",
        description="Manage the file of hosts: names for servers, with URLs, keys and options.",
        epilog="NAME: then stands for what is beneath the URL, in every command. The file is\n"
        "~/.config/secftp/config.toml, or what SECFTP_CONFIG names. add sets the URL and\n"
        "the options that are given, also of an entry that exists; test does what\n"
        "secftp ping NAME: does. With --json, list prints an object for each entry:\n"
        "name, url, key (file, command, keyring or null), key_file, and its options.\n\n"
        "examples:\n"
        "  secftp host add --key-file ~/nas.key nas secftp://nas.example:9000/backup\n"
        "  secftp host add --key-command 'pass show nas' nas secftp://nas.example/\n"
        "  secftp host test nas\n"
        "  secftp put photos nas:\n",
    )
    parser.add_argument("action", metavar="ACTION", help="add, list, test or remove")
    parser.add_argument("operands", nargs="*", metavar="NAME", help="the name of the entry; for add, the URL after it")
    parser.add_argument("--keyring", metavar="USER", help="the key is in the keyring: service secftp, this user")
    parser.add_argument("--limit-rate", metavar="RATE", help="bytes of file data a second, as of get and put")
    parser.add_argument("--streams", metavar="N", help="connections for a large file, as of get and put")
    parser.add_argument("--retries", metavar="N", help="connect again up to N times, as of get and put")
    parser.add_argument("--json", action="store_true", help="list, test: print JSON")
    add_connection_options(parser)
    return parser


def parse(arguments: list[str]) -> HostOptions:
    """Return the options; raises `UsageError`."""
    values = parser().parse(arguments)
    action, operands = values["action"], tuple(map(from_locale, values["operands"]))
    if action not in ACTIONS:
        similar = closest(action, ACTIONS)
        hint = f"Did you mean {similar}?" if similar else "See secftp host --help."
        raise UsageError(f"The action must be {', '.join(ACTIONS[:-1])} or {ACTIONS[-1]}.", hint=hint)
    if len(operands) != _OPERANDS[action]:
        missing = len(operands) < _OPERANDS[action]
        raise UsageError(
            "Required arguments are missing." if missing else "Too many arguments.", hint="See secftp host --help."
        )
    given = [name for name, value in values.items() if name in _ALL_OPTIONS and value not in (None, False)]
    allowed = {"add": tuple(_FIELDS), "test": tuple(name for name in _ALL_OPTIONS if name not in _NOT_FOR_TEST)}
    if wrong := [name for name in given if name not in allowed.get(action, ())]:
        raise UsageError(f"--{wrong[0].replace('_', '-')} has no meaning for {action}.", hint="Leave it out.")
    fields = _fields(values, operands) if action == "add" else ()
    ping = _ping(values, given, operands) if action == "test" else ()
    return HostOptions(action, operands, fields, ping, values["json"], values["quiet"])


_ALL_OPTIONS: Final = (*_FIELDS, "key_fd", "anonymous")


def _fields(values: dict[str, Any], operands: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    """Return what `add` sets: the URL, what was given, and None for the sources of the key that were not."""
    fields: dict[str, Any] = {"url": operands[1]}
    for option, field in _FIELDS.items():
        if (value := values[option]) is not None:
            # In the file, a relative path would start at the file.
            fields[field] = from_locale(os.path.abspath(value) if option == "key_file" else value)
    if "key-command" in fields:
        fields["key-command"] = list(map(from_locale, split_command(values["key_command"])))
    for field in ("streams", "retries", "connect-timeout", "timeout"):
        if fields.get(field, "").isdecimal() and fields[field].isascii():
            fields[field] = int(fields[field])
    sources = [field for field in _SOURCES if field in fields]
    if len(sources) > 1:
        raise UsageError(f"--{sources[0]} and --{sources[1]} are mutually exclusive.", hint="Leave out one of them.")
    if sources:
        fields |= {field: None for field in _SOURCES if field not in fields}
    return tuple(fields.items())


def _ping(values: dict[str, Any], given: list[str], operands: tuple[str, ...]) -> tuple[str, ...]:
    words = [f"--{name.replace('_', '-')}" + ("" if name == "anonymous" else f"={values[name]}") for name in given]
    words += ["--json"] * values["json"] + ["--quiet"] * values["quiet"]
    return (*words, "--", f"{operands[0]}:")


def run(options: HostOptions, terminal: Terminal) -> None:
    """Do it. Raises `UsageError`, `FileError` and `InstallationError`, and for `test` what ping raises."""
    from secftp.hosts import config_path
    from secftp.text import show_local

    terminal.quiet = options.quiet
    path = config_path(os.environ)
    if path is None:
        raise UsageError("This user has no home directory.", hint="Name the file in SECFTP_CONFIG.")
    if options.action == "list":
        _list(options, _hosts(path), terminal)
    elif options.action == "test":
        _test(options, _hosts(path), terminal)
    else:
        from secftp.hosts.edit import remove_host, set_host

        name, shown = options.operands[0], show_local(path)
        if options.action == "add":
            existed, changed = set_host(path, name, dict(options.fields))
            done = "{} is unchanged in" if not changed else "Changed {} in" if existed else "Added {} to"
        else:
            existed, _ = remove_host(path, name)
            done = "Removed {} from" if existed else "There was no host {} in"
        terminal.say(f"{done.format(_shown_name(name))} {shown}.")


def _shown_name(name: str) -> str:
    from secftp.text import escape

    return escape(name)


def _hosts(path: str) -> dict[str, Host]:
    """Return the entries; none if there is no file, even if it is named."""
    from secftp.hosts.config import read_config

    return dict(read_config(path).hosts) if os.path.lexists(path) else {}


def _test(options: HostOptions, hosts: dict[str, Host], terminal: Terminal) -> None:
    from secftp.client.commands import ping

    if options.operands[0] not in hosts:
        similar = closest(options.operands[0], hosts)
        hint = f"Did you mean {similar}?" if similar else "See secftp host list."
        raise NotFound("There is no such host in the file of hosts.", hint=hint)
    ping.run(ping.parse(list(options.ping)), terminal)


def _list(options: HostOptions, hosts: dict[str, Host], terminal: Terminal) -> None:
    from secftp.text import escape
    from secftp.url import format_url

    if options.json:
        from secftp.client.terminal import print_output
        from secftp.json_lines import line

        print_output("".join(line(_object(host)) for host in hosts.values()))
        return
    urls = {name: format_url(host.url) for name, host in hosts.items()}
    columns = max(map(len, urls), default=0), max(map(len, urls.values()), default=0)
    for name, host in hosts.items():
        more = [_key_words(host), *(f"{option}={escape(value)}" for option, value in host.options.items())]
        row = f"{name:{columns[0]}}  {urls[name]:{columns[1]}}  {' '.join(filter(None, more))}"
        terminal.print(row.rstrip())
    if not hosts:
        terminal.say("There are no hosts yet. Add one: secftp host add NAME URL")


def _key_words(host: Host) -> str:
    """Return where the key is; of a command the program alone, whose arguments may be secret."""
    from secftp.text import escape, show_local

    key = host.key
    if key is None:
        return ""
    if key.file is not None:
        return f"key-file={show_local(key.file)}"
    return (
        f"key-command={show_local(key.command[0])}"
        if key.command is not None
        else f"keyring={escape(key.keyring or '')}"
    )


def _object(host: Host) -> dict[str, Value]:
    from secftp.text import show_local
    from secftp.url import format_url

    key = host.key
    kind = None
    if key is not None:
        kind = "file" if key.file is not None else "command" if key.command is not None else "keyring"
    return {
        "name": host.name,
        "url": format_url(host.url),
        "key": kind,
        "key_file": None if key is None or key.file is None else show_local(key.file),
        **{
            field.replace("-", "_"): host.options.get(field)
            for field in _FIELDS.values()
            if field not in _SOURCES and field != "name"
        },
        "key_name": host.url.name or host.options.get("name") or None,
    }
