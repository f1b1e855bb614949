//! Filling the report.

use super::judge::{Evidence, is_bad, judge};
use super::view::View;
use super::{CameraMonitor, RECENT_S};
use crate::health::change::ChangeDetector;
use crate::health::drift::{expected_precision, share_above};
use crate::health::estimate::estimate;
use crate::health::quality::QualityMeans;
use crate::health::tracker::TrackCounts;
use crate::health::window::rate_hz;
use crate::health::{
    CameraReport, CameraSummary, ClassReport, ClassSummary, Estimated, HealthStatus, ImageState, Reason,
};

impl CameraMonitor {
    /// Brings the report up to date.
    pub(super) fn fill_report(&mut self) {
        let image = self.quality.state();
        let summary = self.window.camera_summary();
        let view = View::new(&self.window, summary.frames, self.quality.means(), &self.sums);
        fill_camera(&mut self.report, &summary, image, &view);
        if let Some(comparison) = &mut self.comparison {
            estimate(&comparison.profile, &view, &mut comparison.estimate);
            let sharpness = comparison.profile.camera.quality.sharpness;
            self.report.image_sharpness = view.quality.sharpness / sharpness;
            // Of a black or frozen image nothing can be estimated.
            let trusted = !is_bad(image);
            self.report.estimated_corruption = comparison.corruption().filter(|_| trusted);
            self.report.estimated_severity = if trusted { comparison.estimate.severity } else { f64::NAN };
            self.report.estimated_map = if trusted { comparison.estimate.map } else { Estimated::UNKNOWN };
        }
        let recent_frames: u32 = self.sums.before_newest(0, RECENT_S).map(|sums| sums.frames).sum();
        for (index, class) in self.report.classes.iter_mut().enumerate() {
            let Some(of_class) = self.window.class_summary(class.class_id) else { continue };
            let tracks = self.tracker.counts(class.class_id);
            fill_class(class, &of_class, tracks);
            let compared = self.comparison.as_ref().and_then(|comparison| {
                let pair = comparison.profile.classes.get(index).zip(comparison.classes.get(index))?;
                let bins = self.window.score_histogram(class.class_id)?;
                let [per_frame, _] = pair.0.detections_per_frame;
                class.expected_detection_rate = per_frame * summary.frame_rate_hz;
                let precision = pair.0.precision_by_score.as_deref().unwrap_or_default();
                class.expected_precision = expected_precision(bins, of_class.count, precision);
                class.above_threshold_share = pair.0.atc_score.map_or(f64::NAN, |at| share_above(bins, at));
                let reference = pair.1.reference.as_ref();
                class.score_psi = reference.map_or(f64::NAN, |reference| reference.psi(bins));
                class.score_wasserstein = reference.map_or(f64::NAN, |reference| reference.wasserstein(bins));
                let running = pair.1.detector.as_ref().map_or(f64::NAN, ChangeDetector::relative);
                class.change_statistic = pair.1.alarm.map_or(running, |alarm| running.max(alarm.statistic));
                let estimated = comparison.estimate.classes.get(index).filter(|_| !is_bad(image));
                class.estimated_ap = estimated.copied().unwrap_or(Estimated::UNKNOWN);
                Some(pair)
            });
            let need = u64::from(self.window.config().min_support);
            let recently: u32 = self.recent.before_newest(index, RECENT_S).sum();
            let judgement = judge(&Evidence {
                report: class,
                summary: &of_class,
                need,
                image,
                tracks,
                recently: f64::from(recently) / f64::from(recent_frames),
                profile: compared,
            });
            class.detections_needed = need as u32;
            if let Some(hysteresis) = self.hysteresis.get_mut(index) {
                let calm = (of_class.status, of_class.reason);
                (class.status, class.reason) = hysteresis.update(judgement, calm);
            }
        }
        self.judge_camera(&summary, image);
    }

    fn judge_camera(&mut self, summary: &CameraSummary, image: ImageState) {
        let report = &mut self.report;
        let has_profile = self.comparison.is_some();
        let worst = report.classes.iter().filter_map(|class| Some((rank(class.status)?, class)));
        // Worst status first, then lowest AP or score; a figure that is not known comes last.
        let figure = |class: &ClassReport| {
            let figure = if has_profile { class.estimated_ap.value } else { class.score_mean };
            if figure.is_nan() { f64::INFINITY } else { figure }
        };
        let worst = worst
            .min_by(|(a_rank, a), (b_rank, b)| b_rank.cmp(a_rank).then(figure(a).total_cmp(&figure(b))))
            .map(|(_, class)| (class.class_id, class.status, class.reason));
        report.worst_class = worst.map(|(class_id, ..)| class_id);
        (report.status, report.reason) = if matches!(summary.status, HealthStatus::Stale { .. }) {
            (summary.status, summary.reason)
        } else if is_bad(image) {
            (HealthStatus::Error, Reason::BadImage { state: image })
        } else if !has_profile {
            (summary.status, summary.reason)
        } else if let Some((_, status, reason)) = worst {
            (status, reason)
        } else {
            let most = report.classes.iter().map(|class| u64::from(class.published)).max().unwrap_or(0);
            let need = u64::from(self.window.config().min_support);
            (HealthStatus::InsufficientData { have: most, need }, Reason::NoClassJudged { most, need })
        };
    }
}

/// How bad a judgement is; `None` where there is none.
fn rank(status: HealthStatus) -> Option<u8> {
    match status {
        HealthStatus::Ok => Some(0),
        HealthStatus::Warn => Some(1),
        HealthStatus::Error => Some(2),
        HealthStatus::InsufficientData { .. } | HealthStatus::Stale { .. } => None,
    }
}

fn fill_camera(report: &mut CameraReport, summary: &CameraSummary, image: ImageState, view: &View<'_>) {
    use crate::health::estimate::WindowView as _;
    report.frames = summary.frames;
    report.detections = summary.low_count;
    report.published = summary.count;
    report.time_jumps = summary.counters.time_jumps;
    report.processing_rate = summary.frame_rate_hz;
    report.image_state = image;
    let QualityMeans { noise, brightness, contrast, dark_share, bright_share, blockiness, .. } = view.quality;
    report.image_noise = noise;
    report.image_brightness = brightness;
    report.image_contrast = contrast;
    report.image_dark_share = dark_share;
    report.image_bright_share = bright_share;
    report.image_blockiness = blockiness;
    [report.prediction_consistency, report.prediction_reliability] = view.agreement();
}

fn fill_class(class: &mut ClassReport, summary: &ClassSummary, tracks: TrackCounts) {
    class.detections = summary.low_count;
    class.published = summary.count;
    class.detection_rate = rate_hz(f64::from(summary.low_count), summary.covered_s);
    class.score_mean = summary.mean_score;
    class.score_p10 = summary.quantiles.p10;
    class.score_p50 = summary.quantiles.p50;
    class.score_p90 = summary.quantiles.p90;
    class.score_histogram = summary.histogram20;
    class.track_match_rate = tracks.rate();
}
