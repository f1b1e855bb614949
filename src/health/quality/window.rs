use serde::{Deserialize, Serialize};

use super::ImageQuality;
use crate::health::aggregates::second_of;
use crate::health::seconds::Seconds;

/// Whether the image is a picture of anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ImageState {
    /// Not known: nothing measured.
    #[default]
    Unknown = 0,
    /// A picture.
    Normal = 1,
    /// The same picture again and again.
    Frozen = 2,
    /// Black.
    Black = 3,
    /// Large parts without structure.
    Obstructed = 4,
}

/// Means of [`ImageQuality`] over a window; NaN without frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of ImageQuality")]
pub struct QualityMeans {
    pub noise: f64,
    pub sharpness: f64,
    pub brightness: f64,
    pub contrast: f64,
    pub dark_share: f64,
    pub bright_share: f64,
    pub blockiness: f64,
    pub flat_share: f64,
    pub saturation: f64,
}

/// Brightness and contrast up to which a picture is black, grey levels: a covered lens shows noise, a night scene lamps.
const BLACK_BRIGHTNESS: f32 = 10.0;
const BLACK_CONTRAST: f32 = 5.0;

/// Share of tiles without structure from which a picture is obstructed.
///
/// Of 362 photographs (COCO, two sets of drives) none reaches it clean, nor under fog, defocus, snow, low light, lens
/// dirt, shot noise or compression of severity 5; one does under night with motion 5 and one under overexposure 5. Contrast
/// 5 leaves 2 to 4 grey levels of a picture, and 40% of them reach it.
/// What is missed: a smooth cover behind strong compression, whose steps count as structure.
const OBSTRUCTED_SHARE: f32 = 0.8;

/// Time and frames without a change from which the camera is frozen.
const FROZEN_NS: u64 = 1_000_000_000;
const FROZEN_FRAMES: u32 = 3;

/// Seconds that the state looks back, the one in progress among them.
const STATE_S: u32 = 2;

const NS_PER_S: u64 = 1_000_000_000;

impl ImageQuality {
    /// Whether this frame shows next to nothing but black: brightness at most 10 and contrast at most 5 grey levels.
    #[must_use]
    pub fn is_black(&self) -> bool {
        self.brightness <= BLACK_BRIGHTNESS && self.contrast <= BLACK_CONTRAST
    }

    /// Whether this frame shows next to nothing, though not black: at least 80% of its tiles have no structure.
    #[must_use]
    pub fn is_obstructed(&self) -> bool {
        self.flat_share >= OBSTRUCTED_SHARE && !self.is_black()
    }

    /// In the order of [`QualityMeans`]' fields.
    fn values(&self) -> [f32; 9] {
        [
            self.noise,
            self.sharpness,
            self.brightness,
            self.contrast,
            self.dark_share,
            self.bright_share,
            self.blockiness,
            self.flat_share,
            self.saturation,
        ]
    }
}

/// The image's quality over the last seconds, in aggregates of a second. Memory is fixed at construction.
///
/// Time is that of [`CameraWindow`](crate::health::CameraWindow): the newest of the frames' stamps and of what
/// [`advance`](Self::advance) was given. The window is the second in progress and the `window_s - 1` seconds before it; a
/// frame older than that is ignored, an older one within it goes to its own second, and time that goes back by more than the
/// window empties it. Recording a frame is O(1), entering a second O(1), reading O(`window_s`).
#[derive(Debug, Clone)]
pub struct QualityWindow {
    window_ns: u64,
    seconds: Seconds<Cell>,
    now_ns: Option<i64>,
    still: Option<Still>,
}

/// The frames of a second.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    frames: u32,
    black: u32,
    obstructed: u32,
    sums: [f64; 9],
}

/// The newest frames, as far back as they are equal.
#[derive(Debug, Clone, Copy)]
struct Still {
    digest: u64,
    since_ns: i64,
    until_ns: i64,
    frames: u32,
}

impl QualityWindow {
    /// A window of `window_s` seconds, at least 2: the state looks back so far.
    #[must_use]
    pub fn new(window_s: u32) -> Self {
        let window_s = window_s.max(STATE_S);
        let window_ns = u64::from(window_s) * NS_PER_S;
        Self { window_ns, seconds: Seconds::new(window_s, 1), now_ns: None, still: None }
    }

