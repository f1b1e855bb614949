"""Recipes: what is made, what is found made, what is refused, and what is said where something is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")
onnx = pytest.importorskip("onnx", reason="the Python package onnx is not set up: run scripts/setup.sh")

RECIPE = """format = 1
model = "{model}"

[calibration]
dataset = "{dataset}"
images = 4
corruptions = ["gaussian_noise:1"]

[[variant]]
name = "small"
steps = [
    {{ method = "structured", rate = 0.25 }},
    {{ method = "int8", calibration = "mse", exclude = ["conv_1"] }},
]

[[variant]]
name = "half"
steps = [{{ method = "fp16" }}]
"""


@pytest.fixture
def recipe(tmp_path: Path, models: dict[str, Path], pictures: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(model=models["yolov8"], dataset=pictures))
    return path


def states(result: dict) -> dict[str, str]:
    return {variant["name"]: variant["state"] for variant in result["variants"]}


def test_the_manifest_holds_the_steps(compress: Callable, recipe: Path, tmp_path: Path) -> None:
    compress("--recipe", recipe, "-o", tmp_path / "out")
    written = tomllib.loads((tmp_path / "out" / "small.toml").read_text())["compression"]
    assert written["base"] == "yolov8"
    assert [step["method"] for step in written["steps"]] == ["structured", "int8"]
    assert written["steps"][0]["rate"] == written["rate"] == 0.25
    assert written["steps"][1]["exclude"] == ["conv_1"]
    assert written["calibration_images"] == 4
    assert written["calibration_corruptions"] == ["gaussian_noise:1"]
    assert written["calibration_seed"] == 0
    # what the manifest holds is a recipe's steps again
    again = {"format": 1, "variant": [{"name": "again", "steps": written["steps"]}]}
    assert json.dumps(again)
    assert not list((tmp_path / "out").glob("*.part"))


def test_what_is_there_is_left_alone(compress: Callable, recipe: Path, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = compress("--recipe", recipe, "-o", out)
    assert states(first) == {"small": "made", "half": "made"}
    kept = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir() if path.is_file()}
    assert states(compress("--recipe", recipe, "-o", out)) == {"small": "there", "half": "there"}
    assert kept == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir() if path.is_file()}

    # --force gives the same bytes
    assert states(compress("--recipe", recipe, "-o", out, "--force", "--only", "small")) == {"small": "made"}
    assert (out / "small.onnx").read_bytes() == kept["small.onnx"][0]

    # a file that is cut off, as one that was changed, is made anew
    (out / "half.onnx").write_bytes(kept["half.onnx"][0][:1000])
    assert states(compress("--recipe", recipe, "-o", out)) == {"small": "there", "half": "made"}
    (out / "small.toml").unlink()
    assert states(compress("--recipe", recipe, "-o", out)) == {"small": "made", "half": "there"}

    # so is a variant whose steps, images or corruptions have changed
    recipe.write_text(recipe.read_text().replace("mse", "minmax"))
    assert states(compress("--recipe", recipe, "-o", out)) == {"small": "made", "half": "there"}
    fewer = compress("--recipe", recipe, "-o", out, "--calibration-images", "3")
    assert states(fewer)["small"] == "made"
    noise = compress("--recipe", recipe, "-o", out, "--calibration-images", "3", "--calibrate-corruptions", "fog:1")
    assert states(noise)["small"] == "made"


def test_another_base_makes_everything_anew(
    compress: Callable, recipe: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    compress("--recipe", recipe, "-o", tmp_path / "out")
    for suffix in (".onnx", ".toml"):
        shutil.copy(models["yolov8"].with_suffix(suffix), tmp_path)
    model = onnx.load(str(tmp_path / "yolov8.onnx"))
    model.doc_string = "changed"
    onnx.save(model, str(tmp_path / "yolov8.onnx"))
    manifest = tmp_path / "yolov8.toml"
    manifest.write_text("\n".join(line for line in manifest.read_text().split("\n") if not line.startswith("sha256")))
    result = compress(manifest, "--recipe", recipe, "-o", tmp_path / "out")
    assert states(result) == {"small": "made", "half": "made"}


def test_flags_and_recipes_make_the_same(
    compress: Callable, recipe: Path, models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    made = compress("--recipe", recipe, "--only", "small", "-o", tmp_path / "a")["variants"][0]
    flags = ["--structured", "0.25", "--int8", "--calibration", "mse", "--calibrate", pictures]
    flags += ["--calibration-images", "4", "--calibrate-corruptions", "gaussian_noise:1", "--name", "small"]
    flagged = compress(models["yolov8"], *flags, "-o", tmp_path / "b")["variants"][0]
    # --exclude speaks of all steps, a recipe of each
    assert flagged["compression"]["steps"][1]["exclude"] == []
    recipe.write_text(recipe.read_text().replace('"conv_1"', ""))
    made = compress("--recipe", recipe, "--only", "small", "-o", tmp_path / "a")["variants"][0]
    assert made["compression"] == flagged["compression"]
    assert made["sha256"] == flagged["sha256"]


@pytest.fixture(scope="module")
def labelled(
    program: Callable, models: dict[str, Path], pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The pictures, labelled with what the float model finds in them: so it is good at them, and others are less so."""
    folder = tmp_path_factory.mktemp("labelled")
    shutil.copytree(pictures, folder / "images")
    (folder / "labels").mkdir()
    (folder / "classes.txt").write_text("person\ncar\nbicycle\n")
    done = program("detect", "-m", models["yolov8"], "--score", "0.05", "--json", *sorted(pictures.iterdir()))
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        found = json.loads(line)
        width, height = found["width"], found["height"]
        rows = []
        for box in found["detections"][:8]:
            x, y = (box["x_min"] + box["x_max"]) / 2 / width, (box["y_min"] + box["y_max"]) / 2 / height
            w, h = (box["x_max"] - box["x_min"]) / width, (box["y_max"] - box["y_min"]) / height
            rows.append(f"{box['class_id']} {x} {y} {w} {h}")
        assert rows
        (folder / "labels" / f"{Path(found['image']).stem}.txt").write_text("\n".join(rows))
    return folder


