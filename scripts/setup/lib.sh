# Shared by the set-up steps; sourced, not run. Callers have `set -euo pipefail`.
# shellcheck shell=bash

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
deps=${ROADPROOF_DEPS:-$root/.deps}
stamps=$deps/.stamps
logs=$deps/logs
# shellcheck disable=SC2034 # not for all that source this
venv=$deps/ros
# shellcheck disable=SC2034
overlay=$deps/overlay # one install prefix per message package below it
# shellcheck disable=SC2034 # for the steps
setup_dir=$root/scripts/setup

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# key_of FILE_OR_WORD...: one hash over the contents of the files and the words themselves.
key_of() {
    local item
    for item in "$@"; do
        if [ -f "$item" ]; then
            sha256sum <"$item"
        else
            printf '%s\n' "$item"
        fi
    done | sha256sum | cut -d ' ' -f 1
}

# A step is done when its stamp holds the key of its inputs. The stamp goes before the work starts and comes
# back after it ends, so that an interrupted step is done again.
is_done() { [ "$(cat "$stamps/$1" 2>/dev/null || true)" = "$2" ]; }
begin() {
    mkdir -p "$stamps" "$logs"
    rm -f "$stamps/$1"
}
finish() { printf '%s\n' "$2" >"$stamps/$1"; }

# quietly LOG COMMAND...: output goes to a log, which is shown when the command fails.
quietly() {
    local log=$logs/$1.log
    shift
    mkdir -p "$logs"
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "failed: $*" "The whole output is in $log."
    fi
}

# The ROS 2 environment that somebody sourced before us: the prefix that holds rcl, and neither ours nor another
# checkout's.
sourced_ros_prefix() {
    local prefix IFS=:
    [ -n "${ROS_DISTRO:-}" ] || return 1
    for prefix in ${AMENT_PREFIX_PATH:-}; do
        case $prefix in "$deps"/* | "${_ROADPROOF_ENV_DEPS:-$deps}"/*) continue ;; esac
        if [ -e "$prefix/share/ament_index/resource_index/packages/rcl" ]; then
            printf '%s\n' "$prefix"
            return 0
        fi
    done
    return 1
}
