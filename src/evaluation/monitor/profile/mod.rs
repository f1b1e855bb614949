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
use crate::evaluation::{Found, Labelled, Matches, Rect, Truth};
use crate::health::Tracker;
use crate::health::change::{CleanFrames, calibrate};
use crate::health::profile::{
    AlarmSettings, CameraProfile, ClassAlarms, PROFILE_VERSION, Profile, ProfileSource, ProfiledModel,
};

pub use calibration::{ISOTONIC_FROM, PLATT_FROM};

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
    let matches = matches(&reference, &clean.frames, count);
    let mut classes = baseline::classes(observed, clean, thresholds);
    if is_labelled {
        let class_ap = matches.class_ap();
        let maps = calibration::precision_maps(&matches);
        let atc = atc::scores(&matches);
        for ((((class, ap), map), atc), of_class) in
            classes.iter_mut().zip(class_ap).zip(maps).zip(atc).zip(&matches.classes)
        {
            (class.ap, class.precision_by_score, class.atc_score) = (ap, map, atc);
            class.instances = of_class.instance_count();
        }
    }
    for (class, alarms) in classes.iter_mut().zip(class_alarms(clean, options, thresholds, count)) {
        class.alarms = alarms;
    }
    if options.is_stream {
        let rates = track_match_rates(clean, options, thresholds, count);
        classes.iter_mut().zip(rates).for_each(|(class, rate)| class.track_match_rate = rate);
    }
    let (quality, quality_deviation) = baseline::quality(&clean.frames);
    let context = curves::Context { reference: &reference, clean, thresholds, classes: count };
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
            quality,
            quality_deviation,
            agreement: baseline::agreement(&clean.frames),
            map: is_labelled.then(|| mean_of(matches.class_ap().into_iter())).flatten(),
        },
        classes,
        curves: curves::curves(&context, corrupted),
        estimator: None,
        alarms: options.alarms.clone(),
        sha256: String::new(),
    };
    profile.estimator = fit_estimator(observed, &profile, SEED);
    Ok(profile)
}

/// Alarm thresholds of each class, from the clean frames.
fn class_alarms(
    clean: &ObservedCell,
    options: &ProfileOptions,
    thresholds: &Thresholds,
    class_count: usize,
) -> Vec<Option<ClassAlarms>> {
    let frames: Vec<Vec<Detection>> = clean.frames.iter().map(|frame| frame.detections.clone()).collect();
    let clean = CleanFrames {
        frames: &frames,
        thresholds,
        image_size: extent(&frames),
        is_stream: options.is_stream,
    };
    calibrate(&clean, class_count, &options.alarms, SEED)
}

/// Share of tracked objects found again in the next frame, of each class of a stream; `None` where none was tracked.
fn track_match_rates(
    clean: &ObservedCell,
    options: &ProfileOptions,
    thresholds: &Thresholds,
    class_count: usize,
) -> Vec<Option<f64>> {
    let frames: Vec<Vec<Detection>> = clean.frames.iter().map(|frame| frame.detections.clone()).collect();
    let interval_ns = 1e9 / options.alarms.frame_rate_hz.max(0.001);
    let seconds = ((frames.len() as f64 * interval_ns / 1e9).ceil() as u32).max(1);
    let (mut tracker, size) = (Tracker::new(class_count, seconds.saturating_add(1)), extent(&frames));
    for (index, detections) in frames.iter().enumerate() {
        tracker.record_frame((index as f64 * interval_ns) as i64, detections, thresholds, size);
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
        published.map(|detection| Truth::new(detection.class_id, found(detection).bbox)).collect()
    };
    clean.frames.iter().map(truths).collect()
}

fn found(detection: &Detection) -> Found {
    let bbox = detection.bbox;
    let [x_min, y_min, x_max, y_max] = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(f64::from);
    let bbox = Rect::from_corners(x_min, y_min, x_max, y_max);
    Found { class_id: detection.class_id, bbox, score: detection.score }
}

/// Matches the detections of a cell with what is there.
fn matches(reference: &[Vec<Truth>], frames: &[ObservedFrame], classes: usize) -> Matches {
    let labelled: Vec<Labelled> = reference
        .iter()
        .zip(frames)
        .map(|(truths, frame)| Labelled {
            truths: truths.clone(),
            detections: frame.detections.iter().map(found).collect(),
        })
        .collect();
    Matches::new(&labelled, classes)
}
