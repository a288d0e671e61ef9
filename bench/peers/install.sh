#!/bin/sh
# Installs Debian packages as root without their services: install.sh PACKAGE...
#
# Debian starts a server when its package is installed, and at every boot. A benchmark should not leave an sshd or an
# nginx that is reachable from the network. So a temporary policy-rc.d denies every start while apt-get runs; it is always
# removed afterwards, and the units of the new packages are disabled. Existing services are not touched. A policy-rc.d of
# the administrator is respected and left in place; if it would allow a start, nothing is installed.
set -eu

POLICY=/usr/sbin/policy-rc.d
DENIED=101 # policy-rc.d's exit status for "action forbidden"

fail() {
    echo "peers: $*" >&2
    exit 1
}

deny_starts() {
    if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then
        answer=0
        "$POLICY" nginx start >/dev/null 2>&1 || answer=$?
        [ "$answer" -eq "$DENIED" ] || fail "$POLICY lets packages start their services; install by hand: $*"
        return 0
    fi
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 1' HUP INT TERM
    # Exclusively (-C): a file that appears at this moment must be neither replaced nor removed.
    (
        set -C
        printf '#!/bin/sh\n# %s\nexit %d\n' "Temporary file of secftp's benchmarks; may be removed." "$DENIED" >"$POLICY"
    ) || {
        trap - EXIT
        fail "$POLICY appeared just now; try again."
    }
    chmod 755 "$POLICY"
}

# Includes packages that failed to be configured: their units exist, and configuration may be completed later.
present() {
    dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' |
        sed -E '/^(not-installed|config-files) /d; s/.* //' | sort -u
}

# added BEFORE AFTER: the words of AFTER that are not in BEFORE, one per line.
added() { printf '%s\n' "$1" "$1" "$2" | sort | uniq -u; }

# Disables the units and init scripts of the given packages, so that they don't start at boot.
disable_services() {
    for path in $(dpkg --listfiles "$@" | grep -E '^(/usr)?/lib/systemd/system/[^/@]+\.(service|socket)$' || true); do
        ! command -v systemctl >/dev/null || systemctl --quiet disable "${path##*/}" 2>/dev/null || true
    done
    for path in $(dpkg --listfiles "$@" | grep -E '^/etc/init\.d/[^/]+$' || true); do
        ! command -v update-rc.d >/dev/null || update-rc.d "${path##*/}" disable >/dev/null 2>&1 || true
    done
}

# Short timeouts: a comparison with fewer programs is better than none.
apt() {
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@" >&2
}

deny_starts "$@"
before=$(present)
# An outdated index may be sufficient.
apt update || true
result=0
apt install -y --no-install-recommends "$@" || result=$?
new=$(added "$before" "$(present)")
# shellcheck disable=SC2086 # one word per package
[ -z "$new" ] || disable_services $new
exit "$result"
