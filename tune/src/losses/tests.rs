//! The whole loss, on every head.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use roadproof::compress::graph::Model;
use roadproof::detector::BoundingBox;

use super::*;
use crate::heads::tests::{Case, cases, manifest};

/// Sides of tensors by their names.
type Sides = BTreeMap<String, Vec<usize>>;

/// Everything but labels, with a threshold under which there are enough positives.
fn options() -> Options {
    let features = FeatureOptions {
        weight: 1.5,
        foreground: true,
        layers: true,
        pairs: vec![
            FeaturePair { student: "neck".to_owned(), parent: None },
            FeaturePair { student: "thin".to_owned(), parent: Some("thick".to_owned()) },
        ],
    };
    let boxes = BoxOptions { l1: 0.7, ..BoxOptions::default() };
    Options { threshold: 0.45, boxes, features, ..Options::default() }
}

/// Sides of the tensors of a made-up student and of its parent.
fn sides(case: &Case) -> (Sides, Sides) {
    let outputs = || case.outputs.iter().map(|output| (output.name.clone(), output.dims.clone()));
    let (mut mine, mut theirs): (BTreeMap<_, _>, BTreeMap<_, _>) = (outputs().collect(), outputs().collect());
    mine.insert("neck".to_owned(), vec![1, 2, 2, 4]);
    theirs.insert("neck".to_owned(), vec![1, 2, 2, 4]);
    mine.insert("thin".to_owned(), vec![1, 2, 4, 8]);
    theirs.insert("thick".to_owned(), vec![1, 3, 4, 8]);
    (mine, theirs)
}

fn bind_with(
    case: &Case,
    options: &Options,
    weights: ClassWeights,
    change: impl FnOnce(&mut Sides),
) -> Result<(Objective, Parameters), LossError> {
    let (mine, mut theirs) = sides(case);
    change(&mut theirs);
    let names: Vec<&str> = case.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut parameters = Parameters::default();
    let objective = Objective::bind(
        options,
        &case.manifest,
        (&names, &|name| mine.get(name).cloned()),
        &mut parameters,
        &|name| theirs.get(name).cloned(),
        &Left::default(),
        (weights, 7),
    )?;
    Ok((objective, parameters))
}

fn bind(case: &Case, options: &Options, weights: ClassWeights) -> (Objective, Parameters) {
    bind_with(case, options, weights, |_| {}).unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// Tensors for the taps.
fn tensors(case: &Case, taps: &[Tap], seed: u64) -> Vec<Tensor> {
    let mut tensors = case.random(seed);
    for (index, tap) in taps.iter().enumerate().skip(tensors.len()) {
        let phase = seed as f32 + index as f32;
        tensors.push(Tensor::from_fn(&tap.dims, |place| (place as f32 * 0.7 + phase).sin()));
    }
    tensors
}

type Found = (Terms, Vec<Option<Tensor>>, Gradients);

fn evaluate(
    (objective, parameters): &(Objective, Parameters),
    student: &[Tensor],
    parent: &[Tensor],
    truth: Option<&[Truth]>,
) -> Result<Found, LossError> {
    let mut gradients = Gradients::zeros(parameters);
    let student: Vec<&Tensor> = student.iter().collect();
    let (terms, by_tap) = objective.evaluate(parameters, &student, parent, truth, &mut gradients)?;
    Ok((terms, by_tap, gradients))
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for case in cases() {
        let bound = bind(&case, &options(), ClassWeights(vec![0.5, 2.0, 1.5]));
        let (student, parent) = (tensors(&case, &bound.0.student, 1), tensors(&case, &bound.0.parent, 2));
        let (terms, by_tap, _) = evaluate(&bound, &student, &parent, None).unwrap();
        assert!(terms.scores > 0.0 && terms.boxes > 0.0 && terms.features > 0.0, "{}", case.name);
        assert_eq!(terms.distributions > 0.0, case.name.starts_with("nanodet"), "{}", case.name);
        assert_eq!(terms.label_scores + terms.label_boxes + terms.label_distributions, 0.0);
        assert_eq!(by_tap.len(), student.len());
        for (tap, gradient) in by_tap.iter().enumerate() {
            for place in (0..student[tap].len()).step_by(5) {
                let moved = |by: f32| {
                    let mut student = student.clone();
                    student[tap].data_mut()[place] += by;
                    let at = f64::from(student[tap].data()[place]);
                    (evaluate(&bound, &student, &parent, None).unwrap().0.total(), at)
                };
                // where edges cross within the steps, the slopes on both sides differ
                let (high, middle, low) = (moved(2e-3), moved(0.0), moved(-2e-3));
                let slope = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0) / (a.1 - b.1);
                let (left, right) = (slope(middle, low), slope(high, middle));
                let found = gradient.as_ref().map_or(0.0, |gradient| f64::from(gradient.data()[place]));
                let room = 5e-5 + 1e-2 * left.abs();
                let fine = left.min(right) - room..left.max(right) + room;
                assert!(fine.contains(&found), "{} {tap} {place}: {found} {left} {right}", case.name);
            }
        }
    }
}

