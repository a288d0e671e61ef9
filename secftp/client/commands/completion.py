"""`secftp completion`: scripts that complete commands, options and names at servers (`secftp.client.completion`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.options import CommandParser, one_of
from secftp.errors import UsageError

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal

SHELLS: Final = ("bash", "zsh", "fish")


class CompletionOptions(NamedTuple):
    """For which shell, and of which program. `words`: what the script of the shell asks about, None if it does not."""

    shell: str
    server: bool = False
    words: tuple[str, ...] | None = None


def parser() -> CommandParser:
    """Return the parser of the command line."""
    import argparse

    parser = CommandParser(
        "completion",
        usage=f"[options] {'|'.join(SHELLS)}",
        description="Print a script that lets a shell complete commands, options and remote names.",
        epilog="Remote names are asked for where the key needs no question, that is in a file or\n"
        "in SECFTP_KEY: never by a prompt, by a key command or in a keyring. A listing is\n"
        "kept for ten seconds. Hosts of the user's file are completed, too.\n\n"
        "examples:\n"
        '  eval "$(secftp completion bash)"      (in ~/.bashrc)\n'
        '  eval "$(secftp completion zsh)"       (in ~/.zshrc, after compinit)\n'
        "  secftp completion fish > ~/.config/fish/completions/secftp.fish\n"
        "  secftp completion --server fish > ~/.config/fish/completions/secftpd.fish\n",
    )
    parser.add_argument("shell", metavar="SHELL", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument(
        "--server", action="store_true", help="for secftpd; bash and zsh load that by themselves when it is needed"
    )
    parser.add_argument("--remote", action="store_true", help=argparse.SUPPRESS)
    return parser


def parse(arguments: list[str]) -> CompletionOptions:
    """Return the options; raises `UsageError`."""
    values = parser().parse(arguments)
    if values["words"] and not values["remote"]:
        raise UsageError("Too many arguments.", hint="For example secftp completion bash.")
    shell = one_of(SHELLS, values["shell"], "The shell", "For example secftp completion bash.")
    return CompletionOptions(shell, values["server"], tuple(values["words"]) if values["remote"] else None)


def run(options: CompletionOptions, terminal: Terminal) -> None:
    """Print the script for a shell, or the words that it asks for."""
    if options.words is not None:
        from secftp.client.completion.remote import answer
        from secftp.client.terminal import print_bytes

        print_bytes(answer(options.shell, options.words))
        return
    from secftp.client.completion import scripts
    from secftp.client.completion.described import describe, describe_commands

    if options.server:
        from secftp.server.parser import make_parser

        of_server = {"bash": scripts.bash_server, "zsh": scripts.zsh_server, "fish": scripts.fish_server}
        terminal.print(of_server[options.shell](describe("secftpd", make_parser())))
    else:
        of_client = {"bash": scripts.bash, "zsh": scripts.zsh, "fish": scripts.fish}
        terminal.print(of_client[options.shell](describe_commands()))
