//! Whether what was seen is seen again: an IoU tracker whose only use is to count.
//!
//! A detector that begins to fail flickers: it finds an object, loses it, finds it again. Scores need not show that.

mod kalman;
#[cfg(test)]
mod tests;

use crate::detector::{BoundingBox, Detection, Thresholds};

use self::kalman::BoxFilter;
use super::aggregates::second_of;
use super::seconds::Seconds;

/// Most tracks of a camera; further objects start none until one ends.
pub const MAX_TRACKS: usize = 256;

/// Most detections of a frame that take part, the first ones.
pub const MAX_TRACKED_DETECTIONS: usize = 512;

/// Most pairs of track and detection that are considered in a frame and class.
const MAX_PAIRS: usize = 4096;

/// IoU of prediction and detection from which they are the same object (as in SORT, arXiv 1602.00763).
const SAME_OBJECT_IOU: f32 = 0.3;

/// A track that was not found for longer ends.
const LOST_AFTER_S: f64 = 1.0;

/// Over a gap between frames longer than this nothing can be said of the objects.
const MAX_GAP_S: f64 = 1.0;

/// Frames in which an object must have been published before it is expected again.
const CONFIRMED_AFTER: u32 = 2;

/// Nearer to the image's border than this share of its own size, an object may be leaving.
const BORDER_SHARE: f32 = 0.1;

#[derive(Debug, Clone, Copy)]
struct Track {
    filter: BoxFilter,
    class_id: u32,
    published_frames: u32,
    /// Time since it was last found, in seconds; 0 if it was found in the frame before.
    lost_s: f64,
    /// Time since it was last published, in seconds.
    faded_s: f64,
    /// Where it is taken to be in this frame.
    predicted: BoundingBox,
    found: Found,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    No,
    Low,
    Published,
}

/// Tracked objects of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackCounts {
    /// Tracked objects that were in the frame before and had to be in this one.
    pub expected: u32,
    /// Of these, the published ones of this frame.
    pub found: u32,
}

impl TrackCounts {
    /// Share found again, 0 … 1; NaN where nothing was expected.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.found) / f64::from(self.expected)
    }

    fn add(&mut self, other: Self) {
        self.expected = self.expected.saturating_add(other.expected);
        self.found = self.found.saturating_add(other.found);
    }
}

/// Tracks the objects of one camera, class by class.
///
/// A published detection starts a track. Detections below the publishing score continue one, as in `ByteTrack` (Zhang et
/// al., 2022, arXiv 2110.06864), but do not count as found: a faded object stays expected for as long as it is still there,
/// at most a second. Objects at the image's border are left out, since they may be leaving.
///
/// Assignment is greedy by IoU. After non-maximum suppression two detections of a class seldom overlap one prediction; where
/// they do, an optimal assignment changes which of two neighbours is which, and hardly how many were found.
///
/// All memory is taken at construction.
#[derive(Debug, Clone)]
pub struct Tracker {
    tracks: Vec<Track>,
    taken: Vec<bool>,
    pairs: Vec<(f32, u16, u16)>,
    counts: Seconds<TrackCounts>,
    last_ns: Option<i64>,
}

impl Tracker {
    /// For a model of `class_count` classes; counts are kept for `window_s` seconds.
    #[must_use]
    pub fn new(class_count: usize, window_s: u32) -> Self {
        Self {
            tracks: Vec::with_capacity(MAX_TRACKS),
            taken: Vec::with_capacity(MAX_TRACKED_DETECTIONS),
            pairs: Vec::with_capacity(MAX_PAIRS),
            counts: Seconds::new(window_s, class_count),
            last_ns: None,
        }
    }

    /// Adds a frame of an image of `image_size` (width, height) pixels. Detections are those down to the low score, highest
    /// first; boxes that are not finite are left out. A frame not newer than the one before is left out.
    pub fn record_frame(
        &mut self,
        stamp_ns: i64,
        detections: &[Detection],
        thresholds: &Thresholds,
        image_size: [u32; 2],
    ) {
        if self.last_ns.is_some_and(|last_ns| stamp_ns <= last_ns) {
            return;
        }
        let dt_s = self.last_ns.map_or(0.0, |last_ns| stamp_ns.abs_diff(last_ns) as f64 / 1e9);
        self.last_ns = Some(stamp_ns);
        self.counts.move_to(second_of(stamp_ns));
        if dt_s > MAX_GAP_S {
            self.tracks.clear();
        }
        for track in &mut self.tracks {
            track.filter.predict(dt_s);
            track.predicted = track.filter.bbox();
            track.found = Found::No;
        }
        let detections = detections.get(..MAX_TRACKED_DETECTIONS).unwrap_or(detections);
        self.taken.clear();
        self.taken.extend(detections.iter().map(|d| !d.bbox.is_finite() || d.score.is_nan()));
        for published in [true, false] {
            self.assign(detections, thresholds, published);
        }
        self.count(second_of(stamp_ns), image_size);
        self.finish(dt_s);
        self.start(detections, thresholds);
    }

