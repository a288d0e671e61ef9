"""The scripts for bash, zsh and fish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secftp.client.completion.remote import FILE_COMMANDS, LINE, REMOTE_COMMANDS
from secftp.client.options import CHECKSUMS, CIPHERS, PROGRESS, WHEN

if TYPE_CHECKING:
    from secftp.client.completion.described import DescribedCommand, DescribedOption

SHELLS: Final = ("bash", "zsh", "fish")
# The values of options. Of others a value is a number or a name that only the user knows.
_WORDS: Final = {"--cipher": CIPHERS, "--checksum": CHECKSUMS, "--progress": PROGRESS, "--color": WHEN}
_OPERANDS: Final = {"completion": SHELLS, "host": ("add", "list", "test", "remove")}
_FILE: Final = "FILE"
_DIRECTORY: Final = "DIR"
# A word may name a file at a server if it has a colon; and a host if there are any.
_CONFIG: Final = "${SECFTP_CONFIG:-${XDG_CONFIG_HOME:-$HOME/.config}/secftp/config.toml}"
# Adds what the client answers to COMPREPLY. The words of hosts are completed together with names of files.
_BASH_REMOTE: Final = f"""\
_secftp_remote() {{
  local line=${{COMP_LINE:0:COMP_POINT}} options= word count=0
  [[ $line == *:* || -e {_CONFIG} ]] || return
  while IFS= read -r -d '' word; do
    if ((count++)); then COMPREPLY+=("$word"); else options=$word; fi
  done < <({LINE}=$line "${{1/#\\~\\//$HOME/}}" completion --remote bash -- "$2" </dev/null 2>/dev/null)
  if [[ $options == hosts ]]; then
    options=nospace
    if [[ -n $3 ]]; then
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$2")
    fi
    if ((${{#COMPREPLY[@]}} > 1)); then options='nospace filenames'; fi
  fi
  if [[ $options == none ]]; then compopt +o default 2>/dev/null; return; fi
  for word in $options; do compopt -o "$word" 2>/dev/null; done
}}"""
_ZSH_REMOTE: Final = f"""\
_secftp_remote() {{
  [[ $PREFIX == *:* || -e {_CONFIG} ]] || return 1
  local -a found
  found=("${{(@0)$("${{(Q)words[1]}}" completion --remote zsh -- "${{(Q)PREFIX}}" \\
    "${{(@Q)words[2,CURRENT-1]}}" </dev/null 2>/dev/null)}}")
  found=(${{found:#}})
  (($#found)) || {{ [[ $PREFIX == *:* ]]; return }}
  compadd -S '' -- "${{(@M)found:#*[/:]}}"
  compadd -- "${{(@)found:#*[/:]}}"
  return 0
}}"""
_FISH_REMOTE: Final = """\
function __secftp_remote
  set -l word (commandline -ct)
  set -l config ~/.config/secftp/config.toml
  test -n "$XDG_CONFIG_HOME"; and set config $XDG_CONFIG_HOME/secftp/config.toml
  test -n "$SECFTP_CONFIG"; and set config $SECFTP_CONFIG
  string match -q -- '*:*' "$word"; or test -e "$config"; or return
  set -l line (commandline -opc)
  $line[1] completion --remote fish -- "$word" $line[2..-1] </dev/null 2>/dev/null | string split0
end"""


def bash(commands: list[DescribedCommand]) -> str:
    """Return the script for bash 3.2 and later. If it has no answer, bash completes file names."""
    lines = [
        "# Completion of secftp for bash.",
        _BASH_REMOTE,
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
        asked = ""
        if command.name in REMOTE_COMMANDS:
            files = " files" if command.name in FILE_COMMANDS else ""
            asked = f' || {{ _secftp_remote "$1" "$2"{files}; return; }}'
        lines.append(
            f"        {command.name}) words='{operands}'; [[ $cur == -* ]] && words='{_names(command)}'{asked} ;;"
        )
    lines += [
        "      esac ;;",
        "  esac",
        '  COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        "}",
        "complete -o default -F _secftp secftp",
        "_secftpd() {",
        '  eval "$(secftp completion --server bash 2>/dev/null)" && return 124',
        "}",
        "complete -o default -F _secftpd secftpd",
    ]
    return "\n".join(lines)


def bash_server(server: DescribedCommand) -> str:
    """Return the script for bash about `secftpd`."""
    lines = [
        "# Completion of secftpd for bash.",
        "_secftpd() {",
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}",
        "  COMPREPLY=()",
        '  if [[ $cur == "=" ]]; then cur=',
        '  elif [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}',
        "  fi",
        "  case $prev in",
    ]
    for option in server.options:
        if option.choices:
            lines.append(
                f"    {'|'.join(option.names)}) COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$cur\")) ;;"
            )
        elif option.value == _DIRECTORY:
            lines.append(f"    {'|'.join(option.names)}) compopt +o default -o dirnames 2>/dev/null ;;")
        elif option.value is not None:
            lines.append(f"    {'|'.join(option.names)}) ;;")
    lines += [
        f"    *) [[ $cur == -* ]] && COMPREPLY=($(compgen -W '{_names(server)}' -- \"$cur\")) ;;",
        "  esac",
        "}",
        "complete -o default -F _secftpd secftpd",
    ]
    return "\n".join(lines)


def zsh(commands: list[DescribedCommand]) -> str:
    """Return the script for zsh, to be evaluated or installed as `_secftp` in a directory of `fpath`."""
    lines = [
        "#compdef secftp secftpd",
        _ZSH_REMOTE,
        "_secftpd() {",
        '  eval "$(secftp completion --server zsh 2>/dev/null)" && _secftpd "$@"',
        "}",
        "_secftp() {",
        "  local command= prev=${words[CURRENT-1]} i",
        "  local -a known",
        "  if [[ $service == secftpd ]]; then _secftpd; return; fi",
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
        if command.name in REMOTE_COMMANDS:
            more = "_files" if command.name in FILE_COMMANDS else ":"
            lines.append("      if [[ $PREFIX != -* ]] && _secftp_remote; then")
            lines.append(f"        [[ $PREFIX == *:* ]] || {more}; return")
            lines.append("      fi")
        lines.append("      ;;")
    lines += [
        "  esac",
        "  if [[ $PREFIX == -* ]]; then _describe -o option known; else _files; fi",
        "}",
        'if [[ $funcstack[1] == _secftp ]]; then _secftp "$@"; else compdef _secftp secftp secftpd; fi',
    ]
    return "\n".join(lines)


def zsh_server(server: DescribedCommand) -> str:
    """Return the script for zsh about `secftpd`, to be evaluated by the other one."""
    lines = ["_secftpd() {", "  local -a known", "  case ${words[CURRENT-1]} in"]
    for option in server.options:
        names = "|".join(option.names)
        if option.choices:
            lines.append(f"    ({names}) compadd -- {' '.join(option.choices)}; return ;;")
        elif option.value is not None:
            lines.append(f"    ({names}) _files{' -/' if option.value == _DIRECTORY else ''}; return ;;")
    described = (_quote(f"{name}:{option.help}") for option in server.options for name in option.names)
    lines += [
        "  esac",
        f"  known=({' '.join(described)})",
        "  if [[ $PREFIX == -* ]]; then _describe -o option known; else _files; fi",
        "}",
    ]
    return "\n".join(lines)


def fish(commands: list[DescribedCommand]) -> str:
    """Return the script for fish."""
    lines = ["# Completion of secftp for fish.", _FISH_REMOTE]
    names = " ".join(command.name for command in commands)
    for command in commands:
        first = f"complete -c secftp -n 'not __fish_seen_subcommand_from {names}'"
        lines.append(f"{first} -f -a {command.name} -d {_quote_fish(command.summary)}")
        chosen = f"complete -c secftp -n '__fish_seen_subcommand_from {command.name}'"
        if operands := _OPERANDS.get(command.name):
            lines.append(f"{chosen} -f -a {_quote_fish(' '.join(operands))}")
        if command.name in REMOTE_COMMANDS:
            only = "" if command.name in FILE_COMMANDS else " -f"
            lines.append(f"{chosen}{only} -a '(__secftp_remote)'")
        lines += [f"{chosen}{_fish_option(option)}" for option in command.options]
    return "\n".join(lines)


def fish_server(server: DescribedCommand) -> str:
    """Return the script for fish about `secftpd`."""
    options = (f"complete -c secftpd{_fish_option(option)}" for option in server.options)
    return "\n".join(["# Completion of secftpd for fish.", *options])


def _fish_option(option: DescribedOption) -> str:
    letters = "".join(f" -l {name[2:]}" if name[:2] == "--" else f" -s {name[1:]}" for name in option.names)
    words = option.choices or next((_WORDS[name] for name in option.names if name in _WORDS), ())
    value = f" -x -a {_quote_fish(' '.join(words))}" if words else ""
    if option.value == _DIRECTORY:
        value = " -x -a '(__fish_complete_directories)'"
    elif option.value is not None and not words:
        value = " -r -F" if option.value == _FILE else " -x"
    return f"{letters}{value} -d {_quote_fish(option.help)}"


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
