//! Figures against the project's own corruptions, on pictures made here.

use super::super::{ImageQuality, ImageState, QualityMeter, QualityWindow};
use crate::corruption::{Corruptor, CorruptorOptions, FrameKey, Picture, Step};

/// A road under a sky: slopes, edges of every direction, and a rough surface.
fn scene(width: u32, height: u32) -> Picture {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let mixed = (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35);
            let rough = mixed >> 27;
            let house = (x / 23).wrapping_mul(0x9e37_79b9) >> 26;
            let window = u32::from(x % 23 > 6 && x % 23 < 16 && y % 17 > 5) * 50;
            let [r, g, b] = if y < height / 4 + house / 2 {
                [150 + y / 8, 170 + y / 8, 200]
            } else if y < height * 5 / 8 {
                [60 + house + window, 50 + 2 * house / 3 + window, 50 + window]
            } else if (x + 2 * y) % 90 < 7 {
                [220 + rough; 3]
            } else {
                [70 + rough; 3]
            };
            data.extend([r as u8, g as u8, b as u8]);
        }
    }
    Picture::from_rgb(width, height, data).unwrap()
}

pub(super) fn corrupted(picture: &Picture, steps: &[Step]) -> ImageQuality {
    let mut picture = picture.clone();
    let key = FrameKey { camera: 0, index: 3, stamp_ns: 0 };
    let _ = Corruptor::new(CorruptorOptions::default()).corrupt(&mut picture, steps, key).unwrap();
    QualityMeter::new().measure(&picture.view().unwrap())
}

fn under(picture: &Picture, step: &str) -> ImageQuality {
    corrupted(picture, &[step.parse().unwrap()])
}

fn rises(corruption: &str, figure: fn(&ImageQuality) -> f32) {
    for picture in [scene(320, 240), scene(520, 300)] {
        let levels = ["0", "0.5", "1", "2", "3", "4", "5"];
        let found = levels.map(|severity| figure(&under(&picture, &format!("{corruption}:{severity}"))));
        assert!(found.is_sorted_by(|a, b| a < b), "{corruption}: {found:?}");
    }
}

#[test]
fn noise_rises_with_every_kind_of_noise() {
    for corruption in ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"] {
        rises(corruption, |quality| quality.noise);
    }
}

#[test]
fn sharpness_falls_with_blur() {
    for corruption in ["gaussian_blur", "defocus_blur"] {
        rises(corruption, |quality| -quality.sharpness);
    }
    let picture = scene(320, 240);
    for corruption in ["motion_blur:1", "motion_blur:5", "zoom_blur:1"] {
        let sharpness = under(&picture, corruption).sharpness;
        assert!(sharpness < 0.7 * under(&picture, "gaussian_blur:0").sharpness, "{corruption}: {sharpness}");
    }
}

#[test]
fn blockiness_rises_with_compression_and_with_nothing_else() {
    let picture = scene(520, 300);
    let clean = under(&picture, "fog:0").blockiness;
    let found =
        ["1", "3", "5"].map(|severity| under(&picture, &format!("jpeg_compression:{severity}")).blockiness);
    assert!(clean < found[0] && found.is_sorted(), "{clean} {found:?}");
    assert!(found[2] > 1.3 * clean, "{clean} {found:?}");
    for other in ["gaussian_noise:3", "defocus_blur:3", "fog:3", "snow:3"] {
        let blockiness = under(&picture, other).blockiness;
        assert!((0.9..1.15).contains(&blockiness), "{other}: {blockiness}");
    }
}

#[test]
fn exposure_and_contrast_follow() {
    rises("contrast", |quality| -quality.contrast);
    rises("brightness", |quality| quality.brightness);
    rises("overexposure", |quality| quality.brightness);
    rises("low_light", |quality| -quality.brightness);
    let picture = scene(520, 300);
    let clean = under(&picture, "fog:0");
    assert!(under(&picture, "fog:2").contrast < 0.8 * clean.contrast);
    assert!(under(&picture, "fog:2").saturation < 0.8 * clean.saturation);
    assert!(under(&picture, "overexposure:4").bright_share > clean.bright_share + 0.1);
}