    /// Says that it is `now_ns`, so that old counts expire.
    pub fn advance(&mut self, now_ns: i64) {
        self.counts.move_to(second_of(now_ns));
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.tracks.clear();
        self.counts.clear();
        self.last_ns = None;
    }

    /// Counts of a class over the window, in frames.
    #[must_use]
    pub fn counts(&self, class_id: u32) -> TrackCounts {
        let mut sum = TrackCounts::default();
        for second in self.counts.iter() {
            sum.add(second.get(class_id as usize).copied().unwrap_or_default());
        }
        sum
    }

    /// Objects that are being tracked, at most [`MAX_TRACKS`].
    #[must_use]
    pub fn track_count(&self) -> usize {
        self.tracks.len()
    }

    /// Gives tracks not yet found to detections not yet taken, best overlap first.
    fn assign(&mut self, detections: &[Detection], thresholds: &Thresholds, published: bool) {
        self.pairs.clear();
        for (d, detection) in detections.iter().enumerate() {
            if self.taken.get(d).copied().unwrap_or(true) || thresholds.publishes(detection) != published {
                continue;
            }
            for (t, track) in self.tracks.iter().enumerate() {
                if track.class_id != detection.class_id || track.found != Found::No {
                    continue;
                }
                let iou = track.predicted.iou(&detection.bbox);
                if iou >= SAME_OBJECT_IOU && self.pairs.len() < MAX_PAIRS {
                    self.pairs.push((iou, t as u16, d as u16));
                }
            }
        }
        self.pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        for &(_, t, d) in &self.pairs {
            let (t, d) = (usize::from(t), usize::from(d));
            let (Some(track), Some(taken), Some(detection)) =
                (self.tracks.get_mut(t), self.taken.get_mut(d), detections.get(d))
            else {
                continue;
            };
            if track.found == Found::No && !*taken {
                *taken = true;
                track.filter.update(&detection.bbox);
                track.found = if published { Found::Published } else { Found::Low };
            }
        }
    }

    fn count(&mut self, second: i64, image_size: [u32; 2]) {
        let Some(counts) = self.counts.get_mut(second) else { return };
        for track in &self.tracks {
            let is_expected = track.lost_s <= 0.0
                && track.published_frames >= CONFIRMED_AFTER
                && is_inside(&track.predicted, image_size);
            if let (true, Some(count)) = (is_expected, counts.get_mut(track.class_id as usize)) {
                count.add(TrackCounts { expected: 1, found: u32::from(track.found == Found::Published) });
            }
        }
    }

    fn finish(&mut self, dt_s: f64) {
        for track in &mut self.tracks {
            track.lost_s = if track.found == Found::No { track.lost_s + dt_s } else { 0.0 };
            if track.found == Found::Published {
                track.published_frames = track.published_frames.saturating_add(1);
                track.faded_s = 0.0;
            } else {
                track.faded_s += dt_s;
            }
        }
        self.tracks.retain(|track| track.lost_s.max(track.faded_s) <= LOST_AFTER_S);
    }

    fn start(&mut self, detections: &[Detection], thresholds: &Thresholds) {
        for (detection, &taken) in detections.iter().zip(&self.taken) {
            if !taken && thresholds.publishes(detection) && self.tracks.len() < MAX_TRACKS {
                self.tracks.push(Track {
                    filter: BoxFilter::new(&detection.bbox),
                    class_id: detection.class_id,
                    published_frames: 1,
                    lost_s: 0.0,
                    faded_s: 0.0,
                    predicted: detection.bbox,
                    found: Found::Published,
                });
            }
        }
    }
}

/// Whether a box is far enough from the border that its object can't be leaving.
fn is_inside(bbox: &BoundingBox, [width, height]: [u32; 2]) -> bool {
    let (margin_x, margin_y) = (BORDER_SHARE * bbox.width(), BORDER_SHARE * bbox.height());
    bbox.x_min >= margin_x
        && bbox.y_min >= margin_y
        && bbox.x_max <= width as f32 - margin_x
        && bbox.y_max <= height as f32 - margin_y
}
