#!/usr/bin/env bash
# Lists the available Pythons from 3.11 to 3.14, one "3.N PATH" per line: tools/pythons.sh [--install]
#
# Searches PATH, the installations of pyenv and uv, and the usual directories. With --install, missing versions are
# installed with apt-get if its index has them. Versions that are not available are named on standard error.
set -euo pipefail

MINORS="11 12 13 14"

# is_python PATH MINOR: whether it runs, has that version, and can create virtual environments and build extensions.
is_python() {
    [ -x "$1" ] && "$1" -c '
import ensurepip, os, sys, sysconfig, venv
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info[:2] != (3, int(sys.argv[1])) or not os.path.exists(headers))' "$2" 2>/dev/null
}

# candidates MINOR: paths to try, in order of preference.
candidates() {
    local name=python3.$1 directory
    IFS=: read -ra path <<<"$PATH"
    for directory in "${path[@]}" /usr/local/bin /usr/bin /opt/homebrew/bin; do echo "$directory/$name"; done
    # The newest patch release first.
    find "${PYENV_ROOT:-$HOME/.pyenv}/versions" -maxdepth 1 -name "3.$1.*" 2>/dev/null | sort -t. -k3nr |
        while read -r directory; do echo "$directory/bin/$name"; done
    if command -v uv >/dev/null; then uv python find --no-python-downloads "3.$1" 2>/dev/null || true; fi
}

find_minor() {
    local candidate
    while read -r candidate; do
        if is_python "$candidate" "$1"; then
            echo "3.$1 $candidate"
            return 0
        fi
    done < <(candidates "$1")
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null; fi
}

install_minor() {
    local name=python3.$1
    apt-cache show "$name-venv" >/dev/null 2>&1 || return 1
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        "$name" "$name-venv" "$name-dev" >&2
}

for minor in $MINORS; do
    find_minor "$minor" && continue
    if [ "${1:-}" = --install ] && install_minor "$minor" && find_minor "$minor"; then continue; fi
    echo "pythons: Python 3.$minor is not available" >&2
done
