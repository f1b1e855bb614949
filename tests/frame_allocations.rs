//! After warm-up, a frame on its way from the camera's bytes to its detections allocates nothing but what ONNX
//! Runtime's binding allocates inside `Session::run`.
//!
//! A program of its own, for its counting allocator.

#[path = "common/counting.rs"]
mod counting;
#[expect(dead_code, clippy::unwrap_used, reason = "part of the tests inside, which use more of it")]
#[path = "../src/detector/test_onnx.rs"]
mod test_onnx;

use std::path::Path;

use ort::session::{Session, SessionInputValue, SessionInputs};
use ort::value::Tensor;
use roadproof::detector::{Detector, ModelManifest, SessionOptions};
use roadproof::image::{DecodeLimits, Encoding, ImageView};
use roadproof::pipeline::{Frame, FramePixels, Job, Pipeline, Processed, Treatment};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;

/// Of the frames that are processed together.
const CAMERAS: usize = 3;

/// Discs on a gradient, so that there are candidates at many places.
fn picture(bytes_per_pixel: usize) -> Vec<u8> {
    let pixel = |i: usize| {
        let (x, y) = (i % WIDTH as usize, i / WIDTH as usize);
        let (dx, dy) = ((x % 160) as i32 - 80, (y % 160) as i32 - 80);
        if dx * dx + dy * dy < 50 * 50 { [220, 90, 40, 255] } else { [(x / 6) as u8, (y / 4) as u8, 90, 255] }
    };
    (0..(WIDTH * HEIGHT) as usize).flat_map(|i| pixel(i).into_iter().take(bytes_per_pixel)).collect()
}

const COUNT_RUN: &str = "ROADPROOF_TEST_COUNT_SESSION_RUN";
/// Images and their side, pixels.
const COUNT_SHAPE: &str = "ROADPROOF_TEST_COUNT_SHAPE";

/// Not a test of its own: prints the allocations of one `Session::run` of the binding, with inputs and outputs as
/// the detector has them. In a process of its own, since ONNX Runtime allows one environment per process.
#[test]
fn allocations_of_session_run() {
    let Some(model) = std::env::var_os(COUNT_RUN) else { return };
    let library = std::env::var_os("ORT_DYLIB_PATH").unwrap();
    let environment = ort::init_from(Path::new(&library)).unwrap().build().unwrap();
    let mut session = Session::builder(&environment).unwrap().commit_from_file(model).unwrap();
    let shape = std::env::var(COUNT_SHAPE).unwrap();
    let (images, side) = shape.split_once('x').unwrap();
    let (images, side): (i64, i64) = (images.parse().unwrap(), side.parse().unwrap());
    let shape = [images, 3, side, side];
    let data = vec![0_f32; shape.iter().product::<i64>() as usize];
    let input: SessionInputValue<'_> = Tensor::from_array((shape.to_vec(), data)).unwrap().into();
    let mut count = 0;
    for _ in 0..5 {
        let before = counting::allocations();
        let inputs = SessionInputs::<0>::ValueSlice(std::slice::from_ref(&input));
        drop(session.run(inputs).unwrap());
        count = counting::allocations() - before;
    }
    println!("{COUNT_RUN}={count};");
}

