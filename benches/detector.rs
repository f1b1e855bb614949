//! Speed of the detector's stages: preprocessing for every channel order, decoding and suppression on outputs as NanoDet
//! gives them, and the model's run where model and ONNX Runtime are there.

#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]
#![allow(clippy::cast_possible_wrap, reason = "the shapes are small")]
#![allow(clippy::doc_markdown, reason = "the names of models are no code")]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use roadproof::detector::decode::{Candidates, DecodeContext, Decoder, OutputInfo, TensorView};
use roadproof::detector::manifest::{DecoderKind, InputSpec, Interpolation};
use roadproof::detector::nms::Nms;
use roadproof::detector::preprocess::Preprocessor;
use roadproof::detector::{Detection, Detector, ModelManifest, SessionOptions};
use roadproof::image::{ChannelOrder, PixelView};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;
const CLASSES: usize = 80;
const BINS: usize = 11;
const STRIDES: [usize; 3] = [8, 16, 32];

fn manifest() -> ModelManifest {
    let names: Vec<_> = (0..CLASSES).map(|class| format!("\"class {class}\"")).collect();
    let text = format!(
        r#"format = 1
        name = "nanodet"
        file = "nanodet.onnx"
        [input]
        width = 416
        height = 416
        colour = "bgr"
        mean = [103.53, 116.28, 123.675]
        std = [57.375, 57.12, 58.395]
        resize = "letterbox"
        interpolation = "area"
        [decoder]
        type = "nanodet"
        strides = [8, 16, 32]
        [thresholds]
        score = 0.4
        nms_iou = 0.6
        max_detections = 100
        [classes]
        names = [{}]"#,
        names.join(", ")
    );
    ModelManifest::from_toml(&text, "nanodet.toml").expect("a good manifest")
}

/// A picture with edges and texture; interpolation does not care, but a constant would be unfair to caches.
fn picture(order: ChannelOrder) -> (usize, Vec<u8>) {
    let channels = match order {
        ChannelOrder::Mono => 1,
        ChannelOrder::Rgb | ChannelOrder::Bgr => 3,
        ChannelOrder::Rgba | ChannelOrder::Bgra => 4,
    };
    let step = WIDTH as usize * channels;
    let data = (0..step * HEIGHT as usize).map(|i| ((i * 31) ^ (i >> 7)) as u8).collect();
    (step, data)
}

fn preprocess(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("preprocess 1280x720 to 416");
    for interpolation in [Interpolation::Area, Interpolation::Linear] {
        let input = InputSpec { interpolation, ..manifest().input };
        for order in
            [ChannelOrder::Rgb, ChannelOrder::Bgr, ChannelOrder::Rgba, ChannelOrder::Bgra, ChannelOrder::Mono]
        {
            let (step, data) = picture(order);
            let view = PixelView::new(order, WIDTH, HEIGHT, step, &data).expect("a good picture");
            let mut preprocessor = Preprocessor::new(&input);
            let mut tensor = vec![0.0; preprocessor.tensor_len()];
            let id = BenchmarkId::new(format!("{interpolation:?}"), format!("{order:?}"));
            group.bench_function(id, |b| {
                b.iter(|| preprocessor.run(black_box(&view), &mut tensor).expect("preprocessed"));
            });
        }
    }
    group.finish();
}

struct Output {
    info: OutputInfo,
    data: Vec<f32>,
}

/// Outputs like NanoDet's on a street: background scores of a few thousandths and, at `objects` places, a cluster of
/// cells that see the same object.
fn nanodet_outputs(objects: usize) -> Vec<Output> {
    let mut outputs = Vec::new();
    for stride in STRIDES {
        let side = 416 / stride;
        let cells = side * side;
        let mut scores: Vec<f32> =
            (0..cells * CLASSES).map(|i| 0.002 + (i * 7919 % 1000) as f32 * 1e-5).collect();
        let boxes = (0..cells * 4 * BINS).map(|i| ((i * 104_729) % 997) as f32 / 200.0 - 2.5).collect();
        for object in 0..objects {
            let cell = object * 7919 % (cells - 3);
            for (near, score) in [(0, 0.8), (1, 0.6), (2, 0.3)] {
                let place = (cell + near) * CLASSES + object % 5;
                if let Some(value) = scores.get_mut(place) {
                    *value = score;
                }
            }
        }
        let output = |name: &str, columns: usize, data: Vec<f32>| Output {
            info: OutputInfo {
                name: format!("{name}_{stride}"),
                shape: vec![1, cells as i64, columns as i64],
                is_f32: true,
            },
            data,
        };
        outputs.push(output("scores", CLASSES, scores));
        outputs.push(output("boxes", 4 * BINS, boxes));
    }
    outputs
}

