//! Behind cameras that do not wait: what is lost, and how old results are.

mod pace;
mod peak;
mod trial;

use std::time::{Duration, Instant};

pub use peak::ACCEPTABLE_LOSS;

use super::gpu::Gpu;
use super::report::{Peak, Probe, RateRow, Report, Trial};
use super::subject::{Loaded, Share, for_each, uses_gpu};
use super::{BenchError, Extent, Latency, OnProgress, Pictures, Plan, Progress, process};
use crate::data::source::SourceFrame;
use crate::detector::Thresholds;
use crate::image::DecodeLimits;
use crate::pipeline::{Frame, Job, Pipeline, Processed, Treatment};
use pace::Pace;
use peak::{Bounds, Found, Length};
use smallvec::SmallVec;
use trial::Batching;

/// Lowest rate that is tried, Hz.
const LOWEST_HZ: f64 = 1.0;
/// The peak is known to this share of it.
const PRECISION: f64 = 0.02;
/// Probes of a search, for the progress.
const TYPICAL_PROBES: f64 = 8.0;
/// A probe's part of a measurement.
const PROBE_PART: u32 = 4;
/// Frames that a probe is to have at least, unless a whole measurement has fewer: of 20 frames, one is 5 %.
const PROBE_FRAMES: f64 = 40.0;
/// A measurement's length where images are counted.
const DEFAULT_LENGTH: Duration = Duration::from_secs(5);

/// What to measure behind cameras.
#[derive(Debug, Clone)]
pub struct RatePlan {
    /// Models, providers, inputs; its extent is the length of a trial.
    pub plan: Plan,
    /// Whether to search for the peak.
    pub peak: bool,
    /// Highest rate that the search tries, Hz.
    pub highest_hz: f64,
    /// Fixed rates, Hz.
    pub fixed_hz: Vec<f64>,
    /// How many cameras; each sends at the rate.
    pub cameras: usize,
    /// Whether the cameras take turns within a period instead of sending at once.
    pub is_staggered: bool,
    /// For how long a frame waits for those of other cameras at most; how many share a run is the session's `max_batch`.
    pub batch_window: Duration,
}

/// Runs the pipeline behind cameras of a rate, as the node does: one slot per camera, the latest frame wins.
pub fn measure_rates(plan: &RatePlan, progress: &mut OnProgress<'_>) -> Report {
    let gpu = Gpu::new(plan.plan.session.device_id);
    for_each(&plan.plan, &gpu, progress, &mut |loaded, share, report, progress| {
        let inputs = plan.plan.inputs.len().max(1) as f64;
        let name = format!("{} on {}", loaded.manifest.name, loaded.provider);
        let subjects: Vec<_> =
            plan.plan.inputs.iter().map(|pictures| loaded.subject(pictures.input())).collect();
        let mut behind = Behind::new(plan, loaded, &gpu);
        for (done, (pictures, subject)) in plan.plan.inputs.iter().zip(subjects).enumerate() {
            let mut tell = |what: String, own: f64| {
                let share = Share::at(share, (done as f64 + own) / inputs);
                progress(Progress { what: format!("{name}: {what}"), share });
            };
            let row = behind.row(pictures, subject, &mut tell);
            report.rates.push(row.map_err(|error| error.to_string())?);
        }
        Ok(())
    })
}

/// A pipeline behind cameras.
struct Behind<'a> {
    plan: &'a RatePlan,
    gpu: &'a Gpu,
    pipeline: Pipeline,
    thresholds: Thresholds,
    /// One for each image of a run.
    processed: Vec<Processed>,
    is_on_gpu: bool,
}

impl<'a> Behind<'a> {
    fn new(plan: &'a RatePlan, loaded: Loaded<'_>, gpu: &'a Gpu) -> Self {
        Self {
            plan,
            gpu,
            thresholds: loaded.manifest.thresholds(),
            processed: (0..loaded.detector.max_batch()).map(|_| Processed::default()).collect(),
            is_on_gpu: uses_gpu(loaded.detector.info()),
            pipeline: Pipeline::new(loaded.detector, plan.cameras, DecodeLimits::default()),
        }
    }