#[expect(clippy::unwrap_used, reason = "part of a test")]
fn count_session_run(model: &Path, images: usize, side: u32) -> u64 {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "allocations_of_session_run", "--nocapture"])
        .env(COUNT_RUN, model)
        .env(COUNT_SHAPE, format!("{images}x{side}"))
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let after = output.split(&format!("{COUNT_RUN}=")).nth(1).unwrap();
    after.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn frames_allocate_nothing_of_ours() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/nanodet-g.toml");
    if std::env::var_os("ORT_DYLIB_PATH").is_none() || !manifest.with_extension("onnx").exists() {
        eprintln!(
            "skipped: needs ONNX Runtime and the default model, run `make setup` and `. scripts/env.sh`"
        );
        return;
    }
    let manifest = ModelManifest::load(&manifest).unwrap();
    let allowed = count_session_run(&manifest.model_path(), 1, 416);
    let detector = Detector::load(&manifest, &SessionOptions::default(), &mut |_| ()).unwrap();
    let mut thresholds = manifest.thresholds();
    // So low that every frame has its full number of detections.
    (thresholds.score, thresholds.low_score) = (0.05, 0.01);
    let mut pipeline = Pipeline::new(detector, 2, DecodeLimits::default());
    let mut processed = Processed::default();
    for encoding in [Encoding::Rgb8, Encoding::Bgra8, Encoding::Mono8, Encoding::Uyvy, Encoding::Nv12] {
        let bytes_per_pixel = encoding.bytes_per_row(WIDTH) / WIDTH as usize;
        let mut data = picture(bytes_per_pixel);
        data.resize(encoding.bytes_per_row(WIDTH) * encoding.rows(HEIGHT), 128);
        let step = encoding.bytes_per_row(WIDTH);
        let view = ImageView::new(encoding, WIDTH, HEIGHT, step, &data).unwrap();
        for n in 0..8 {
            let frame = Frame { camera: n % 2, stamp_ns: 0, frame_id: "cam", pixels: FramePixels::Raw(view) };
            let before = counting::allocations();
            pipeline.process(&frame, Treatment::Clean, &thresholds, &mut processed).unwrap();
            let count = counting::allocations() - before;
            assert!(!processed.detections.is_empty());
            if n >= 4 {
                assert_eq!(
                    count, allowed,
                    "{encoding:?}, frame {n}: allocations beside Session::run's {allowed}"
                );
            }
        }
    }
}

#[test]
fn frames_that_are_processed_together_allocate_nothing_of_ours() {
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        eprintln!("skipped: needs ONNX Runtime, run `make setup` and `. scripts/env.sh`");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("toy.onnx"), test_onnx::RowsModel::new(-1).to_bytes()).unwrap();
    let manifest = ModelManifest::from_toml(
        r#"format = 1
        name = "toy"
        file = "toy.onnx"
        input = { width = 64, height = 64, colour = "rgb", mean = [0, 0, 0], std = [1, 1, 1], resize = "letterbox" }
        thresholds = { score = 0.4, nms_iou = 0.5, max_detections = 100, low_score = 0.1 }
        classes = { names = ["person"] }
        decoder = { type = "end_to_end" }"#,
        folder.path().join("toy.toml"),
    )
    .unwrap();
    let allowed: Vec<_> =
        (1..=CAMERAS).map(|images| count_session_run(&manifest.model_path(), images, 64)).collect();
    let options = SessionOptions { max_batch: CAMERAS, ..SessionOptions::default() };
    let detector = Detector::load(&manifest, &options, &mut |_| ()).unwrap();
    let thresholds = manifest.thresholds();
    let mut pipeline = Pipeline::new(detector, CAMERAS, DecodeLimits::default());
    let mut out: Vec<_> = (0..CAMERAS).map(|_| Processed::default()).collect();
    let data = picture(3);
    let view = ImageView::new(Encoding::Bgr8, WIDTH, HEIGHT, WIDTH as usize * 3, &data).unwrap();
    let frame = |camera| Frame { camera, stamp_ns: 0, frame_id: "cam", pixels: FramePixels::Raw(view) };
    let jobs: Vec<_> =
        (0..CAMERAS).map(|camera| Job { frame: frame(camera), treatment: Treatment::Clean }).collect();
    for n in 0..20 {
        let images = n % CAMERAS + 1;
        let (jobs, out) = (&jobs[..images], &mut out[..images]);
        let mut processed = 0;
        let before = counting::allocations();
        pipeline.process_batch(jobs, &thresholds, out, |_, seen| processed += usize::from(seen.is_ok()));
        let count = counting::allocations() - before;
        assert_eq!(processed, images);
        assert!(out.iter().all(|out| !out.detections.is_empty()));
        if n >= 10 {
            assert_eq!(count, allowed[images - 1], "run {n} of {images} frames: more than Session::run");
        }
    }
}