#[test]
fn taps_are_the_outputs_and_then_the_features() {
    let (objective, parameters) = bind(&cases()[5], &options(), ClassWeights::even(3));
    assert_eq!(objective.parent_taps(), ["q", "b", "neck", "thick"]);
    let names: Vec<&str> = objective.student.iter().map(|tap| tap.name.as_str()).collect();
    assert_eq!(names, ["q", "b", "neck", "thin"]);
    let names: Vec<&str> = parameters.items.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["adaptor:thin.weight", "adaptor:thin.bias"]);
    // without weight, features are not asked for
    let mut idle = options();
    idle.features.weight = 0.0;
    let (objective, parameters) = bind(&cases()[5], &idle, ClassWeights::even(3));
    assert_eq!((objective.parent_taps().len(), parameters.items.len()), (2, 0));
}

#[test]
fn without_weights_there_is_no_gradient() {
    let mut options = Options::default();
    options.scores.weight = 0.0;
    options.boxes.giou = 0.0;
    options.boxes.distributions = 0.0;
    for case in cases() {
        let bound = bind(&case, &options, ClassWeights::even(3));
        let (student, parent) = (case.random(1), case.random(2));
        let truth = Truth { class_id: 0, bbox: BoundingBox::new(4.0, 4.0, 40.0, 28.0) };
        let (terms, by_tap, _) = evaluate(&bound, &student, &parent, Some(&[truth])).unwrap();
        assert_eq!((terms, by_tap.iter().flatten().count()), (Terms::default(), 0), "{}", case.name);
    }
}

