# System packages and the Rust toolchain. Sourced by setup.sh.
# shellcheck shell=bash

# What the build needs: a C++ compiler and CMake for the generated messages, libclang for the bindings, OpenCV
# for colour conversion, Python's headers and library for the message modules.
system_packages=(build-essential ca-certificates clang cmake curl git libclang-dev libopencv-dev pkg-config
    python3-dev python3-venv)

missing_system_packages() {
    local package status
    for package in "${system_packages[@]}"; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = 'install ok installed' ] || printf '%s\n' "$package"
    done
}

setup_system() {
    if ! command -v dpkg-query >/dev/null; then
        check_system_by_tools
        return
    fi
    local missing
    mapfile -t missing < <(missing_system_packages)
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            die "system packages are missing, and only root can install them: ${missing[*]}" \
                "Run this, then set up again:" \
                "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
        fi
        as_root=(sudo -n)
    fi
    say "installing system packages: ${missing[*]}"
    quietly apt-update "${as_root[@]}" apt-get update -q
    quietly apt-install "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# On a system without dpkg nothing is installed; what is lacking is named.
check_system_by_tools() {
    local tool lacking=()
    for tool in c++ cmake make clang pkg-config curl python3; do
        command -v "$tool" >/dev/null || lacking+=("$tool")
    done
    if command -v pkg-config >/dev/null; then
        pkg-config --exists opencv4 || lacking+=('OpenCV 4 (opencv4.pc)')
    fi
    if [ ${#lacking[@]} -ne 0 ]; then
        die "this system is not Debian or Ubuntu, so install these yourself: ${lacking[*]}" \
            "On Debian their packages are: ${system_packages[*]}"
    fi
}

setup_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
    if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        die "no Rust toolchain; version $wanted or newer is needed" \
            "Install it with rustup, then set up again:" \
            "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile default"
    fi
    found=$(cd "$root" && rustc --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
        die "Rust $found is too old; version $wanted or newer is needed" \
            "  rustup update stable   (or install rustup: https://rustup.rs)"
    fi
}