    fn row(
        &mut self,
        pictures: &Pictures,
        subject: super::Subject,
        tell: &mut dyn FnMut(String, f64),
    ) -> Result<RateRow, BenchError> {
        let plan = self.plan;
        tell("warming up".to_owned(), 0.0);
        let capacity_hz = self.warm_up(pictures)?;
        let searching = TYPICAL_PROBES / f64::from(PROBE_PART) + 1.0;
        let steps = if plan.peak { searching } else { 0.0 } + plan.fixed_hz.len() as f64;
        let mut search = Vec::new();
        let mut peak = None;
        if plan.peak {
            let bounds = Bounds {
                lowest_hz: LOWEST_HZ,
                highest_hz: plan.highest_hz.max(LOWEST_HZ),
                guess_hz: capacity_hz / plan.cameras.max(1) as f64,
                precision: PRECISION,
            };
            let mut done = 0.0;
            let found = peak::search(
                bounds,
                |trial: &Trial| trial.loss,
                |rate_hz, length| {
                    tell(format!("searching the peak, {rate_hz:.1} Hz"), f64::min(done, searching) / steps);
                    done += if length == Length::Full { 1.0 } else { 1.0 / f64::from(PROBE_PART) };
                    let trial = self.trial(pictures, rate_hz, length)?;
                    search.push(Probe { rate_hz, loss: trial.loss });
                    Ok::<_, BenchError>(trial)
                },
            )?;
            peak = match found {
                Found::Peak { trial, is_limit, .. } => Some(Peak { is_limit, trial }),
                Found::None { .. } => None,
            };
        }
        let mut fixed = Vec::new();
        for (index, &rate_hz) in plan.fixed_hz.iter().enumerate() {
            let before = if plan.peak { searching } else { 0.0 } + index as f64;
            tell(format!("{rate_hz} Hz"), before / steps);
            fixed.push(self.trial(pictures, rate_hz, Length::Full)?);
        }
        Ok(RateRow {
            subject,
            cameras: plan.cameras,
            is_staggered: plan.is_staggered,
            batch_max: self.processed.len(),
            batch_window_ms: plan.batch_window.as_secs_f64() * 1e3,
            peak,
            search,
            fixed,
        })
    }

    /// Runs each camera's converters, and tells how many frames per second there are without a pause.
    fn warm_up(&mut self, pictures: &Pictures) -> Result<f64, BenchError> {
        let runs = self.plan.plan.warm_up_runs.max(self.plan.cameras).max(1);
        let mut start = Instant::now();
        // the first half allocates, the second is what the guess is made of
        for (run, frame) in pictures.frames().iter().cycle().take(2 * runs).enumerate() {
            if run == runs {
                start = Instant::now();
            }
            self.process(&[(run % self.plan.cameras.max(1), frame)])?;
        }
        Ok(runs as f64 / start.elapsed().as_secs_f64().max(1e-6))
    }

    fn process(&mut self, frames: &[(usize, &SourceFrame)]) -> Result<(), BenchError> {
        let jobs = frames.iter().map(job).collect::<Result<SmallVec<[Job<'_>; 8]>, BenchError>>()?;
        let places = self.processed.get_mut(..jobs.len()).unwrap_or_default();
        let mut failed = None;
        self.pipeline.process_batch(&jobs, &self.thresholds, places, |_, seen| {
            if let Err(error) = seen {
                failed = Some(error);
            }
        });
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn trial(&mut self, pictures: &Pictures, rate_hz: f64, length: Length) -> Result<Trial, BenchError> {
        let full = match self.plan.plan.extent {
            Extent::Time(time) => time,
            Extent::Images(_) => DEFAULT_LENGTH,
        };
        let (cameras, is_staggered) = (self.plan.cameras, self.plan.is_staggered);
        let length = if length == Length::Full { full } else { probe_length(full, rate_hz * cameras as f64) };
        let pace = Pace { rate_hz, cameras, is_staggered };
        let batching = Batching { most: self.processed.len(), window: self.plan.batch_window };
        let cpu_before = process::cpu_time();
        let (gpu, is_on_gpu) = (self.gpu, self.is_on_gpu);
        let (raw, gpu_use) = gpu.watch(is_on_gpu, || {
            trial::run(pace, length, pictures.frames(), batching, |frames| self.process(frames))
        });
        let raw = raw?;
        let cpu = process::cpu_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        let seconds = raw.elapsed.as_secs_f64();
        Ok(Trial {
            rate_hz,
            seconds,
            sent: raw.sent,
            processed: raw.processed,
            lost: raw.overwritten,
            loss: raw.overwritten as f64 / raw.sent.max(1) as f64,
            processed_hz: raw.processed as f64 / seconds.max(1e-9),
            latency: Latency::of_streams(&raw.latencies),
            lateness: Latency::of(&raw.lateness),
            cpu_cores: cpu.map(|cpu| cpu.as_secs_f64() / seconds.max(1e-9)),
            gpu: gpu_use,
        })
    }
}

fn job<'a>((camera, frame): &(usize, &'a SourceFrame)) -> Result<Job<'a>, BenchError> {
    let of = |source| BenchError::Picture { name: frame.name.clone(), source };
    let frame = Frame { camera: *camera, ..frame.as_frame().map_err(of)? };
    Ok(Job { frame, treatment: Treatment::Clean })
}

/// How long a probe is at so many frames per second.
fn probe_length(full: Duration, frames_hz: f64) -> Duration {
    let least = Duration::from_secs_f64(PROBE_FRAMES / frames_hz.max(1e-3));
    (full / PROBE_PART).max(least).min(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_short_but_has_frames_to_lose() {
        let ten = Duration::from_secs(10);
        assert_eq!(probe_length(ten, 100.0), Duration::from_millis(2500));
        assert_eq!(probe_length(ten, 8.0), Duration::from_secs(5));
        assert_eq!((probe_length(ten, 1.0), probe_length(ten, 0.0)), (ten, ten));
    }
}
