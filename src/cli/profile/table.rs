//! What a profile holds, for a terminal and for programs.

use std::fmt::Write as _;
use std::path::Path;

use roadproof::evaluation::monitor::{ISOTONIC_FROM, PLATT_FROM};
use roadproof::health::Profile;
use roadproof::health::profile::ClassProfile;
use serde_json::{Value, json};

use crate::cli::points;

/// Instances (without labels: published detections) from which a class is judged.
const MIN_SUPPORT: u64 = 10;

/// Corruptions whose mean says how much a class keeps.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// A class as the table shows it.
struct Row<'a> {
    class: &'a ClassProfile,
    /// Labelled instances, or published detections.
    support: u64,
    detections: u32,
    /// Mean score of all detections, and their calibrated precision.
    score: Option<f64>,
    precision: Option<f64>,
    /// Mean over corrupted points.
    retention: Option<f64>,
}

impl<'a> Row<'a> {
    fn new(profile: &'a Profile, id: usize, class: &'a ClassProfile) -> Self {
        let detections: u32 = class.score_histogram.iter().sum();
        let over = |value: &dyn Fn(usize) -> Option<f64>| {
            let bins = class.score_histogram.iter().enumerate();
            let sum: Option<f64> = bins.map(|(bin, count)| Some(value(bin)? * f64::from(*count))).sum();
            sum.filter(|_| detections > 0).map(|sum| sum / f64::from(detections))
        };
        let corrupted = profile.curves.iter().flat_map(|curve| curve.points.iter().skip(1));
        let retention = mean(corrupted.filter_map(|point| point.class_retention.get(id).copied().flatten()));
        let published = (class.published_per_frame[0] * profile.source.frames as f64).round() as u64;
        Self {
            class,
            support: if profile.source.is_labelled { class.instances } else { published },
            detections,
            score: over(&|bin| Some((bin as f64 + 0.5) / 100.0)),
            precision: over(&|bin| class.precision_by_score.as_ref()?.get(bin).copied()),
            retention,
        }
    }

    /// What it is worst by: its accuracy, or what it keeps of it.
    fn rank(&self) -> f64 {
        self.class.ap.or(self.retention).unwrap_or(f64::INFINITY)
    }

    fn calibration(&self) -> &'static str {
        match (&self.class.precision_by_score, self.detections) {
            (None, _) => "–",
            (Some(_), ISOTONIC_FROM..) => "isotonic",
            (Some(_), PLATT_FROM..) => "Platt",
            (Some(_), _) => "all classes'",
        }
    }
}

/// Judged classes, the worst first, and those with too little support, by falling support.
fn rows(profile: &Profile) -> (Vec<Row<'_>>, Vec<Row<'_>>) {
    let rows = profile.classes.iter().enumerate().map(|(id, class)| Row::new(profile, id, class));
    let (mut judged, mut thin): (Vec<_>, Vec<_>) =
        rows.filter(|row| row.support > 0).partition(|row| row.support >= MIN_SUPPORT);
    judged.sort_by(|a, b| a.rank().total_cmp(&b.rank()).then(b.support.cmp(&a.support)));
    thin.sort_by_key(|row| std::cmp::Reverse(row.support));
    (judged, thin)
}

pub(super) fn summary(profile: &Profile) -> String {
    let mut text = String::new();
    let source = &profile.source;
    let labels = if source.is_labelled { "labelled" } else { "without labels" };
    let map = profile.camera.map.map_or_else(String::new, |map| format!(", mAP {}", points(Some(map))));
    let _ = writeln!(
        text,
        "{}: {} frames of {}, {labels}{map}\n",
        profile.model.name, source.frames, source.name
    );
    let (judged, thin) = rows(profile);
    let width = judged.iter().map(|row| row.class.name.chars().count()).max().unwrap_or(0).max(5);
    let support = if source.is_labelled { "instances" } else { "published" };
    let _ = writeln!(
        text,
        "{:<width$}  {support:>9}  {:>9}  {:>9}  {:>5}  {:>5}  {:>5}  {:<12}  {:>6}",
        "class", "per frame", "published", "AP", "score", "right", "calibration", "keeps"
    );
    for row in &judged {
        let class = row.class;
        let _ = writeln!(
            text,
            "{:<width$}  {:>9}  {:>9.2}  {:>9.2}  {:>5}  {:>5}  {:>5}  {:<12}  {:>6}",
            class.name,
            row.support,
            class.detections_per_frame[0],
            class.published_per_frame[0],
            points(class.ap),
            points(row.score),
            points(row.precision),
            row.calibration(),
            points(row.retention)
        );
    }
    if judged.is_empty() {
        let _ = writeln!(text, "no class has {MIN_SUPPORT} {support}");
    }
    text.push_str(
        "the worst class first; per frame: detections down to the low score; score: their mean; right: their calibrated precision; \
         keeps: share of published detections found again, mean of all corruptions\n",
    );
    if !thin.is_empty() {
        let list: Vec<String> =
            thin.iter().map(|row| format!("{} {}", row.class.name, row.support)).collect();
        let _ = writeln!(text, "fewer than {MIN_SUPPORT} {support}: {}", list.join(", "));
    }
    curves(profile, &mut text);
    text
}

fn curves(profile: &Profile, text: &mut String) {
    let Some(first) = profile.curves.first() else { return };
    let _ = write!(text, "\n{:<22}", "mAP by severity");
    for point in &first.points {
        let _ = write!(text, " {:>6}", point.severity);
    }
    text.push('\n');
    for curve in &profile.curves {
        let _ = write!(text, "{:<22}", curve.corruption);
        for point in &curve.points {
            let _ = write!(text, " {:>6}", points(Some(point.map)));
        }
        text.push('\n');
    }
}

pub(super) fn json(profile: &Profile, path: &Path) -> Value {
    let (judged, thin) = rows(profile);
    let worst = judged.first().map(|row| &row.class.name);
    let class = |row: &Row<'_>| {
        json!({
            "name": row.class.name, "support": row.support, "detections": row.detections,
            "detections_per_frame": row.class.detections_per_frame[0],
            "published_per_frame": row.class.published_per_frame[0],
            "ap": row.class.ap, "score": row.score, "precision": row.precision,
            "calibration": row.calibration(), "retention": row.retention,
        })
    };
    let curve = |curve: &roadproof::health::profile::ResponseCurve| {
        let points = curve.points.iter().map(|point| json!({ "severity": point.severity, "map": point.map }));
        json!({ "corruption": curve.corruption, "points": points.collect::<Vec<_>>() })
    };
    json!({
        "profile": path, "sha256": profile.sha256, "model": profile.model, "source": profile.source,
        "map": profile.camera.map, "worst_class": worst, "min_support": MIN_SUPPORT,
        "classes": judged.iter().chain(&thin).map(class).collect::<Vec<_>>(),
        "curves": profile.curves.iter().map(curve).collect::<Vec<_>>(),
    })
}
