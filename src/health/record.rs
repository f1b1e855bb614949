use serde::Serialize;

use super::{CameraReport, ClassReport, Reason};

/// Health of a camera at a moment: a line of `health.jsonl`, and what the dashboard shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthRecord<'a> {
    /// Camera or topic.
    pub camera: &'a str,
    /// The moment, ns, on the clock of the stamps.
    pub stamp_ns: i64,
    /// Whether corruptions were injected since the line before.
    pub is_injected: bool,
    /// What was done to the last frame.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub corruptions: &'a [String],
    /// The figures, named as in `msg/CameraHealth.msg`; `null` where they are not known.
    #[serde(flatten)]
    pub report: &'a CameraReport,
    /// The class with the worst status.
    pub worst_class: Option<&'a str>,
    /// One for each class that was detected within the window, or whose status says more than that too little was seen.
    pub classes: Vec<ClassHealthRecord<'a>>,
}

/// Health of a class, its figures named as in `msg/ClassHealth.msg`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassHealthRecord<'a> {
    /// Its name.
    pub class_name: &'a str,
    /// The figures.
    #[serde(flatten)]
    pub report: &'a ClassReport,
}

impl<'a> HealthRecord<'a> {
    /// The report of `camera` at `stamp_ns`; `corruptions` is what was done to its last frame, `names` are the model's
    /// classes.
    #[must_use]
    pub fn new(
        report: &'a CameraReport,
        camera: &'a str,
        stamp_ns: i64,
        is_injected: bool,
        corruptions: &'a [String],
        names: &'a [String],
    ) -> Self {
        let matters = |class: &&ClassReport| {
            // A bad image says so once, not for every class that there is.
            class.detections > 0
                || class.status.is_alarm() && !matches!(class.reason, Reason::BadImage { .. })
        };
        let classes = report.classes.iter().filter(matters).map(|class| ClassHealthRecord {
            class_name: names.get(class.class_id as usize).map_or("?", String::as_str),
            report: class,
        });
        let worst_class = report.worst_class.and_then(|id| names.get(id as usize)).map(String::as_str);
        Self { camera, stamp_ns, is_injected, corruptions, report, worst_class, classes: classes.collect() }
    }
}
