#!/usr/bin/env bash
# Runs the suite and the demo under each available Python from 3.11 to 3.14, each in a copy of the checkout with its own
# virtual environment, in build/pythons: tools/test_pythons.sh [--newest] [PYTEST ARGUMENT...]
#
# With --newest only the newest one, and none if .venv has that version: `make test` runs its suite. The last lines are
# a table; the exit status is not 0 if anything failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

newest=false
if [ "${1:-}" = --newest ]; then
    newest=true
    shift
fi
arguments=$*
results=""
status=0

# copy_checkout DIRECTORY: copies the files that git tracks or would track; keeps the virtual environment there.
copy_checkout() {
    mkdir -p "$1"
    find "$1" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
        tar --null --files-from=- -cf - | tar -xf - -C "$1"
    # Tests ask git for the tracked files.
    git -C "$1" init --quiet
    git -C "$1" add --all
}

# goal VERSION PATH TARGET [ARGUMENT...]: one make target in the copy for that version.
goal() {
    local version=$1 python=$2 result
    shift 2
    if PYTHON=$python make --no-print-directory -C "build/pythons/$version" "$@"; then result=ok; else result=FAILED; fi
    [ $result = ok ] || status=1
    results="$results$version  $1  $result"$'\n'
}

found=$(tools/pythons.sh --install)
[ -n "$found" ] || {
    echo "test-pythons: no Python from 3.11 to 3.14 was found." >&2
    exit 1
}
if $newest; then
    found=$(tail -n 1 <<<"$found")
    if [ "${found%% *}" = "$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" ]; then
        echo "test-pythons: Python ${found%% *} is the newest one available, and the one that make test uses."
        exit 0
    fi
fi
while read -r version python <&3; do
    echo "== Python $version: $python"
    copy_checkout "build/pythons/$version"
    goal "$version" "$python" test ARGS="$arguments"
    goal "$version" "$python" demo
done 3<<<"$found"
printf '\n%s' "$results"
exit $status
