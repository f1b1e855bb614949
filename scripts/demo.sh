#!/usr/bin/env bash
# The demonstration: a camera driver plays a street video onto two camera topics, the node detects, a collector
# draws and reports. Everything is left in demo-output/. `make demo` sets up, builds, and calls this.
set -euo pipefail

usage() {
    cat <<EOF
usage: scripts/demo.sh [SECONDS]

Plays SECONDS of footage (default: 25). Environment:
  ROADPROOF_BIN  the node (default: target/release/roadproof)
  ROS_DOMAIN_ID  DDS domain (default: one that nobody on this machine uses)
EOF
}

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
# shellcheck source=scripts/demo/common.sh
. scripts/demo/common.sh

case ${1:-} in
    -h | --help)
        usage
        exit 0
        ;;
esac
seconds=${1:-25}
[[ $seconds =~ ^[1-9][0-9]{0,3}$ ]] || fail "expected a number of seconds, found '$seconds'"

# shellcheck source=scripts/env.sh
. scripts/env.sh
binary=${ROADPROOF_BIN:-${CARGO_TARGET_DIR:-target}/release/roadproof}
params=config/demo.yaml
video=.deps/footage/vtest.avi
output=demo-output
logs=$output/logs
[ -x "$binary" ] || fail "no $binary; \`make demo\` builds it"
[ -f models/nanodet-g.onnx ] || fail 'no models/nanodet-g.onnx; scripts/setup.sh fetches it'
[ -f "$video" ] || fail "no $video; scripts/demo/fetch_footage.sh fetches it"

begin "$output" "$logs"

# Ends the demo with a process's log, if it has gone although it should not have.
ended_badly() {
    printf 'demo: error: the %s ended (status %s); the end of %s:\n' "$1" "$2" "$3" >&2
    tail -n 20 "$3" >&2
    exit 1
}

printf 'Playing %s s of street footage onto two cameras (ROS domain %s, this machine only).\n' \
    "$seconds" "$ROS_DOMAIN_ID"

"$binary" node --ros-args --params-file "$params" >"$logs/node.log" 2>&1 &
node=$!
pids+=("$node")
"$ROADPROOF_PYTHON" scripts/demo/collector.py --params "$params" --output "$output" --duration "$seconds" \
    --timeout $((seconds + 60)) --driver-summary "$logs/driver.json" 2> >(tee "$logs/collector.log" >&2) &
collector=$!
pids+=("$collector")
# Two subscriptions on each topic: the node's and the collector's.
"$ROADPROOF_PYTHON" scripts/demo/camera_driver.py "$video" --duration "$seconds" --subscribers 2 \
    --summary "$logs/driver.json" >"$logs/driver.log" 2>&1 &
driver=$!
pids+=("$driver")

while running "$collector"; do
    status=0
    running "$node" || { wait "$node" || status=$?; ended_badly node "$status" "$logs/node.log"; }
    if [ -n "$driver" ] && ! running "$driver"; then
        wait "$driver" || status=$?
        [ "$status" -eq 0 ] || ended_badly 'camera driver' "$status" "$logs/driver.log"
        driver=
    fi
    sleep 0.2
done
status=0
wait "$collector" || status=$?

# The node leaves when asked to, in good order.
kill -TERM "$node" 2>/dev/null || true
node_status=0
wait "$node" || node_status=$?
[ "$node_status" -eq 0 ] || ended_badly node "$node_status" "$logs/node.log"

printf '\nAccuracy and robustness on 40 labelled collages (synthetic, so no measure of the road) ...\n'
"$ROADPROOF_PYTHON" scripts/demo/collages.py "$output/collages" 2>"$logs/collages.log" \
    || ended_badly 'drawing of the collages' $? "$logs/collages.log"
"$binary" evaluate "$output/collages" --model models/nanodet-g.toml --output "$output/study" \
    --corruptions gaussian_noise,defocus_blur,fog,jpeg_compression --severities 1,3,5
"$binary" report "$output/study/report.json" -o "$output/report.html"

printf '\nHealth: a profile from these collages, then a stream of them in which fog comes up and lifts ...\n'
"$binary" profile "$output/collages" --model models/nanodet-g.toml -o "$output/profile.json" \
    --corruptions fog,gaussian_noise --severities 1,3,5 --rate 8 --window 10
mkdir -p -- "$output/stream"
frame=0
for _ in {1..30}; do
    for picture in "$output"/collages/images/*; do
        ln -- "$picture" "$output/stream/$(printf '%05d' "$frame").${picture##*.}"
        frame=$((frame + 1))
    done
done
"$binary" replay "$output/stream" --model models/nanodet-g.toml --profile "$output/profile.json" --rate 8 --window 10 \
    --campaign config/campaigns/fog-ramp.toml -o "$output/health"
"$binary" report "$output/health/health.jsonl" -o "$output/health.html"

cat <<EOF

Annotated frames
  $output/contact_sheet.png
  $output/front.mp4, $output/rear.mp4
  $output/summary.json (all figures)
For a browser
  $output/report.html (accuracy and robustness)
  $output/health.html (health over time: does it follow the fog?)
EOF
[ "$status" -eq 0 ] || fail "the run was not as it should be; see above, and $logs/"
