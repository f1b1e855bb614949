use std::cmp::Reverse;
use std::fmt::Write as _;

use super::{Level, Rules, StatusLevels};
use crate::health::{CameraReport, ClassReport, HealthStatus, ImageState};

/// Classes that are named beside the worst one.
const NAMED: usize = 4;

impl StatusLevels {
    fn of(self, status: HealthStatus) -> Level {
        match status {
            HealthStatus::Ok => Level::Ok,
            HealthStatus::Warn => self.warn,
            HealthStatus::Error => self.error,
            HealthStatus::InsufficientData { .. } => self.insufficient_data,
            HealthStatus::Stale { .. } => self.stale,
        }
    }
}

/// A class that has something to report.
struct Finding<'a> {
    level: Level,
    is_critical: bool,
    class: &'a ClassReport,
    name: &'a str,
}

impl Rules {
    /// The level of a camera's health, and why in words: the worst class first, then what else is not OK. `class_names` are the model's, by class id.
    ///
    /// The worst of all classes and of the image's state decides. A stale camera is stale once, not for each class: at the
    /// level of a safety-critical class if there is any. The camera's own status is otherwise not looked at: it does not
    /// know which classes matter. Of equal classes the worst is a safety-critical one, then the one of the worst status,
    /// then of the lowest estimated average precision, then of the lowest id.
    #[must_use]
    pub fn level(&self, report: &CameraReport, class_names: &[String]) -> (Level, String) {
        if matches!(report.status, HealthStatus::Stale { .. }) {
            let levels = if self.safety_critical.is_empty() { &self.other } else { &self.critical };
            return (levels.stale, report.reason.to_string());
        }
        let mut findings: Vec<_> = report
            .classes
            .iter()
            .map(|class| self.finding(class, class_names))
            .filter(|finding| finding.level > Level::Ok)
            .collect();
        findings.sort_by(|a, b| {
            let rank = |f: &Finding<'_>| Reverse((f.level, f.is_critical, severity(f.class.status)));
            rank(a).cmp(&rank(b)).then(known_ap(a.class).total_cmp(&known_ap(b.class)))
        });
        let (image, state) = self.image_level(report.image_state);
        let level = findings.first().map_or(Level::Ok, |finding| finding.level).max(image);
        let mut parts = Vec::new();
        if let Some(worst) = findings.first() {
            parts.push(described(worst));
        }
        if image > Level::Ok {
            parts.push(state.to_owned());
        }
        parts.extend(findings.iter().skip(1).take(NAMED).map(described));
        let unnamed = findings.len().saturating_sub(1 + NAMED);
        if unnamed > 0 {
            parts.push(format!("{unnamed} more classes"));
        }
        if parts.is_empty() {
            parts.push(nothing_found(report));
        }
        (level, parts.join("; "))
    }

    fn finding<'a>(&self, class: &'a ClassReport, class_names: &'a [String]) -> Finding<'a> {
        let name = class_names.get(class.class_id as usize).map_or("", String::as_str);
        let is_critical = self.is_critical(name);
        let levels = if is_critical { &self.critical } else { &self.other };
        Finding { level: levels.of(class.status), is_critical, class, name }
    }

    fn image_level(&self, state: ImageState) -> (Level, &'static str) {
        match state {
            ImageState::Unknown | ImageState::Normal => (Level::Ok, ""),
            ImageState::Frozen => (self.image.frozen, "the image is frozen"),
            ImageState::Black => (self.image.black, "the image is black"),
            ImageState::Obstructed => (self.image.obstructed, "the image is obstructed"),
        }
    }
}

/// How bad a status is, for the order of classes of one level.
fn severity(status: HealthStatus) -> u8 {
    match status {
        HealthStatus::Ok => 0,
        HealthStatus::InsufficientData { .. } => 1,
        HealthStatus::Warn => 2,
        HealthStatus::Stale { .. } => 3,
        HealthStatus::Error => 4,
    }
}

/// The estimated average precision; what is not known comes last.
fn known_ap(class: &ClassReport) -> f64 {
    let ap = class.estimated_ap.value;
    if ap.is_nan() { f64::INFINITY } else { ap }
}

fn described(finding: &Finding<'_>) -> String {
    let mut text = if finding.name.is_empty() {
        format!("class {}", finding.class.class_id)
    } else {
        finding.name.to_owned()
    };
    if finding.is_critical {
        text.push_str(" (safety-critical)");
    }
    // Writing to a string cannot fail.
    let _ = write!(text, ": {}", finding.class.reason);
    text
}

fn nothing_found(report: &CameraReport) -> String {
    let judged = |class: &&ClassReport| !matches!(class.status, HealthStatus::InsufficientData { .. });
    let judged = report.classes.iter().filter(judged).count();
    format!("nothing to complain of; {judged} of {} classes seen often enough to judge", report.classes.len())
}
