#!/bin/sh
# Installs Debian packages as root without their services: install.sh PACKAGE...
#
# Debian starts a server as soon as its package is there, and again whenever the machine starts. Nobody who measures
# file transfers has asked for an sshd or an nginx that all the world can reach. So while apt-get runs, a policy-rc.d
# of ours denies every start; afterwards it goes, whatever happened, and the units that came with the new packages are
# disabled. Services that were here before are not touched: what was installed stays as it was, and an administrator's
# own policy-rc.d is asked and left in place; where it would allow a start, nothing is installed.
set -eu

POLICY=/usr/sbin/policy-rc.d
DENIED=101 # policy-rc.d's answer for "must not be done"

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
    # Exclusively (-C): one that appears at this moment is not ours to replace, nor to remove.
    (
        set -C
        printf '#!/bin/sh\n# %s\nexit %d\n' "Of secftp's benchmarks while they install; it may go." "$DENIED" >"$POLICY"
    ) || {
        trap - EXIT
        fail "$POLICY appeared just now; try again."
    }
    chmod 755 "$POLICY"
}

# Also what could not be set up to its end: its units are there, and somebody may finish it later.
present() {
    dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' |
        sed -E '/^(not-installed|config-files) /d; s/.* //' | sort -u
}

# The words that are in the second text and not in the first, each a line of its own.
added() { printf '%s\n' "$1" "$1" "$2" | sort | uniq -u; }

# Units and init scripts of the packages named: not at the next start of the machine either.
disable_services() {
    for path in $(dpkg --listfiles "$@" | grep -E '^(/usr)?/lib/systemd/system/[^/@]+\.(service|socket)$' || true); do
        ! command -v systemctl >/dev/null || systemctl --quiet disable "${path##*/}" 2>/dev/null || true
    done
    for path in $(dpkg --listfiles "$@" | grep -E '^/etc/init\.d/[^/]+$' || true); do
        ! command -v update-rc.d >/dev/null || update-rc.d "${path##*/}" disable >/dev/null 2>&1 || true
    done
}

# A network that does not answer is given up soon: a comparison with fewer peers is better than none.
apt() {
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@" >&2
}

deny_starts "$@"
before=$(present)
# An index that can't be refreshed may still do.
apt update || true
result=0
apt install -y --no-install-recommends "$@" || result=$?
new=$(added "$before" "$(present)")
# shellcheck disable=SC2086 # one word a package
[ -z "$new" ] || disable_services $new
exit "$result"
