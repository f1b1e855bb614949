use super::context::Context;
use super::{Corruption, CorruptionError, FrameKey, Group, Picture, RadiusMode, Severity, Step, WeatherMode};
use super::{blur, camera, digital, noise, stream, weather};

/// How pictures are corrupted, beside what is done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CorruptorOptions {
    /// Where all randomness comes from.
    pub seed: u64,
    /// What lengths in pixels mean.
    pub radius_mode: RadiusMode,
    /// How weather behaves over a stream.
    pub weather_mode: WeatherMode,
}

/// Whether a frame goes on after it was corrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// It does.
    Deliver,
    /// It is lost on the way ([`Corruption::FrameDrop`]); the picture is not to be used.
    Drop,
}

/// One corruption at work, with the buffers and layers that it keeps from frame to frame.
pub(crate) trait Kernel: Send {
    /// Changes `picture` in place. Never called with severity 0, except for those that need to see every frame
    /// of a stream ([`Group::Stream`]).
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError>;
}

/// Applies lists of corruptions to the frames of one camera.
///
/// One per camera and stream: corruptions of the stream (freeze, delay, tear) remember its frames. Work is split among the
/// threads of the `rayon` pool that it is called in; the result does not depend on their number.
pub struct Corruptor {
    options: CorruptorOptions,
    /// By place in the list of steps, and kind.
    kernels: Vec<(usize, Corruption, Box<dyn Kernel>)>,
}

impl std::fmt::Debug for Corruptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kernels = self.kernels.iter().map(|(position, corruption, _)| (position, corruption));
        f.debug_struct("Corruptor")
            .field("options", &self.options)
            .field("kernels", &kernels.collect::<Vec<_>>())
            .finish()
    }
}

impl Corruptor {
    /// A corruptor that has seen no frame yet.
    #[must_use]
    pub fn new(options: CorruptorOptions) -> Self {
        Self { options, kernels: Vec::new() }
    }

    /// Applies `steps` in order. Severity 0 leaves the picture as it is, byte for byte.
    ///
    /// # Errors
    /// The picture is too small, an asset is missing, or OpenCV fails; the picture may be half corrupted then.
    pub fn corrupt(
        &mut self,
        picture: &mut Picture,
        steps: &[Step],
        frame: FrameKey,
    ) -> Result<Delivery, CorruptionError> {
        // A picture that was never assigned has no pixels.
        picture.view()?;
        for (position, step) in steps.iter().enumerate() {
            let Step { corruption, severity } = *step;
            if severity.is_none() && corruption.group() != Group::Stream {
                continue;
            }
            let context = Context {
                seed: self.options.seed,
                corruption,
                position,
                frame,
                radius_mode: self.options.radius_mode,
                weather_mode: self.options.weather_mode,
            };
            let kernel = self.kernel(position, corruption);
            if kernel.apply(picture, severity, &context)? == Delivery::Drop {
                return Ok(Delivery::Drop);
            }
        }
        Ok(Delivery::Deliver)
    }

    /// Forgets all frames and layers, as at the start of another stream.
    pub fn reset(&mut self) {
        self.kernels.clear();
    }

    fn kernel(&mut self, position: usize, corruption: Corruption) -> &mut dyn Kernel {
        let known = self.kernels.iter().position(|(p, c, _)| (*p, *c) == (position, corruption));
        let at = known.unwrap_or_else(|| {
            self.kernels.push((position, corruption, new_kernel(corruption)));
            self.kernels.len() - 1
        });
        self.kernels[at].2.as_mut()
    }
}

fn new_kernel(corruption: Corruption) -> Box<dyn Kernel> {
    match corruption {
        Corruption::GaussianNoise => Box::new(noise::gaussian_noise()),
        Corruption::ShotNoise => Box::new(noise::shot_noise()),
        Corruption::ImpulseNoise => Box::new(noise::impulse_noise()),
        Corruption::SpeckleNoise => Box::new(noise::speckle_noise()),
        Corruption::DefocusBlur => Box::new(blur::defocus_blur()),
        Corruption::GlassBlur => Box::new(blur::glass_blur()),
        Corruption::MotionBlur => Box::new(blur::motion_blur()),
        Corruption::ZoomBlur => Box::new(blur::zoom_blur()),
        Corruption::GaussianBlur => Box::new(blur::gaussian_blur()),
        Corruption::Snow => Box::new(weather::snow()),
        Corruption::Frost => Box::new(weather::frost()),
        Corruption::Fog => Box::new(weather::fog()),
        Corruption::Spatter => Box::new(weather::spatter()),
        Corruption::Rain => Box::new(weather::rain()),
        Corruption::Brightness => Box::new(digital::brightness()),
        Corruption::Contrast => Box::new(digital::contrast()),
        Corruption::Saturate => Box::new(digital::saturate()),
        Corruption::ElasticTransform => Box::new(digital::elastic_transform()),
        Corruption::Pixelate => Box::new(digital::pixelate()),
        Corruption::JpegCompression => Box::new(digital::jpeg_compression()),
        Corruption::ColourQuantisation => Box::new(digital::colour_quantisation()),
        Corruption::LowLight => Box::new(camera::low_light()),
        Corruption::Overexposure => Box::new(camera::overexposure()),
        Corruption::SunGlare => Box::new(camera::sun_glare()),
        Corruption::LensDirt => Box::new(camera::lens_dirt()),
        Corruption::WaterDrops => Box::new(camera::water_drops()),
        Corruption::DeadPixels => Box::new(camera::dead_pixels()),
        Corruption::Banding => Box::new(camera::banding()),
        Corruption::NightMotion => Box::new(camera::night_motion()),
        Corruption::FrameFreeze => Box::new(stream::frame_freeze()),
        Corruption::FrameDrop => Box::new(stream::frame_drop()),
        Corruption::FrameDelay => Box::new(stream::frame_delay()),
        Corruption::BlackFrame => Box::new(stream::black_frame()),
        Corruption::RollingTear => Box::new(stream::rolling_tear()),
    }
}
