# The whole environment of a Roadproof checkout: ROS 2, message packages, ONNX Runtime, Python. Source it in
# bash, from any folder; sourcing it twice changes nothing more.
#
#   . scripts/env.sh
#
# Exports beside ROS 2's own variables: ROADPROOF_PYTHON (the interpreter that has rclpy), ORT_DYLIB_PATH (ONNX
# Runtime's library, unless set already), ROADPROOF_LINK_PYTHON (read by build.rs, only with ROS 2 from PyPI).
# shellcheck shell=bash

# _roadproof_without VARIABLE FOLDER: drops the entries of a path list that lie in FOLDER, and empty ones.
_roadproof_without() {
    local IFS=: entry kept=
    # Split on colons only, no globbing.
    local -a entries
    read -r -a entries <<<"${!1-}"
    for entry in ${entries[@]+"${entries[@]}"}; do
        case $entry in
            '' | "$2" | "$2"/*) ;;
            *) kept=${kept:+$kept:}$entry ;;
        esac
    done
    printf -v "$1" '%s' "$kept"
}

_roadproof_append() { printf -v "$1" '%s' "${!1:+${!1}:}$2"; }
_roadproof_prepend() { printf -v "$1" '%s' "$2${!1:+:${!1}}"; }

# Whether a ROS 2 environment that is not ours is sourced: some prefix holds rcl.
_roadproof_ros_sourced() {
    local IFS=: prefix
    local -a prefixes
    read -r -a prefixes <<<"${AMENT_PREFIX_PATH-}"
    for prefix in ${prefixes[@]+"${prefixes[@]}"}; do
        [ ! -e "$prefix/share/ament_index/resource_index/packages/rcl" ] || return 0
    done
    return 1
}

_roadproof_env() {
    local root deps variable folder
    local _roadproof_ros_kind _roadproof_ros_setup _roadproof_python
    root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P) || return 1
    deps=${ROADPROOF_DEPS:-$root/.deps}
    if [ ! -f "$deps/environment.sh" ]; then
        printf 'env.sh: nothing is set up in %s; run scripts/setup.sh first\n' "$deps" >&2
        return 1
    fi
    # shellcheck source=/dev/null
    . "$deps/environment.sh"

    # What an earlier sourcing added, of this checkout or another, goes first.
    for variable in AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH PATH ORT_DYLIB_PATH; do
        _roadproof_without "$variable" "${_ROADPROOF_ENV_DEPS:-$deps}"
    done
    _ROADPROOF_ENV_DEPS=$deps

    case $_roadproof_ros_kind in
        wheels)
            if _roadproof_ros_sourced; then
                printf 'env.sh: a ROS 2 environment is sourced, but this checkout was set up without one; %s\n' \
                    'run scripts/setup.sh again, or use a shell without it' >&2
                return 1
            fi
            ROS_DISTRO=jazzy
            ROS_VERSION=2
            ROS_PYTHON_VERSION=3
            RMW_IMPLEMENTATION=${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}
            ROADPROOF_LINK_PYTHON=$_roadproof_python
            # The wheels restart an interpreter to set its LD_LIBRARY_PATH, which is done here.
            _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
            export ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION RMW_IMPLEMENTATION ROADPROOF_LINK_PYTHON
            export _ROS_WHEELS_BOOTSTRAP_COMPLETE
            ;;
        *)
            if ! _roadproof_ros_sourced; then
                # ROS 2's own set-up files read unset variables.
                case $- in
                    *u*)
                        set +u
                        # shellcheck source=/dev/null
                        . "$_roadproof_ros_setup"
                        set -u
                        ;;
                    *)
                        # shellcheck source=/dev/null
                        . "$_roadproof_ros_setup"
                        ;;
                esac
            fi
            if ! _roadproof_ros_sourced; then
                printf 'env.sh: no ROS 2 environment is sourced, and %s is not one; source yours first\n' \
                    "$_roadproof_ros_setup" >&2
                return 1
            fi
            unset ROADPROOF_LINK_PYTHON
            ;;
    esac

    # Behind what is there already: a workspace sourced earlier keeps its say.
    for folder in "$deps/overlay" "$deps/ros"; do
        [ "$folder" = "$deps/ros" ] && [ "$_roadproof_ros_kind" != wheels ] && continue
        _roadproof_append AMENT_PREFIX_PATH "$folder"
        _roadproof_append CMAKE_PREFIX_PATH "$folder"
        _roadproof_append LD_LIBRARY_PATH "$folder/lib"
    done
    if [ "$_roadproof_ros_kind" = wheels ]; then
        # The libraries that the wheels brought along; their file names carry a hash and hide no system library.
        for folder in "$deps/ros/lib/$_roadproof_python/site-packages"/ros_*.libs; do
            [ ! -d "$folder" ] || _roadproof_append LD_LIBRARY_PATH "$folder"
        done
    fi
    for folder in lib/"$_roadproof_python"/site-packages lib/"$_roadproof_python"/dist-packages \
        local/lib/"$_roadproof_python"/dist-packages; do
        [ ! -d "$deps/overlay/$folder" ] || _roadproof_append PYTHONPATH "$deps/overlay/$folder"
    done
    _roadproof_prepend PATH "$deps/ros/bin"
    [ -n "${ORT_DYLIB_PATH:-}" ] || ORT_DYLIB_PATH=$deps/onnxruntime/lib/libonnxruntime.so
    ROADPROOF_PYTHON=$deps/ros/bin/python
    # Lets CMake find the same interpreter.
    VIRTUAL_ENV=$deps/ros
    export AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PATH ORT_DYLIB_PATH ROADPROOF_PYTHON VIRTUAL_ENV
    export _ROADPROOF_ENV_DEPS
    [ -z "${PYTHONPATH:-}" ] || export PYTHONPATH
}

_roadproof_env
