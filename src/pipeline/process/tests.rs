//! Frames processed together, on a made-up model that finds in each image what its own pixels say.

use super::*;
use crate::corruption::{Corruption, Severity};
use crate::detector::test_onnx::RowsModel;
use crate::detector::{ModelManifest, SessionOptions};
use crate::image::{ChannelOrder, Encoding, ImageView};
use crate::pipeline::FramePixels;

const SIZES: [(u32, u32); 3] = [(64, 64), (96, 40), (50, 90)];

/// A pipeline for three cameras; `None` where there is no ONNX Runtime.
fn pipeline(max_batch: usize) -> Option<Pipeline> {
    if std::env::var_os("ORT_DYLIB_PATH").is_none_or(|path| path.is_empty()) {
        eprintln!("skipped: ORT_DYLIB_PATH is not set, so there is no ONNX Runtime to test with");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("toy.onnx"), RowsModel::new(-1).to_bytes()).unwrap();
    let manifest = ModelManifest::from_toml(
        r#"format = 1
        name = "toy"
        file = "toy.onnx"
        input = { width = 64, height = 64, colour = "rgb", mean = [0, 0, 0], std = [1, 1, 1], resize = "letterbox" }
        thresholds = { score = 0.4, nms_iou = 0.5, max_detections = 10, low_score = 0.1 }
        classes = { names = ["person", "car", "bicycle"] }
        decoder = { type = "end_to_end" }"#,
        folder.path().join("toy.toml"),
    )
    .unwrap();
    let options = SessionOptions { max_batch, warm_up_runs: 1, ..SessionOptions::default() };
    let detector = Detector::load(&manifest, &options, &mut |_| ()).unwrap();
    let mut pipeline = Pipeline::new(detector, 3, DecodeLimits::default());
    pipeline.measure_quality(true);
    Some(pipeline)
}

fn thresholds() -> Thresholds {
    Thresholds {
        score: 0.4,
        nms_iou: 0.5,
        max_detections: 10,
        class_scores: vec![],
        enabled: vec![],
        low_score: 0.1,
    }
}

fn pictures() -> Vec<Vec<u8>> {
    let byte = |i: u32, size: u32| ((i.wrapping_mul(2_654_435_761) ^ size) >> 11) as u8;
    SIZES.iter().map(|(w, h)| (0..w * h * 3).map(|i| byte(i, w * h)).collect()).collect()
}

fn job(camera: usize, picture: &[u8]) -> Job<'_> {
    let (width, height) = SIZES[camera];
    let view = ImageView::new(Encoding::Rgb8, width, height, width as usize * 3, picture).unwrap();
    let frame = Frame { camera, stamp_ns: 7, frame_id: "f", pixels: FramePixels::Raw(view) };
    Job { frame, treatment: Treatment::Clean }
}

fn alone(pipeline: &mut Pipeline, job: &Job<'_>) -> Processed {
    let mut out = Processed::default();
    pipeline.process(&job.frame, job.treatment, &thresholds(), &mut out).unwrap();
    out
}

