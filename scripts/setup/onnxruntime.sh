# ONNX Runtime's shared library, out of the Python wheel. Sourced by setup.sh.
# shellcheck shell=bash

onnxruntime_version=1.23.2

# The wheels of all CPython versions hold the same library.
onnxruntime_sha256() {
    case $(uname -m) in
        x86_64) printf '718c3fb0785d5ea06061b92c32ce4ad35be1bd4c71ae6192efe06f1ab21f0f8a\n' ;;
        aarch64) printf 'ab8c4363e06ac80b3d1279ea55ebea44e906c5b131ba783ff684a067540c0e94\n' ;;
        *) die "no ONNX Runtime wheel for $(uname -m)" 'Build it, and set ORT_DYLIB_PATH to its libonnxruntime.so.' ;;
    esac
}

setup_onnxruntime() {
    local sha256 key folder=$deps/onnxruntime wheel
    sha256=$(onnxruntime_sha256)
    key=$(key_of "$(declare -f setup_onnxruntime)" "$onnxruntime_version" "$(cat "$stamps/python")")
    if is_done onnxruntime "$key"; then
        return
    fi
    say "taking ONNX Runtime $onnxruntime_version out of its wheel"
    begin onnxruntime
    wheel=$(_ROS_WHEELS_BOOTSTRAP_COMPLETE=1 "$venv/bin/python" -c '
import importlib.metadata, sys
print(importlib.metadata.distribution("onnxruntime").locate_file("onnxruntime"))')
    rm -rf "$folder"
    mkdir -p "$folder/lib"
    cp "$wheel/LICENSE" "$wheel/ThirdPartyNotices.txt" "$folder/"
    cp "$wheel/capi/libonnxruntime.so.$onnxruntime_version" "$wheel/capi/libonnxruntime_providers_shared.so" \
        "$folder/lib/"
    printf '%s  %s\n' "$sha256" "$folder/lib/libonnxruntime.so.$onnxruntime_version" | sha256sum --status -c ||
        die "libonnxruntime.so.$onnxruntime_version of $wheel is not the expected one" \
            "expected sha256 $sha256" \
            "found           $(sha256sum <"$folder/lib/libonnxruntime.so.$onnxruntime_version" | cut -d ' ' -f 1)"
    ln -s "libonnxruntime.so.$onnxruntime_version" "$folder/lib/libonnxruntime.so"
    ln -s "libonnxruntime.so.$onnxruntime_version" "$folder/lib/libonnxruntime.so.1"
    finish onnxruntime "$key"
}
