use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::{Corruption, Picture};

/// Which frame of which camera is being corrupted: together with the seed it decides all randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameKey {
    /// Index of the camera.
    pub camera: u32,
    /// Index of the frame in the camera's stream, counted from 0.
    pub index: u64,
    /// Time of the frame in nanoseconds; what moves over a stream moves by it.
    pub stamp_ns: i64,
}

/// What a radius or length given in pixels means for pictures of other sizes than the benchmark's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RadiusMode {
    /// Pixels, as in the reference: the larger the picture, the weaker the effect.
    #[default]
    Absolute,
    /// In proportion to the shorter side, equal to the reference at 480 px (the usual shorter side of COCO's
    /// photographs).
    Relative,
}

/// How weather behaves over a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeatherMode {
    /// Every frame draws its own, as in the reference.
    #[default]
    Independent,
    /// Layers are drawn once and move from frame to frame; what lies on the lens stays.
    Coherent,
}

/// Everything that a kernel may depend on beside picture and severity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub(crate) seed: u64,
    /// What is being applied, and its place in the list of steps: two steps of one kind differ.
    pub(crate) corruption: Corruption,
    pub(crate) position: usize,
    pub(crate) frame: FrameKey,
    pub(crate) radius_mode: RadiusMode,
    pub(crate) weather_mode: WeatherMode,
}

impl Context {
    /// Random numbers of this frame. Work that is split among threads takes one `lane` for each piece, and the
    /// pieces must not depend on the number of threads (rows, or blocks of rows).
    pub(crate) fn rng(&self, lane: u64) -> Xoshiro256PlusPlus {
        self.generator(self.frame.index.wrapping_add(1), lane)
    }

    /// Random numbers that stay the same for all frames of the camera: layers of coherent weather, dirt on a lens.
    pub(crate) fn stream_rng(&self, lane: u64) -> Xoshiro256PlusPlus {
        self.generator(0, lane)
    }

    /// The generator for what should differ from frame to frame only where weather is independent.
    pub(crate) fn weather_rng(&self, lane: u64) -> Xoshiro256PlusPlus {
        match self.weather_mode {
            WeatherMode::Independent => self.rng(lane),
            WeatherMode::Coherent => self.stream_rng(lane),
        }
    }

    /// What lengths in pixels are multiplied by.
    pub(crate) fn scale(&self, picture: &Picture) -> f64 {
        match self.radius_mode {
            RadiusMode::Absolute => 1.0,
            RadiusMode::Relative => f64::from(picture.width().min(picture.height())) / 480.0,
        }
    }

    fn generator(&self, frame: u64, lane: u64) -> Xoshiro256PlusPlus {
        let mut state = mix(self.seed);
        for part in [self.corruption as u64, self.position as u64, u64::from(self.frame.camera), frame, lane]
        {
            state = mix(state ^ mix(part));
        }
        Xoshiro256PlusPlus::seed_from_u64(state)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): every input bit reaches every output bit.
pub(super) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::Rng as _;

    /// A context for tests of kernels.
    pub(crate) fn context(corruption: Corruption, seed: u64, index: u64) -> Context {
        let stamp_ns = i64::try_from(index).unwrap() * 100_000_000;
        Context {
            seed,
            corruption,
            position: 0,
            frame: FrameKey { camera: 0, index, stamp_ns },
            radius_mode: RadiusMode::Absolute,
            weather_mode: WeatherMode::Independent,
        }
    }

    #[test]
    fn everything_that_should_changes_the_numbers_and_nothing_else_does() {
        let base = context(Corruption::Fog, 7, 3);
        let first = |c: &Context, lane| c.rng(lane).next_u64();
        let reference = first(&base, 0);
        assert_eq!(reference, first(&Context { weather_mode: WeatherMode::Coherent, ..base }, 0));
        let mut others = vec![first(&base, 1)];
        others.push(first(&context(Corruption::Snow, 7, 3), 0));
        others.push(first(&context(Corruption::Fog, 8, 3), 0));
        others.push(first(&context(Corruption::Fog, 7, 4), 0));
        others.push(first(&Context { position: 1, ..base }, 0));
        others.push(first(&Context { frame: FrameKey { camera: 1, ..base.frame }, ..base }, 0));
        others.push(base.stream_rng(0).next_u64());
        others.push(reference);
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 8);
    }

    #[test]
    fn coherent_weather_takes_the_same_numbers_for_every_frame() {
        let at =
            |index| Context { weather_mode: WeatherMode::Coherent, ..context(Corruption::Fog, 7, index) };
        assert_eq!(at(1).weather_rng(0).next_u64(), at(2).weather_rng(0).next_u64());
        let independent = |index| context(Corruption::Fog, 7, index).weather_rng(0).next_u64();
        assert_ne!(independent(1), independent(2));
    }
}
