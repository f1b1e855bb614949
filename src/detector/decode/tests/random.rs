//! Tensors of anything: no decoder panics, and nothing that is no number gets out.

use proptest::prelude::*;

use super::*;

const KINDS: [DecoderKind; 6] = [
    DecoderKind::Nanodet,
    DecoderKind::Yolox,
    DecoderKind::Yolov5,
    DecoderKind::Yolov8,
    DecoderKind::EndToEnd,
    DecoderKind::Rtdetr,
];

/// Shapes that each decoder accepts for 3 classes and an input of 64 x 64.
fn shapes(kind: DecoderKind) -> Vec<[i64; 3]> {
    match kind {
        DecoderKind::Nanodet => {
            vec![[1, 64, 3], [1, 16, 3], [1, 4, 3], [1, 64, 32], [1, 16, 32], [1, 4, 32]]
        }
        DecoderKind::Yolox => vec![[1, 84, 8]],
        DecoderKind::Yolov5 => vec![[1, 30, 8]],
        DecoderKind::Yolov8 => vec![[1, 7, 30]],
        DecoderKind::EndToEnd => vec![[1, 30, 6]],
        DecoderKind::Rtdetr => vec![[1, 30, 3], [1, 30, 4]],
    }
}

fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => 0f32..1.0,
        4 => -50f32..50.0,
        1 => any::<f32>(),
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(f32::MAX),
    ]
}

proptest! {
    #[test]
    fn no_tensor_panics(
        kind in prop::sample::select(KINDS.to_vec()),
        values in prop::collection::vec(any_value(), 200),
        logits: bool,
        multi: bool,
        low in 0.001f32..=1.0,
    ) {
        let mut model = Model::new(kind, 3, vec![]);
        if kind != DecoderKind::EndToEnd {
            model.spec.activation = if logits { Activation::Sigmoid } else { Activation::None };
            model.spec.multi_label = Some(multi);
        }
        let mut values = values.iter().copied().cycle();
        for (index, shape) in shapes(kind).into_iter().enumerate() {
            let count = shape.iter().product::<i64>() as usize;
            let data = values.by_ref().take(count).collect();
            model.outputs.push(Output::new(&format!("output{index}"), &shape, data));
        }
        let (candidates, _) = model.decode(low);
        for candidate in candidates {
            prop_assert!(candidate.bbox.is_finite() && candidate.bbox.area() >= 0.0);
            prop_assert!((low..=1.0).contains(&candidate.score));
            prop_assert!(candidate.class_id < 3);
        }
    }

    #[test]
    fn no_shapes_panic_when_bound(
        kind in prop::sample::select(KINDS.to_vec()),
        shapes in prop::collection::vec(prop::collection::vec(-1i64..100, 0..4), 0..7),
        classes in 0usize..5,
    ) {
        let mut model = Model::new(kind, classes, vec![]);
        for (index, shape) in shapes.into_iter().enumerate() {
            model.outputs.push(Output { name: format!("o{index}"), shape, data: vec![] });
        }
        if let Ok(mut decoder) = model.bind() {
            // no data came with the shapes
            let mut candidates = Candidates::new(10);
            candidates.begin(&thresholds(0.1));
            let _ = decoder.decode(&model.views(), &mut candidates);
            prop_assert_eq!(candidates.items().len(), 0);
        }
    }
}

#[test]
fn scores_that_are_no_numbers_are_counted() {
    for kind in KINDS {
        let mut model = Model::new(kind, 3, vec![]);
        for (index, shape) in shapes(kind).into_iter().enumerate() {
            let count = shape.iter().product::<i64>() as usize;
            model.outputs.push(Output::new(&format!("o{index}"), &shape, vec![f32::NAN; count]));
        }
        let (candidates, stats) = model.decode(0.1);
        assert!(candidates.is_empty() && stats.non_finite > 0, "{kind:?}: {stats:?}");
    }
}

#[test]
fn a_box_that_is_no_number_is_counted_once() {
    let mut data = vec![0.0; 30 * 6];
    data[0..6].copy_from_slice(&[1.0, f32::NAN, 3.0, 4.0, 0.9, 1.0]);
    data[6..12].copy_from_slice(&[1.0, 1.0, 3.0, 4.0, 0.9, 7.0]); // no such class
    data[12..18].copy_from_slice(&[1.0, 1.0, 3.0, 4.0, 0.9, 1.5]); // no class at all
    data[18..24].copy_from_slice(&[1.0, 1.0, 3.0, 4.0, 0.9, 2.0]);
    let model = Model::new(DecoderKind::EndToEnd, 3, vec![Output::new("o", &[1, 30, 6], data)]);
    let (candidates, stats) = model.decode(0.1);
    assert_eq!((candidates.len(), stats.non_finite, stats.unknown_class), (1, 1, 2));
}

#[test]
fn a_shape_that_changes_is_an_error() {
    for kind in KINDS {
        let mut model = Model::new(kind, 3, vec![]);
        for (index, shape) in shapes(kind).into_iter().enumerate() {
            let count = shape.iter().product::<i64>() as usize;
            model.outputs.push(Output::new(&format!("o{index}"), &shape, vec![0.5; count]));
        }
        let mut decoder = model.bind().unwrap();
        let mut candidates = Candidates::new(10);
        candidates.begin(&thresholds(0.1));
        let shape = [1, 5, 5];
        let views = vec![TensorView { shape: &shape, data: &[0.5; 25] }; model.outputs.len()];
        let error = decoder.decode(&views, &mut candidates).unwrap_err().to_string();
        assert!(error.contains("expected output") && error.contains("[1, 5, 5]"), "{error}");
    }
}

#[test]
fn disabled_classes_are_not_looked_for() {
    let data = vec![0.9; 30 * 8];
    let mut model = Model::new(DecoderKind::Yolov5, 3, vec![Output::new("o", &[1, 30, 8], data)]);
    model.spec.multi_label = Some(true);
    let mut candidates = Candidates::new(1000);
    candidates.begin(&Thresholds { enabled: vec![false, true, false], ..thresholds(0.1) });
    model.bind().unwrap().decode(&model.views(), &mut candidates).unwrap();
    assert_eq!(candidates.items().len(), 30);
    assert!(candidates.items().iter().all(|c| c.class_id == 1));
}
