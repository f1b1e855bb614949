use super::*;
use crate::corruption::context::tests::context;
use crate::corruption::engine::Kernel;
use crate::corruption::{Corruption, Severity};

const KINDS: [Corruption; 7] = [
    Corruption::Brightness,
    Corruption::Contrast,
    Corruption::Saturate,
    Corruption::Pixelate,
    Corruption::JpegCompression,
    Corruption::ColourQuantisation,
    Corruption::ElasticTransform,
];

fn kernel(kind: Corruption) -> Box<dyn Kernel> {
    match kind {
        Corruption::Brightness => Box::new(brightness()),
        Corruption::Contrast => Box::new(contrast()),
        Corruption::Saturate => Box::new(saturate()),
        Corruption::Pixelate => Box::new(pixelate()),
        Corruption::JpegCompression => Box::new(jpeg_compression()),
        Corruption::ColourQuantisation => Box::new(colour_quantisation()),
        _ => Box::new(elastic_transform()),
    }
}

/// Something like a scene: smooth shading, edges, texture, all colours.
fn scene(width: u32, height: u32) -> Picture {
    let pixel = |i: u32| {
        let (x, y) = (i % width, i / width);
        let texture = (x * 7919 + y * 104_729) % 23;
        let disc = (x.abs_diff(width / 3).pow(2) + y.abs_diff(height / 2).pow(2)) < (height / 4).pow(2);
        if disc {
            [200 - texture as u8, 40 + (y % 60) as u8, 30]
        } else {
            [(x * 180 / width) as u8 + texture as u8, (y * 200 / height) as u8, 90 + texture as u8]
        }
    };
    Picture::from_rgb(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
}

fn apply(kind: Corruption, severity: f64, picture: &Picture) -> Picture {
    let mut picture = picture.clone();
    let severity = Severity::new(severity).unwrap();
    let _ = kernel(kind).apply(&mut picture, severity, &context(kind, 7, 0)).unwrap();
    picture
}

fn change(a: &Picture, b: &Picture) -> f64 {
    let sum: u64 = a.data().iter().zip(b.data()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.data().len() as f64
}

#[test]
fn the_effect_grows_with_severity_from_almost_nothing() {
    let scene = scene(320, 200);
    for kind in KINDS {
        let mut last = 0.0;
        for quarter in 1..=20 {
            let severity = f64::from(quarter) / 4.0;
            if kind == Corruption::Saturate && quarter == 11 {
                // Here the published levels turn from too little colour to too much.
                last = 0.0;
            }
            let now = change(&scene, &apply(kind, severity, &scene));
            // Nearly the same number of pixels or levels falls differently on edges and greys.
            let tolerance = match kind {
                Corruption::ColourQuantisation => 1.5,
                Corruption::Pixelate => 0.25,
                _ => 0.12,
            };
            assert!(now >= last - tolerance, "{kind} at {severity}: {now} after {last}");
            last = f64::max(last, now);
        }
        // JPEG halves the resolution of colours at any quality.
        let least = if kind == Corruption::JpegCompression { 4.0 } else { 1.0 };
        assert!(change(&scene, &apply(kind, 0.01, &scene)) < least, "{kind}");
    }
}

#[test]
fn odd_and_small_sizes_are_fine_and_threads_do_not_matter() {
    for (width, height) in [(32, 32), (33, 47), (321, 37), (32, 400)] {
        let scene = scene(width, height);
        for kind in KINDS {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
            let reference = apply(kind, 3.3, &scene);
            assert!(reference == pool.install(|| apply(kind, 3.3, &scene)), "{kind}");
            assert_eq!((reference.width(), reference.height()), (width, height));
        }
    }
}

#[test]
fn brightness_keeps_hue_and_turns_black_grey() {
    let picture = Picture::from_rgb(32, 32, [[100, 50, 0], [0, 0, 0]].repeat(512).concat()).unwrap();
    let brighter = apply(Corruption::Brightness, 2.0, &picture);
    assert_eq!(brighter.data()[..6], [151, 75, 0, 51, 51, 51]);
}

#[test]
fn contrast_draws_values_to_the_mean() {
    let picture = Picture::from_rgb(32, 32, [[0, 200, 10], [100, 200, 30]].repeat(512).concat()).unwrap();
    assert_eq!(apply(Corruption::Contrast, 1.0, &picture).data()[..6], [30, 200, 16, 70, 200, 24]);
}

#[test]
fn saturate_turns_with_its_levels() {
    let picture = Picture::from_rgb(32, 32, [[100, 50, 0], [80, 80, 80]].repeat(512).concat()).unwrap();
    assert_eq!(apply(Corruption::Saturate, 1.0, &picture).data()[..6], [100, 85, 70, 80, 80, 80]);
    assert_eq!(apply(Corruption::Saturate, 3.0, &picture).data()[..6], [100, 50, 0, 80, 80, 80]);
    assert_eq!(apply(Corruption::Saturate, 5.0, &picture).data()[3..6], [80, 64, 64], "grey turns reddish");
}

#[test]
fn pixelate_repeats_the_means_of_areas() {
    let data = (0..32 * 32).flat_map(|i| [if i % 2 == 0 { 0 } else { 100 }; 3]).collect();
    let picture = Picture::from_rgb(32, 32, data).unwrap();
    assert!(apply(Corruption::Pixelate, 2.0, &picture).data().iter().all(|v| *v == 50));
}
