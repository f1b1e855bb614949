//! Gradients against finite differences, with what was assigned kept as it was.

use roadproof::detector::BoundingBox;

use super::*;
use crate::heads::tests::cases;
use crate::tensor::Tensor;

fn options() -> LabelOptions {
    LabelOptions { scores: 1.0, giou: 2.0, l1: 0.7, distributions: 0.25, ..LabelOptions::default() }
}

fn scene() -> [Truth; 2] {
    let truth = |class_id, x_min, y_min, x_max, y_max| Truth {
        class_id,
        bbox: BoundingBox { x_min, y_min, x_max, y_max },
    };
    [truth(0, 3.0, 2.0, 27.0, 29.0), truth(2, 30.0, 5.0, 61.0, 22.0)]
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let weights = ClassWeights(vec![0.5, 2.0, 1.5]);
    for case in cases() {
        let head = case.head();
        let tensors = case.random(7);
        let options = LabelOptions { equalise_above: Some(1.9), ..options() };
        let outputs: Vec<&Tensor> = tensors.iter().collect();
        let view = View { head: &head, outputs: &outputs };
        let matches = assign(&options, view, &scene()).unwrap();
        assert!(matches.len() > 1, "{}", case.name);
        let mut sinks = Sinks::new(&head);
        let terms = approach(&options, &weights, view, &matches, &mut sinks);
        assert!(terms.label_scores > 0.0 && terms.label_boxes > 0.0, "{}", case.name);
        assert_eq!(terms.label_distributions > 0.0, case.name.starts_with("nanodet"), "{}", case.name);
        let gradients = sinks.into_tensors();
        for (output, gradient) in gradients.iter().enumerate() {
            for place in (0..tensors[output].len()).step_by(3) {
                let moved = |by: f32| {
                    let mut tensors: Vec<Tensor> = tensors.clone();
                    tensors[output].data_mut()[place] += by;
                    let by = tensors[output].data()[place];
                    let outputs: Vec<&Tensor> = tensors.iter().collect();
                    let view = View { head: &head, outputs: &outputs };
                    let terms = approach(&options, &weights, view, &matches, &mut Sinks::new(&head));
                    (terms.total(), f64::from(by))
                };
                // where edges cross within the steps, the slopes on both sides differ
                let (high, middle, low) = (moved(2e-3), moved(0.0), moved(-2e-3));
                let slope = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0) / (a.1 - b.1);
                let (left, right) = (slope(middle, low), slope(high, middle));
                let found = gradient.as_ref().map_or(0.0, |gradient| f64::from(gradient.data()[place]));
                let room = 5e-5 + 1e-2 * left.abs();
                let fine = left.min(right) - room..left.max(right) + room;
                assert!(fine.contains(&found), "{} {output} {place}: {found} {left} {right}", case.name);
            }
        }
    }
}

#[test]
fn negatives_of_rare_classes_count_only_where_nothing_is() {
    let case = &cases()[4];
    let head = case.head();
    let tensors = case.random(8);
    let outputs: Vec<&Tensor> = tensors.iter().collect();
    let view = View { head: &head, outputs: &outputs };
    let weights = ClassWeights(vec![0.5, 2.0, 1.5]);
    let matches = assign(&options(), view, &scene()).unwrap();
    let gradient = |equalise_above| {
        let mut sinks = Sinks::new(&head);
        approach(&LabelOptions { equalise_above, ..options() }, &weights, view, &matches, &mut sinks);
        sinks.into_tensors().remove(0).unwrap()
    };
    let (plain, equalised) = (gradient(None), gradient(Some(1.9)));
    let block = &head.blocks()[0];
    for row in 0..block.rows {
        let is_assigned =
            matches.iter().any(|matched| (matched.location.block, matched.location.row) == (0, row));
        for class in 0..3 {
            let place = block.scores.start + row + class * block.scores.column_stride;
            let is_ignored = is_assigned && class == 1;
            assert_eq!(equalised.data()[place] == 0.0, is_ignored);
            assert!(is_ignored || equalised.data()[place] == plain.data()[place]);
        }
    }
}

#[test]
fn labels_that_make_no_sense_are_named() {
    let case = &cases()[0];
    let head = case.head();
    let tensors = case.random(9);
    let outputs: Vec<&Tensor> = tensors.iter().collect();
    let view = View { head: &head, outputs: &outputs };
    let weights = ClassWeights::even(3);
    let fine = scene()[0];
    let empty = BoundingBox { x_max: 3.0, ..fine.bbox };
    let infinite = BoundingBox { x_max: f32::INFINITY, ..fine.bbox };
    for wrong in
        [Truth { class_id: 3, ..fine }, Truth { bbox: empty, ..fine }, Truth { bbox: infinite, ..fine }]
    {
        let found = learn(&options(), &weights, view, &[fine, wrong], &mut Sinks::new(&head));
        let error = found.unwrap_err().to_string();
        assert!(error.starts_with("label 1: expected a class below 3"), "{error}");
    }
}
