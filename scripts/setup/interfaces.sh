# Message packages, into an install prefix of our own: vision_msgs where the ROS 2 environment has none, and
# Roadproof's messages, which `cargo build` needs installed. Sourced by setup.sh.
# shellcheck shell=bash

setup_interfaces() {
    local key
    # shellcheck disable=SC2046 # file names without spaces
    key=$(cd "$root" && key_of "$setup_dir/interfaces.sh" "$overlay" "$(cat "$stamps/ros")" package.xml CMakeLists.txt \
        $(find msg interfaces -type f | sort) $(find msg interfaces -type f -exec basename {} \; | sort))
    if is_done interfaces "$key"; then
        return
    fi
    begin interfaces
    (
        # shellcheck source=scripts/env.sh
        . "$root/scripts/env.sh"
        if has_package vision_msgs; then
            say 'building the messages of roadproof'
        else
            say 'building the messages of roadproof and vision_msgs'
            build_interfaces vision_msgs "$root/interfaces/vision_msgs"
        fi
        build_interfaces roadproof "$root" -DROADPROOF_INTERFACES_ONLY=ON
    )
    finish interfaces "$key"
}

# Whether the environment below our own prefix holds an ament package.
has_package() {
    local prefix IFS=:
    for prefix in ${AMENT_PREFIX_PATH:-}; do
        if [ "$prefix" != "$overlay" ] && [ -e "$prefix/share/ament_index/resource_index/packages/$1" ]; then
            return 0
        fi
    done
    return 1
}

# build_interfaces NAME SOURCE CMAKE_ARGUMENTS...
build_interfaces() {
    local name=$1 source=$2 build=$deps/build/$1
    shift 2
    # A build folder remembers absolute paths; one of another checkout or environment is useless.
    rm -rf "$build"
    quietly "$name-configure" cmake -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
        -DCMAKE_INSTALL_PREFIX="$overlay" -DPython3_EXECUTABLE="$ROADPROOF_PYTHON" "$@"
    quietly "$name-build" cmake --build "$build" --parallel "$(nproc)"
    quietly "$name-install" cmake --install "$build"
    rm -rf "$build"
}
