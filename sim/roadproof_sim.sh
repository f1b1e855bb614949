#!/usr/bin/env bash
# Starts the simulator bridge: installed as lib/roadproof/roadproof_sim, so that launch files can.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
python=${ROADPROOF_SIM_PYTHON:-@ROADPROOF_SIM_PYTHON@}
package=$here/../../share/roadproof/sim
if [ ! -x "$python" ]; then
    printf 'roadproof_sim: error: no Python with the simulator at %s; run scripts/setup_sim.sh in a checkout of %s\n' \
        "$python" 'Roadproof, and set ROADPROOF_SIM_PYTHON to its .deps/sim/bin/python' >&2
    exit 1
fi
PYTHONPATH=$package${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m roadproof_sim "$@"
