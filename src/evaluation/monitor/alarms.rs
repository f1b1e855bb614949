//! Alarms on simulated streams: false ones, and how long right ones take.

use std::sync::Arc;

use rayon::prelude::*;

use super::profile::published_right;
use super::results::{AlarmStudy, RampAlarm, StepAlarm, VanishingClass};
use super::sampled::{SampledCell, generator};
use super::stream::Stream;
use super::{Observed, ObservedCell};
use crate::corruption::{Corruption, Group};
use crate::detector::Thresholds;
use crate::evaluation::Matches;
use crate::health::{HealthError, Profile};

/// Seconds that are looked at after a change.
const PATIENCE_S: usize = 120;

/// Streams for each step.
const STREAMS: u64 = 5;

/// Length of the ramp, seconds.
const RAMP_S: usize = 600;

/// Published detections per second from which a class is watched vanishing, and how many classes are.
const LEAST_RATE_HZ: f64 = 0.5;
const VANISHING: usize = 6;

/// How alarms are tried out.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmOptions {
    /// Simulated hours of clean frames.
    pub clean_hours: f64,
    /// Frames per second.
    pub frame_rate_hz: f64,
    /// Of all that is drawn.
    pub seed: u64,
}

/// Alarms of the monitor with `profile`; `None` without labels.
///
/// # Errors
/// The monitor cannot be set up with the profile's window.
pub fn alarms(
    observed: &Observed,
    profile: &Arc<Profile>,
    thresholds: &Thresholds,
    options: &AlarmOptions,
) -> Result<Option<AlarmStudy>, HealthError> {
    let (Some(truths), Some(clean)) =
        (&observed.truths, observed.cells.iter().find(|cell| cell.step.is_none()))
    else {
        return Ok(None);
    };
    let trial = Trial { profile, thresholds, options, clean };
    let (false_alarms, alarmed_share) = trial.false_alarms()?;
    let sampled = |cell: &ObservedCell| SampledCell::new(observed, cell, truths);
    let map = |cell: &ObservedCell| sampled(cell).accuracy(&vec![1; truths.len()]).ap;
    let clean_map = map(clean).unwrap_or(0.0);
    let steps: Result<Vec<StepAlarm>, HealthError> = observed
        .cells
        .par_iter()
        .enumerate()
        .filter(|(_, cell)| cell.step.is_some())
        .map(|(index, cell)| {
            let lost = if clean_map > 0.0 { 1.0 - map(cell).unwrap_or(0.0) / clean_map } else { 0.0 };
            trial.step(cell, lost, index as u64)
        })
        .collect();
    let recall = |cell: &ObservedCell| published_recall(sampled(cell).matches(), thresholds);
    Ok(Some(AlarmStudy {
        frame_rate_hz: options.frame_rate_hz,
        window_s: profile.alarms.window_s,
        clean_hours: options.clean_hours,
        false_alarms,
        false_alarms_per_10h: if options.clean_hours > 0.0 {
            false_alarms as f64 * 10.0 / options.clean_hours
        } else {
            0.0
        },
        alarmed_share,
        allowed_per_10h: profile.alarms.false_alarms_per_10h,
        steps: steps?,
        ramp: trial.ramp(observed, recall)?,
        vanishing: trial.vanishing(observed)?,
    }))
}

/// Recall of what is published at an IoU of 0.5, all classes together.
fn published_recall(matches: &Matches, thresholds: &Thresholds) -> f64 {
    let (mut right, mut instances) = (0.0, 0.0);
    for (class_id, class) in (0..).zip(&matches.classes) {
        instances += class.instance_count() as f64;
        right += published_right(class_id, class, thresholds) as f64;
    }
    if instances > 0.0 { right / instances } else { 0.0 }
}

struct Trial<'a> {
    profile: &'a Arc<Profile>,
    thresholds: &'a Thresholds,
    options: &'a AlarmOptions,
    clean: &'a ObservedCell,
}

