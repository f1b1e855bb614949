# Message packages, each into an install prefix of its own: vision_msgs where the ROS 2 environment has none, and
# Roadproof's messages, which `cargo build` needs installed. Sourced by setup.sh.
#
# A prefix carries the hash of its sources in its name: r2r generates its types anew only when a path in the
# environment changes, and types of outdated messages would read and write beyond their fields.
# shellcheck shell=bash

setup_interfaces() {
    build_interfaces vision_msgs "$root/interfaces/vision_msgs" "$root"/interfaces/vision_msgs/{CMakeLists.txt,package.xml,msg/*}
    build_interfaces roadproof "$root" "$root"/{CMakeLists.txt,package.xml,msg/*}
}

# build_interfaces PACKAGE SOURCE INPUTS...
build_interfaces() {
    local package=$1 source=$2 build=$deps/build/$1 key prefix
    shift 2
    # The names belong to the key as well: a renamed message is another one.
    key=$(key_of "$(declare -f build_interfaces)" "$overlay" "$(cat "$stamps/ros")" "$@" "$(printf '%s\n' "${@##*/}")")
    if is_done "$package" "$key"; then
        return
    fi
    begin "$package"
    rm -rf "$overlay/$package"-*
    prefix=$overlay/$package-${key:0:12}
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
            -DCMAKE_INSTALL_PREFIX="$prefix" -DPython3_EXECUTABLE="$ROADPROOF_PYTHON" -DROADPROOF_INTERFACES_ONLY=ON
        quietly "$package-build" cmake --build "$build" --parallel "$(nproc)"
        quietly "$package-install" cmake --install "$build"
        rm -rf "$build"
    )
    finish "$package" "$key"
}

# Whether the environment, apart from our own prefixes, holds an ament package.
environment_has() {
    local prefix IFS=:
    for prefix in ${AMENT_PREFIX_PATH:-}; do
        case $prefix in "$overlay"/*) continue ;; esac
        if [ -e "$prefix/share/ament_index/resource_index/packages/$1" ]; then
            return 0
        fi
    done
    return 1
}
