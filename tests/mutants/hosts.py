"""Mutants of the file of hosts and of its key commands: whose file counts, which value, and never an anonymous session."""

from __future__ import annotations

from tests.mutants.mutant import Mutant, mutant

TRUSTED = "secftp/hosts/trusted.py"
CONFIG = "secftp/hosts/config.py"
COMMAND = "secftp/hosts/key_command.py"
EDIT = "secftp/hosts/edit.py"
CONFIGURED = "secftp/client/configured.py"
CHOICE = "secftp/api/choice.py"
KEY = "secftp/client/key.py"
AHEAD = "secftp/client/key_ahead.py"
OF_TRUST = "tests/hosts/test_trusted.py"
OF_CONFIG = "tests/hosts/test_config.py"
OF_COMMAND = "tests/hosts/test_key_command.py"
OF_EDIT = "tests/hosts/test_edit.py"
OF_CLIENT = "tests/client/test_configured.py"
OF_API = "tests/api/test_config.py"
OF_PING = "tests/client/test_ping.py"

MUTANTS: list[Mutant] = [
    mutant("hosts-written-by-others", TRUSTED, "    if status.st_mode & _OTHERS:\n", "    if status.st_mode & stat.S_ISUID:\n", OF_TRUST),
    mutant("hosts-written-by-the-group", TRUSTED, "_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH\n", "_OTHERS: Final = stat.S_IWOTH\n", OF_TRUST),
    mutant("hosts-of-another-user", TRUSTED, "    return status.st_uid in (os.geteuid(), 0)\n", "    return status.st_uid >= 0\n", OF_TRUST),
    mutant("hosts-in-a-directory-of-others", TRUSTED, "    if status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX:\n", "    if status.st_mode & _OTHERS and status.st_mode & stat.S_ISVTX:\n", OF_TRUST),
    mutant("hosts-only-the-last-directory", TRUSTED, "        if stat.S_ISDIR(status.st_mode):\n            _check_directory(found)\n", "        if stat.S_ISDIR(status.st_mode) and len(waiting) == 1:\n            _check_directory(found)\n", OF_TRUST),
    mutant("hosts-by-a-symlink-of-others", TRUSTED, "            if not _is_own(status):\n", "            if not _is_own(os.stat(entry)):\n", OF_TRUST),
    mutant("hosts-that-are-a-pipe", TRUSTED, "    if not stat.S_ISREG(status.st_mode):\n", "    if stat.S_ISDIR(status.st_mode):\n", OF_TRUST),
    mutant("key-command-that-failed", COMMAND, "    if status:\n", "    if status < 0:\n", OF_COMMAND),
    mutant("key-command-without-a-word", COMMAND, "    if not data.strip():\n", "    if data is None:\n", OF_COMMAND),
    mutant("key-command-by-a-shell", COMMAND, "            list(arguments), stdin", "            \" \".join(arguments), shell=True, stdin", OF_COMMAND),
    mutant("key-command-with-standard-input", COMMAND, "stdin=subprocess.DEVNULL, ", "", OF_COMMAND),
    mutant("key-command-with-the-key", COMMAND, "if name not in _SECRETS}", "if name}", OF_COMMAND),
    mutant("key-command-without-end", COMMAND, "        if left <= 0:\n", "        if left <= -60:\n", OF_COMMAND),
    mutant("key-command-killed-alone", COMMAND, "        os.killpg(process.pid, signal.SIGKILL)\n", "        process.kill()\n", OF_COMMAND),
    mutant("key-command-of-any-length", COMMAND, "            if len(data) >= MAX_KEY_BYTES:\n", "            if len(data) >= 1 << 40:\n", OF_COMMAND),
    mutant("key-command-in-the-background", COMMAND, "        if os.tcgetpgrp(terminal) != own:\n", "        if os.tcgetpgrp(terminal) == own:\n", OF_COMMAND),
    mutant("key-command-run-ahead", AHEAD, "    return None if key is None or key.file is None else Source(file=key.file)\n", "    if key is not None and key.file is None:\n        key.read()\n    return None if key is None or key.file is None else Source(file=key.file)\n", OF_CLIENT),
    mutant("pipe-opened-ahead", AHEAD, "    if not stat.S_ISREG(os.stat(source.file).st_mode):\n        raise ValueError  # even to open a pipe may lose what is in it\n    return read_key_file(source.file)\n", "    return read_key_file(source.file, pipe=True)\n", OF_CLIENT),
    mutant("key-of-the-file-before-the-environment", KEY, "    if text is not None:\n        return _from_text(from_locale(text))\n    if file is not None:\n", "    if text is not None and options.configured_key is None:\n        return _from_text(from_locale(text))\n    if file is not None and options.configured_key is None:\n", OF_CLIENT),
    mutant("key-file-variable-left-in-the-environment", KEY, "os.environ.pop(FILE_VARIABLE, None)", "os.environ.get(FILE_VARIABLE)", OF_CLIENT),
    mutant("entry-before-the-command-line", CONFIGURED, "field in values and values[field] is None:\n", "field in values:\n", OF_CLIENT),
    mutant("default-before-the-entry", CONFIG, "{**default_options, **options}", "{**options, **default_options}", OF_CONFIG),
    mutant("key-of-the-default-before-the-entry", CONFIG, "key or default_key,", "default_key or key,", OF_CONFIG),
    mutant("key-in-the-file-of-hosts", CONFIG, "            if word == \"key\":\n", "            if word == \"\":\n", OF_CONFIG),
    mutant("unknown-word-in-the-file-of-hosts", CONFIG, "            raise self.fail(where, \"it has an unknown word\", names)\n", "            continue\n", OF_CONFIG),
    mutant("unknown-word-is-repeated", CONFIG, "            raise self.fail(where, \"it has an unknown word\", names)\n", "            raise self.fail(where, f\"{word} is unknown\", names)\n", OF_CONFIG),
    mutant("name-of-the-file-for-an-anonymous-session", CONFIGURED, "    usual = \"\" if anonymous or name is not None else _usual_name(config, host)\n    urls", "    usual = \"\" if name is not None else _usual_name(config, host)\n    urls", OF_CLIENT),
    mutant("file-of-hosts-without-being-asked", CHOICE, "    if not require_bool(\"config\", config):\n", "    if require_bool(\"config\", config) is None:\n", OF_API),
    mutant("key-of-the-file-before-the-argument", CHOICE, "        if self.key is not None and key is None and key_file is None and not", "        if self.key is not None and key_file is None and not", OF_API),
    mutant("hosts-edited-whatever-becomes-of-them", EDIT, "            if written is None or tomllib.loads(written) != meant:\n", "            if written is None:\n", OF_EDIT),
    mutant("hosts-edited-by-two-at-once", EDIT, "            fcntl.flock(descriptor, fcntl.LOCK_EX)\n", "            fcntl.flock(descriptor, fcntl.LOCK_SH)\n", OF_EDIT),
    mutant("hosts-in-place-of-a-symlink", "secftp/keys/create.py", "    path = os.path.realpath(path)\n    directory = os.path.dirname(path)\n    sweep", "    path = os.path.abspath(path)\n    directory = os.path.dirname(path)\n    sweep", OF_EDIT),
    mutant("ping-asks-for-a-key", "secftp/client/probe.py", "        if keyed or refusal.status != Status.MODE", "        if refusal.status", OF_PING),
]  # fmt: skip
