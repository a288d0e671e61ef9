#!/usr/bin/env bash
# The C core under two compilers with warnings as errors, gcc's analyzer, clang-tidy and clang-format.
#
# clang is the system's, or else the one inside the Python package ziglang, so that nothing needs to be installed.
# Runs all of them before it fails, and says at the end which did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BIN=.venv/bin
WARNINGS="-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
          -Wformat=2 -Wundef -Wvla -Werror"
INCLUDES="-Icsrc"
if [ -z "${OPENSSL_DIR:-}" ] && [ "$(uname)" = Darwin ] && command -v brew >/dev/null; then
    OPENSSL_DIR=$(brew --prefix openssl@3)
fi
[ -z "${OPENSSL_DIR:-}" ] || INCLUDES="$INCLUDES -I$OPENSSL_DIR/include"

CLANG=clang
command -v clang >/dev/null || CLANG="$BIN/python -m ziglang cc"

objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
failed=""

# step NAME COMMAND...: runs it and remembers whether it failed.
step() {
    local name=$1
    shift
    printf '  %s\n' "$name"
    "$@" || failed="$failed${failed:+, }$name"
}

# An object file and not -fsyntax-only: what warns about the flow of values works in the optimizer.
compile_all() {
    local file status=0
    for file in csrc/*.c; do
        # shellcheck disable=SC2086 # flags are words
        "$@" $WARNINGS $INCLUDES -c "$file" -o "$objects/object.o" || status=1
    done
    return $status
}

tidy_all() {
    # shellcheck disable=SC2086
    "$BIN/clang-tidy" --quiet csrc/*.c -- -std=c11 $INCLUDES 2>"$objects/tidy" && return
    cat "$objects/tidy" >&2
    return 1
}

step "clang-format" "$BIN/clang-format" --dry-run -Werror csrc/*.c csrc/*.h
# shellcheck disable=SC2086
step "clang warnings" compile_all $CLANG -O2
if gcc -dM -E -x c /dev/null 2>/dev/null | grep -q __clang__ || ! command -v gcc >/dev/null; then
    printf '  no gcc on this machine: its warnings and its analyzer are left to the machines that have it\n'
else
    step "gcc warnings" compile_all gcc -O2
    # -O0: the analyzer loses its way in inlined code.
    step "gcc -fanalyzer" compile_all gcc -O0 -fanalyzer
fi
step "clang-tidy" tidy_all

[ -z "$failed" ] || {
    printf 'failed: %s\n' "$failed" >&2
    exit 1
}
