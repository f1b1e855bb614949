//! One made-up model per head, each with the same object.

use super::*;

/// In the model's input, where the picture lies in lines 8 to 56 at half its size.
const OBJECT: [f32; 4] = [8.0, 16.0, 24.0, 32.0];

fn expect(mut detector: Detector, classes: &[u32]) {
    let found = detect(&mut detector, &thresholds());
    assert_eq!(found.iter().map(|d| d.class_id).collect::<Vec<_>>(), classes, "{found:?}");
    assert!(found.is_sorted_by(|a, b| a.score >= b.score), "{found:?}");
    let expected = BoundingBox::new(16.0, 16.0, 48.0, 48.0);
    for detection in &found {
        assert!(detection.bbox.iou(&expected) > 0.999, "{detection:?}");
    }
    assert_eq!(found, detect(&mut detector, &thresholds()), "deterministic");
}

#[test]
fn nanodet() {
    if runtime_is_missing() {
        return;
    }
    // stride 8: the cell of column 1, line 2 has its point at (12, 20); sides of 0.5 and 1.5 cells
    let (mut scores, mut boxes) = (vec![0.0; 64 * 3], vec![0.0; 64 * 32]);
    let cell = 2 * 8 + 1;
    scores[cell * 3 + 1] = 0.9;
    scores[cell * 3 + 2] = 0.3;
    for (side, (low, high)) in [(0, 1), (0, 1), (1, 2), (1, 2)].into_iter().enumerate() {
        let bins = &mut boxes[cell * 32 + side * 8..][..8];
        bins.fill(-80.0);
        bins[low] = 5.0;
        bins[high] = 5.0;
    }
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("boxes", &[1, 64, 32], boxes).output(
        "scores",
        &[1, 64, 3],
        scores,
    );
    expect(loaded(&model, "type = \"nanodet\", strides = [8]").unwrap(), &[1, 2]);
    expect(loaded(&model, "type = \"nanodet\", strides = [8], multi_label = false").unwrap(), &[1]);
}

#[test]
fn yolox() {
    if runtime_is_missing() {
        return;
    }
    let mut data = vec![0.0; 84 * 8];
    // the cell of column 2, line 3 at stride 8: centre (16, 24), size 16
    data[26 * 8..27 * 8].copy_from_slice(&[0.0, 0.0, 2f32.ln(), 2f32.ln(), 0.9, 0.1, 0.9, 0.2]);
    // the same object from stride 16, as a duplicate
    data[(64 + 4 + 1) * 8..][..8].copy_from_slice(&[0.0, 0.5, 0.0, 0.0, 0.8, 0.1, 0.9, 0.2]);
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("output", &[1, 84, 8], data);
    expect(loaded(&model, "type = \"yolox\", strides = [8, 16, 32]").unwrap(), &[1]);
}

#[test]
fn yolov5() {
    if runtime_is_missing() {
        return;
    }
    let mut data = vec![0.0; 100 * 8];
    data[80..88].copy_from_slice(&[16.0, 24.0, 16.0, 16.0, 0.9, 0.1, 0.1, 0.9]);
    data[160..168].copy_from_slice(&[16.0, 25.0, 16.0, 16.0, 0.8, 0.1, 0.1, 0.9]);
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("output", &[1, 100, 8], data);
    expect(loaded(&model, "type = \"yolov5\"").unwrap(), &[2]);
}

#[test]
fn yolov8() {
    if runtime_is_missing() {
        return;
    }
    let mut data = vec![0.0; 7 * 100];
    for (row, value) in [16.0, 24.0, 16.0, 16.0, 0.9, 0.1, 0.1].into_iter().enumerate() {
        data[row * 100 + 10] = value;
        data[row * 100 + 20] = value * 0.999;
    }
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("output0", &[1, 7, 100], data);
    expect(loaded(&model, "type = \"yolov8\"").unwrap(), &[0]);
}

#[test]
fn end_to_end_is_not_suppressed_again() {
    if runtime_is_missing() {
        return;
    }
    let row = |score: f32, class: f32| [&OBJECT[..], &[score, class]].concat();
    let data = [row(0.5, 1.0), row(0.9, 1.0), row(0.05, 0.0)].concat();
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("output0", &[1, 3, 6], data);
    expect(loaded(&model, "type = \"end_to_end\"").unwrap(), &[1, 1]);
}

#[test]
fn rtdetr_in_two_outputs_and_in_one() {
    if runtime_is_missing() {
        return;
    }
    let bbox = [16.0 / 64.0, 24.0 / 64.0, 16.0 / 64.0, 16.0 / 64.0];
    let mut boxes = vec![0.5; 20 * 4];
    boxes[12..16].copy_from_slice(&bbox);
    let mut logits = vec![-8.0; 20 * 3];
    logits[9..12].copy_from_slice(&[2.0, -6.0, 1.0]);
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("logits", &[1, 20, 3], logits).output(
        "pred_boxes",
        &[1, 20, 4],
        boxes,
    );
    expect(loaded(&model, "type = \"rtdetr\", activation = \"sigmoid\"").unwrap(), &[0, 2]);

    let mut rows = [0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0].repeat(20);
    rows[21..28].copy_from_slice(&[&bbox[..], &[0.8, 0.0, 0.7]].concat());
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("output0", &[1, 20, 7], rows);
    expect(loaded(&model, "type = \"rtdetr\"").unwrap(), &[0, 2]);
}

#[test]
fn boxes_are_clipped_and_those_in_the_padding_left_out() {
    if runtime_is_missing() {
        return;
    }
    // the picture ends at line 56 of the input
    let data = vec![-10.0, 40.0, 20.0, 64.0, 0.9, 0.0, 10.0, 57.0, 20.0, 63.0, 0.8, 0.0];
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("output0", &[1, 2, 6], data);
    let found = detect(&mut loaded(&model, "type = \"end_to_end\"").unwrap(), &thresholds());
    assert_eq!(found.iter().map(|d| d.bbox).collect::<Vec<_>>(), [BoundingBox::new(0.0, 64.0, 40.0, 96.0)]);
}

#[test]
fn free_dimensions_take_the_manifests_size() {
    if runtime_is_missing() {
        return;
    }
    let row = [&OBJECT[..], &[0.9, 1.0]].concat();
    let model = ConstantModel::new(&[-1, 3, -1, -1]).output("output0", &[1, 1, 6], row);
    expect(loaded(&model, "type = \"end_to_end\"").unwrap(), &[1]);
}

#[test]
fn at_most_the_highest_are_given() {
    if runtime_is_missing() {
        return;
    }
    let row = |index: usize| [&OBJECT[..], &[0.2 + index as f32 / 100.0, 1.0]].concat();
    let data = (0..50).flat_map(row).collect();
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("output0", &[1, 50, 6], data);
    let mut detector = loaded(&model, "type = \"end_to_end\", max_candidates = 20").unwrap();
    let found = detect(&mut detector, &thresholds());
    assert_eq!((found.len(), found[0].score, found[9].score), (10, 0.2 + 0.49, 0.2 + 0.4));
    let stats = detector.decode_stats();
    assert_eq!((stats.candidates, stats.over_limit), (20, 30));
}