/// Noise of a known strength on a flat picture: the weights of the luminance make 0.668 of it.
#[test]
fn noise_is_in_grey_levels() {
    let picture = Picture::from_rgb(256, 192, vec![128; 256 * 192 * 3]).unwrap();
    for (severity, deviation) in [("0.25", 0.02 * 255.0), ("0.5", 0.04 * 255.0), ("1", 0.08 * 255.0)] {
        let expected = 0.668 * deviation;
        let found = f64::from(under(&picture, &format!("gaussian_noise:{severity}")).noise);
        assert!((found / expected - 1.0).abs() < 0.1, "{severity}: found {found}, expected {expected}");
    }
}

#[test]
fn texture_adds_little_to_noise_and_noise_little_to_sharpness() {
    let picture = scene(520, 300);
    let flat = Picture::from_rgb(520, 300, vec![128; 520 * 300 * 3]).unwrap();
    for severity in ["1", "2"] {
        let step = format!("gaussian_noise:{severity}");
        let (found, expected) = (under(&picture, &step).noise, under(&flat, &step).noise);
        assert!((found / expected - 1.0).abs() < 0.1, "{severity}: {found} on texture, {expected} on none");
    }
    let clean = under(&picture, "fog:0").sharpness;
    for step in ["gaussian_noise:3", "shot_noise:2", "impulse_noise:2"] {
        let sharpness = under(&picture, step).sharpness;
        assert!((sharpness / clean - 1.0).abs() < 0.2, "{step}: {sharpness}, clean {clean}");
    }
}

#[test]
fn a_covered_lens_is_obstructed_whatever_the_gain() {
    // Light that leaks in at one side.
    let shade = |x: u32, y: u32| (40 + x / 16 + y / 32) as u8;
    let pixels = (0..300).flat_map(|y| (0..520).flat_map(move |x| [shade(x, y); 3])).collect();
    let cover = Picture::from_rgb(520, 300, pixels).unwrap();
    for step in
        ["fog:0", "gaussian_noise:0.1", "gaussian_noise:0.25", "gaussian_noise:0.5", "jpeg_compression:1"]
    {
        let quality = under(&cover, step);
        assert!(quality.is_obstructed(), "{step}: {quality:?}");
    }
}

/// The engine's own frozen and black streams, and the stream before them.
#[test]
fn streams_that_freeze_and_go_black_are_noticed() {
    let states = |step: &str| {
        let steps = [step.parse::<Step>().unwrap()];
        let mut corruptor = Corruptor::new(CorruptorOptions::default());
        let (mut meter, mut window) = (QualityMeter::new(), QualityWindow::new(10));
        let mut seen = Vec::new();
        let clean = scene(160, 120);
        for index in 0..60 {
            let mut picture = clean.clone();
            // Something moves.
            picture.data_mut()[..480 * 20].fill(index as u8 * 3);
            let stamp_ns = index as i64 * 100_000_000;
            let key = FrameKey { camera: 0, index, stamp_ns };
            let _ = corruptor.corrupt(&mut picture, &steps, key).unwrap();
            window.record(stamp_ns, &meter.measure(&picture.view().unwrap()));
            seen.push(window.state());
        }
        seen
    };
    assert!(states("frame_freeze:0").iter().all(|state| *state == ImageState::Normal));
    assert!(states("frame_freeze:5").contains(&ImageState::Frozen));
    assert!(states("black_frame:5").contains(&ImageState::Black));
}

#[test]
fn only_black_frames_are_black() {
    let picture = scene(320, 240);
    assert!(under(&picture, "black_frame:5").is_black());
    for step in ["low_light:5", "night_motion:5", "fog:5", "defocus_blur:5", "gaussian_noise:5"] {
        let quality = under(&picture, step);
        assert!(!quality.is_black() && !quality.is_obstructed(), "{step}: {quality:?}");
    }
}