def test_the_gate(
    program: Callable, compress: Callable, models: dict[str, Path], labelled: Path, tmp_path: Path
) -> None:
    """Percentile 50 clips half of what there is: such a variant finds little."""
    out = tmp_path / "out"
    make = [models["yolov8"], "--int8", "--calibration", "percentile", "--percentile", "50", "--calibrate", labelled]
    make += ["-o", out, "--name", "bad", "--min-support", "2"]
    result = compress(*make, "--max-drop", "ap=0.05,worst_class_ap=0.05", code=1)
    [bad] = result["variants"]
    assert bad["refused"] and not bad["gate"]["passed"]
    assert not list(out.glob("bad.*"))
    assert {path.name for path in (out / "refused").iterdir()} == {"bad.onnx", "bad.toml"}
    drops = {drop["metric"]: drop for drop in bad["gate"]["drops"]}
    assert set(drops) == {"ap", "worst_class_ap"}
    assert result["base"]["figures"]["ap"] == drops["ap"]["base"] > 0.3
    assert drops["ap"]["drop"] == pytest.approx(drops["ap"]["base"] - drops["ap"]["variant"])
    assert drops["ap"]["drop"] > 0.05 and not drops["ap"]["passed"]
    assert drops["worst_class_ap"]["class"] == result["base"]["worst_class"]

    said = program("compress", *make, "--max-drop", "ap=0.05")
    assert said.returncode == 1
    assert "bad is already there" in said.stderr
    assert "bad is refused: ap: base " in said.stderr and "allowed 0.0500" in said.stderr

    # with more allowed it comes back, with less it goes again
    [bad] = compress(*make, "--max-drop", "ap=1")["variants"]
    assert (bad["state"], bad["refused"]) == ("there", False)
    assert (out / "bad.onnx").exists() and (out / "bad.toml").exists() and not (out / "refused").exists()
    assert Path(bad["onnx"]) == out / "bad.onnx"
    compress(*make, "--max-drop", "ap50=0.01", code=1)
    assert not list(out.glob("bad.*")) and (out / "refused" / "bad.onnx").exists()
    # and without a gate it is a result like any other
    compress(*[argument for argument in make if argument not in ("--min-support", "2")])
    assert (out / "bad.onnx").exists() and not (out / "refused").exists()


