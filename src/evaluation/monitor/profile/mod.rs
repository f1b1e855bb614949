//! Making a model's profile from what was observed.

mod atc;
mod baseline;
mod calibration;
mod curves;
#[cfg(test)]
mod tests;

use crate::detector::{Detection, Thresholds};
use crate::evaluation::average_precision::mean_of;
use crate::evaluation::study::StudyError;
use crate::evaluation::{Found, Truth};
use crate::health::Tracker;
use crate::health::change::{CleanFrames, calibrate};
use crate::health::profile::{
    AlarmSettings, CameraProfile, PROFILE_VERSION, Profile, ProfileSource, ProfiledModel,
};

pub use calibration::{ISOTONIC_FROM, PLATT_FROM};
pub(super) use curves::published_right;

use super::{Observation, Observed, ObservedCell, ObservedFrame, fit_estimator};

/// Of everything that is drawn for a profile.
const SEED: u64 = 0;

/// What the profile is of, beside what was observed.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileOptions {
    /// Name of the dataset or recording.
    pub name: String,
    /// Whether consecutive frames belong together.
    pub is_stream: bool,
    /// What the alarms are set for.
    pub alarms: AlarmSettings,
}

/// Makes the profile. The same observation gives the same profile, to the last bit.
///
/// Without labels, what was published of the clean frames stands for what is there, so curves say how much of it is left.
///
/// # Errors
/// [`StudyError::NothingPublished`]: there are neither labels nor published detections to compare with.
pub fn make_profile(observation: &Observation, options: &ProfileOptions) -> Result<Profile, StudyError> {
    let Observation { observed, model, thresholds, .. } = observation;
    let nothing = || StudyError::NothingPublished { name: options.name.clone(), score: thresholds.score };
    let (clean, corrupted) = observed.cells.split_first().ok_or_else(nothing)?;
    let is_labelled = observed.truths.is_some();
    let reference = reference(observed, clean, thresholds);
    if !reference.iter().flatten().any(Truth::counts) {
        return Err(nothing());
    }
    let count = observed.classes.len();
    let matches = clean.matches(&reference, count);
    let context = curves::Context { reference: &reference, clean, thresholds, classes: count };
    let clean_point = context.point(0.0, clean, &matches);
    let mut classes = baseline::classes(observed, clean, thresholds);
    if is_labelled {
        let maps = calibration::precision_maps(&matches);
        let atc = atc::scores(&matches);
        for ((((class, ap), map), atc), of_class) in
            classes.iter_mut().zip(&clean_point.class_ap).zip(maps).zip(atc).zip(&matches.classes)
        {
            (class.ap, class.precision_by_score, class.atc_score) = (*ap, map, atc);
            class.instances = of_class.instance_count();
        }
    }
    let frames: Vec<Vec<Detection>> = clean.frames.iter().map(|frame| frame.detections.clone()).collect();
    let clean_frames = CleanFrames {
        frames: &frames,
        thresholds,
        image_size: extent(&frames),
        is_stream: options.is_stream,
    };
    let alarms = calibrate(&clean_frames, count, &options.alarms, SEED);
    for (class, alarms) in classes.iter_mut().zip(alarms) {
        class.alarms = alarms;
    }
    if options.is_stream {
        let rates = track_match_rates(&clean_frames, options.alarms.frame_rate_hz, count);
        classes.iter_mut().zip(rates).for_each(|(class, rate)| class.track_match_rate = rate);
    }
    let mut profile = Profile {
        version: PROFILE_VERSION,
        roadproof_version: env!("CARGO_PKG_VERSION").to_owned(),
        model: ProfiledModel { name: model.name.clone(), sha256: model.sha256.clone() },
        source: ProfileSource {
            name: options.name.clone(),
            frames: clean.frames.len(),
            is_labelled,
            is_stream: options.is_stream,
            low_score: thresholds.low_score,
            nms_iou: thresholds.nms_iou,
        },
        camera: CameraProfile {
            quality: clean_point.quality,
            quality_deviation: baseline::quality_deviation(&clean.frames),
            agreement: clean_point.agreement,
            map: is_labelled.then(|| mean_of(clean_point.class_ap.iter().copied())).flatten(),
        },
        classes,
        curves: curves::curves(&context, &clean_point, corrupted),
        estimator: None,
        alarms: options.alarms.clone(),
        sha256: String::new(),
    };
    profile.estimator = fit_estimator(observed, &profile, SEED);
    Ok(profile)
}

/// Share of tracked objects found again in the next frame, of each class of a stream; `None` where none was tracked.
fn track_match_rates(clean: &CleanFrames<'_>, frame_rate_hz: f64, class_count: usize) -> Vec<Option<f64>> {
    let interval_ns = 1e9 / frame_rate_hz.max(0.001);
    let seconds = ((clean.frames.len() as f64 * interval_ns / 1e9).ceil() as u32).max(1);
    let mut tracker = Tracker::new(class_count, seconds.saturating_add(1));
    for (index, detections) in clean.frames.iter().enumerate() {
        let stamp_ns = (index as f64 * interval_ns) as i64;
        tracker.record_frame(stamp_ns, detections, clean.thresholds, clean.image_size);
    }
    let rate = |class_id: u32| Some(tracker.counts(class_id).rate()).filter(|rate| rate.is_finite());
    (0..class_count as u32).map(rate).collect()
}

/// The smallest picture that holds all boxes; they are clipped to theirs, so that it is the picture's own where anything was
/// found at its right and lower edges.
fn extent(frames: &[Vec<Detection>]) -> [u32; 2] {
    let corner = frames
        .iter()
        .flatten()
        .fold([0.0_f32; 2], |[x, y], detection| [x.max(detection.bbox.x_max), y.max(detection.bbox.y_max)]);
    corner.map(|side| (side.ceil() as u32).max(1))
}

/// The labels, or what was published of the clean frames.
fn reference(observed: &Observed, clean: &ObservedCell, thresholds: &Thresholds) -> Vec<Vec<Truth>> {
    if let Some(truths) = &observed.truths {
        return truths.clone();
    }
    let truths = |frame: &ObservedFrame| {
        let published = frame.detections.iter().filter(|detection| thresholds.publishes(detection));
        published.map(|detection| Truth::new(detection.class_id, Found::from(detection).bbox)).collect()
    };
    clean.frames.iter().map(truths).collect()
}