    /// Adds a frame. Stamps are those of the detections' window, moved the same way (late and reordered frames alike).
    /// A frame with a figure that is no number is ignored.
    pub fn record(&mut self, stamp_ns: i64, quality: &ImageQuality) {
        self.advance(stamp_ns);
        let values = quality.values();
        if !values.iter().all(|value| value.is_finite()) {
            return;
        }
        let Some([cell]) = self.seconds.get_mut(second_of(stamp_ns)) else { return };
        cell.frames += 1;
        cell.black += u32::from(quality.is_black());
        cell.obstructed += u32::from(quality.is_obstructed());
        cell.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
        self.compare(stamp_ns, quality.digest);
    }

    /// Says that it is `now_ns`; what is too old expires.
    pub fn advance(&mut self, now_ns: i64) {
        let back = |newest: i64| now_ns < newest && newest.abs_diff(now_ns) > self.window_ns;
        if self.now_ns.is_some_and(back) {
            self.reset();
        }
        self.seconds.move_to(second_of(now_ns));
        self.now_ns = Some(self.now_ns.map_or(now_ns, |newest| newest.max(now_ns)));
    }

    /// Empties the window.
    pub fn reset(&mut self) {
        self.seconds.clear();
        self.now_ns = None;
        self.still = None;
    }

    /// Means over the window's frames; NaN without any.
    #[must_use]
    pub fn means(&self) -> QualityMeans {
        let mut sums = [0.0; 9];
        let mut frames = 0_u64;
        for cell in self.seconds.iter().flatten() {
            sums.iter_mut().zip(cell.sums).for_each(|(sum, of_cell)| *sum += of_cell);
            frames += u64::from(cell.frames);
        }
        QualityMeans::from_values(sums.map(|sum| sum / frames as f64))
    }

    /// The image's state over the last two seconds (the one in progress and the one before).
    ///
    /// Unknown without frames; else black or obstructed if more than half of the frames are; frozen if the newest frames,
    /// at least three over at least a second, have the same digest. Where several hold, black comes before frozen (black
    /// frames are often equal too), and frozen before obstructed.
    #[must_use]
    pub fn state(&self) -> ImageState {
        let (mut frames, mut black, mut obstructed) = (0, 0, 0);
        for cell in self.seconds.newest(0, STATE_S) {
            frames += u64::from(cell.frames);
            black += u64::from(cell.black);
            obstructed += u64::from(cell.obstructed);
        }
        if frames == 0 {
            ImageState::Unknown
        } else if black * 2 > frames {
            ImageState::Black
        } else if self.still.is_some_and(|still| still.is_frozen()) {
            ImageState::Frozen
        } else if obstructed * 2 > frames {
            ImageState::Obstructed
        } else {
            ImageState::Normal
        }
    }

    fn compare(&mut self, stamp_ns: i64, digest: u64) {
        let fresh = Still { digest, since_ns: stamp_ns, until_ns: stamp_ns, frames: 1 };
        match &mut self.still {
            Some(still) if still.digest == digest => {
                still.frames = still.frames.saturating_add(1);
                still.since_ns = still.since_ns.min(stamp_ns);
                still.until_ns = still.until_ns.max(stamp_ns);
            }
            Some(still) if stamp_ns < still.until_ns => {
                // A late frame that differs: what is equal is equal only since then.
                if stamp_ns >= still.since_ns {
                    *still = Still { since_ns: still.until_ns, frames: 1, ..*still };
                }
            }
            _ => self.still = Some(fresh),
        }
    }
}

impl Still {
    fn is_frozen(&self) -> bool {
        self.frames >= FROZEN_FRAMES && self.until_ns.abs_diff(self.since_ns) >= FROZEN_NS
    }
}

impl QualityMeans {
    /// Means over frames, each with its weight; NaN where the weights are zero.
    pub fn mean<'a>(frames: impl IntoIterator<Item = (&'a ImageQuality, f64)>) -> Self {
        let mut sums = [0.0; 9];
        let mut total = 0.0;
        for (quality, weight) in frames {
            total += weight;
            let values = quality.values();
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value) * weight);
        }
        Self::from_values(sums.map(|sum| sum / total))
    }

    fn from_values(values: [f64; 9]) -> Self {
        let [
            noise,
            sharpness,
            brightness,
            contrast,
            dark_share,
            bright_share,
            blockiness,
            flat_share,
            saturation,
        ] = values;
        Self {
            noise,
            sharpness,
            brightness,
            contrast,
            dark_share,
            bright_share,
            blockiness,
            flat_share,
            saturation,
        }
    }
}
