//! As fast as it goes, stage by stage.

use std::time::{Duration, Instant};

use super::gpu::Gpu;
use super::pictures::pixels;
use super::report::{Ratio, Report, Skipped, StageRow, Stages};
use super::subject::{Loaded, Share, for_each, uses_gpu};
use super::{BenchError, Extent, Latency, OnProgress, Pictures, Plan, Progress, process};
use crate::data::source::SourceFrame;
use crate::detector::{ImageDetections, StageTimes, Thresholds};
use crate::image::{CompressedDecoder, Converter, DecodeLimits, PixelView};

/// Between two calls of the progress, so that it costs nothing.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Runs every model on every provider with every batch and every input, one run after the other without a pause. Rows
/// come in that order; batches that a model cannot take are skipped.
pub fn measure_stages(plan: &Plan, batches: &[usize], progress: &mut OnProgress<'_>) -> Report {
    let gpu = Gpu::new(plan.session.device_id);
    let mut report = for_each(plan, &gpu, progress, &mut |mut loaded, share, report, progress| {
        let rows = (batches.len() * plan.inputs.len()).max(1) as f64;
        let mut done = 0.0;
        for &batch in batches {
            let most = loaded.detector.max_batch();
            if batch > most {
                let reason = format!("the model takes at most {most} image(s) at once here");
                let (model, provider) = (loaded.manifest.name.clone(), loaded.provider.clone());
                report.skipped.push(Skipped { model, provider, batch, reason });
                done += plan.inputs.len() as f64;
                continue;
            }
            for pictures in &plan.inputs {
                let name = &pictures.input().name;
                let what = format!("{} on {}, batch {batch}, {name}", loaded.manifest.name, loaded.provider);
                let mut tell = |own: f64| {
                    let share = Share::at(share, (done + own) / rows);
                    progress(Progress { what: what.clone(), share });
                };
                let row = measure(&mut loaded, plan, pictures, batch, &gpu, &mut tell);
                report.stages.push(row.map_err(|error| error.to_string())?);
                done += 1.0;
            }
        }
        Ok(())
    });
    relate(&mut report.stages);
    report
}

/// Sets every row's ratios to the first.
pub(super) fn relate(rows: &mut [StageRow]) {
    let Some(first) = rows.first().map(|row| (row.images_per_second, row.stages.total.p50_ms)) else {
        return;
    };
    for row in rows {
        row.ratio = Ratio {
            throughput: row.images_per_second / first.0,
            total_p50: row.stages.total.p50_ms / first.1,
        };
    }
}

fn measure(
    loaded: &mut Loaded<'_>,
    plan: &Plan,
    pictures: &Pictures,
    batch: usize,
    gpu: &Gpu,
    tell: &mut dyn FnMut(f64),
) -> Result<StageRow, BenchError> {
    let mut subject = Runs::new(loaded, pictures, batch);
    tell(0.0);
    for _ in 0..plan.warm_up_runs {
        subject.run()?;
    }
    subject.samples = Samples::default();
    subject.detections = 0;
    let is_on_gpu = uses_gpu(subject.loaded.detector.info());
    let cpu_before = process::cpu_time();
    let start = Instant::now();
    let (result, gpu_use) = gpu.watch(is_on_gpu, || {
        let mut told = start;
        loop {
            subject.run()?;
            let share = match plan.extent {
                Extent::Time(time) => start.elapsed().as_secs_f64() / time.as_secs_f64().max(1e-9),
                Extent::Images(images) => subject.images() as f64 / images.max(1) as f64,
            };
            if share >= 1.0 {
                return Ok::<_, BenchError>(());
            }
            if told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                tell(share);
            }
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    result?;
    let cpu = process::cpu_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    let images = subject.images();
    let stages = subject
        .samples
        .stages()
        .ok_or_else(|| BenchError::NoPictures { name: pictures.input().name.clone() })?;
    Ok(StageRow {
        batch,
        images,
        seconds,
        images_per_second: images as f64 / seconds,
        ratio: Ratio { throughput: 1.0, total_p50: 1.0 },
        detections_per_image: subject.detections as f64 / images as f64,
        stages,
        cpu_ms_per_image: cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / images as f64),
        resident_bytes: process::resident_bytes(),
        gpu: gpu_use,
        subject: subject.loaded.subject(pictures.input()),
    })
}

/// Runs of one batch size on one input.
struct Runs<'a, 'm> {
    loaded: &'a mut Loaded<'m>,
    frames: &'a [SourceFrame],
    next: usize,
    thresholds: Thresholds,
    /// One for each image of a batch.
    converters: Vec<(Converter, CompressedDecoder)>,
    found: Vec<ImageDetections>,
    samples: Samples,
    detections: usize,
}

impl<'a, 'm> Runs<'a, 'm> {
    fn new(loaded: &'a mut Loaded<'m>, pictures: &'a Pictures, batch: usize) -> Self {
        let converters = |_| (Converter::new(), CompressedDecoder::new(DecodeLimits::default()));
        let thresholds = loaded.manifest.thresholds();
        Self {
            loaded,
            frames: pictures.frames(),
            next: 0,
            thresholds,
            converters: (0..batch).map(converters).collect(),
            found: vec![ImageDetections::default(); batch],
            samples: Samples::default(),
            detections: 0,
        }
    }

    fn images(&self) -> u64 {
        (self.samples.total.len() * self.converters.len()) as u64
    }

    fn run(&mut self) -> Result<(), BenchError> {
        let start = Instant::now();
        let frames = self.frames.iter().cycle().skip(self.next);
        let views: Result<Vec<PixelView<'_>>, BenchError> = self
            .converters
            .iter_mut()
            .zip(frames)
            .map(|((raw, compressed), frame)| {
                pixels(frame, raw, compressed)
                    .map_err(|source| BenchError::Picture { name: frame.name.clone(), source })
            })
            .collect();
        let views = views?;
        let convert = start.elapsed();
        let times = self.loaded.detector.detect_batch(&views, &self.thresholds, &mut self.found)?;
        self.samples.add(convert, times, start.elapsed());
        self.next = (self.next + views.len()) % self.frames.len().max(1);
        self.detections += self.found.iter().map(|found| found.detections.len()).sum::<usize>();
        Ok(())
    }
}

/// Durations of each stage, run by run.
#[derive(Debug, Default)]
struct Samples {
    convert: Vec<Duration>,
    upload: Vec<Duration>,
    preprocess: Vec<Duration>,
    inference: Vec<Duration>,
    postprocess: Vec<Duration>,
    total: Vec<Duration>,
}

impl Samples {
    fn add(&mut self, convert: Duration, times: StageTimes, total: Duration) {
        self.convert.push(convert);
        self.upload.push(times.upload);
        self.preprocess.push(times.preprocess);
        self.inference.push(times.inference);
        self.postprocess.push(times.postprocess);
        self.total.push(total);
    }

    fn stages(&self) -> Option<Stages> {
        Some(Stages {
            convert: Latency::of(&self.convert)?,
            upload: Latency::of(&self.upload)?,
            preprocess: Latency::of(&self.preprocess)?,
            inference: Latency::of(&self.inference)?,
            postprocess: Latency::of(&self.postprocess)?,
            total: Latency::of(&self.total)?,
        })
    }
}
