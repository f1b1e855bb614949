//! Several images in one run.

use super::*;
use crate::detector::test_onnx::RowsModel;

/// Bytes without a pattern.
fn noise(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn options(max_batch: usize) -> SessionOptions {
    SessionOptions { max_batch, warm_up_runs: 1, ..SessionOptions::default() }
}

fn loaded_with(bytes: &[u8], options: &SessionOptions) -> Result<Detector, DetectorError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("toy.onnx"), bytes).unwrap();
    Detector::load(&manifest(folder.path(), "type = \"end_to_end\""), options, &mut |_| ())
}

#[test]
fn every_image_of_a_run_gives_what_it_gives_alone() {
    if runtime_is_missing() {
        return;
    }
    let model = RowsModel::new(-1).to_bytes();
    let mut single = loaded_with(&model, &options(1)).unwrap();
    let mut several = loaded_with(&model, &options(3)).unwrap();
    assert_eq!((single.max_batch(), several.max_batch()), (1, 3));
    assert_eq!(several.info().warnings.len(), 1, "only that there is no hash: {:?}", several.info().warnings);
    let thresholds = thresholds();
    // of all sizes, so that places change their padding from run to run
    let sizes = [(64, 64), (128, 96), (40, 90), (96, 128), (64, 20)];
    let pictures: Vec<_> =
        (0..).zip(sizes).map(|(i, (w, h))| (w, h, noise(i, (w * h * 3) as usize))).collect();
    let views: Vec<_> = pictures
        .iter()
        .map(|(w, h, data)| PixelView::new(ChannelOrder::Rgb, *w, *h, *w as usize * 3, data).unwrap())
        .collect();
    let mut alone = Vec::new();
    for view in &views {
        let mut found = ImageDetections::default();
        single.detect_batch(&[*view], &thresholds, std::slice::from_mut(&mut found)).unwrap();
        assert!(!found.detections.is_empty());
        alone.push(found);
    }
    let mut out = vec![ImageDetections::default(); 3];
    for order in [vec![0, 1, 2], vec![4, 0], vec![2], vec![3, 4, 1], vec![1, 1, 1]] {
        let images: Vec<_> = order.iter().map(|at| views[*at]).collect();
        let out = &mut out[..images.len()];
        several.detect_batch(&images, &thresholds, out).unwrap();
        for (at, found) in order.iter().zip(out) {
            assert_eq!(found.detections, alone[*at].detections, "image {at} of {order:?}");
            assert_eq!((found.stats, found.agreement), (alone[*at].stats, alone[*at].agreement));
        }
    }
}

#[test]
fn too_many_images_or_places_that_do_not_match_are_refused() {
    if runtime_is_missing() {
        return;
    }
    let mut detector = loaded_with(&RowsModel::new(-1).to_bytes(), &options(2)).unwrap();
    let data = noise(1, 64 * 64);
    let image = PixelView::new(ChannelOrder::Mono, 64, 64, 64, &data).unwrap();
    let mut out = vec![ImageDetections::default(); 4];
    detector.detect_batch(&[image, image], &thresholds(), &mut out[..2]).unwrap();
    assert!(!out[0].detections.is_empty());
    for (images, places) in [(3, 3), (2, 1), (1, 2), (0, 0), (0, 1)] {
        let error =
            detector.detect_batch(&vec![image; images], &thresholds(), &mut out[..places]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{images} images and {places} places")), "{text}");
        assert!(text.contains("1 to 2 images"), "{text}");
        assert!(out[..places].iter().all(|out| out.detections.is_empty()));
    }
}

#[test]
fn a_fixed_batch_takes_one_image_and_says_so() {
    if runtime_is_missing() {
        return;
    }
    let model = RowsModel::new(1).to_bytes();
    let detector = loaded_with(&model, &options(8)).unwrap();
    assert_eq!(detector.max_batch(), 1);
    let warnings = detector.info().warnings.join("\n");
    assert!(warnings.contains("8 images") && warnings.contains("takes 1"), "{warnings}");
    let detector = loaded_with(&model, &options(1)).unwrap();
    assert!(!detector.info().warnings.join("\n").contains("max_batch"));
}

#[test]
fn a_batch_that_is_only_claimed_is_refused_where_it_is_asked_for() {
    if runtime_is_missing() {
        return;
    }
    // All images in one long list of rows; a shape that only one image's elements have.
    for (shape, found) in [([1, -1, 6], "`rows` (1, 4096, 6)"), ([1, 2048, 6], "2048")] {
        let model = RowsModel { shape, ..RowsModel::new(-1) };
        assert_eq!(loaded_with(&model.to_bytes(), &options(1)).unwrap().max_batch(), 1);
        let error = loaded_with(&model.to_bytes(), &options(2)).unwrap_err();
        assert!(matches!(error, DetectorError::BatchModel { images: 2, .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(found) && text.contains("batch_max"), "{text}");
    }
}

#[test]
fn a_number_of_images_out_of_range_is_refused() {
    if runtime_is_missing() {
        return;
    }
    for max_batch in [0, 65] {
        let error = loaded_with(&RowsModel::new(-1).to_bytes(), &options(max_batch)).unwrap_err().to_string();
        assert!(error.contains("1 to 64") && error.contains(&max_batch.to_string()), "{error}");
    }
    assert_eq!(loaded_with(&RowsModel::new(-1).to_bytes(), &options(64)).unwrap().max_batch(), 64);
}
