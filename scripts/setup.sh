#!/usr/bin/env bash
# Sets up everything that Roadproof needs on Debian 12 or Ubuntu 22.04/24.04: system packages, ROS 2, ONNX
# Runtime, message packages, model weights. Apart from the system packages all of it goes into .deps/ of this
# checkout. Running it again does only what is missing or out of date.
set -euo pipefail
# shellcheck source=scripts/setup/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/setup/lib.sh"

steps=(system rust ros python onnxruntime interfaces npm models)
extra_steps=(lint)

usage() {
    cat <<EOF
usage: scripts/setup.sh [STEP...]

Steps, all of them in this order by default: ${steps[*]}
Only when named: ${extra_steps[*]}

Environment:
  ROADPROOF_DEPS         folder for what is installed (default: .deps of the checkout)
  ROADPROOF_BASE_PYTHON  CPython 3.10 to 3.13 of the system (default: /usr/bin/python3)
EOF
}

# shellcheck source=scripts/setup/system.sh
. "$setup_dir/system.sh"
# shellcheck source=scripts/setup/ros.sh
. "$setup_dir/ros.sh"
# shellcheck source=scripts/setup/onnxruntime.sh
. "$setup_dir/onnxruntime.sh"
# shellcheck source=scripts/setup/interfaces.sh
. "$setup_dir/interfaces.sh"
# shellcheck source=scripts/setup/models.sh
. "$setup_dir/models.sh"
# shellcheck source=scripts/setup/lint.sh
. "$setup_dir/lint.sh"

wanted=("$@")
[ $# -gt 0 ] || wanted=("${steps[@]}")
for step in "${wanted[@]}"; do
    case $step in
        -h | --help)
            usage
            exit 0
            ;;
    esac
    case " ${steps[*]} ${extra_steps[*]} " in
        *" $step "*) ;;
        *)
            usage >&2
            die "unknown step '$step'"
            ;;
    esac
done

mkdir -p "$deps" "$stamps" "$logs"
# One set-up at a time in a checkout: a second one waits, and then finds everything done.
exec 9>"$deps/.lock"
if ! flock -n 9; then
    say 'waiting for another set-up of this checkout'
    flock 9
fi

for step in "${wanted[@]}"; do
    "setup_$step"
done
say "ready. In a shell: . scripts/env.sh"