/// What became of each job: the error's text, or nothing.
fn together(pipeline: &mut Pipeline, jobs: &[Job<'_>], out: &mut [Processed]) -> Vec<Option<String>> {
    let mut told = vec![Vec::new(); jobs.len()];
    pipeline.process_batch(jobs, &thresholds(), out, |index, seen| {
        let seen = seen.map(|seen| assert_eq!(seen.pixels.width(), seen.processed.width));
        told[index].push(seen.err().map(|error| error.to_string()));
    });
    assert!(told.iter().all(|told| told.len() == 1), "every frame is told of once: {told:?}");
    told.into_iter().flatten().collect()
}

fn assert_same(together: &Processed, alone: &Processed) {
    assert!(!alone.detections.is_empty());
    assert_eq!(together.detections, alone.detections);
    assert_eq!((together.width, together.height), (alone.width, alone.height));
    assert_eq!((together.agreement, together.quality), (alone.agreement, alone.quality));
}

#[test]
fn frames_together_give_what_they_give_alone() {
    let Some(mut pipeline) = pipeline(3) else { return };
    let pictures = pictures();
    let fog = [Step { corruption: Corruption::Fog, severity: Severity::new(3.0).unwrap() }];
    let mut jobs: Vec<_> = (0..3).map(|camera| job(camera, &pictures[camera])).collect();
    jobs[1].treatment = Treatment::Inject(Corrupt { steps: &fog, index: 4 });
    let expected: Vec<_> = jobs.iter().map(|job| alone(&mut pipeline, job)).collect();
    let clean = alone(&mut pipeline, &job(1, &pictures[1]));
    assert_ne!(clean.detections, expected[1].detections);
    let mut out = [(); 3].map(|()| Processed::default());
    for order in [vec![0, 1, 2], vec![2, 0], vec![1], vec![2, 1, 0]] {
        let jobs: Vec<_> = order.iter().map(|camera| jobs[*camera]).collect();
        let out = &mut out[..jobs.len()];
        assert!(together(&mut pipeline, &jobs, out).iter().all(Option::is_none));
        for (camera, out) in order.iter().zip(&*out) {
            assert_same(out, &expected[*camera]);
        }
        let times: Vec<_> =
            out.iter().map(|out| FrameTimes { quality: Duration::ZERO, ..out.times }).collect();
        assert!(times.iter().all(|each| *each == times[0] && each.inference > Duration::ZERO), "{times:?}");
    }
}

#[test]
fn a_frame_that_fails_does_not_hold_up_the_others() {
    let Some(mut pipeline) = pipeline(3) else { return };
    let pictures = pictures();
    let good = [job(0, &pictures[0]), job(2, &pictures[2])];
    let expected = good.map(|job| alone(&mut pipeline, &job));
    let broken = FramePixels::Compressed { format: "jpeg", data: &[0xff, 0xd8, 0xff, 0x00] };
    let broken = Job { frame: Frame { camera: 1, pixels: broken, ..good[0].frame }, ..good[0] };
    let unknown = Job { frame: Frame { camera: 9, ..good[0].frame }, ..good[0] };
    let twice = job(0, &pictures[0]);
    let drop = [Step { corruption: Corruption::FrameDrop, severity: Severity::new(5.0).unwrap() }];
    for (bad, reason) in [(broken, "JPEG"), (unknown, "camera 9 is unknown"), (twice, "camera 0 has several")]
    {
        let mut out = [(); 3].map(|()| Processed::default());
        let told = together(&mut pipeline, &[good[0], bad, good[1]], &mut out);
        let text = told[1].as_deref().unwrap_or_default();
        assert!(text.to_lowercase().contains(&reason.to_lowercase()), "{text}");
        assert!(told[0].is_none() && told[2].is_none() && out[1].detections.is_empty());
        assert_same(&out[0], &expected[0]);
        assert_same(&out[2], &expected[1]);
    }
    // The share of dropped frames at the highest severity is below one, so look for an index that is.
    let mut dropped = 0;
    for index in 0..40 {
        let mut out = [(); 2].map(|()| Processed::default());
        let lost = Treatment::Inject(Corrupt { steps: &drop, index });
        let lost = Job { treatment: lost, ..job(1, &pictures[1]) };
        let told = together(&mut pipeline, &[lost, good[0]], &mut out);
        assert_same(&out[1], &expected[0]);
        dropped += usize::from(told[0].as_deref() == Some("dropped by the injected corruption"));
    }
    assert!(dropped > 0);
}

#[test]
fn frames_that_fail_in_the_detector_are_told_one_by_one() {
    let Some(mut pipeline) = pipeline(2) else { return };
    let pictures = pictures();
    let jobs = [job(0, &pictures[0]), job(1, &pictures[1])];
    let bad = Thresholds { low_score: 0.9, ..thresholds() };
    let mut told = Vec::new();
    let mut out = [(); 2].map(|()| Processed::default());
    pipeline.process_batch(&jobs, &bad, &mut out, |index, seen| {
        told.push((index, seen.err().unwrap().to_string()));
    });
    assert!(told.iter().all(|(_, text)| text.contains("`low_score`")), "{told:?}");
    assert_eq!(told.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn more_frames_than_a_run_takes_or_places_that_do_not_match_are_refused() {
    let Some(mut pipeline) = pipeline(2) else { return };
    let pictures = pictures();
    let jobs: Vec<_> = (0..3).map(|camera| job(camera, &pictures[camera])).collect();
    for (images, places) in [(3, 3), (2, 1), (1, 2)] {
        let mut out: Vec<_> = (0..places).map(|_| Processed::default()).collect();
        let told = together(&mut pipeline, &jobs[..images], &mut out);
        for text in told {
            assert!(text.unwrap().contains(&format!("{images} images and {places} places")));
        }
    }
    assert!(together(&mut pipeline, &[], &mut []).is_empty());
}

#[test]
fn pixels_are_passed_on_as_they_are() {
    let Some(mut pipeline) = pipeline(1) else { return };
    let data = pictures().remove(0);
    let pixels = PixelView::new(ChannelOrder::Rgb, 64, 64, 192, &data).unwrap();
    let frame = Frame { camera: 2, stamp_ns: 0, frame_id: "", pixels: FramePixels::Pixels(pixels) };
    let mut out = Processed::default();
    let seen =
        pipeline.process_then(&frame, Treatment::Clean, &thresholds(), &mut out, |pixels, processed, _| {
            (pixels.data().as_ptr(), processed.detections.len())
        });
    assert_eq!(seen.unwrap(), (data.as_ptr(), out.detections.len()));
}
