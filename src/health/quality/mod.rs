//! Quality of the image itself: noise, sharpness, exposure, contrast, blocks, and whether it is a picture at all.
//!
//! [`QualityMeter`] measures single frames; what only shows over time (a frozen camera) is [`QualityWindow`]'s.
//!
//! Two samples are taken of a frame. Exposure, contrast, colour and structure come from a *plane* of the luminance, at
//! most 256 pixels wide and high, made by picking every n-th pixel: averaging would hide noise and clipped pixels. Noise,
//! sharpness and block borders need neighbours as the camera gave them, and come from *patches* of 32 × 32 pixels at full
//! resolution, at most 8 × 6 of them, spread over the frame.

mod patch;
mod plane;
mod sample;
mod window;

#[cfg(test)]
mod tests;

pub use window::{ImageState, QualityMeans, QualityWindow};

use crate::image::PixelView;
use patch::Patches;
use plane::Plane;

/// What one frame looks like. Measured on a subsampled luminance plane, in grey levels of 0..255.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ImageQuality {
    /// Standard deviation of the noise, grey levels, ≥ 0.
    ///
    /// Of the luminance: noise that is independent in red, green and blue is 0.67 times as strong there. Immerkær's
    /// operator ("Fast Noise Variance Estimation", CVIU 64(2), 1996) on each patch, and the mean of the quarter of patches
    /// where it is lowest: structure adds to it, and some patch has little. Patches that are mostly clipped are left out.
    pub noise: f32,
    /// Energy of fine detail relative to coarse detail, ≥ 0; falls with blur.
    ///
    /// Energy of the differences of pixels 1 apart over that of pixels 8 apart, in rows and columns: from 1/64 (smooth over
    /// 8 pixels) to about 1 (fine texture). The energy is the mean product of a difference and the one beside it, not a
    /// square: noise, which is independent in both, adds scatter but averages to nothing. (Ours.)
    pub sharpness: f32,
    /// Mean luminance, grey levels.
    pub brightness: f32,
    /// Standard deviation of the luminance, grey levels, ≥ 0.
    pub contrast: f32,
    /// Share of pixels clipped at black (at most 2), 0 … 1.
    pub dark_share: f32,
    /// Share of pixels clipped at white (at least 253), 0 … 1.
    pub bright_share: f32,
    /// Strength of steps at the borders of compression blocks over that elsewhere; 1 is none, more is worse.
    ///
    /// Blocks of 8 pixels from the upper left corner, as JPEG's. A step is the difference of two neighbours less the mean
    /// of the differences beside it, so that a slope is none.
    pub blockiness: f32,
    /// Share of the picture's tiles without structure, 0 … 1.
    ///
    /// Tiles of 16 × 16 pixels of the plane; without structure: standard deviation at most 2, noise taken off.
    pub flat_share: f32,
    /// Mean saturation of the colours (that of HSV), 0 … 1; 0 for grey pictures.
    pub saturation: f32,
    /// Hash of the subsampled pixels: equal for equal pictures.
    pub digest: u64,
}

/// Measures frames, with buffers that are kept from frame to frame.
#[derive(Debug, Default)]
pub struct QualityMeter {
    plane: Plane,
    patches: Patches,
}

impl QualityMeter {
    /// A meter without buffers; they grow with the first frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Measures a frame. No allocation from the second frame of a size on.
    ///
    /// The cost is bounded by what is read: up to 65 536 pixels of the plane and 49 152 of the patches, whatever the
    /// frame's size. A frame narrower or lower than 3 pixels has no neighbours to compare: noise and sharpness are 0 and
    /// blockiness is 1.
    pub fn measure(&mut self, pixels: &PixelView<'_>) -> ImageQuality {
        let fine = self.patches.measure(pixels);
        let coarse = self.plane.measure(pixels, fine.noise);
        ImageQuality {
            noise: fine.noise,
            sharpness: fine.sharpness,
            blockiness: fine.blockiness,
            brightness: coarse.brightness,
            contrast: coarse.contrast,
            dark_share: coarse.dark_share,
            bright_share: coarse.bright_share,
            flat_share: coarse.flat_share,
            saturation: coarse.saturation,
            digest: coarse.digest,
        }
    }
}
