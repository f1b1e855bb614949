"""The JSON schemas of parameter files: they agree with the node, take our files, and refuse broken ones."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from harness.domain import Domain
from harness.peer import Peer
from launching import ROOT
from launching.running import Launched
from launching.start import Start

sys.path.append(str(ROOT / "scripts"))
from parameter_schema import ask  # noqa: E402

pytestmark = pytest.mark.timeout(300)

CONFIG = ROOT / "config"
MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")


def schema(name: str = "roadproof") -> Draft7Validator:
    content = json.loads((CONFIG / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(content)
    return Draft7Validator(content)


def complaints(text: str, name: str = "roadproof") -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in schema(name).iter_errors(yaml.safe_load(text))]


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_our_files_name_their_schema_and_keep_to_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = MODELINE.match(text)
    assert named, "the first line tells editors the schema"
    file = (path.parent / named[1]).resolve()
    assert file.parent == CONFIG / "schema"
    assert complaints(text, file.name.removesuffix(".schema.json")) == []


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_every_camera_of_our_files_has_its_block(path: Path) -> None:
    if path.name == "diagnostic_aggregator.yaml":
        pytest.skip("not of the node")
    known = schema().schema["definitions"]["node"]["properties"]
    for section in yaml.safe_load(path.read_text(encoding="utf-8")).values():
        parameters = section["ros__parameters"]
        blocks = {name for name in parameters if name not in known}
        assert blocks == set(parameters.get("cameras", []))


@pytest.fixture
def peer(installed: Path, tmp_path: Path) -> Iterator[Peer]:
    """Beside a node without parameters."""
    domain = Domain()
    peer = Peer(domain.number)
    start = Start("roadproof", "roadproof", "roadproof", "/", ("node",))
    with Launched([start], installed, tmp_path, domain.number):
        yield peer
    peer.close()
    domain.close()


def test_the_schema_says_what_the_node_says(peer: Peer) -> None:
    """Names, types, ranges, choices, defaults, descriptions."""
    assert schema().schema == ask(peer.node), "run scripts/parameter_schema.py"


PARAMETERS = "/**: {{ros__parameters: {{{}}}}}"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("score_threshold: 1.5", "score_threshold: 1.5 is greater than the maximum of 1"),
        ("max_age_ms: old", "max_age_ms: 'old' is not of type 'integer'"),
        ("max_age_ms: -1", "max_age_ms: -1 is less than the minimum of 0"),
        ("provider_policy: hope", "provider_policy: 'hope' is not one of ['require', 'prefer']"),
        ("scor_threshold: 0.5", "scor_threshold: 0.5 is not of type 'object'"),
        ("health: {window: 3}", "health: Additional properties are not allowed ('window' was unexpected)"),
        ("health.window_s: 3", "'health.window_s' does not match"),
        ("cameras: front", "cameras: 'front' is not of type 'array'"),
        ("cameras: [front, front]", "cameras: ['front', 'front'] has non-unique elements"),
        ("cameras: [1st]", "cameras[0]: '1st' does not match"),
        ("cameras: [health]", "cameras[0]: 'health' should not be valid under"),
        ("front: {topc: /image}", "front: Additional properties are not allowed ('topc' was unexpected)"),
        ("front: {transport: h264}", "front.transport: 'h264' is not one of ['raw', 'compressed']"),
        ("autostart: 'yes'", "autostart: 'yes' is not of type 'boolean'"),
    ],
)
def test_broken_parameters_are_refused_with_place_and_reason(parameters: str, reason: str) -> None:
    found = complaints(PARAMETERS.format(parameters))
    assert any(reason in complaint for complaint in found), found


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "model: m.toml",
        "/**: {model: m.toml}",
        "/**: {ros__parameters: []}",
        "'/**/surround': {ros__parameters: {}}",
    ],
)
def test_broken_sections_are_refused(text: str) -> None:
    assert complaints(text)


def test_usual_files_are_taken() -> None:
    for section in ("/**", "roadproof", "/roadproof", "/rig/surround"):
        assert (
            complaints(f"{section}: {{ros__parameters: {{cameras: [CAM_FRONT], CAM_FRONT: {{topic: /image}}}}}}") == []
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("analyzers: {ros__parameters: {}}", "'path' is a required property"),
        ("analyzers: {ros__parameters: {path: x, analyzers: {a: {type: mine}}}}", "'mine' is not one of"),
        (
            "analyzers: {ros__parameters: {path: x, analyzers: {a: {type: diagnostic_aggregator/GenericAnalyzer}}}}",
            "'path' is a required property",
        ),
    ],
)
def test_broken_aggregator_files_are_refused(text: str, reason: str) -> None:
    found = complaints(text, "diagnostic_aggregator")
    assert any(reason in complaint for complaint in found), found
