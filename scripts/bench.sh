#!/usr/bin/env bash
# All benchmarks: criterion's, the node's overhead, and the node side by side with a plain rclpy node. `make bench`
# sets up, builds, and calls this. See benches/README.md.
set -euo pipefail

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
# shellcheck source=scripts/env.sh
. scripts/env.sh
results=${CARGO_TARGET_DIR:-target}/bench
mkdir -p -- "$results"

printf 'Load average before: %s (figures are only worth something when nothing else runs)\n' \
    "$(cut -d ' ' -f 1-3 /proc/loadavg)"

if [ "${1:-}" != --ros-only ]; then
    printf '\n== Stages (criterion)\n'
    cargo bench --locked
fi
printf '\n== Overhead of the node\n'
"$ROADPROOF_PYTHON" benches/side_by_side/overhead.py --json "$results/overhead.json"
printf '\n== Side by side with a plain rclpy node\n'
"$ROADPROOF_PYTHON" benches/side_by_side/compare.py --json "$results/side_by_side.json"
printf '\nAll measurements: %s/*.json\n' "$results"
