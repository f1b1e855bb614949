# What `make lint` needs beside cargo. Sourced by setup.sh.
# shellcheck shell=bash

setup_lint() {
    local component key
    for component in fmt clippy; do
        (cd "$root" && cargo "$component" --version >/dev/null 2>&1) ||
            die "cargo $component is not installed" "  rustup component add rustfmt clippy"
    done
    key=$(key_of "$setup_dir/lint-requirements.txt" "$(cat "$stamps/ros")")
    if is_done lint "$key"; then
        return
    fi
    say 'installing the linters for shell and Python scripts'
    begin lint
    pip_install lint --requirement="$setup_dir/lint-requirements.txt"
    finish lint "$key"
}
