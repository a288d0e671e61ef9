"""`secftp completion`: scripts that complete commands and options, generated from the parsers of the commands.

A script completes from its own word lists: starting Python for each key press would be slow, and asking a server would
need a key. Names of local files are left to the shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.commands import COMMANDS, load
from secftp.client.options import CHECKSUMS, CIPHERS, PROGRESS, CommandParser, one_of
from secftp.command_line import shown_options

if TYPE_CHECKING:
    from secftp.client.terminal import Terminal

SHELLS: Final = ("bash", "zsh", "fish")
# The values of options. Of others a value is a number or a name that only the user knows.
_WORDS: Final = {"--cipher": CIPHERS, "--checksum": CHECKSUMS, "--progress": PROGRESS}
_OPERANDS: Final = {"completion": SHELLS}
_FILE: Final = "FILE"


class CompletionOptions(NamedTuple):
    """For which shell."""

    shell: str


class DescribedOption(NamedTuple):
    """An option of a command: its names, the metavar of its value (None: it takes none), and its help."""

    names: tuple[str, ...]
    value: str | None
    help: str


class DescribedCommand(NamedTuple):
    """A command with the first sentence of its description and its options."""

    name: str
    summary: str
    options: tuple[DescribedOption, ...]


def parser() -> CommandParser:
    """Return the parser of the command line."""
    parser = CommandParser(
        "completion",
        usage=f"{'|'.join(SHELLS)}",
        description="Print a script that lets a shell complete commands and options.",
        epilog="examples:\n"
        '  eval "$(secftp completion bash)"      (in ~/.bashrc)\n'
        '  eval "$(secftp completion zsh)"       (in ~/.zshrc, after compinit)\n'
        "  secftp completion fish > ~/.config/fish/completions/secftp.fish\n",
    )
    parser.add_argument("shell", metavar="SHELL", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    return parser


def parse(arguments: list[str]) -> CompletionOptions:
    """Return the options; raises `UsageError`."""
    values = parser().parse(arguments)
    return CompletionOptions(one_of(SHELLS, values["shell"], "The shell", "For example secftp completion bash."))


def run(options: CompletionOptions, terminal: Terminal) -> None:
    """Print the script for a shell."""
    terminal.print({"bash": bash, "zsh": zsh, "fish": fish}[options.shell](describe_commands()))


def describe_commands() -> list[DescribedCommand]:
    """Return all commands, from their parsers."""
    found = []
    for name in COMMANDS:
        parser = load(name).parser()
        summary = (parser.description or "").partition(". ")[0].removesuffix(".")
        options = (
            DescribedOption(
                tuple(action.option_strings), None if action.nargs == 0 else str(action.metavar), action.help or ""
            )
            for action in shown_options(parser)
        )
        found.append(DescribedCommand(name, summary, tuple(options)))
    return found


def bash(commands: list[DescribedCommand]) -> str:
    """Return the script for bash 3.2 and later. If it has no answer, bash completes file names."""
    lines = [
        "# Completion of secftp for bash.",
        "_secftp() {",
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= words= i",
        "  COMPREPLY=()",
        '  if [[ $cur == "=" ]]; then cur=',
        '  elif [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}',
        "  fi",
        "  for ((i = 1; i < COMP_CWORD; i++)); do",
        "    case ${COMP_WORDS[i]} in",
        f"      {'|'.join(command.name for command in commands)}) command=${{COMP_WORDS[i]}}; break ;;",
        "    esac",
        "  done",
        "  case $prev in",
        *(f"    {name}) words='{' '.join(words)}' ;;" for name, words in _WORDS.items()),
        f"    {'|'.join(_valued(commands))}) return ;;",
        "    *)",
        "      case $command in",
        f"        '') words='{' '.join(command.name for command in commands)} --help --version' ;;",
    ]
    for command in commands:
        operands = " ".join(_OPERANDS.get(command.name, ()))
        lines.append(f"        {command.name}) words='{operands}'; [[ $cur == -* ]] && words='{_names(command)}' ;;")
    lines += [
        "      esac ;;",
        "  esac",
        '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        "}",
        "complete -o default -F _secftp secftp",
    ]
    return "\n".join(lines)


def zsh(commands: list[DescribedCommand]) -> str:
    """Return the script for zsh, to be evaluated or installed as `_secftp` in a directory of `fpath`."""
    lines = [
        "#compdef secftp",
        "_secftp() {",
        "  local command= prev=${words[CURRENT-1]} i",
        "  local -a known",
        "  for ((i = 2; i < CURRENT; i++)); do",
        "    case ${words[i]} in",
        f"      ({'|'.join(command.name for command in commands)}) command=${{words[i]}}; break ;;",
        "    esac",
        "  done",
        "  case $prev in",
        *(f"    ({name}) compadd -- {' '.join(words)}; return ;;" for name, words in _WORDS.items()),
        f"    ({'|'.join(_valued(commands))}) _files; return ;;",
        "  esac",
        "  case $command in",
        f"    ('') known=({' '.join(_quote(f'{command.name}:{command.summary}') for command in commands)})",
        "      _describe command known; return ;;",
    ]
    for command in commands:
        described = (_quote(f"{name}:{option.help}") for option in command.options for name in option.names)
        lines.append(f"    ({command.name}) known=({' '.join(described)})")
        if operands := _OPERANDS.get(command.name):
            lines.append(f"      [[ $PREFIX == -* ]] || {{ compadd -- {' '.join(operands)}; return }}")
        lines.append("      ;;")
    lines += [
        "  esac",
        "  if [[ $PREFIX == -* ]]; then _describe -o option known; else _files; fi",
        "}",
        'if [[ $funcstack[1] == _secftp ]]; then _secftp "$@"; else compdef _secftp secftp; fi',
    ]
    return "\n".join(lines)


def fish(commands: list[DescribedCommand]) -> str:
    """Return the script for fish."""
    lines = ["# Completion of secftp for fish."]
    names = " ".join(command.name for command in commands)
    for command in commands:
        first = f"complete -c secftp -n 'not __fish_seen_subcommand_from {names}'"
        lines.append(f"{first} -f -a {command.name} -d {_quote_fish(command.summary)}")
        chosen = f"complete -c secftp -n '__fish_seen_subcommand_from {command.name}'"
        if operands := _OPERANDS.get(command.name):
            lines.append(f"{chosen} -f -a {_quote_fish(' '.join(operands))}")
        for option in command.options:
            letters = "".join(f" -l {name[2:]}" if name[:2] == "--" else f" -s {name[1:]}" for name in option.names)
            words = next((_WORDS[name] for name in option.names if name in _WORDS), ())
            value = f" -x -a {_quote_fish(' '.join(words))}" if words else ""
            if option.value is not None and not words:
                value = " -r -F" if option.value == _FILE else " -x"
            lines.append(f"{chosen}{letters}{value} -d {_quote_fish(option.help)}")
    return "\n".join(lines)


def _valued(commands: list[DescribedCommand]) -> list[str]:
    """Return the options of all commands whose value is left to the shell."""
    names = {
        name for command in commands for option in command.options if option.value is not None for name in option.names
    }
    return sorted(names - set(_WORDS))


def _names(command: DescribedCommand) -> str:
    return " ".join(name for option in command.options for name in option.names)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _quote_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
