"""scripts/env.sh and scripts/setup.sh, as a user's shell meets them."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATH_LISTS = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PATH")
PRINT_LISTS = "printf '%s\\n' " + " ".join(f'"${{{name}-}}"' for name in PATH_LISTS)


def bash(script: str, **overrides: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in a bash without the environment that the tests themselves run in."""
    environment = {name: os.environ[name] for name in ("HOME", "ROADPROOF_DEPS") if name in os.environ}
    environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin"} | overrides
    return subprocess.run(
        ["bash", "-c", script], cwd="/", env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def source(directory: Path = ROOT) -> str:
    return f'. "{directory}/scripts/env.sh"'


def test_sourcing_twice_adds_nothing() -> None:
    once = bash(f"{source()}; {PRINT_LISTS}")
    twice = bash(f"{source()}; {source()}; {PRINT_LISTS}")
    assert once.returncode == twice.returncode == 0
    assert once.stderr == ""
    assert once.stdout == twice.stdout


def test_no_path_list_gets_an_empty_entry() -> None:
    """An empty entry means the working directory, to the loader as to the shell."""
    result = bash(f"{source()}; {PRINT_LISTS}", LD_LIBRARY_PATH="", PYTHONPATH="/somewhere:")
    for line in result.stdout.splitlines():
        assert "" not in line.split(":"), line
    assert "/somewhere" in result.stdout


def test_what_was_set_before_stays() -> None:
    result = bash(
        f'{source()}; echo "$LD_LIBRARY_PATH $ORT_DYLIB_PATH"', LD_LIBRARY_PATH="/a:/b", ORT_DYLIB_PATH="/o.so"
    )
    libraries, onnxruntime = result.stdout.split()
    assert libraries.startswith("/a:/b:")
    assert onnxruntime == "/o.so"


def test_strict_shells_survive_and_stay_as_they_are() -> None:
    result = bash(f"set -euo pipefail; before=$-; {source()}; {source()}; test $- = $before; echo alive")
    assert (result.stdout, result.returncode) == ("alive\n", 0), result.stderr


def test_no_helper_variables_are_left() -> None:
    result = bash(f"compgen -v >/tmp/$$; {source()}; compgen -v | grep -vxFf /tmp/$$; rm /tmp/$$")
    assert not {"root", "deps", "variable", "folder", "IFS", "entry", "prefix"} & set(result.stdout.split())


def test_system_tools_still_work() -> None:
    tools = "/usr/bin/python3 -c 'import ssl, sqlite3' && git --version && cmake --version && curl --version"
    result = bash(f"{source()}; {tools}")
    assert result.returncode == 0, result.stderr


def test_the_interpreter_has_ros() -> None:
    imports = "import rclpy, vision_msgs.msg, roadproof.msg, numpy, cv2, onnxruntime"
    result = bash(f'{source()}; python -c "{imports}" && "$ROADPROOF_PYTHON" -c "{imports}"')
    assert result.returncode == 0, result.stderr


def test_a_checkout_without_set_up_is_told_so(tmp_path: Path) -> None:
    result = bash(f"{source()}; echo status $?", ROADPROOF_DEPS=str(tmp_path))
    assert result.stdout == "status 1\n"
    assert "scripts/setup.sh" in result.stderr


def test_an_unknown_step_is_refused() -> None:
    result = bash(f'"{ROOT}/scripts/setup.sh" nonsense')
    assert result.returncode == 1
    assert "nonsense" in result.stderr