fn postprocess(criterion: &mut Criterion) {
    let manifest = manifest();
    let mut group = criterion.benchmark_group("decode and NMS, NanoDet 416");
    for (objects, low_score) in [(10, 0.05), (40, 0.05), (40, 0.0115)] {
        let outputs = nanodet_outputs(objects);
        let context = DecodeContext {
            path: Path::new("nanodet.onnx"),
            spec: &manifest.decoder,
            input: &manifest.input,
            class_count: CLASSES,
        };
        let infos: Vec<_> = outputs.iter().map(|output| output.info.clone()).collect();
        let mut decoder = Decoder::bind(&context, &infos).expect("bound");
        let views: Vec<_> =
            outputs.iter().map(|o| TensorView { shape: &o.info.shape, data: &o.data }).collect();
        let mut thresholds = manifest.thresholds();
        thresholds.low_score = low_score;
        let mut candidates = Candidates::new(manifest.decoder.max_candidates);
        let mut nms = Nms::new();
        let mut once = || {
            candidates.begin(&thresholds);
            decoder.decode(black_box(&views), &mut candidates).expect("decoded");
            let count = candidates.items().len();
            nms.suppress(candidates.items_mut(), thresholds.nms_iou, thresholds.max_detections, CLASSES);
            count
        };
        let id = BenchmarkId::new(format!("{objects} objects"), format!("{} candidates", once()));
        group.bench_function(id, |b| b.iter(&mut once));
    }
    group.finish();
}

/// YOLOv8 at 640 pixels: 8400 boxes of 80 classes, a few of which are seen.
fn yolov8(criterion: &mut Criterion) {
    const BOXES: usize = 8400;
    let mut manifest = manifest();
    manifest.decoder.kind = DecoderKind::Yolov8;
    manifest.decoder.strides.clear();
    let mut data: Vec<f32> = (0..(4 + CLASSES) * BOXES).map(|i| (i * 7919 % 1000) as f32 * 1e-5).collect();
    for (index, value) in data.iter_mut().enumerate() {
        if index < 4 * BOXES {
            *value = 20.0 + (index * 7919 % 600) as f32;
        } else if index % 13_001 == 0 {
            *value = 0.7;
        }
    }
    let info = OutputInfo {
        name: "output0".to_owned(),
        shape: vec![1, 4 + CLASSES as i64, BOXES as i64],
        is_f32: true,
    };
    let context = DecodeContext {
        path: Path::new("yolov8.onnx"),
        spec: &manifest.decoder,
        input: &manifest.input,
        class_count: CLASSES,
    };
    let mut decoder = Decoder::bind(&context, std::slice::from_ref(&info)).expect("bound");
    let views = [TensorView { shape: &info.shape, data: &data }];
    let thresholds = manifest.thresholds();
    let mut candidates = Candidates::new(manifest.decoder.max_candidates);
    let mut nms = Nms::new();
    criterion.bench_function("decode and NMS, YOLOv8 640", |b| {
        b.iter(|| {
            candidates.begin(&thresholds);
            decoder.decode(black_box(&views), &mut candidates).expect("decoded");
            nms.suppress(candidates.items_mut(), thresholds.nms_iou, thresholds.max_detections, CLASSES);
        });
    });
}

/// The real model, where it is.
fn model(criterion: &mut Criterion) {
    let folder = std::env::var_os("ROADPROOF_MODELS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("models"), PathBuf::from);
    let loaded = ModelManifest::load(folder.join("nanodet-g.toml")).and_then(|manifest| {
        let detector = Detector::load(&manifest, &SessionOptions::default(), &mut |_| ())?;
        Ok((manifest.thresholds(), detector))
    });
    let (thresholds, mut detector) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("skipped the model's benchmarks: {error}");
            return;
        }
    };
    let (step, data) = picture(ChannelOrder::Bgr);
    let view = PixelView::new(ChannelOrder::Bgr, WIDTH, HEIGHT, step, &data).expect("a good picture");
    let mut found: Vec<Detection> = Vec::new();
    criterion.bench_function("detect 1280x720 with nanodet-g, one thread", |b| {
        b.iter(|| detector.detect(black_box(&view), &thresholds, &mut found).expect("detected"));
    });
}

criterion_group!(benches, preprocess, postprocess, yolov8, model);
criterion_main!(benches);
