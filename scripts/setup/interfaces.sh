# Message packages, into an install prefix of our own: vision_msgs where the ROS 2 environment has none, and
# Roadproof's messages, which `cargo build` needs installed. Sourced by setup.sh.
# shellcheck shell=bash

setup_interfaces() {
    build_interfaces vision_msgs "$root/interfaces/vision_msgs" "$root"/interfaces/vision_msgs/{CMakeLists.txt,package.xml,msg/*}
    build_interfaces roadproof "$root" "$root"/{CMakeLists.txt,package.xml,msg/*}
}

# build_interfaces PACKAGE SOURCE INPUTS...
build_interfaces() {
    local package=$1 source=$2 build=$deps/build/$1 key
    shift 2
    # The names belong to the key as well: a renamed message is another one.
    key=$(key_of "$(declare -f build_interfaces)" "$overlay" "$(cat "$stamps/ros")" "$@" "$(printf '%s\n' "${@##*/}")")
    if is_done "$package" "$key"; then
        return
    fi
    begin "$package"
    (
        # shellcheck source=scripts/env.sh
        . "$root/scripts/env.sh"
        if [ "$package" != roadproof ] && environment_has "$package"; then
            exit 0
        fi
        say "building the messages of $package"
        # A build folder remembers absolute paths; one of another checkout or environment is of no use.
        rm -rf "$build"
        quietly "$package-configure" cmake -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
            -DCMAKE_INSTALL_PREFIX="$overlay" -DPython3_EXECUTABLE="$ROADPROOF_PYTHON" -DROADPROOF_INTERFACES_ONLY=ON
        quietly "$package-build" cmake --build "$build" --parallel "$(nproc)"
        quietly "$package-install" cmake --install "$build"
        rm -rf "$build"
    )
    finish "$package" "$key"
}

# Whether the environment, apart from our own prefix, holds an ament package.
environment_has() {
    local prefix IFS=:
    for prefix in ${AMENT_PREFIX_PATH:-}; do
        if [ "$prefix" != "$overlay" ] && [ -e "$prefix/share/ament_index/resource_index/packages/$1" ]; then
            return 0
        fi
    done
    return 1
}
