use proptest::prelude::*;

use super::*;
use crate::compress::channels::Importance;
use crate::compress::int8::{Activations, Calibration as Ranges};
use crate::compress::reconstruct::Reconstruct;
use crate::compress::sparse::Scope;

const GOOD: &str = r#"
format = 1
model = "../models/x.toml"

[calibration]
dataset = "frames"
images = 64
corruptions = ["gaussian_noise:1"]

[gate]
max_drop = { ap = 0.01 }

[[variant]]
name = "x-small"
steps = [
    { method = "structured", rate = 0.3, importance = "l1", reconstruct = "weights" },
    { method = "int8", calibration = "mse", exclude = ["conv_0"] },
]

[[variant]]
name = "x-half"
[[variant.steps]]
method = "fp16"
"#;

fn read(text: &str) -> Result<Recipe, CompressError> {
    Recipe::from_toml(text, Path::new("folder/recipe.toml"))
}

fn complaint(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn a_recipe_is_read() {
    let recipe = read(GOOD).unwrap();
    assert_eq!(recipe.model.as_deref(), Some(Path::new("folder/../models/x.toml")));
    assert_eq!(recipe.calibration.dataset.as_deref(), Some(Path::new("folder/frames")));
    assert_eq!((recipe.calibration.images, recipe.calibration.seed), (64, 0));
    assert_eq!(recipe.calibration.corruptions, ["gaussian_noise:1".parse().unwrap()]);
    assert_eq!(recipe.gate.unwrap().min_support, 10);
    let [small, half] = recipe.variants.as_slice() else { panic!("{:?}", recipe.variants) };
    assert_eq!((small.name.as_str(), half.name.as_str()), ("x-small", "x-half"));
    let [Step::Structured(pruned), Step::Int8(integers)] = small.steps.as_slice() else {
        panic!("{:?}", small.steps)
    };
    assert_eq!((pruned.options.rate, pruned.options.importance), (0.3, Importance::L1));
    assert_eq!(pruned.reconstruct, Reconstruct::Weights);
    assert_eq!((integers.calibration, integers.activations), (Ranges::Mse, Activations::Uint8));
    assert_eq!(integers.exclude, ["conv_0"]);
    assert_eq!(half.steps, [Step::Fp16(crate::compress::fp16::Options::default())]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let mut wrong = Vec::new();
    for (from, to, said) in [
        (
            "format = 1",
            "format = 2",
            "`folder/recipe.toml`: line 2, column 10: `format`: expected recipe format 1, found 2",
        ),
        ("format = 1", "", "`format`: expected recipe format 1, found none"),
        ("format = 1", "format = ", "line 2"),
        ("model =", "modle =", "line 3, column 1: `modle`: unknown field `modle`, expected one of"),
        ("images = 64", "image = 64", "line 7, column 1: `calibration.image`: unknown field `image`"),
        ("images = 64", "images = 0", "`calibration.images`: expected 1 or more"),
        ("images = 64", "images = \"all\"", "line 7, column 10: `calibration.images`"),
        (
            "gaussian_noise:1",
            "gausian_noise:1",
            "line 8, column 15: `calibration.corruptions`: unknown corruption",
        ),
        ("gaussian_noise:1", "frame_drop:1", "`calibration.corruptions`: 'frame_drop' acts on a stream"),
        ("ap = 0.01", "ap = 2", "`gate.max_drop`: ap: expected a drop from 0 to 1"),
        ("ap = 0.01", "map = 0.01", "unknown variant `map`"),
        ("max_drop", "min_drop", "`gate.min_drop`: unknown field"),
        ("name = \"x-small\"\n", "", "line 13, column 1: `variant[0]`: missing field `name`"),
        ("x-small", "x/small", "line 14, column 8: `variant[0].name`: expected a name that a file can have"),
        ("x-small", "", "`variant[0].name`: expected a name"),
        ("x-half", "x-small", "line 21, column 8: `variant[1].name`: another variant is called `x-small`"),
        (
            "rate = 0.3",
            "ratee = 0.3",
            "line 16, column 30: `variant[0].steps[0].ratee`: unknown field `ratee`",
        ),
        ("rate = 0.3, ", "", "line 16, column 5: `variant[0].steps[0]`: missing field `rate`"),
        (
            "rate = 0.3",
            "rate = 1.3",
            "line 16, column 5: `variant[0].steps[0]`: `rate`: expected 0 to 0.95, found 1.3",
        ),
        ("rate = 0.3", "rate = \"some\"", "line 16, column 37: `variant[0].steps[0].rate`: invalid type"),
        ("\"l1\"", "\"l3\"", "`variant[0].steps[0].importance`: unknown variant `l3`"),
        ("\"weights\"", "\"all\"", "`variant[0].steps[0].reconstruct`: unknown variant `all`"),
        (
            "method = \"int8\"",
            "method = \"int4\"",
            "line 17, column 16: `variant[0].steps[1].method`: unknown method `int4`",
        ),
        ("method = \"int8\", ", "", "`variant[0].steps[1].method`: is missing"),
        (
            "method = \"int8\"",
            "method = \"int8\", reconstruct = \"bias\"",
            "`variant[0].steps[1].reconstruct`: unknown field",
        ),
        (
            "[[variant.steps]]\nmethod = \"fp16\"",
            "[[variant.steps]]\nmethod = \"fp16\"\nmargin = 0.5",
            "`variant[1].steps[0]`: `margin`: expected 1 to 65504, found 0.5",
        ),
        ("calibration = \"mse\"", "percentile = 20", "`percentile`: expected 50 to 100, found 20"),
        (
            "[[variant.steps]]\nmethod = \"fp16\"",
            "steps = []",
            "`variant[1].steps`: expected at least one step",
        ),
        (
            "[[variant.steps]]\nmethod = \"fp16\"",
            "steps = [\"fp16\"]",
            "`variant[1].steps[0]`: expected a table, found a string",
        ),
        (
            "[[variant.steps]]\nmethod = \"fp16\"",
            "",
            "line 20, column 1: `variant[1].steps`: expected a list of steps",
        ),
        ("[[variant.steps]]\nmethod = \"fp16\"", "step = 1", "`variant[1].step`: unknown field"),
    ] {
        let broken = GOOD.replacen(from, to, 1);
        assert_ne!(broken, GOOD, "{from}");
        let found = complaint(&broken);
        if !found.contains(said) {
            wrong.push(format!("{to}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(complaint("format = 1").contains("`variant`: expected at least one table [[variant]]"));
}

#[test]
fn steps_at_the_wrong_place_are_refused() {
    let step = |table: &str| toml::from_str::<Step>(table).unwrap();
    let int8 = || step("method = 'int8'");
    let fp16 = || step("method = 'fp16'");
    let pruned = |more: &str| step(&format!("method = 'structured'\nrate = 0.5\n{more}"));
    let sparse = |more: &str| step(&format!("method = 'unstructured'\n{more}"));
    let refused = |steps: &[Step], has_images| check(steps, has_images, false).unwrap_err().to_string();

    check(&[pruned(""), sparse("rate = 0.1"), int8()], true, false).unwrap();
    check(&[pruned(""), fp16()], false, false).unwrap();
    assert!(refused(&[], true).contains("at least one step"));
    assert!(refused(&[int8(), int8()], true).contains("step 2 (int8): the model is in int8 already"));
    assert!(refused(&[fp16(), int8()], true).contains("step 2 (int8): the model is in fp16 already; choose"));
    assert!(refused(&[int8(), pruned("")], true).contains("step 2 (structured): prunes float32 weights"));
    assert!(refused(&[fp16(), sparse("rate = 0.1")], true).contains("prune first"));
    assert!(
        refused(&[int8()], false)
            .contains("step 1 (int8): the ranges of activations need calibration images")
    );
    for more in ["reconstruct = 'bias'", "importance = 'activation'", "spread = 'sensitivity'"] {
        assert!(refused(&[pruned(more)], false).contains("needs calibration images"), "{more}");
        check(&[pruned(more)], true, false).unwrap();
    }
    for scope in ["{ keep = 4, group = 4 }", "{ keep = 0, group = 4 }"] {
        assert!(
            refused(&[sparse(&format!("scope.pattern = {scope}"))], true).contains("0 < N < M"),
            "{scope}"
        );
    }
    check(&[sparse("scope.pattern = { keep = 2, group = 4 }")], false, false).unwrap();
    let mixed = step("method = 'int8'\nmixed = true");
    assert!(refused(std::slice::from_ref(&mixed), true).contains("give a gate"));
    check(&[mixed], true, true).unwrap();
}

#[test]
fn steps_are_read_back_as_they_are_written() {
    for step in [
        "method = 'fp16'\nexclude = ['a']\nmargin = 1.1",
        "method = 'int8'\ncalibration = 'percentile'\npercentile = 99.5\nexclude_worst = 2",
        "method = 'structured'\nrate = 0.25\nmultiple = 8\nreconstruct = 'bias'",
        "method = 'unstructured'\nscope.pattern = { keep = 2, group = 4 }",
        "method = 'unstructured'\nrate = 0.5\nscope = 'layer'\nreconstruct = 'weights'",
    ] {
        let read: Step = toml::from_str(step).unwrap();
        let written = toml::Table::try_from(&read).unwrap();
        assert_eq!(written["method"].as_str(), Some(read.method()));
        assert_eq!(toml::from_str::<Step>(&written.to_string()).unwrap(), read);
    }
    assert!(
        toml::from_str::<Step>("method = 'int8'\nrate = 1")
            .unwrap_err()
            .to_string()
            .contains("unknown field")
    );
    assert!(toml::from_str::<Step>("rate = 1").unwrap_err().to_string().contains("missing field `method`"));
}

#[test]
fn steps_say_what_they_do() {
    let steps: Vec<Step> = ["method = 'structured'\nrate = 0.3\nreconstruct = 'weights'", "method = 'int8'"]
        .map(|step| toml::from_str(step).unwrap())
        .to_vec();
    assert_eq!(
        describe(&steps),
        "structured 30 %, l2, uniform, weights reconstructed; int8 weights, uint8 activations, minmax"
    );
    let pattern: Step =
        toml::from_str("method = 'unstructured'\nscope.pattern = { keep = 2, group = 4 }").unwrap();
    assert_eq!((pattern.to_string().as_str(), pattern.rate()), ("unstructured 2:4", Some(0.5)));
    let Step::Unstructured(step) = pattern else { panic!() };
    assert_eq!(step.options.scope, Scope::Pattern { keep: 2, group: 4 });
}

#[test]
fn the_example_is_a_recipe() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/compress.toml");
    let recipe = Recipe::load(&path).unwrap();
    assert!(recipe.model.unwrap().ends_with("models/nanodet-g.toml"));
    assert!(recipe.gate.is_some());
    let methods: Vec<&str> =
        recipe.variants.iter().flat_map(|variant| variant.steps.iter().map(Step::method)).collect();
    for method in ["fp16", "int8", "structured", "unstructured"] {
        assert!(methods.contains(&method), "{method}");
    }
}

proptest! {
    #[test]
    fn damaged_recipes_are_refused_or_read(at in 0..GOOD.len(), length in 0..40usize, put in "[ -~\n]{0,8}") {
        let mut text = GOOD.to_owned();
        text.replace_range(at..(at + length).min(GOOD.len()), &put);
        if let Err(error) = read(&text) {
            prop_assert!(error.to_string().contains("folder/recipe.toml`: line "), "{error}");
        }
    }

    #[test]
    fn names_are_never_paths(name in "\\PC{0,12}") {
        if check_name(&name).is_ok() {
            let file = Path::new("out").join(format!("{name}.onnx"));
            prop_assert_eq!(file.parent(), Some(Path::new("out")));
        }
    }
}
