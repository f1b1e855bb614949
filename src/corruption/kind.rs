use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::CorruptionError;

/// What kind of cause a corruption has; results are averaged by group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Additive and multiplicative noise of sensor and link.
    Noise,
    /// Optics and motion.
    Blur,
    /// What falls or hangs between camera and scene.
    Weather,
    /// What processing and compression do.
    Digital,
    /// What cameras in vehicles do beyond the published ones.
    Camera,
    /// What happens to the stream of frames, not to a single one.
    Stream,
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 6] =
        [Self::Noise, Self::Blur, Self::Weather, Self::Digital, Self::Camera, Self::Stream];

    /// Its name in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Blur => "blur",
            Self::Weather => "weather",
            Self::Digital => "digital",
            Self::Camera => "camera",
            Self::Stream => "stream",
        }
    }
}

macro_rules! corruptions {
    ($($variant:ident $name:literal $group:ident $benchmark:literal $doc:literal;)*) => {
        /// A corruption. The names are those of the published benchmark where it has it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Corruption {
            $(#[doc = $doc] $variant,)*
        }

        impl Corruption {
            /// All corruptions, the published ones first.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in files, parameters and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind of its cause.
            #[must_use]
            pub const fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)* }
            }

            /// Whether it is one of the fifteen over which mPC is defined (arXiv 1907.07484).
            #[must_use]
            pub const fn is_benchmark(self) -> bool {
                match self { $(Self::$variant => $benchmark,)* }
            }

            /// What it is, in one sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

corruptions! {
    GaussianNoise "gaussian_noise" Noise true "Gaussian noise, as sensors show it in low light.";
    ShotNoise "shot_noise" Noise true "Poisson noise of discrete photons.";
    ImpulseNoise "impulse_noise" Noise true "Salt and pepper: single values at the ends of the range.";
    DefocusBlur "defocus_blur" Blur true "A lens out of focus.";
    GlassBlur "glass_blur" Blur true "Frosted glass: pixels displaced locally.";
    MotionBlur "motion_blur" Blur true "Camera moving in a straight line during exposure.";
    ZoomBlur "zoom_blur" Blur true "Camera moving towards the scene during exposure.";
    Snow "snow" Weather true "Falling snow.";
    Frost "frost" Weather true "Ice crystals on the lens.";
    Fog "fog" Weather true "Fog of varying density.";
    Brightness "brightness" Digital true "Everything brighter.";
    Contrast "contrast" Digital true "Less contrast.";
    ElasticTransform "elastic_transform" Digital true "Local stretching and shrinking.";
    Pixelate "pixelate" Digital true "Too few pixels, enlarged.";
    JpegCompression "jpeg_compression" Digital true "Strong JPEG compression.";
    SpeckleNoise "speckle_noise" Noise false "Noise that grows with the pixel's value.";
    GaussianBlur "gaussian_blur" Blur false "Blur with a Gaussian kernel.";
    Spatter "spatter" Weather false "Drops or mud on the lens.";
    Saturate "saturate" Digital false "Colours too weak or too strong.";
    LowLight "low_light" Camera false "A dark scene, amplified: photon and read noise in the raw domain.";
    Overexposure "overexposure" Camera false "Exposure too long: highlights clip.";
    SunGlare "sun_glare" Camera false "The sun in the picture: bloom, veiling glare and ghosts.";
    Rain "rain" Weather false "Falling rain: streaks and a veil.";
    LensDirt "lens_dirt" Camera false "Dust and mud on the lens, out of focus.";
    WaterDrops "water_drops" Camera false "Drops of water on the lens that refract the scene.";
    DeadPixels "dead_pixels" Camera false "Pixels and columns that are stuck.";
    Banding "banding" Camera false "Rows brighter and darker under flickering lamps, and fixed-pattern noise.";
    NightMotion "night_motion" Camera false "A dark scene in which bright lamps draw trails.";
    ColourQuantisation "colour_quantisation" Digital false "Too few levels per channel.";
    FrameFreeze "frame_freeze" Stream false "The last picture again and again.";
    FrameDrop "frame_drop" Stream false "Frames that never arrive.";
    FrameDelay "frame_delay" Stream false "An older picture under the new stamp.";
    BlackFrame "black_frame" Stream false "Frames that are black.";
    RollingTear "rolling_tear" Stream false "Upper part of this frame, lower part of the one before.";
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Corruption {
    type Err = CorruptionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().copied();
        known.clone().find(|corruption| corruption.name() == name).ok_or_else(|| {
            let distance = |corruption: &Self| strsim::damerau_levenshtein(corruption.name(), name);
            let nearest =
                known.min_by_key(distance).filter(|c| distance(c) <= 1 + name.len() / 4).map(Self::name);
            CorruptionError::UnknownName { name: name.to_owned(), nearest }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_match_serde() {
        for corruption in Corruption::ALL {
            assert_eq!(corruption.name().parse::<Corruption>().unwrap(), *corruption);
            assert_eq!(serde_json::to_string(corruption).unwrap(), format!("\"{corruption}\""));
        }
    }

    #[test]
    fn the_benchmark_has_fifteen_and_the_package_nineteen() {
        assert_eq!(Corruption::ALL.iter().filter(|c| c.is_benchmark()).count(), 15);
        assert_eq!(Corruption::ALL.iter().take_while(|c| **c != Corruption::LowLight).count(), 19);
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest() {
        let error = "gausian_noise".parse::<Corruption>().unwrap_err().to_string();
        assert!(error.contains("'gaussian_noise'"), "{error}");
        assert!(!"xyz".parse::<Corruption>().unwrap_err().to_string().contains("did you mean"));
    }
}
