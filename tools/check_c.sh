#!/usr/bin/env bash
# Checks the C core: two compilers with warnings as errors, gcc's analyzer, clang-tidy and clang-format.
#
# Uses the system's clang, or the one in the Python package ziglang. Runs all checks, and reports at the end which
# failed.
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

# step NAME COMMAND...: runs the command and records a failure.
step() {
    local name=$1
    shift
    printf '  %s\n' "$name"
    "$@" || failed="$failed${failed:+, }$name"
}

# Compiles to an object file instead of -fsyntax-only: data-flow warnings come from the optimizer.
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
    printf '  gcc is not installed: its warnings and its analyzer are skipped\n'
else
    step "gcc warnings" compile_all gcc -O2
    # -O0: the analyzer does not follow inlined code.
    step "gcc -fanalyzer" compile_all gcc -O0 -fanalyzer
fi
step "clang-tidy" tidy_all

[ -z "$failed" ] || {
    printf 'failed: %s\n' "$failed" >&2
    exit 1
}
