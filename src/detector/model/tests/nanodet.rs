//! NanoDet-g itself, where its weights are there: its outputs against those that the original graph gave in another
//! runtime (`tests/data/nanodet_recorded.json`), and the whole way of a frame.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Recorded {
    /// Absolute for samples, relative for sums.
    tolerance: f64,
    outputs: BTreeMap<String, RecordedOutput>,
}

#[derive(Deserialize)]
struct RecordedOutput {
    shape: Vec<i64>,
    sum_of_magnitudes: f64,
    sum_of_squares: f64,
    /// Flat index and value.
    samples: Vec<(usize, f64)>,
}

/// The model of the checkout or of the folder that `ROADPROOF_MODELS` names; says so where there is none.
fn nanodet() -> Option<Detector> {
    if runtime_is_missing() {
        return None;
    }
    let folder = std::env::var_os("ROADPROOF_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), std::path::PathBuf::from);
    let path = folder.join("nanodet-g.toml");
    if !folder.join("nanodet-g.onnx").exists() || !path.exists() {
        eprintln!(
            "skipped: no nanodet-g.toml and nanodet-g.onnx in {} (see models/README.md)",
            folder.display()
        );
        return None;
    }
    Some(load(&ModelManifest::load(path).unwrap()).unwrap())
}

/// The element of the recorded run's input, as the recording describes it.
fn recorded_input(channel: i32, y: i32, x: i32) -> f32 {
    let (u, v) = (x % 156 - 78, y % 156 - 78);
    if u * u + v * v < 1521 {
        (3 * channel - 2) as f32 / 2.0
    } else {
        ((x + 2 * y) / 8 % 32 - 16) as f32 / 16.0
    }
}

#[test]
fn outputs_are_those_of_the_original_graph() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nanodet_recorded.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: there is no {}", path.display());
        return;
    };
    let recorded: Recorded = serde_json::from_str(&text).unwrap();
    let Some(mut detector) = nanodet() else { return };
    let mut place = 0..;
    for value in detector.engine.host().input_mut(0).unwrap() {
        let index = place.next().unwrap();
        *value = recorded_input(index / (416 * 416), index / 416 % 416, index % 416);
    }
    let names: Vec<_> =
        detector.engine.host().probe_outputs().unwrap().into_iter().map(|info| info.name).collect();
    let outputs: Vec<_> = detector
        .engine
        .host()
        .run(1, |views| views.iter().map(|view| (view.shape.to_vec(), view.data.to_vec())).collect())
        .unwrap();
    assert_eq!(names.len(), recorded.outputs.len());
    for (name, (shape, data)) in names.iter().zip(outputs) {
        let expected = &recorded.outputs[name];
        assert_eq!(shape, expected.shape, "{name}");
        let values = || data.iter().copied().map(f64::from);
        for (sum, wanted) in [
            (values().map(f64::abs).sum::<f64>(), expected.sum_of_magnitudes),
            (values().map(|v| v * v).sum::<f64>(), expected.sum_of_squares),
        ] {
            assert!((sum - wanted).abs() <= recorded.tolerance * wanted, "{name}: {sum} for {wanted}");
        }
        for (index, wanted) in &expected.samples {
            let found = f64::from(data[*index]);
            assert!((found - wanted).abs() <= recorded.tolerance, "{name}[{index}]: {found} for {wanted}");
        }
    }
}

#[test]
fn every_channel_order_finds_the_same() {
    let Some(mut detector) = nanodet() else { return };
    let thresholds = Thresholds { low_score: 0.02, ..thresholds() };
    let (width, height) = (640u32, 360u32);
    let pixel = |x: u32, y: u32| [(x / 3) as u8, (y / 2) as u8, ((x ^ y) & 0xff) as u8];
    let mut all = Vec::new();
    for order in [ChannelOrder::Rgb, ChannelOrder::Bgr, ChannelOrder::Rgba, ChannelOrder::Bgra] {
        let mut data = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let [r, g, b] = pixel(x, y);
                match order {
                    ChannelOrder::Rgb => data.extend([r, g, b]),
                    ChannelOrder::Bgr => data.extend([b, g, r]),
                    ChannelOrder::Rgba => data.extend([r, g, b, 255]),
                    _ => data.extend([b, g, r, 255]),
                }
            }
        }
        let step = data.len() / height as usize;
        let view = PixelView::new(order, width, height, step, &data).unwrap();
        let mut found = Vec::new();
        let times = detector.detect(&view, &thresholds, &mut found).unwrap();
        assert!(times.inference > times.postprocess);
        all.push(found);
    }
    assert!(!all[0].is_empty(), "a low threshold finds something everywhere");
    assert!(all.iter().all(|found| *found == all[0]));
}
