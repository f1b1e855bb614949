#!/usr/bin/env bash
# The simulator loop: the bridge drives through changing weather, the node detects, and at the end the true accuracy by
# class stands beside the node's own estimate. Everything is left in demo-sim-output/. `make demo-sim` sets up and calls this.
set -euo pipefail

usage() {
    cat <<EOF
usage: scripts/demo_sim.sh [SECONDS]

Simulates SECONDS of each weather (default: 10). Environment:
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
seconds=${1:-10}
[[ $seconds =~ ^[1-9][0-9]{0,3}$ ]] || fail "expected a number of seconds, found '$seconds'"

# shellcheck source=scripts/env.sh
. scripts/env.sh
binary=${ROADPROOF_BIN:-${CARGO_TARGET_DIR:-target}/release/roadproof}
model=models/nanodet-g.toml
simulator=${ROADPROOF_DEPS:-.deps}/sim/bin/python
output=demo-sim-output
logs=$output/logs
weathers=(clear overcast rain fog night glare)
rate=4
[ -x "$binary" ] || fail "no $binary; \`make demo-sim\` builds it"
[ -x "$simulator" ] || fail "no $simulator; scripts/setup_sim.sh sets it up"
[ -f "${model%.toml}.onnx" ] || fail "no ${model%.toml}.onnx; scripts/setup.sh fetches it"

begin "$output" "$logs"
export PYTHONPATH=$root/sim${PYTHONPATH:+:$PYTHONPATH}
ended_badly() {
    printf 'demo-sim: error: the %s ended with status %s; the end of %s:\n' "$1" "$2" "$3" >&2
    tail -n 20 "$3" >&2
    exit 1
}

# bridge NAME ARGUMENT...: one drive, in the background.
bridge() {
    local log=$logs/bridge-$1.log
    shift
    "$simulator" -m roadproof_sim --ros-args -p "rate:=$rate.0" -p pace:=1.0 "$@" >"$log" 2>&1 &
    bridge=$!
    pids+=("$bridge")
}
# record FOLDER WEATHER:SECONDS...: in the background.
record() {
    "$ROADPROOF_PYTHON" scripts/demo_sim/recorder.py "$@" >"$logs/$(basename "$1").log" 2>&1 &
    recorder=$!
    pids+=("$recorder")
}

printf 'A drive in clear weather, of another seed, from which the health profile is made ...\n'
record "$output/profile-drive" "clear:$seconds"
bridge profile -p seed:=2 -p "duration:=$((seconds * 2)).0" -p pace:=0.0 -p weather:=clear -p subscribers:=1
# Nobody listens to the node here, so the recorder finds no health and says so with its status.
wait "$bridge" || ended_badly bridge $? "$logs/bridge-profile.log"
wait "$recorder" || true
"$binary" profile "$output/profile-drive/clear" --model "$model" -o "$output/profile.json" \
    --topic /sim/camera/front/image_raw --truth-topic /sim/camera/front/ground_truth \
    --corruptions fog,gaussian_noise,low_light --severities 1,3,5 --rate "$rate" --window 10 \
    >"$logs/profile.log" 2>&1 || ended_badly profile $? "$logs/profile.log"

schedule=
for weather in "${weathers[@]}"; do
    schedule+=${schedule:+,}\"$weather:$seconds\"
done
printf 'The drive: %s s each of %s (simulated; ROS domain %s) ...\n' "$seconds" "${weathers[*]}" "$ROS_DOMAIN_ID"
"$binary" node --ros-args -p "model:=$model" -p 'cameras:=[front]' -p front.topic:=/sim/camera/front/image_raw \
    -p use_sim_time:=true -p "health.profile:=$output/profile.json" -p health.window_s:=10 -p max_age_ms:=0 \
    -p stale_after_ms:=60000 -p intra_op_threads:=1 -p front.ground_truth:=/sim/camera/front/ground_truth \
    -p ground_truth.wait_ms:=60000 -p "record.path:=$output/drive.mcap" >"$logs/node.log" 2>&1 &
node=$!
pids+=("$node")
record "$output/drive" "${weathers[@]/%/:$seconds}"
# The recorder and the node.
bridge drive -p seed:=1 -p "schedule:=[$schedule]" -p "duration:=$((seconds * ${#weathers[@]})).0" -p subscribers:=2
wait "$bridge" || ended_badly bridge $? "$logs/bridge-drive.log"
wait "$recorder" || ended_badly recorder $? "$logs/drive.log"
kill -TERM "$node"
wait "$node" || ended_badly node $? "$logs/node.log"

printf 'Accuracy by ground truth, weather by weather ...\n'
for weather in "${weathers[@]}"; do
    "$binary" evaluate "$output/drive/$weather" --model "$model" --topic /sim/camera/front/image_raw \
        --truth-topic /sim/camera/front/ground_truth --score 0.1 --bootstrap 200 -o "$output/study/$weather" --json \
        >"$output/study-$weather.json" 2>"$logs/evaluate-$weather.log" \
        || ended_badly evaluation $? "$logs/evaluate-$weather.log"
done
"$ROADPROOF_PYTHON" scripts/demo_sim/summary.py "$output" "${weathers[@]}"
printf '\nThe whole drive, from the bag that the node recorded (%s):\n\n' "$output/drive.mcap"
"$binary" evaluate "$output/drive.mcap" --model "$model" --topic /sim/camera/front/image_raw \
    --truth-topic /sim/camera/front/ground_truth --score 0.1 --bootstrap 200 -o "$output/study/drive" \
    2>"$logs/evaluate-drive.log" || ended_badly evaluation $? "$logs/evaluate-drive.log"