impl<'a> Trial<'a> {
    /// A stream that has seen clean frames for two windows.
    fn stream(&self, number: u64) -> Result<Stream<'a>, HealthError> {
        let rng = generator(self.options.seed, number.wrapping_add(1 << 32));
        let mut stream = Stream::new(self.profile, self.thresholds, self.options.frame_rate_hz, rng)?;
        for _ in 0..2 * self.profile.alarms.window_s {
            stream.second(|_| self.clean, None);
        }
        Ok(stream)
    }

    /// Alarms raised on clean frames, and the share of time in alarm. Each hour is a camera of its own, which starts anew.
    fn false_alarms(&self) -> Result<(usize, f64), HealthError> {
        let seconds = (self.options.clean_hours * 3600.0).round() as usize;
        let hours: Vec<usize> = (0..seconds).step_by(3600).map(|begin| (seconds - begin).min(3600)).collect();
        let found: Result<Vec<(usize, usize)>, HealthError> = hours
            .into_par_iter()
            .enumerate()
            .map(|(hour, length)| {
                let rng = generator(self.options.seed, hour as u64 + (1 << 40));
                let mut stream = Stream::new(self.profile, self.thresholds, self.options.frame_rate_hz, rng)?;
                let mut found = (0, 0);
                for _ in 0..length {
                    let second = stream.second(|_| self.clean, None);
                    found.0 += second.raised;
                    found.1 += usize::from(second.is_alarmed);
                }
                Ok(found)
            })
            .collect();
        let (alarms, alarmed) = found?.into_iter().fold((0, 0), |sum, hour| (sum.0 + hour.0, sum.1 + hour.1));
        Ok((alarms, alarmed as f64 / seconds.max(1) as f64))
    }

    fn step(&self, cell: &ObservedCell, lost: f64, number: u64) -> Result<StepAlarm, HealthError> {
        let mut delays = Vec::new();
        for stream in 0..STREAMS {
            let mut stream = self.stream(number * STREAMS + stream)?;
            let noticed = (1..=PATIENCE_S).find(|_| stream.second(|_| cell, None).raised > 0);
            delays.push(noticed.map_or(f64::INFINITY, |seconds| seconds as f64 * self.options.frame_rate_hz));
        }
        delays.sort_by(f64::total_cmp);
        let step = cell.step;
        Ok(StepAlarm {
            corruption: step.map_or("clean", |step| step.corruption.name()).to_owned(),
            severity: step.map_or(0.0, |step| step.severity.value()),
            lost,
            streams: delays.len(),
            detected: delays.iter().filter(|delay| delay.is_finite()).count(),
            median_delay_frames: delays.get(delays.len() / 2).copied().filter(|delay| delay.is_finite()),
        })
    }

    /// Fog (or the first weather there is) that thickens from nothing to the highest severity that was observed.
    fn ramp(
        &self,
        observed: &Observed,
        recall: impl Fn(&ObservedCell) -> f64,
    ) -> Result<Option<RampAlarm>, HealthError> {
        let weather = || observed.cells.iter().filter_map(|cell| cell.step.map(|step| step.corruption));
        let corruption = weather()
            .find(|corruption| *corruption == Corruption::Fog)
            .or_else(|| weather().find(|corruption| corruption.group() == Group::Weather));
        let Some(corruption) = corruption else { return Ok(None) };
        let own = observed.cells.iter().filter_map(|cell| {
            let step = cell.step.filter(|step| step.corruption == corruption)?;
            Some((step.severity.value(), cell))
        });
        let levels: Vec<(f64, &ObservedCell)> = std::iter::once((0.0, self.clean)).chain(own).collect();
        let recalls: Vec<f64> = levels.iter().map(|(_, cell)| recall(cell)).collect();
        let highest = levels.last().map_or(0.0, |(severity, _)| *severity);
        let mut stream = self.stream(u64::from(u32::MAX))?;
        let mut warned = None;
        for second in 0..RAMP_S {
            let severity = highest * second as f64 / RAMP_S as f64;
            let (before, share) = between(&levels, severity);
            let choose = |chance: f64| {
                let index = before + usize::from(chance < share);
                levels.get(index).map_or(self.clean, |(_, cell)| *cell)
            };
            if stream.second(choose, None).raised > 0 {
                warned = Some((severity, before, share));
                break;
            }
        }
        let lost = |(_, before, share): (f64, usize, f64)| {
            let at = |index: usize| recalls.get(index).copied().unwrap_or(0.0);
            let now = at(before) + share * (at(before + 1) - at(before));
            if at(0) > 0.0 { 1.0 - now / at(0) } else { 0.0 }
        };
        Ok(Some(RampAlarm {
            corruption: corruption.name().to_owned(),
            length_s: RAMP_S as f64,
            severity: warned.map(|(severity, _, _)| severity),
            recall_lost: warned.map(lost),
        }))
    }

    /// The most frequent classes, masked one after the other.
    fn vanishing(&self, observed: &Observed) -> Result<Vec<VanishingClass>, HealthError> {
        let mut rates: Vec<(u32, f64)> =
            (0..observed.classes.len() as u32).map(|class| (class, 0.0)).collect();
        for found in self.clean.frames.iter().flat_map(|frame| &frame.detections) {
            if self.thresholds.publishes(found)
                && let Some((_, rate)) = rates.get_mut(found.class_id as usize)
            {
                *rate += self.options.frame_rate_hz / self.clean.frames.len() as f64;
            }
        }
        rates.retain(|(_, rate)| *rate >= LEAST_RATE_HZ);
        rates.sort_by(|a, b| b.1.total_cmp(&a.1));
        rates.truncate(VANISHING);
        let watch = |(class_id, rate_hz): (u32, f64)| {
            let mut stream = self.stream(u64::from(class_id) + (1 << 33))?;
            let delay = (1..=PATIENCE_S).find(|_| {
                stream.second(|_| self.clean, Some(class_id));
                stream.is_failing(class_id)
            });
            let class = observed.classes.get(class_id as usize).cloned().unwrap_or_default();
            Ok(VanishingClass { class, rate_hz, delay_s: delay.map(|seconds| seconds as f64) })
        };
        rates.into_par_iter().map(watch).collect()
    }
}

/// The level below a severity, and how far it is to the next one.
fn between(levels: &[(f64, &ObservedCell)], severity: f64) -> (usize, f64) {
    let before = levels.iter().rposition(|(level, _)| *level <= severity).unwrap_or(0);
    let at = |index: usize| levels.get(index).map(|(level, _)| *level);
    match at(before).zip(at(before + 1)) {
        Some((low, high)) if high > low => (before, (severity - low) / (high - low)),
        _ => (before, 0.0),
    }
}
