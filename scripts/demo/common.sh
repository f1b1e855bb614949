# Shared by the demonstrations; sourced, not run. Callers have `set -euo pipefail` and are in the checkout's folder.
# shellcheck shell=bash

# What was begun in the background and is to end with the demonstration.
pids=()

fail() {
    printf '%s: error: %s\n' "$(basename "$0" .sh | tr _ -)" "$*" >&2
    exit 1
}

# begin OUTPUT LOGS: an empty output folder, a DDS domain of its own on this machine, and an end to everything at the exit.
begin() {
    ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-$("$ROADPROOF_PYTHON" scripts/free_domain.py)}
    ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
    unset ROS_LOCALHOST_ONLY ROS_STATIC_PEERS
    rm -rf -- "$1"
    mkdir -p -- "$2"
    ROS_LOG_DIR=$PWD/$2/ros
    # Without it, shared memory is too small for a camera image; other middleware ignores it.
    FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$PWD/config/fastdds.xml}
    export ROS_DOMAIN_ID ROS_AUTOMATIC_DISCOVERY_RANGE ROS_LOG_DIR FASTRTPS_DEFAULT_PROFILES_FILE
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

clean_up() {
    local status=$? pid
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for _ in {1..30}; do
        running "${pids[@]}" || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    exit "$status"
}

running() {
    local pid
    for pid in "$@"; do
        ! kill -0 "$pid" 2>/dev/null || return 0
    done
    return 1
}
