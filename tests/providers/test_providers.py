"""GPU providers on a machine that lacks them: told at once, all of it, and never silently replaced."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[2] / "models" / "nanodet-g.toml"

# Long enough for anything but a hang.
HANG_S = 120


def run(roadproof: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [roadproof, "model", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        env={**os.environ, **variables},
    )


@pytest.fixture(scope="module")
def without_gpu(roadproof: str) -> str:
    """The program, on a machine without NVIDIA's driver."""
    if not MODEL.with_suffix(".onnx").is_file():
        pytest.skip("the model is not set up: run scripts/setup.sh")
    if "libcuda.so.1" not in run(roadproof, "check", MODEL, "--provider", "cuda").stderr:
        pytest.skip("this machine has an NVIDIA driver")
    return roadproof


def test_everything_that_tensorrt_lacks_is_in_one_message(without_gpu: str) -> None:
    done = run(without_gpu, "check", MODEL, "--provider", "tensorrt")
    assert done.returncode != 0
    assert done.stdout == ""
    for part in (
        "`tensorrt`",
        "libcuda.so.1",
        "NVIDIA driver",
        "libnvinfer.so.10",
        "libnvonnxparser.so.10",
        "TensorRT 10",
    ):
        assert part in done.stderr
    assert done.stderr.count("no execution provider came up") == 1


def test_a_preferred_provider_gives_way_and_says_why(without_gpu: str) -> None:
    order = "tensorrt,nv_tensorrt_rtx,cuda,cpu"
    done = run(without_gpu, "check", MODEL, "--provider", order, "--prefer", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["provider"] == "cpu"
    assert found["placement"] is None
    for provider in ("tensorrt", "nv_tensorrt_rtx", "cuda"):
        warning = f"running on `cpu`: execution provider `{provider}`"
        assert sum(text.startswith(warning) for text in found["warnings"]) == 1
        assert warning in done.stderr, "also in the log"


def test_frames_on_the_gpu_can_be_required(without_gpu: str) -> None:
    done = run(without_gpu, "check", MODEL, "--gpu-path", "require")
    assert done.returncode != 0
    assert "`gpu_path` is `require`" in done.stderr
    assert "libcuda.so.1" in done.stderr
    found = run(without_gpu, "check", MODEL, "--json")
    assert json.loads(found.stdout)["frames_on"] is None


def test_a_provider_option_names_its_provider(without_gpu: str) -> None:
    done = run(without_gpu, "check", MODEL, "--provider-option", "prefer_nhwc=1")
    assert done.returncode != 0
    assert "`prefer_nhwc`: expected the provider's name, a dot" in done.stderr


def test_without_the_cpu_in_the_list_it_is_not_used(without_gpu: str) -> None:
    done = run(without_gpu, "check", MODEL, "--provider", "tensorrt,cuda", "--prefer")
    assert done.returncode != 0
    assert "`tensorrt`" in done.stderr
    assert "`cuda`" in done.stderr


def test_a_missing_plugin_names_the_places(without_gpu: str) -> None:
    done = run(without_gpu, "check", MODEL, "--provider", "nv_tensorrt_rtx", ROADPROOF_NV_TENSORRT_RTX="")
    if "plugin library is not there" not in done.stderr:
        pytest.skip("the plugin is installed")
    assert done.returncode != 0
    assert "onnxruntime-ep-nv-tensorrt-rtx-cu13" in done.stderr
    assert "libonnxruntime_providers_nv_tensorrt_rtx.so" in done.stderr


def test_a_plugin_that_is_none_is_told(without_gpu: str, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.so"
    plugin.write_text("no library")
    done = run(without_gpu, "check", MODEL, "--provider", "nv_tensorrt_rtx", ROADPROOF_NV_TENSORRT_RTX=str(plugin))
    assert done.returncode != 0
    assert str(plugin) in done.stderr
    assert "no ELF library" in done.stderr


def test_there_is_nothing_to_build_for_the_cpu(without_gpu: str) -> None:
    done = run(without_gpu, "build", "--model", MODEL)
    assert done.returncode == 0, done.stderr
    assert "nothing to build" in done.stdout
    done = run(without_gpu, "build", "--model", MODEL, "--json")
    assert json.loads(done.stdout)["built"] is None


def test_an_engine_needs_a_place_and_a_gpu(without_gpu: str, tmp_path: Path) -> None:
    arguments = ("build", "--model", MODEL, "--provider", "tensorrt")
    done = run(without_gpu, *arguments)
    assert done.returncode != 0
    assert "--engine-cache" in done.stderr
    done = run(without_gpu, *arguments, "--engine-cache", tmp_path)
    assert done.returncode != 0
    assert "libcuda.so.1" in done.stderr
    # a model that went to the CPU has no engine, and that is no success
    done = run(without_gpu, *arguments[:-1], "tensorrt,cpu", "--prefer", "--engine-cache", tmp_path, "--json")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "no engine was kept; the model runs on cpu" in done.stderr


@pytest.mark.parametrize("share", ["1.5", "-1", "most"])
def test_a_share_is_one(without_gpu: str, share: str) -> None:
    done = run(without_gpu, "check", MODEL, f"--min-share={share}")
    assert done.returncode != 0
    assert "from 0 to 1" in done.stderr
