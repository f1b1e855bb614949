#!/usr/bin/env bash
# The whole GPU campaign in one command, for a machine with an NVIDIA GPU and no network. Takes 4 to 6 minutes.
#
#   benches/gpu.sh [OUT]        results (JSON, logs) go to OUT, by default ./gpu-campaign
#
# It needs beside it, by environment variables (sizes as of ONNX Runtime 1.31.1):
#   ROADPROOF_BIN    the program, built with `cargo build --release --no-default-features` (16 MB stripped) and OpenCV
#   ORT_DYLIB_PATH   libonnxruntime.so of PyPI's onnxruntime-gpu, with its providers beside it (330 MB unpacked)
#   LD_LIBRARY_PATH  CUDA 13, cuDNN 9, cuBLAS, cuFFT, cuRAND and NVRTC (PyPI's nvidia-*)
#   MODELS           folder with nanodet-g{,-fp16,-int8}.toml and yolov8n-shaped{,-fp16,-int8,-dyn-fp16}.toml (66 MB):
#                    scripts/models/make_yolov8n_shaped.py and `roadproof compress` make them
#   DATASET          labelled photographs that `roadproof evaluate` reads (32 are enough, 4 MB)
# and, for what is measured only where it is there:
#   ROADPROOF_NV_TENSORRT_RTX   the plugin of PyPI's onnxruntime-ep-nv-tensorrt-rtx-cu13 (310 MB unpacked)
#   ROADPROOF_PYTHON            a Python with onnxruntime-gpu, OpenCV and numpy, for the side by side
#   PROVIDERS                   providers to measure, by default "cuda"; "tensorrt cuda" where TensorRT is installed
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-gpu-campaign}
mkdir -p "$out"
for name in ROADPROOF_BIN ORT_DYLIB_PATH MODELS DATASET; do
    if [ -z "${!name:-}" ]; then
        echo "gpu.sh: $name is not set; see the head of ${BASH_SOURCE[0]}" >&2
        exit 2
    fi
done
providers=${PROVIDERS:-cuda}
best=${providers%% *}
images=$DATASET/images
frames=${FRAMES:-1500}
begin=$SECONDS
failed=()

step() {
    local name=$1
    shift
    echo "== [$((SECONDS - begin)) s] $name"
    if ! "$@" >"$out/$name.log" 2>&1; then
        echo "   failed: $(tail -n 3 "$out/$name.log")"
        failed+=("$name")
    fi
}

bench() { # NAME MODEL... -- OPTIONS
    local name=$1 models=()
    shift
    while [ "$1" != -- ]; do
        models+=(--model "$MODELS/$1.toml")
        shift
    done
    shift
    step "$name" "$ROADPROOF_BIN" bench "${models[@]}" --input "$images" --size 1280x720 --warm-up 50 \
        --frames "$frames" "$@" -o "$out/$name.json"
    grep -E "images per second|upload|preprocess|inference|postprocess|total" "$out/$name.log"
}

nvidia-smi --query-gpu=name,driver_version,memory.total,pcie.link.gen.max,pcie.link.width.max,clocks.max.sm \
    --format=csv,noheader | tee "$out/gpu.txt"
grep -m 1 "model name" /proc/cpuinfo | tee "$out/cpu.txt"

# how fast, stage by stage
each=()
for provider in $providers; do each+=(--provider "$provider"); done
bench stages nanodet-g nanodet-g-fp16 nanodet-g-int8 yolov8n-shaped yolov8n-shaped-fp16 yolov8n-shaped-int8 -- "${each[@]}"
# what each part of the GPU path is worth
bench without-graph yolov8n-shaped-fp16 -- --provider "$best" --cuda-graph false
bench on-the-host yolov8n-shaped-fp16 nanodet-g-fp16 -- --provider "$best" --gpu-path off
bench one-upload-thread yolov8n-shaped-fp16 -- --provider "$best" --upload-threads 1
bench batches yolov8n-shaped-dyn-fp16 -- --provider "$best" --batch 1,2,6
if [ "$best" = cuda ]; then
    bench channels-first yolov8n-shaped-fp16 -- --provider cuda --channels-last false
fi

# behind cameras
rate() { # NAME OPTIONS
    local name=$1
    shift
    step "$name" "$ROADPROOF_BIN" bench rate --model "$MODELS/yolov8n-shaped-dyn-fp16.toml" --provider "$best" \
        --input "$images" --size 1280x720 --cameras 6 --hz 60 --duration 8 "$@" -o "$out/$name.json"
    cat "$out/$name.log"
}
rate six-cameras
rate six-cameras-batched --batch-max 6 --batch-window-ms 2
step one-camera "$ROADPROOF_BIN" bench rate --model "$MODELS/yolov8n-shaped-fp16.toml" --provider "$best" --input "$images" \
    --size 1280x720 --hz 10,30,60 --duration 5 --no-peak -o "$out/one-camera.json"
cat "$out/one-camera.log"

# as accurate as the CPU
for model in nanodet-g nanodet-g-fp16 yolov8n-shaped-fp16; do
    for provider in cpu "$best"; do
        step "accuracy-$model-$provider" "$ROADPROOF_BIN" evaluate "$DATASET" --model "$MODELS/$model.toml" \
            --provider "$provider" --workers 2 --bootstrap 100 -o "$out/study-$model-$provider"
        cp "$out/study-$model-$provider/report.json" "$out/accuracy-$model-$provider.json" 2>/dev/null
    done
    tail -n 3 "$out/accuracy-$model-cpu.log" "$out/accuracy-$model-$best.log" | grep -E "^$model|AP"
done

# side by side with Python on the same GPU
if [ -n "${ROADPROOF_PYTHON:-}" ]; then
    picture=$(find "$images" -name "*.jpg" | sort | head -n 1)
    mkdir -p "$out/one"
    cp "$picture" "$out/one/"
    for model in nanodet-g yolov8n-shaped-fp16; do
        for extra in "" --cuda-graph "--cuda-graph --nhwc"; do
            # shellcheck disable=SC2086 # words on purpose
            step "peer-$model${extra// /}" "$ROADPROOF_PYTHON" "$here/gpu/peer.py" "$MODELS/$model.toml" --provider cuda \
                --image "$picture" --frames 500 $extra
        done
        step "same-picture-$model" "$ROADPROOF_BIN" bench --model "$MODELS/$model.toml" --provider "$best" --input "$out/one" \
            --size 1280x720 --warm-up 50 --frames 1000 -o "$out/same-picture-$model.json"
        grep -A 9 "images per second" "$out/same-picture-$model.log"
    done
    grep -h -A 4 '"total"' "$out"/peer-*.log
fi

# TensorRT for RTX, where the plugin takes this GPU
if [ -n "${ROADPROOF_NV_TENSORRT_RTX:-}" ]; then
    bench rtx yolov8n-shaped-fp16 -- --provider nv_tensorrt_rtx --engine-cache "$out/engines"
fi

echo "== [$((SECONDS - begin)) s] done: $out"
if [ ${#failed[@]} -gt 0 ]; then
    echo "gpu.sh: failed: ${failed[*]}" >&2
    exit 1
fi
