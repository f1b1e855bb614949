//! `roadproof evaluate --monitor`: how good the health figures themselves are.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use roadproof::corruption::{CorruptorOptions, RadiusMode, WeatherMode};
use roadproof::detector::{Detector, ModelManifest, Thresholds};
use roadproof::evaluation::monitor::{
    AlarmOptions, AlarmStudy, MeasureOptions, MonitorRow, MonitorStudy, ObservePlan, Subject, alarms,
    measure, observe,
};
use roadproof::evaluation::study::Plan;
use roadproof::health::Profile;

use super::{Args, with_progress};

/// What has to be given for it, read and checked before hours are spent.
pub(super) fn profile(args: &Args, path: &Path, plan: &Plan) -> anyhow::Result<Arc<Profile>> {
    if !(0.0..=1000.0).contains(&args.monitor_hours) {
        bail!("--monitor-hours: expected hours from 0 to 1000, found {}", args.monitor_hours);
    }
    if !(1..=1000).contains(&args.monitor_draws) {
        bail!("--monitor-draws: expected a number from 1 to 1000, found {}", args.monitor_draws);
    }
    let profile = Profile::load(path)?;
    let model = model(plan, &profile)?;
    let detector = Detector::load(model, &plan.session, &mut |_| ())?;
    let thresholds = Thresholds { low_score: profile.source.low_score, ..model.thresholds() };
    profile.check_fits(detector.info(), &thresholds)?;
    Ok(Arc::new(profile))
}

/// The model that the profile names; the first one if there is none of that name.
fn model<'a>(plan: &'a Plan, profile: &Profile) -> anyhow::Result<&'a ModelManifest> {
    let named = plan.models.iter().find(|model| model.name == profile.model.name);
    named.or(plan.models.first()).context("no model is given")
}

/// Measures the monitor with `profile` on the images, corruptions and severities of `plan`.
pub(super) fn run(args: &Args, plan: &Plan, profile: &Arc<Profile>) -> anyhow::Result<MonitorStudy> {
    let observed = ObservePlan {
        subject: Subject::Dataset(plan.images.clone()),
        model: model(plan, profile)?.clone(),
        low_score: profile.source.low_score,
        corruptions: plan.corruptions.clone(),
        severities: plan.severities.clone(),
        corruptor: CorruptorOptions {
            seed: plan.seed,
            radius_mode: RadiusMode::Absolute,
            weather_mode: WeatherMode::Independent,
        },
        workers: plan.workers,
        session: plan.session.clone(),
        cache: plan.cache.clone(),
    };
    let observation = with_progress(|progress| observe(&observed, progress))??;
    let options =
        MeasureOptions { dataset: plan.images.name.clone(), draws: args.monitor_draws, seed: plan.seed };
    let mut study = measure(&observation.observed, profile, &options).context("the dataset has no labels")?;
    if args.monitor_hours > 0.0 {
        eprintln!(
            "roadproof: alarms on {} simulated hours of clean frames and after every step …",
            args.monitor_hours
        );
        let options = AlarmOptions {
            clean_hours: args.monitor_hours,
            frame_rate_hz: profile.alarms.frame_rate_hz,
            seed: plan.seed,
        };
        study.alarms = alarms(&observation.observed, profile, &observation.thresholds, &options)?;
    }
    Ok(study)
}

/// As people read it.
pub(super) fn table(study: &MonitorStudy) -> String {
    let mut text = format!(
        "\nMonitor with the profile of {} ({} frames), on {} ({} frames): error of the estimated mAP, points\n",
        study.profile.source, study.profile.frames, study.dataset, study.frames
    );
    rows(&mut text, &study.map);
    text.push_str("\nError of the estimated AP of single classes, points\n");
    rows(&mut text, &study.classes);
    for roc in &study.roc {
        if let Some(area) = roc.area {
            let _ = writeln!(text, "alarm by the estimate, windows of {} frames: area {area:.3}", roc.frames);
        }
    }
    if let Some(alarms) = &study.alarms {
        text.push_str(&alarm_lines(alarms));
    }
    text
}

fn rows(text: &mut String, rows: &[MonitorRow]) {
    let Some(first) = rows.first() else { return };
    let _ = write!(text, "{:<10} {:<8} {:>6}", "corrupted", "group", "frames");
    for estimator in &first.estimators {
        let _ = write!(text, " {:>19}", estimator.name);
    }
    text.push('\n');
    for row in rows {
        let known = if row.is_held_out { "held out" } else { "profiled" };
        let group = row.group.map_or("all", |group| group.name());
        let _ = write!(text, "{known:<10} {group:<8} {:>6}", row.frames);
        for estimator in &row.estimators {
            let rank = estimator.rank_correlation.map_or("   –".to_owned(), |r| format!("{r:.2}"));
            let figures = format!("{:.1} {:+.1} r {rank}", estimator.mae * 100.0, estimator.bias * 100.0);
            let _ = write!(text, " {figures:>19}");
        }
        let covered = row.estimators.iter().find_map(|estimator| estimator.coverage);
        let _ = writeln!(
            text,
            "{}",
            covered.map_or(String::new(), |c| format!("  interval covers {:.0} %", c * 100.0))
        );
    }
    text.push_str(
        "each: mean absolute error, bias, rank correlation; oracle: the condition itself is known\n",
    );
}

fn alarm_lines(alarms: &AlarmStudy) -> String {
    let mut text = format!(
        "\nFalse alarms: {} in {} simulated hours of clean frames ({:.2} in 10 h, {} allowed), {:.2} % of the time\n",
        alarms.false_alarms,
        alarms.clean_hours,
        alarms.false_alarms_per_10h,
        alarms.allowed_per_10h,
        alarms.alarmed_share * 100.0
    );
    let _ = writeln!(
        text,
        "{:<20} {:>8} {:>10} {:>10} {:>14}",
        "step to", "severity", "mAP lost", "noticed", "delay, frames"
    );
    for step in &alarms.steps {
        let delay = step.median_delay_frames.map_or("–".to_owned(), |delay| format!("{delay:.0}"));
        let _ = writeln!(
            text,
            "{:<20} {:>8} {:>8.0} % {:>10} {delay:>14}",
            step.corruption,
            step.severity,
            step.lost * 100.0,
            format!("{}/{}", step.detected, step.streams)
        );
    }
    if let Some(ramp) = &alarms.ramp {
        let at = match (ramp.severity, ramp.recall_lost) {
            (Some(severity), Some(lost)) => {
                format!("first warning at severity {severity:.1}, {:.0} % of recall lost", lost * 100.0)
            }
            (Some(severity), None) => format!("first warning at severity {severity:.1}"),
            _ => "no warning".to_owned(),
        };
        let _ = writeln!(text, "{} that comes up over {:.0} s: {at}", ramp.corruption, ramp.length_s);
    }
    for class in &alarms.vanishing {
        let delay =
            class.delay_s.map_or("not noticed".to_owned(), |delay| format!("ERROR after {delay:.0} s"));
        let _ =
            writeln!(text, "{} vanishes ({:.1} detections a second): {delay}", class.class, class.rate_hz);
    }
    text
}
