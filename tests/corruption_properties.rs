//! What holds for every corruption: no panic at any size, the identity at severity 0, the same bytes for the same key at
//! any number of threads, steady memory.
//!
//! A program of its own, for its counting allocator.

#![allow(clippy::unwrap_used, reason = "a test program from end to end")]

#[path = "common/counting.rs"]
mod counting;

use proptest::prelude::*;
use roadproof::corruption::{
    Corruption, Corruptor, CorruptorOptions, Delivery, FrameKey, Group, Picture, Severity, Step, WeatherMode,
};

fn picture(width: u32, height: u32, salt: u32) -> Picture {
    let value = |i: u32| {
        let (x, y) = (i % width, i / width);
        let disc = x.abs_diff(width / 2).pow(2) + y.abs_diff(height / 2).pow(2) < (height / 3).pow(2);
        let base = if disc { 170 } else { 60 };
        [base + (x.wrapping_mul(7) ^ salt) as u8 % 40, base / 2 + (y % 50) as u8, 200 - base]
    };
    Picture::from_rgb(width, height, (0..width * height).flat_map(value).collect()).unwrap()
}

fn options(seed: u64, coherent: bool) -> CorruptorOptions {
    let weather_mode = if coherent { WeatherMode::Coherent } else { WeatherMode::Independent };
    CorruptorOptions { seed, weather_mode, ..CorruptorOptions::default() }
}

fn key(index: u64) -> FrameKey {
    FrameKey { camera: 0, index, stamp_ns: i64::try_from(index).unwrap() * 33_000_000 }
}

fn step(corruption: Corruption, severity: f64) -> Step {
    Step { corruption, severity: Severity::new(severity).unwrap() }
}

fn corrupted(of: &Picture, options: CorruptorOptions, steps: &[Step], index: u64) -> (Picture, Delivery) {
    let mut picture = of.clone();
    let delivery = Corruptor::new(options).corrupt(&mut picture, steps, key(index)).unwrap();
    (picture, delivery)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_same_key_gives_the_same_bytes_at_any_number_of_threads(
        at in 0..Corruption::ALL.len(),
        severity in 0.0..=5.0_f64,
        width in 32..100_u32,
        height in 32..100_u32,
        seed in any::<u64>(),
        index in 0..1000_u64,
        coherent in any::<bool>(),
    ) {
        let picture = picture(width, height, 1);
        let steps = [step(Corruption::ALL[at], severity)];
        let run = || corrupted(&picture, options(seed, coherent), &steps, index);
        let reference = run();
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            prop_assert!(pool.install(run) == reference, "{} on {threads} threads", steps[0]);
        }
    }

    #[test]
    fn severity_0_is_the_identity(at in 0..Corruption::ALL.len(), width in 32..80_u32, height in 32..80_u32) {
        let picture = picture(width, height, 2);
        let (same, delivery) = corrupted(&picture, options(7, false), &[step(Corruption::ALL[at], 0.0)], 3);
        prop_assert!(same == picture && delivery == Delivery::Deliver);
    }
}

#[test]
fn seeds_frames_and_places_in_the_list_differ_where_there_is_chance() {
    let picture = picture(96, 64, 3);
    let random = [
        Corruption::GaussianNoise,
        Corruption::ShotNoise,
        Corruption::ImpulseNoise,
        Corruption::SpeckleNoise,
        Corruption::GlassBlur,
        Corruption::Snow,
        Corruption::Fog,
        Corruption::Rain,
        Corruption::ElasticTransform,
        Corruption::LowLight,
    ];
    for corruption in random {
        let steps = [step(corruption, 3.0)];
        let (first, _) = corrupted(&picture, options(1, false), &steps, 0);
        assert!(first != corrupted(&picture, options(2, false), &steps, 0).0, "{corruption}: seed");
        assert!(first != corrupted(&picture, options(1, false), &steps, 1).0, "{corruption}: frame");
        let behind = [step(Corruption::Contrast, 0.0), steps[0]];
        assert!(first != corrupted(&picture, options(1, false), &behind, 0).0, "{corruption}: place");
    }
}

#[test]
fn steady_corruptions_allocate_nothing_after_warm_up() {
    // On this thread alone, since allocations are counted by thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    pool.install(|| {
        for corruption in [
            Corruption::GaussianNoise,
            Corruption::ShotNoise,
            Corruption::ImpulseNoise,
            Corruption::SpeckleNoise,
            Corruption::Brightness,
            Corruption::Contrast,
            Corruption::Saturate,
        ] {
            let mut corruptor = Corruptor::new(options(7, false));
            let clean = picture(64, 48, 4);
            let mut frame = clean.clone();
            let steps = [step(corruption, 2.5)];
            let mut after_warm_up = 0;
            for index in 0..10_000 {
                frame.clone_from(&clean);
                let before = counting::allocations();
                let _ = corruptor.corrupt(&mut frame, &steps, key(index)).unwrap();
                if index > 10 {
                    after_warm_up += counting::allocations() - before;
                }
            }
            assert_eq!(after_warm_up, 0, "{corruption}");
        }
    });
}

#[test]
fn every_group_has_members_and_every_member_runs() {
    for group in [Group::Noise, Group::Blur, Group::Weather, Group::Digital, Group::Camera, Group::Stream] {
        assert!(Corruption::ALL.iter().any(|c| c.group() == group), "{group:?}");
    }
    let picture = picture(64, 64, 5);
    for corruption in Corruption::ALL {
        let (changed, _) = corrupted(&picture, options(7, false), &[step(*corruption, 5.0)], 5);
        let stream = corruption.group() == Group::Stream;
        assert!(stream || changed != picture, "{corruption} does nothing");
    }
}
