//! What the page shows: the newest of everything, and the last minutes of some of it. Memory is bounded.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opencv::core::{Mat, MatTraitConst, Size, Vector};
use opencv::{imgcodecs, imgproc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::detector::ModelInfo;
use crate::health::{HealthRecord, HealthStatus, Profile, Reason};
use crate::truth::TruthReport;

/// Points of a camera's timeline: ten minutes at one a second.
const TIMELINE: usize = 600;

/// Alarms that are kept.
const ALARMS: usize = 200;

/// A camera nobody has asked a picture of for so long is not looked at.
const LOOKING: Duration = Duration::from_secs(3);

/// Least time between two pictures of a camera.
const PICTURE_PERIOD: Duration = Duration::from_millis(200);

/// Widest picture that is sent, pixels; wider ones are scaled down.
const PICTURE_WIDTH: i32 = 960;

/// What runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facts {
    /// The manifest's name.
    pub model_name: String,
    /// SHA-256 of the model's file.
    pub model_sha256: String,
    /// SHA-256 of the profile; empty without one.
    pub profile_sha256: String,
    /// What computes.
    pub provider: String,
    /// Class names by class id.
    pub class_names: Vec<String>,
    /// The cameras.
    pub cameras: Vec<String>,
}

impl Facts {
    /// Of a loaded model, compared with `profile`, on `cameras`.
    #[must_use]
    pub fn new(info: &ModelInfo, profile: Option<&Profile>, cameras: Vec<String>) -> Self {
        Self {
            model_name: info.name.clone(),
            model_sha256: info.sha256.clone(),
            profile_sha256: profile.map(|profile| profile.sha256.clone()).unwrap_or_default(),
            provider: info.provider.to_string(),
            class_names: info.class_names.clone(),
            cameras,
        }
    }
}

/// What somebody sees who looks at a camera.
#[derive(Debug)]
pub(super) enum Look {
    NoCamera,
    NothingYet,
    Jpeg(Vec<u8>),
}

/// What the server answers from.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    facts: Facts,
    cameras: Vec<Camera>,
    alarms: VecDeque<Alarm>,
    /// Counts points, alarms and beginnings, so that a page asks only for what it has not seen.
    sequence: u64,
    /// The sequence at which what is shown began.
    began: u64,
}

#[derive(Debug, Default)]
struct Camera {
    name: String,
    health: Value,
    /// Figures by ground truth; null where there is none.
    ground_truth: Value,
    timeline: VecDeque<Point>,
    /// The status of the camera and of each class, to see when one changes.
    status: Option<&'static str>,
    class_status: Vec<&'static str>,
    jpeg: Option<Vec<u8>>,
    drawn: Option<Instant>,
    looked: Option<Instant>,
}

#[derive(Debug, Clone, Serialize)]
struct Point {
    sequence: u64,
    time_s: f64,
    status: &'static str,
    estimated_map: f64,
    estimated_map_low: f64,
    estimated_map_high: f64,
    estimated_corruption: Option<&'static str>,
    estimated_severity: f64,
    corruptions: Vec<String>,
    /// Class id, code of its status, detections per second, estimated AP.
    classes: Vec<(u32, u8, f32, f32)>,
}

#[derive(Debug, Clone, Serialize)]
struct Alarm {
    sequence: u64,
    time_s: f64,
    camera: String,
    class_name: Option<String>,
    before: &'static str,
    status: &'static str,
    reason: String,
}

