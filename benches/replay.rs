//! Replay beside the detector alone, in alternation in one run: what reading, decoding, corrupting and writing cost where they
//! overlap with inference.
//!
//! `cargo bench --bench replay -- VIDEO MODEL [ROUNDS]`, by default the footage of set-up and NanoDet-g, on all cores.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark program")]

use std::path::Path;
use std::time::Instant;

use roadproof::corruption::{CorruptorOptions, Step};
use roadproof::data::source::{self, SourceFrame, SourceOptions};
use roadproof::detector::{Detector, ModelManifest, SessionOptions};
use roadproof::health::WindowConfig;
use roadproof::image::DecodeLimits;
use roadproof::pipeline::{Pipeline, Processed, Treatment};
use roadproof::replay::{Drawn, FrameRecord, HealthRecord, Injection, Options, Sink, replay};

struct Lines(Vec<u8>);

impl Sink for Lines {
    fn frame(&mut self, record: &FrameRecord<'_>, _: Option<&Drawn>) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.0, record)?;
        Ok(())
    }

    fn health(&mut self, record: &HealthRecord<'_>) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.0, record)?;
        Ok(())
    }
}

fn pipelines(manifest: &ModelManifest, workers: usize) -> Vec<Pipeline> {
    let session = SessionOptions { intra_op_threads: 1, ..SessionOptions::default() };
    let load = |_| {
        Pipeline::new(Detector::load(manifest, &session, &mut |_| ()).unwrap(), 1, DecodeLimits::default())
    };
    (0..workers).map(load).collect()
}

/// Frames per second of the detector on decoded frames in memory.
fn detector_alone(manifest: &ModelManifest, frames: &[SourceFrame], workers: usize, count: usize) -> f64 {
    let pipelines = pipelines(manifest, workers);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for (worker, mut pipeline) in pipelines.into_iter().enumerate() {
            scope.spawn(move || {
                let mut processed = Processed::default();
                for i in (worker..count).step_by(workers) {
                    let frame = frames[i % frames.len()].as_frame().unwrap();
                    pipeline
                        .process(&frame, Treatment::Clean, &manifest.thresholds(), &mut processed)
                        .unwrap();
                }
            });
        }
    });
    count as f64 / start.elapsed().as_secs_f64()
}

fn replayed(manifest: &ModelManifest, video: &Path, workers: usize, steps: &[Step]) -> f64 {
    let mut source = source::open(video, &SourceOptions::default()).unwrap();
    let injection = if steps.is_empty() { Injection::Nothing } else { Injection::Steps(steps.to_vec()) };
    let options = Options {
        thresholds: manifest.thresholds(),
        injection,
        corruptor: CorruptorOptions::default(),
        profile: None,
        health: WindowConfig::default(),
        truth: None,
        read_ahead: 4 * workers,
        is_realtime: false,
        annotate: false,
    };
    let pipelines = pipelines(manifest, workers);
    let start = Instant::now();
    let counts = replay(source.as_mut(), pipelines, &options, &mut Lines(Vec::new())).unwrap();
    counts.read as f64 / start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let video = arguments.first().map_or(".deps/footage/vtest.avi", String::as_str);
    let model = arguments.get(1).map_or("models/nanodet-g.toml", String::as_str);
    let rounds: usize = arguments.get(2).map_or(3, |rounds| rounds.parse().unwrap());
    if !Path::new(video).exists() || !Path::new(model).with_extension("onnx").exists() {
        println!("replay: {video} or the weights of {model} are not there; scripts/setup.sh fetches them");
        return;
    }
    opencv::core::set_num_threads(1).unwrap();
    let manifest = ModelManifest::load(model).unwrap();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let frames: Vec<SourceFrame> = source::open(Path::new(video), &SourceOptions::default())
        .unwrap()
        .take(60)
        .map(Result::unwrap)
        .collect();
    let steps: Vec<Step> = vec!["rain:2".parse().unwrap(), "gaussian_noise:1".parse().unwrap()];
    let (mut alone, mut clean, mut corrupted) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(detector_alone(&manifest, &frames, workers, 400));
        clean.push(replayed(&manifest, Path::new(video), workers, &[]));
        corrupted.push(replayed(&manifest, Path::new(video), workers, &steps));
    }
    let (alone, clean, corrupted) = (median(alone), median(clean), median(corrupted));
    println!("detector alone             {alone:7.1} frames per second, {workers} workers");
    println!("replay                     {clean:7.1}  {:.0} %", clean / alone * 100.0);
    println!("replay, rain and noise     {corrupted:7.1}  {:.0} %", corrupted / alone * 100.0);
}
