# Model weights and the demo's footage, each by name and hash; the scripts know what they have already.
# Sourced by setup.sh.
# shellcheck shell=bash

setup_models() {
    local script
    for script in scripts/models/fetch_nanodet.sh scripts/demo/fetch_footage.sh; do
        if [ -f "$root/$script" ]; then
            (
                # shellcheck source=scripts/env.sh
                . "$root/scripts/env.sh"
                bash "$root/$script"
            )
        fi
    done
}
