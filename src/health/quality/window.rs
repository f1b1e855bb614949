use serde::{Deserialize, Serialize};

use super::ImageQuality;

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

/// The image's quality over the last seconds, in aggregates of a second. Memory is fixed at construction.
#[derive(Debug, Clone)]
pub struct QualityWindow {}

impl QualityWindow {
    /// A window of `window_s` seconds.
    #[must_use]
    pub fn new(_window_s: u32) -> Self {
        Self {}
    }

    /// Adds a frame. Stamps are those of the detections' window, moved the same way (late and reordered frames alike).
    pub fn record(&mut self, _stamp_ns: i64, _quality: &ImageQuality) {}

    /// Says that it is `now_ns`; what is too old expires.
    pub fn advance(&mut self, _now_ns: i64) {}

    /// Empties the window.
    pub fn reset(&mut self) {}

    /// Means over the window.
    #[must_use]
    pub fn means(&self) -> QualityMeans {
        QualityMeans::mean([])
    }

    /// The image's state over the last two seconds.
    #[must_use]
    pub fn state(&self) -> ImageState {
        ImageState::Unknown
    }
}

impl QualityMeans {
    /// Means over frames, each with its weight; NaN where the weights are zero.
    pub fn mean<'a>(frames: impl IntoIterator<Item = (&'a ImageQuality, f64)>) -> Self {
        let mut sums = [0.0; 9];
        let mut total = 0.0;
        for (quality, weight) in frames {
            total += weight;
            let values = [
                quality.noise,
                quality.sharpness,
                quality.brightness,
                quality.contrast,
                quality.dark_share,
                quality.bright_share,
                quality.blockiness,
                quality.flat_share,
                quality.saturation,
            ];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value) * weight);
        }
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
        ] = sums.map(|sum| sum / total);
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
