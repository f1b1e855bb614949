use super::*;
use crate::corruption::context::tests::context;
use crate::corruption::engine::Kernel;
use crate::corruption::{Corruption, Picture, Severity};

const KINDS: [Corruption; 5] = [
    Corruption::DefocusBlur,
    Corruption::GlassBlur,
    Corruption::MotionBlur,
    Corruption::ZoomBlur,
    Corruption::GaussianBlur,
];

fn kernel(kind: Corruption) -> Box<dyn Kernel> {
    match kind {
        Corruption::DefocusBlur => Box::new(defocus_blur()),
        Corruption::GlassBlur => Box::new(glass_blur()),
        Corruption::MotionBlur => Box::new(motion_blur()),
        Corruption::ZoomBlur => Box::new(zoom_blur()),
        _ => Box::new(gaussian_blur()),
    }
}

/// Squares of two sizes and random greys: edges everywhere, and no period that a blur could fall into step with.
fn squares(width: u32, height: u32) -> Picture {
    let grey = |x: u32, y: u32, salt: u32| {
        let mixed =
            (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b) ^ salt).wrapping_mul(0xc2b2_ae35);
        (mixed >> 25) as u8
    };
    let value = |i: u32| {
        let (x, y) = (i % width, i / width);
        let (large, small) = (grey(x / 24, y / 24, 1), grey(x / 5, y / 5, 2));
        [40 + large, 60 + small, 10 + large / 2 + small]
    };
    Picture::from_rgb(width, height, (0..width * height).flat_map(value).collect()).unwrap()
}

fn apply(kind: Corruption, severity: f64, picture: &Picture) -> Picture {
    let mut picture = picture.clone();
    let severity = Severity::new(severity).unwrap();
    let _ = kernel(kind).apply(&mut picture, severity, &context(kind, 7, 0)).unwrap();
    picture
}

/// Mean absolute difference of neighbours: what a blur takes away.
fn sharpness(picture: &Picture) -> f64 {
    let row = picture.width() as usize * 3;
    let data = picture.data();
    let along: u64 = data.iter().zip(&data[3..]).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let down: u64 = data.iter().zip(&data[row..]).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    (along + down) as f64 / data.len() as f64
}

#[test]
fn a_flat_picture_stays_flat() {
    let flat = Picture::from_rgb(64, 48, [90, 17, 255].repeat(64 * 48)).unwrap();
    for kind in KINDS {
        for severity in [0.3, 1.0, 2.5, 5.0] {
            let found = apply(kind, severity, &flat);
            if kind == Corruption::DefocusBlur && severity > 3.0 {
                // As in the reference, a large disc's sum is above 1, by 1.3 % at most.
                let brighter = |(found, before): (&u8, &u8)| {
                    found >= before && f64::from(*found) <= f64::from(*before) * 1.013
                };
                assert!(found.data().iter().zip(flat.data()).all(brighter), "{kind}:{severity}");
            } else {
                assert!(found == flat, "{kind}:{severity}");
            }
        }
    }
}

#[test]
fn blur_grows_with_severity() {
    let picture = squares(320, 240);
    for kind in [Corruption::DefocusBlur, Corruption::MotionBlur, Corruption::GaussianBlur] {
        let mut last = sharpness(&picture);
        for quarter in 1..=20 {
            let severity = f64::from(quarter) / 4.0;
            let now = sharpness(&apply(kind, severity, &picture));
            assert!(now <= last * 1.03 + 0.05, "{kind} at {severity}: {now} after {last}");
            last = last.min(now);
        }
    }
}

#[test]
fn odd_sizes_are_fine_and_threads_do_not_matter() {
    for (width, height) in [(32, 32), (33, 47), (321, 37), (32, 400)] {
        let picture = squares(width, height);
        for kind in KINDS {
            for severity in [0.1, 3.3, 5.0] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
                let reference = apply(kind, severity, &picture);
                assert!(reference == pool.install(|| apply(kind, severity, &picture)), "{kind}:{severity}");
            }
        }
    }
}

#[test]
fn a_horizontal_motion_takes_from_the_right_and_repeats_the_border() {
    let taps = motion::taps(1.0, 1.0, 0.0, 100, 100);
    assert_eq!(taps.iter().map(|tap| (tap.dx, tap.dy)).collect::<Vec<_>>(), [(0, 0), (1, 0), (2, 0)]);
    assert!((taps.iter().map(|tap| tap.weight).sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn motion_at_a_fixed_angle_is_the_recorded_one_to_a_grey_level() {
    // Rows 8 to 10 of what tests/corruption/record.py recorded of the reference; radii and deviations are its levels.
    let read = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corruption/recorded");
        let data = std::fs::read(folder.join(name)).unwrap();
        let mut picture = Picture::default();
        let mut decoder = crate::image::CompressedDecoder::new(crate::image::DecodeLimits::default());
        picture.assign(&decoder.decode("", &data).unwrap()).unwrap();
        picture
    };
    let tile = |of: &Picture, column: usize, row: usize| {
        let stride = of.width() as usize * 3;
        let rows = (row * 48..(row + 1) * 48).map(|y| y * stride + column * 192);
        let data = rows.flat_map(|start| of.data()[start..start + 192].iter().copied()).collect();
        Picture::from_rgb(64, 48, data).unwrap()
    };
    let (clean, sheet) = (tile(&read("scene.png"), 0, 0), read("deterministic.png"));
    for (row, angle) in [(8, -40.0), (9, 0.0), (10, 15.0)] {
        for (level, (radius, sigma)) in
            [(10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)].iter().enumerate()
        {
            let expected = tile(&sheet, level, row);
            let mut found = clean.clone();
            motion::MotionBlur::default().along(&mut found, &motion::taps(*radius, *sigma, angle, 64, 48), 0);
            let differences = || found.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b));
            let mean = differences().map(f64::from).sum::<f64>() / expected.data().len() as f64;
            let far = differences().filter(|d| *d > 3).count();
            assert!(
                mean <= 1.0 && far * 1000 <= expected.data().len(),
                "{angle}° level {}: mean {mean}, {far} far",
                level + 1
            );
        }
    }
}