impl State {
    /// What is behind the lock is consistent between any two statements that could panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, facts: Facts) {
        let mut inner = self.lock();
        let camera = |name: &String| Camera { name: name.clone(), ..Camera::default() };
        inner.cameras = facts.cameras.iter().map(camera).collect();
        inner.alarms.clear();
        inner.sequence += 1;
        inner.began = inner.sequence;
        inner.facts = facts;
    }

    pub(super) fn health(&self, record: &HealthRecord<'_>) {
        let mut guard = self.lock();
        let Inner { facts, cameras, alarms, sequence, .. } = &mut *guard;
        let Some(camera) = cameras.iter_mut().find(|camera| camera.name == record.camera) else { return };
        *sequence += 1;
        let report = record.report;
        let time_s = record.stamp_ns as f64 / 1e9;
        camera.health = serde_json::to_value(record).unwrap_or_default();

        let mut raise = |class: Option<u32>, before: &'static str, status: HealthStatus, reason: String| {
            if alarms.len() == ALARMS {
                alarms.pop_front();
            }
            let class_name = class.and_then(|id| facts.class_names.get(id as usize)).cloned();
            let (camera, sequence) = (record.camera.to_owned(), *sequence);
            alarms.push_back(Alarm {
                sequence,
                time_s,
                camera,
                class_name,
                before,
                status: status.name(),
                reason,
            });
        };
        let status = report.status.name();
        // Coming to have enough to judge by is no alarm.
        let is_alarm = |name: &str| matches!(name, "warn" | "error" | "stale");
        if let Some(before) = camera.status.replace(status).filter(|before| *before != status)
            && (is_alarm(before) || is_alarm(status))
        {
            raise(None, before, report.status, report.reason.to_string());
        }
        if camera.class_status.len() != report.classes.len() {
            camera.class_status = vec!["ok"; report.classes.len()];
        }
        for (class, known) in report.classes.iter().zip(&mut camera.class_status) {
            // An image that shows nothing, and a camera that is silent, are the camera's news.
            if matches!(class.reason, Reason::BadImage { .. } | Reason::Silent { .. }) {
                continue;
            }
            let before = std::mem::replace(known, class.status.name());
            // A class that comes and goes is no news.
            let is_news = |name: &str| matches!(name, "warn" | "error");
            if before != *known && (is_news(before) || is_news(known)) {
                raise(Some(class.class_id), before, class.status, class.reason.to_string());
            }
        }

        if camera.timeline.len() == TIMELINE {
            camera.timeline.pop_front();
        }
        let seen = record.classes.iter().map(|class| class.report);
        camera.timeline.push_back(Point {
            sequence: *sequence,
            time_s,
            status,
            estimated_map: report.estimated_map.value,
            estimated_map_low: report.estimated_map.low,
            estimated_map_high: report.estimated_map.high,
            estimated_corruption: report.estimated_corruption,
            estimated_severity: report.estimated_severity,
            corruptions: if record.is_injected { record.corruptions.to_vec() } else { Vec::new() },
            classes: seen
                .map(|class| {
                    let ap = class.estimated_ap.value as f32;
                    (class.class_id, class.status.code(), class.detection_rate as f32, ap)
                })
                .collect(),
        });
    }

    pub(super) fn truth(&self, camera: &str, report: &TruthReport) {
        let mut inner = self.lock();
        if let Some(camera) = inner.cameras.iter_mut().find(|known| known.name == camera) {
            camera.ground_truth = serde_json::to_value(report).unwrap_or_default();
        }
    }

    /// Everything after `since`, and what does not grow as a whole.
    pub(super) fn since(&self, since: u64) -> Value {
        let inner = self.lock();
        // A page that was open before begins anew.
        let anew = since < inner.began || since > inner.sequence;
        let since = if anew { 0 } else { since };
        let cameras: Vec<Value> = inner
            .cameras
            .iter()
            .map(|camera| {
                let timeline: Vec<&Point> = camera.timeline.iter().filter(|p| p.sequence > since).collect();
                let has_picture = camera.jpeg.is_some();
                json!({
                    "name": camera.name,
                    "health": camera.health,
                    "ground_truth": camera.ground_truth,
                    "timeline": timeline,
                    "has_picture": has_picture,
                })
            })
            .collect();
        let alarms: Vec<&Alarm> = inner.alarms.iter().filter(|alarm| alarm.sequence > since).collect();
        json!({
            "roadproof_version": env!("CARGO_PKG_VERSION"),
            "sequence": inner.sequence,
            "anew": anew,
            "facts": inner.facts,
            "cameras": cameras,
            "alarms": alarms,
        })
    }

    pub(super) fn wants_picture(&self, camera: &str) -> bool {
        let now = Instant::now();
        let inner = self.lock();
        inner.cameras.iter().find(|known| known.name == camera).is_some_and(|camera| {
            camera.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOKING)
                && camera.drawn.is_none_or(|drawn| now.saturating_duration_since(drawn) >= PICTURE_PERIOD)
        })
    }

    pub(super) fn picture(&self, camera: &str, jpeg: Vec<u8>) {
        let mut inner = self.lock();
        if let Some(camera) = inner.cameras.iter_mut().find(|known| known.name == camera) {
            camera.jpeg = Some(jpeg);
            camera.drawn = Some(Instant::now());
        }
    }

    /// The newest picture of the camera at `index`, for somebody who looks.
    pub(super) fn look(&self, index: usize) -> Look {
        let mut inner = self.lock();
        let Some(camera) = inner.cameras.get_mut(index) else { return Look::NoCamera };
        camera.looked = Some(Instant::now());
        camera.jpeg.clone().map_or(Look::NothingYet, Look::Jpeg)
    }
}

/// Compresses a BGR picture without padding, scaled down where it is wide.
pub(super) fn jpeg(width: u32, height: u32, bgr: &[u8]) -> opencv::Result<Vec<u8>> {
    let row = i32::try_from(u64::from(width) * 3)?;
    let rows = i32::try_from(height)?;
    let flat = Mat::new_rows_cols_with_bytes::<u8>(rows, row, bgr)?;
    let picture = flat.reshape(3, rows)?;
    let mut scaled = Mat::default();
    let mut encoded = Vector::new();
    let parameters = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, 80]);
    if picture.cols() > PICTURE_WIDTH {
        let scaled_height = i64::from(PICTURE_WIDTH) * i64::from(rows) / i64::from(picture.cols());
        let size = Size::new(PICTURE_WIDTH, i32::try_from(scaled_height.max(1))?);
        imgproc::resize(&picture, &mut scaled, size, 0.0, 0.0, imgproc::INTER_AREA)?;
        imgcodecs::imencode(".jpg", &scaled, &mut encoded, &parameters)?;
    } else {
        imgcodecs::imencode(".jpg", &picture, &mut encoded, &parameters)?;
    }
    Ok(encoded.as_slice().to_vec())
}
