"""`secftp completion`: scripts that complete commands and options, made from the very parsers of the verbs.

A script asks nobody while it completes: starting Python for each press of a key would be slow, and a question to a
server would need a key. So it knows words, and leaves the names of local files to the shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from secftp.client.common import CHECKSUMS, CIPHERS
from secftp.client.copy_options import PROGRESS
from secftp.client.remote_options import SHELLS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from secftp.client.remote_options import CompletionOptions
    from secftp.client.terminal import Terminal

# What may follow an option; of those that are not here, a number or a name that nobody can know.
_WORDS: Final = {"--cipher": CIPHERS, "--checksum": CHECKSUMS, "--progress": PROGRESS}
_OPERANDS: Final = {"completion": SHELLS}
_FILE: Final = "FILE"


class Option(NamedTuple):
    """An option of a verb: its names, the metavar of its value (None: it has none), and its help."""

    names: tuple[str, ...]
    value: str | None
    help: str


class Command(NamedTuple):
    """A verb with its first sentence and its options."""

    name: str
    summary: str
    options: tuple[Option, ...]


def run_completion(options: CompletionOptions, terminal: Terminal) -> None:
    """Print the script for a shell."""
    terminal.print({"bash": bash, "zsh": zsh, "fish": fish}[options.shell](commands()))


def commands() -> list[Command]:
    """All verbs, from their parsers."""
    from secftp.client.verbs import VERBS

    found = []
    for name, verb in VERBS.items():
        parser = verb.parser()
        summary = (parser.description or "").partition(". ")[0].removesuffix(".")
        found.append(Command(name, summary, tuple(_options(parser))))
    return found


def _options(parser: argparse.ArgumentParser) -> Iterable[Option]:
    for action in parser._actions:  # noqa: SLF001 - the only list of them, and argparse has kept it since ever
        if action.option_strings:
            value = None if action.nargs == 0 else str(action.metavar)
            yield Option(tuple(action.option_strings), value, action.help or "")


def bash(verbs: list[Command]) -> str:
    """The script for bash 3.2 and later. Where it has no answer, bash completes the names of files."""
    lines = [
        "# Completion of secftp for bash.",
        "_secftp() {",
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= words= i",
        "  COMPREPLY=()",
        '  if [[ $cur == "=" ]]; then cur=',
        '  elif [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}',
        "  fi",
        "  for ((i = 1; i < COMP_CWORD; i++)); do",
        "    case ${COMP_WORDS[i]} in",
        f"      {'|'.join(verb.name for verb in verbs)}) verb=${{COMP_WORDS[i]}}; break ;;",
        "    esac",
        "  done",
        "  case $prev in",
        *(f"    {name}) words='{' '.join(words)}' ;;" for name, words in _WORDS.items()),
        f"    {'|'.join(_valued(verbs))}) return ;;",
        "    *)",
        "      case $verb in",
        f"        '') words='{' '.join(verb.name for verb in verbs)} --help --version' ;;",
    ]
    for verb in verbs:
        operands = " ".join(_OPERANDS.get(verb.name, ()))
        lines.append(f"        {verb.name}) words='{operands}'; [[ $cur == -* ]] && words='{_names(verb)}' ;;")
    lines += [
        "      esac ;;",
        "  esac",
        '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        "}",
        "complete -o default -F _secftp secftp",
    ]
    return "\n".join(lines)


def zsh(verbs: list[Command]) -> str:
    """The script for zsh, to be evaluated or put as `_secftp` into a folder of `fpath`."""
    lines = [
        "#compdef secftp",
        "_secftp() {",
        "  local verb= prev=${words[CURRENT-1]} i",
        "  local -a known",
        "  for ((i = 2; i < CURRENT; i++)); do",
        "    case ${words[i]} in",
        f"      ({'|'.join(verb.name for verb in verbs)}) verb=${{words[i]}}; break ;;",
        "    esac",
        "  done",
        "  case $prev in",
        *(f"    ({name}) compadd -- {' '.join(words)}; return ;;" for name, words in _WORDS.items()),
        f"    ({'|'.join(_valued(verbs))}) _files; return ;;",
        "  esac",
        "  case $verb in",
        f"    ('') known=({' '.join(_quote(f'{verb.name}:{verb.summary}') for verb in verbs)})",
        "      _describe command known; return ;;",
    ]
    for verb in verbs:
        described = (_quote(f"{name}:{option.help}") for option in verb.options for name in option.names)
        lines.append(f"    ({verb.name}) known=({' '.join(described)})")
        if operands := _OPERANDS.get(verb.name):
            lines.append(f"      [[ $PREFIX == -* ]] || {{ compadd -- {' '.join(operands)}; return }}")
        lines.append("      ;;")
    lines += [
        "  esac",
        "  if [[ $PREFIX == -* ]]; then _describe -o option known; else _files; fi",
        "}",
        'if [[ $funcstack[1] == _secftp ]]; then _secftp "$@"; else compdef _secftp secftp; fi',
    ]
    return "\n".join(lines)


def fish(verbs: list[Command]) -> str:
    """The script for fish."""
    lines = ["# Completion of secftp for fish."]
    names = " ".join(verb.name for verb in verbs)
    for verb in verbs:
        first = f"complete -c secftp -n 'not __fish_seen_subcommand_from {names}'"
        lines.append(f"{first} -f -a {verb.name} -d {_quote_fish(verb.summary)}")
        chosen = f"complete -c secftp -n '__fish_seen_subcommand_from {verb.name}'"
        if operands := _OPERANDS.get(verb.name):
            lines.append(f"{chosen} -f -a {_quote_fish(' '.join(operands))}")
        for option in verb.options:
            letters = "".join(f" -l {name[2:]}" if name[:2] == "--" else f" -s {name[1:]}" for name in option.names)
            words = next((_WORDS[name] for name in option.names if name in _WORDS), ())
            value = f" -x -a {_quote_fish(' '.join(words))}" if words else ""
            if option.value is not None and not words:
                value = " -r -F" if option.value == _FILE else " -x"
            lines.append(f"{chosen}{letters}{value} -d {_quote_fish(option.help)}")
    return "\n".join(lines)


def _valued(verbs: list[Command]) -> list[str]:
    """Options whose value is left to the shell, of all verbs."""
    names = {name for verb in verbs for option in verb.options if option.value is not None for name in option.names}
    return sorted(names - set(_WORDS))


def _names(verb: Command) -> str:
    return " ".join(name for option in verb.options for name in option.names)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _quote_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
