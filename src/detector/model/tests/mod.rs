//! The whole detector on small models made here, and on NanoDet-g where it is there.
//!
//! Tests that need ONNX Runtime skip where `ORT_DYLIB_PATH` does not name it.

mod batch;
mod broken;
mod heads;
mod nanodet;

use std::path::Path;

use super::*;
use crate::detector::test_onnx::ConstantModel;
use crate::detector::{BoundingBox, ProviderPolicy};
use crate::image::ChannelOrder;

/// Whether ONNX Runtime is there; says so where it is not.
pub(in crate::detector) fn runtime_is_missing() -> bool {
    let missing = std::env::var_os("ORT_DYLIB_PATH").is_none_or(|path| path.is_empty());
    if missing {
        eprintln!("skipped: ORT_DYLIB_PATH is not set, so there is no ONNX Runtime to test with");
    }
    missing
}

/// A manifest of 64 x 64 pixels and three classes, for `toy.onnx` in `folder`.
pub(super) fn manifest(folder: &Path, decoder: &str) -> ModelManifest {
    let text = format!(
        r#"format = 1
        name = "toy"
        file = "toy.onnx"
        input = {{ width = 64, height = 64, colour = "rgb", mean = [0, 0, 0], std = [1, 1, 1], resize = "letterbox" }}
        thresholds = {{ score = 0.4, nms_iou = 0.5, max_detections = 10, low_score = 0.1 }}
        classes = {{ names = ["person", "car", "bicycle"] }}
        decoder = {{ {decoder} }}"#
    );
    ModelManifest::from_toml(&text, folder.join("toy.toml")).unwrap()
}

pub(super) fn load(manifest: &ModelManifest) -> Result<Detector, DetectorError> {
    Detector::load(manifest, &SessionOptions::default(), &mut |_| ())
}

/// Writes the model and loads it with this decoder.
pub(super) fn loaded(model: &ConstantModel, decoder: &str) -> Result<Detector, DetectorError> {
    let folder = tempfile::tempdir().unwrap();
    model.write(&folder.path().join("toy.onnx"));
    load(&manifest(folder.path(), decoder))
}

/// What is found in a grey image of 128 x 96 pixels.
pub(super) fn detect(detector: &mut Detector, thresholds: &Thresholds) -> Vec<Detection> {
    let data = vec![90; 128 * 96];
    let image = PixelView::new(ChannelOrder::Mono, 128, 96, 128, &data).unwrap();
    let mut found = Vec::new();
    detector.detect(&image, thresholds, &mut found).unwrap();
    found
}

pub(super) fn thresholds() -> Thresholds {
    manifest(Path::new(""), "type = \"end_to_end\"").thresholds()
}

#[test]
fn loading_tells_how_far_it_is() {
    if runtime_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    ConstantModel::new(&[1, 3, 64, 64])
        .output("o", &[1, 0, 6], vec![])
        .write(&folder.path().join("toy.onnx"));
    let options = SessionOptions { warm_up_runs: 2, ..SessionOptions::default() };
    let mut phases = Vec::new();
    let detector =
        Detector::load(&manifest(folder.path(), "type = \"end_to_end\""), &options, &mut |p| phases.push(p))
            .unwrap();
    assert!(matches!(phases[0], LoadPhase::VerifyingHash { done_bytes: 0, .. }));
    let rest: Vec<_> = phases.into_iter().filter(|p| !matches!(p, LoadPhase::VerifyingHash { .. })).collect();
    assert_eq!(
        rest,
        [
            LoadPhase::CreatingSession { provider: Provider::Cpu },
            LoadPhase::CheckingOutputs,
            LoadPhase::WarmingUp { done: 0, total: 2 },
            LoadPhase::WarmingUp { done: 1, total: 2 },
            LoadPhase::WarmingUp { done: 2, total: 2 },
        ]
    );
    let info = detector.info();
    assert_eq!((info.provider, info.name.as_str(), info.sha256.len()), (Provider::Cpu, "toy", 64));
    assert!(info.runtime_version.starts_with("1."), "{}", info.runtime_version);
    assert!(info.warnings.iter().any(|w| w.contains("sha256")), "{:?}", info.warnings);
}

#[test]
fn the_image_reaches_the_model() {
    if runtime_is_missing() {
        return;
    }
    let mut model = ConstantModel::new(&[1, 3, 64, 64]).output("o", &[1, 0, 6], vec![]);
    model.echo = true;
    let mut detector = loaded(&model, "type = \"end_to_end\"").unwrap();
    detect(&mut detector, &thresholds());
    let echo = detector.engine.host().run(1, |views| views[1].data.to_vec()).unwrap();
    // 128 x 96 into 64 x 64: 48 lines from line 8 on
    assert_eq!(
        (echo.len(), echo[0], echo[8 * 64], echo[55 * 64], echo[56 * 64]),
        (3 * 64 * 64, 0.0, 90.0, 90.0, 0.0)
    );
}

#[test]
fn a_bad_threshold_leaves_the_detector_usable() {
    if runtime_is_missing() {
        return;
    }
    let rows = vec![8.0, 16.0, 24.0, 32.0, 0.9, 1.0];
    let model = ConstantModel::new(&[1, 3, 64, 64]).output("o", &[1, 1, 6], rows);
    let mut detector = loaded(&model, "type = \"end_to_end\"").unwrap();
    let image = PixelView::new(ChannelOrder::Mono, 1, 1, 1, &[0]).unwrap();
    let mut found = detect(&mut detector, &thresholds());
    assert_eq!(found.len(), 1);
    let bad = Thresholds { low_score: 0.9, ..thresholds() };
    let error = detector.detect(&image, &bad, &mut found).unwrap_err().to_string();
    assert!(error.contains("`low_score`") && found.is_empty(), "{error}");
    assert_eq!(detect(&mut detector, &thresholds()).len(), 1);
}

#[test]
fn a_provider_that_is_not_there_is_an_error_unless_the_policy_allows_for_it() {
    if runtime_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    ConstantModel::new(&[1, 3, 64, 64])
        .output("o", &[1, 0, 6], vec![])
        .write(&folder.path().join("toy.onnx"));
    let manifest = manifest(folder.path(), "type = \"end_to_end\"");
    // no machine has a GPU of this number
    let with = |providers| SessionOptions { providers, device_id: 99, ..SessionOptions::default() };

    let strict = with(ProviderPolicy::require(Provider::Cuda));
    let error = Detector::load(&manifest, &strict, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("`cuda`") && error.contains("onnxruntime-gpu"), "{error}");

    let lax = with(ProviderPolicy::prefer([Provider::TensorRt, Provider::Cuda, Provider::Cpu]));
    let detector = Detector::load(&manifest, &lax, &mut |_| ()).unwrap();
    assert_eq!(detector.info().provider, Provider::Cpu);
    let warnings = detector.info().warnings.join("\n");
    assert!(warnings.contains("running on `cpu`") && warnings.contains("`tensorrt`"), "{warnings}");

    let hopeless = with(ProviderPolicy::prefer([Provider::TensorRt, Provider::Cuda]));
    let error = Detector::load(&manifest, &hopeless, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("`tensorrt`") && error.contains("`cuda`"), "not silently on the CPU: {error}");

    let empty = with(ProviderPolicy::prefer([]));
    assert!(Detector::load(&manifest, &empty, &mut |_| ()).unwrap_err().to_string().contains("empty"));
}

#[test]
fn a_detector_may_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Detector>();
}
