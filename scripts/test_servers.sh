#!/bin/sh
# Installs what the tests run against: PostgreSQL, Redis and the packages named as arguments (e.g. chromium).
# Only as root and with apt; otherwise it says what to do. Tests whose server is missing are skipped, but not in CI.
set -eu

there() {
    case $1 in
        postgresql) command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ;;
        redis-server) command -v redis-server >/dev/null || test -x /usr/sbin/redis-server ;;
        *) command -v "$1" >/dev/null || dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$' ;;
    esac
}

missing=
for package in postgresql redis-server "$@"; do
    there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed:$missing. Tests that need them are skipped; as root: apt-get install$missing" >&2
    exit 0
fi

# The tests start servers of their own, so the packages must not start theirs: now (policy) or at the next boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

install() {
    # shellcheck disable=SC2086  # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        $missing </dev/null >&2
}

update() {
    apt-get update --quiet -o DPkg::Lock::Timeout=300 </dev/null >&2
}

echo "Installing$missing for the tests…" >&2
install || { update && install; } || echo "Could not install$missing; tests that need them will say so." >&2

for service in $missing; do
    if [ -e "/etc/init.d/$service" ] && command -v update-rc.d >/dev/null; then
        update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
done