def test_a_gate_measures_what_evaluate_measures(
    program: Callable, compress: Callable, models: dict[str, Path], labelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make = [models["yolov8"], "--int8", "--calibrate", labelled, "-o", out]
    result = compress(*make, "--max-drop", "ap=1,ap50=1,worst_class_ap=1", "--min-support", "2")
    [made] = result["variants"]
    # given in the other order: the base is told from the manifests
    models_given = ["-m", made["manifest"], "-m", models["yolov8"]]
    options = ["--min-support", "2", "--bootstrap", "100", "--json", "-o", tmp_path / "study"]
    study = json.loads(program("evaluate", labelled, *models_given, *options).stdout)
    assert [variant["base"] for variant in study["variants"]] == ["yolov8", None]
    small, base = study["variants"]
    for figures, variant in ((made["gate"]["figures"], small), (result["base"]["figures"], base)):
        assert figures["ap"] == pytest.approx(variant["clean"]["ap"], abs=1e-9)
        assert figures["ap50"] == pytest.approx(variant["clean"]["ap50"], abs=1e-9)
    assert result["base"]["worst_class"] == base["worst_class"]["name"]
    assert result["base"]["figures"]["worst_class_ap"] == pytest.approx(base["worst_class"]["ap"], abs=1e-9)


def test_a_gate_needs_labels_and_instances(
    program: Callable, models: dict[str, Path], pictures: Path, labelled: Path, tmp_path: Path
) -> None:
    make = ["compress", models["yolov8"], "--fp16", "--name", "half", "-o", tmp_path / "out"]
    for more, said in (
        (["--max-drop", "ap=0.1"], "expected a labelled dataset to measure on, found none"),
        (["--max-drop", "ap=0.1", "--calibrate", pictures], "needs labels to measure on"),
        (["--max-drop", "worst_class_ap=0.1", "--calibrate", labelled, "--min-support", "1000"], "no class of"),
        (["--max-drop", "mAP=0.1", "--calibrate", labelled], "unknown accuracy 'mAP'"),
        (["--validate", labelled], "give that, too"),
    ):
        done = program(*make, *more)
        assert done.returncode != 0
        assert said in done.stderr, done.stderr
        assert not list((tmp_path / "out").glob("half*"))


def test_what_cannot_be_done_is_told_before_any_work(
    program: Callable, recipe: Path, models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    model = models["yolov8"]
    for arguments, said in (
        ([model, "--int8"], "step 1 (int8): the ranges of activations need calibration images"),
        ([model, "--structured", "0.5", "--reconstruct", "weights"], "reconstruction needs calibration images"),
        ([model], "nothing to do: give at least one of --int8"),
        ([model, "--structured", "0.99"], "`rate`: expected 0 to 0.95, found 0.99"),
        ([model, "--fp16", "--fp16-margin", "0.5"], "`margin`: expected 1 to 65504, found 0.5"),
        ([model, "--pattern", "4:2"], "expected N:M with 0 < N < M"),
        ([model, "--pattern", "half"], "expected N:M such as 2:4"),
        ([model, "--fp16", "--name", "a/b"], "expected a name that a file can have anywhere"),
        ([model, "--int8", "--calibrate", pictures, "--calibrate-corruptions", "frame_drop:1"], "acts on a stream"),
        ([model, "--fp16", "--reconstruct", "all"], "unknown variant `all`"),
        (["--recipe", recipe, "--only", "tiny"], "the recipe has no variant 'tiny'; there are small, half"),
        (["--recipe", recipe, "--int8"], "cannot be used with"),
        (["--recipe", tmp_path / "none.toml"], "cannot be read"),
    ):
        done = program("compress", *arguments, "-o", tmp_path / "out")
        assert done.returncode != 0
        assert said in done.stderr, done.stderr
        assert not (tmp_path / "out").exists()
    over = program("compress", model, "--fp16", "--name", model.stem, "-o", model.parent)
    assert over.returncode != 0 and "would overwrite the model that it is made from" in over.stderr


def test_a_wrong_recipe_is_told_with_line_and_key(program: Callable, recipe: Path, tmp_path: Path) -> None:
    good = recipe.read_text()
    for old, new, said in (
        ("rate = 0.25", "rat = 0.25", "line 12, column 30: `variant[0].steps[0].rat`: unknown field `rat`"),
        ("images = 4", "image = 4", "line 6, column 1: `calibration.image`: unknown field `image`"),
        ('"fp16"', '"fp8"', "`variant[1].steps[0].method`: unknown method `fp8`"),
        ("[calibration]", "[calibration", "line 4"),
    ):
        recipe.write_text(good.replace(old, new))
        done = program("compress", "--recipe", recipe, "-o", tmp_path / "out")
        assert done.returncode != 0
        assert f"recipe `{recipe}`: " in done.stderr and said in done.stderr, done.stderr
        assert not (tmp_path / "out").exists()


class Broken:
    """A model of the zoo, damaged in one way, with a manifest that fits."""

    def __init__(self, models: dict[str, Path], folder: Path) -> None:
        source = models["yolov8"]
        self.data = source.with_suffix(".onnx").read_bytes()
        self.onnx = folder / "yolov8.onnx"
        self.manifest = folder / "yolov8.toml"
        lines = source.read_text().split("\n")
        self.manifest.write_text("\n".join(line for line in lines if not line.startswith("sha256")))

    def write(self, change: Callable[[onnx.ModelProto], None]) -> None:
        model = onnx.load_from_string(self.data)
        change(model)
        self.onnx.write_bytes(model.SerializeToString())


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def old(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 5


def foreign(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "MaxPool").op_type = "FancyPool"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda broken: broken.onnx.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)), "yolov8.onnx"),
        (lambda broken: broken.onnx.write_bytes(b"no model at all, just some text"), "yolov8.onnx"),
        (lambda broken: broken.onnx.write_bytes(broken.data[: len(broken.data) // 2]), "cut off"),
        (lambda broken: broken.onnx.write_bytes(b""), "is empty"),
        (lambda broken: None, "does not exist"),
        (lambda broken: broken.write(external), "are in an external file (`weights.bin`)"),
        (lambda broken: broken.write(old), "expected operators of ONNX 7 to"),
        (lambda broken: broken.write(foreign), "FancyPool"),
    ],
    ids=["png", "text", "truncated", "empty", "missing", "external", "opset", "operator"],
)
def test_a_model_that_cannot_be_read_is_named(
    program: Callable, models: dict[str, Path], pictures: Path, tmp_path: Path, damage: Callable, said: str
) -> None:
    broken = Broken(models, tmp_path)
    damage(broken)
    done = program("compress", broken.manifest, "--int8", "--calibrate", pictures, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "yolov8.onnx" in done.stderr and said in done.stderr, done.stderr
    assert "panicked" not in done.stderr
    assert not list((tmp_path / "out").glob("*.onnx"))


def test_free_sides_are_those_of_the_manifest(
    program: Callable, compress: Callable, models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    def free(model: onnx.ModelProto) -> None:
        for axis in (0, 2, 3):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"free_{axis}"

    broken = Broken(models, tmp_path)
    broken.write(free)
    [made] = compress(broken.manifest, "--int8", "--calibrate", pictures, "-o", tmp_path / "out")["variants"]
    checked = program("model", "check", made["manifest"])
    assert checked.returncode == 0, checked.stderr
    fixed = compress(models["yolov8"], "--int8", "--calibrate", pictures, "-o", tmp_path / "fixed")["variants"]
    operators = [[node.op_type for node in onnx.load(model["onnx"]).graph.node] for model in (made, fixed[0])]
    assert operators[0] == operators[1]


def test_calibration_images_that_cannot_be_used_are_named(
    program: Callable, models: dict[str, Path], pictures: Path, tmp_path: Path
) -> None:
    out, images = tmp_path / "out", tmp_path / "images"
    images.mkdir()
    make = ["compress", models["yolov8"], "--int8", "--calibrate", images, "-o", out]
    done = program(*make)
    assert done.returncode == 1 and "expected images" in done.stderr, done.stderr
    assert not out.exists()
    shutil.copy(pictures / "0.png", images / "a.png")
    (images / "b.png").write_bytes((pictures / "1.png").read_bytes()[:200])
    done = program(*make)
    assert done.returncode == 1 and "b.png" in done.stderr, done.stderr
    assert not list(out.glob("*.onnx")) and not list(out.glob("*.toml"))


def test_latency_is_measured_where_it_is_asked_for(compress: Callable, models: dict[str, Path], tmp_path: Path) -> None:
    make = [models["yolov8"], "--fp16", "-o", tmp_path / "out"]
    assert compress(*make)["variants"][0]["latency"] is None
    latency = compress(*make, "--latency")["variants"][0]["latency"]
    assert latency["ratio"] == pytest.approx(latency["p50_ms"] / latency["base_p50_ms"])
    assert latency["p50_ms"] > 0