#[test]
fn labels_add_to_the_parent() {
    let mut options = options();
    options.labels = LabelOptions { scores: 1.0, giou: 1.0, distributions: 1.0, ..LabelOptions::default() };
    let truth = Truth { class_id: 0, bbox: BoundingBox::new(4.0, 4.0, 40.0, 28.0) };
    for case in cases() {
        let bound = bind(&case, &options, ClassWeights::even(3));
        let (student, parent) = (tensors(&case, &bound.0.student, 1), tensors(&case, &bound.0.parent, 2));
        let (without, ..) = evaluate(&bound, &student, &parent, None).unwrap();
        let (with, ..) = evaluate(&bound, &student, &parent, Some(&[truth])).unwrap();
        assert!(with.label_scores > 0.0 && with.label_boxes > 0.0, "{}", case.name);
        let rest = Terms { label_scores: 0.0, label_boxes: 0.0, label_distributions: 0.0, ..with };
        assert_eq!(rest, without);
        // an image that is known to be empty: everything is background
        let (empty, ..) = evaluate(&bound, &student, &parent, Some(&[])).unwrap();
        assert!(empty.label_scores > 0.0 && empty.label_boxes == 0.0, "{}", case.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_parent_itself_has_no_loss(seed in 0u64..1000, which in 0usize..7) {
        let case = &cases()[which];
        let mut options = options();
        options.features.pairs.truncate(1);
        let bound = bind(case, &options, ClassWeights(vec![0.5, 2.0, 1.5]));
        let parent = tensors(case, &bound.0.parent, seed);
        let (terms, by_tap, _) = evaluate(&bound, &parent, &parent, None).unwrap();
        prop_assert!(terms.total().abs() < 1e-5, "{terms:?}");
        for gradient in by_tap.iter().flatten() {
            prop_assert!(gradient.data().iter().all(|value| value.abs() < 1e-5));
        }
        // anything else has more
        let other = tensors(case, &bound.0.student, seed + 1);
        prop_assert!(evaluate(&bound, &other, &parent, None).unwrap().0.total() > terms.total());
    }

    #[test]
    fn class_weights_scale_what_classes_say(seed in 0u64..1000, which in prop_oneof![0usize..2, 4usize..7]) {
        let case = &cases()[which];
        let options = Options { threshold: 0.45, ..Options::default() };
        let once = bind(case, &options, ClassWeights(vec![0.5, 2.0, 1.5]));
        let twice = bind(case, &options, ClassWeights(vec![1.0, 4.0, 3.0]));
        let (student, parent) = (case.random(seed), case.random(seed + 1));
        let (terms, by_tap, _) = evaluate(&once, &student, &parent, None).unwrap();
        let (double, by_tap_double, _) = evaluate(&twice, &student, &parent, None).unwrap();
        for ((_, terms), (_, double)) in terms.iter().zip(double.iter()) {
            prop_assert!((2.0 * terms - double).abs() < 1e-5 * (1.0 + double));
        }
        for (one, two) in by_tap.iter().flatten().zip(by_tap_double.iter().flatten()) {
            for (one, two) in one.data().iter().zip(two.data()) {
                prop_assert!((2.0 * one - two).abs() < 1e-5 * (1.0 + two.abs()));
            }
        }
    }
}

#[test]
fn a_parent_that_does_not_fit_is_refused() {
    let case = &cases()[0];
    let refused = |change: &dyn Fn(&mut Sides)| {
        let found = bind_with(case, &options(), ClassWeights::even(3), change);
        found.unwrap_err().to_string()
    };
    let error = refused(&|theirs| drop(theirs.remove("b16")));
    assert!(error.contains("\"b16\" in the parent"), "{error}");
    let error = refused(&|theirs| drop(theirs.insert("s8".to_owned(), vec![1, 32, 80])));
    assert!(
        error.contains("\"s8\"") && error.contains("[1, 32, 3]") && error.contains("[1, 32, 80]"),
        "{error}"
    );
    let error = refused(&|theirs| drop(theirs.insert("neck".to_owned(), vec![1, 2, 4, 8])));
    assert!(error.contains("\"neck\"") && error.contains("[1, 2, 4, 8]"), "{error}");
    let mut missing = options();
    missing.features.pairs[0].student = "nowhere".to_owned();
    let error = bind_with(case, &missing, ClassWeights::even(3), |_| {}).unwrap_err().to_string();
    assert!(error.contains("\"nowhere\" in the student"), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let case = &cases()[4];
    for weights in [vec![1.0; 2], vec![1.0, f32::NAN, 1.0], vec![1.0, -1.0, 1.0]] {
        let error = bind_with(case, &options(), ClassWeights(weights), |_| {}).unwrap_err().to_string();
        assert!(error.contains("expected 3 class weights"), "{error}");
    }
    let wrong = Options { threshold: 2.0, ..options() };
    let error = bind_with(case, &wrong, ClassWeights::even(3), |_| {}).unwrap_err().to_string();
    assert!(error.starts_with("`threshold`"), "{error}");
    let mut labels = Options::default();
    labels.labels.scores = 1.0;
    let mut unknown = case.clone();
    unknown.outputs[0].dims = vec![1, 7, 40];
    let error = bind_with(&unknown, &labels, ClassWeights::even(3), |_| {}).unwrap_err().to_string();
    assert!(error.contains("yolov8") && error.contains("40 locations"), "{error}");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let case = &cases()[0];
    let bound = bind(case, &Options::default(), ClassWeights::even(3));
    let (student, parent) = (case.random(1), case.random(2));
    let error = evaluate(&bound, &student[1..], &parent, None).unwrap_err().to_string();
    assert!(error.contains("6 tensors of the student") && error.contains("found 5"), "{error}");
    let mut turned = parent.clone();
    turned[1] = Tensor::zeros(&[1, 3, 8]);
    let error = evaluate(&bound, &student, &turned, None).unwrap_err().to_string();
    assert!(error.contains("\"s16\" of the parent") && error.contains("[1, 3, 8]"), "{error}");
    for (value, model) in [(f32::NAN, "parent"), (f32::INFINITY, "student")] {
        let (mut student, mut parent) = (student.clone(), parent.clone());
        let broken = if model == "parent" { &mut parent } else { &mut student };
        broken[3].data_mut()[17] = value;
        let error = evaluate(&bound, &student, &parent, None).unwrap_err().to_string();
        assert!(error.contains(&format!("\"b8\" of the {model} at element 17")), "{error}");
    }
}

#[test]
fn a_network_is_bound_by_a_trial_run() {
    // format 8, an empty graph, version 13 of the operators
    let bytes = [0x08, 8, 0x3a, 0, 0x42, 2, 0x10, 13];
    let model = Model::from_bytes(&bytes, Path::new("model.onnx"), String::new()).unwrap();
    let net = Net::of_input(model, "all", &[1, 7, 42]);
    let mut parameters = Parameters::default();
    let case = &cases()[4];
    let dims = |name: &str| (name == "all").then(|| vec![1, 7, 42]);
    let objective = Objective::new(
        &Options::default(),
        &manifest("type = 'yolov8'"),
        &net,
        &mut parameters,
        &dims,
        ClassWeights::even(3),
        0,
    )
    .unwrap();
    assert_eq!(objective.student_taps(), net.outputs());
    assert_eq!(objective.parent_taps(), ["all"]);
    assert_eq!(objective.head(), &case.head());
    let bound = (objective, parameters);
    let (terms, by_tap, _) = evaluate(&bound, &case.random(1), &case.random(2), None).unwrap();
    assert!(terms.total() > 0.0 && by_tap[0].is_some());
}
