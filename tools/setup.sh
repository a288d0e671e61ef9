#!/usr/bin/env bash
# Prepares .venv to run secftp from this checkout; does nothing if it is up to date:
# tools/setup.sh [--venv DIRECTORY] [--tool COMMAND]... [EXTRA...]
#
# Finds Python 3.11 or newer, a C compiler, and the headers of Python and OpenSSL; installs what is missing with apt-get
# where possible, otherwise prints one line that says what to install. Then runs `pip install -e .[EXTRA,...]`. A stamp
# file in .venv records the sources it was built from. A --tool is a further command that is required (valgrind, haproxy)
# and is installed in the same way. --venv is another environment than .venv, for what that one should not have. Changes
# nothing outside the checkout except through apt-get.
# Environment: PYTHON (the interpreter to use), CC, OPENSSL_DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
PYTHONS="python3 python3.14 python3.13 python3.12 python3.11 python"

say() { printf 'set-up: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# --- stamp file: a line with the fingerprint of the sources, a line with the installed extras ---

fingerprint() {
    { pwd && cat pyproject.toml setup.py build_ffi.py secftp/_version.py csrc/*.c csrc/*.h tools/setup.sh; } | cksum
}

installed_extras() { sed -n 2p "$STAMP" 2>/dev/null || true; }

is_ready() {
    local extra
    [ -f "$STAMP" ] && [ "$(sed -n 1p "$STAMP")" = "$(fingerprint)" ] && ls secftp/_core*.so >/dev/null 2>&1 || return 1
    for extra in "$@"; do
        case " $(installed_extras) " in *" $extra "*) ;; *) return 1 ;; esac
    done
    "$VENV/bin/python" -c '' 2>/dev/null
}

# --- Python ---

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
has_python_headers() {
    "$1" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' 2>/dev/null
}

# Prints the first Python that is new enough and complete, otherwise the first that is new enough.
find_python() {
    local candidate first=""
    for candidate in ${PYTHON:-$PYTHONS}; do
        is_new_enough "$candidate" || continue
        if has_venv "$candidate" && has_python_headers "$candidate"; then
            echo "$candidate"
            return
        fi
        first=${first:-$candidate}
    done
    echo "$first"
}

# Debian's package name of an interpreter: python3.12 for any command that runs it.
python_package() { "$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])'; }

# Extensions are built with the compiler that built Python, or with `cc` if that is not installed.
use_a_compiler_that_exists() {
    local built_with
    built_with=$("$1" -c 'import sysconfig; print((sysconfig.get_config_var("CC") or "cc").split()[0])')
    if [ -z "${CC:-}" ] && ! have "$built_with"; then export CC=cc; fi
}

# --- the system ---

compiles() { ${CC:-cc} ${OPENSSL_DIR:+-I"$OPENSSL_DIR/include"} -x c -fsyntax-only - <<<"$1" 2>/dev/null; }
has_compiler() { compiles '#include <stdio.h>'; }
has_openssl() {
    compiles '#include <openssl/evp.h>
#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error older than 3.0
#endif'
}

# Homebrew's OpenSSL is outside the default paths.
use_homebrew_openssl() {
    if [ -z "${OPENSSL_DIR:-}" ] && [ "$(uname)" = Darwin ] && have brew; then
        OPENSSL_DIR=$(brew --prefix openssl@3 2>/dev/null || true)
        if [ -d "$OPENSSL_DIR" ]; then export OPENSSL_DIR; else unset OPENSSL_DIR; fi
    fi
}

# Prints what is missing, as words: python venv headers compiler openssl
missing() {
    local python=$1
    if [ -z "$python" ]; then
        echo python
    else
        has_venv "$python" || echo venv
        has_python_headers "$python" || echo headers
    fi
    if has_compiler; then
        has_openssl || echo openssl
    else
        echo compiler
        echo openssl
    fi
}

# run_as_root COMMAND...: as root, with sudo without a password, or with sudo on a terminal.
run_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    elif have sudo && [ -t 0 ] && [ -t 2 ]; then
        sudo "$@"
    else
        return 1
    fi
}

# Prints the newest Python that apt offers, or 3.11 if there is none or apt fails.
apt_python() {
    local name
    for name in python3.14 python3.13 python3.12; do
        if apt-cache show "$name-venv" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    echo python3.11
}

# apt_packages PYTHON WORD...
apt_packages() {
    local python=$1 word
    shift
    for word in "$@"; do
        case $word in
        python)
            python=$(apt_python)
            echo "$python" "$python-venv" "$python-dev"
            ;;
        venv) echo "$(python_package "$python")-venv" ;;
        headers) echo "$(python_package "$python")-dev" ;;
        compiler) echo gcc libc6-dev ;;
        openssl) echo libssl-dev ;;
        *) echo "$word" ;; # a tool: the package has the same name
        esac
    done
}

install_with_apt() {
    local packages
    have apt-get || return 1
    say "missing: $(describe "${@:2}"); installing with apt-get"
    # An outdated index may be sufficient.
    run_as_root apt-get -qq update >&2 || true
    packages=$(apt_packages "$@") || return 1
    # shellcheck disable=SC2086 # one word per package
    run_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages >&2
}

# advice PYTHON WORD...: prints the command that installs what is missing on this system.
advice() {
    if [ "$(uname)" = Darwin ]; then
        case " $* " in *" compiler "*) printf 'xcode-select --install && ' ;; esac
        echo "brew install openssl@3 python@3.13"
    elif have dnf; then
        echo "sudo dnf install gcc openssl-devel python3.13 python3.13-devel"
    elif have apk; then
        echo "apk add gcc musl-dev openssl-dev python3 python3-dev"
    else
        echo "sudo apt-get install $(apt_packages "$@" | tr '\n' ' ')"
    fi
}

describe() {
    local word text=""
    for word in "$@"; do
        case $word in
        python) word="Python 3.11 or newer" ;;
        venv) word="Python's venv" ;;
        headers) word="Python's headers" ;;
        compiler) word="a C compiler" ;;
        openssl) word="the headers of OpenSSL 3.0 or newer" ;;
        esac
        text="$text${text:+, }$word"
    done
    echo "$text"
}

# --- the steps ---

# Sets PYTHON to a complete Python.
require_system() {
    local python lacking
    use_homebrew_openssl
    if [ -n "${PYTHON:-}" ] && ! is_new_enough "$PYTHON"; then
        fail "PYTHON=$PYTHON does not run, or is older than 3.11. Set another, or unset it."
    fi
    python=$(find_python)
    lacking=$(missing "$python" | tr '\n' ' ')
    if [ -n "$lacking" ]; then
        # shellcheck disable=SC2086 # one word per item
        install_with_apt "$python" $lacking || true
        python=$(find_python)
        lacking=$(missing "$python" | tr '\n' ' ')
        # shellcheck disable=SC2086
        [ -z "$lacking" ] || fail "missing: $(describe $lacking). Install with: $(advice "$python" $lacking)"
    fi
    use_a_compiler_that_exists "$python"
    PYTHON=$python
}

make_venv() {
    if [ -d "$VENV" ] && ! is_new_enough "$VENV/bin/python"; then
        say "$VENV does not work any more, creating a new one"
        rm -rf "$VENV"
    fi
    [ -d "$VENV" ] || "$PYTHON" -m venv "$VENV" || fail "$PYTHON -m venv failed; see above."
    "$VENV/bin/python" -c 'import pip' 2>/dev/null || "$VENV/bin/python" -m ensurepip >/dev/null
}

# Prints the union of installed and requested extras.
all_extras() {
    # shellcheck disable=SC2046 # one word per extra
    printf '%s\n' $(installed_extras) "$@" | sort -u | tr '\n' ' ' | sed 's/^ *//; s/ *$//'
}

install() {
    local extras target=.
    extras=$(all_extras "$@")
    [ -z "$extras" ] || target=".[$(echo "$extras" | tr ' ' ',')]"
    say "building and installing secftp into $VENV (this takes a minute the first time)"
    rm -f "$STAMP"
    # compat: a plain path entry; the default import hook adds 10 ms to every start of Python in this environment
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat \
        -e "$target" ||
        fail "pip failed to install secftp; see above."
    printf '%s\n%s\n' "$(fingerprint)" "$extras" >"$STAMP"
}

# Servers are in directories that are not in every user's PATH.
lacking_tools() {
    local tool
    for tool in "$@"; do PATH=$PATH:/usr/sbin:/sbin have "$tool" || echo "$tool"; done
}

require_tools() {
    local lacking
    lacking=$(lacking_tools "$@" | tr '\n' ' ')
    [ -n "$lacking" ] || return 0
    # shellcheck disable=SC2086 # one word per tool
    install_with_apt "" $lacking || true
    # shellcheck disable=SC2086
    lacking=$(lacking_tools $lacking | tr '\n' ' ' | sed 's/ *$//')
    [ -z "$lacking" ] || fail "missing: $lacking. Install it with the package manager, for example: sudo apt-get install $lacking"
}

main() {
    local tools=""
    while :; do
        case ${1:-} in
        --tool) tools="$tools $2" ;;
        --venv) VENV=$2 ;;
        *) break ;;
        esac
        shift 2
    done
    STAMP=$VENV/.secftp-setup
    # shellcheck disable=SC2086 # one word per tool
    require_tools $tools
    is_ready "$@" && return
    require_system
    make_venv
    install "$@"
}

main "$@"
