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

#[test]
fn pixelate_makes_the_boxes_of_pillow() {
    // Recorded with Pillow 13.0: 33 columns, 0, 7, 14 …, resized to floor(33 c) with BOX and back with NEAREST.
    let recorded: [(f64, [u8; 33]); 4] = [
        (
            1.0,
            [
                4, 4, 14, 25, 25, 39, 39, 53, 53, 63, 74, 74, 88, 88, 102, 102, 112, 123, 123, 137, 137, 151,
                151, 161, 172, 172, 186, 186, 200, 200, 210, 221, 221,
            ],
        ),
        (
            3.0,
            [
                7, 7, 7, 25, 25, 42, 42, 42, 60, 60, 77, 77, 77, 95, 95, 112, 112, 112, 130, 130, 147, 147,
                147, 165, 165, 182, 182, 182, 200, 200, 217, 217, 217,
            ],
        ),
        (
            4.0,
            [
                11, 11, 11, 11, 35, 35, 35, 60, 60, 60, 60, 88, 88, 88, 88, 112, 112, 112, 137, 137, 137,
                137, 165, 165, 165, 165, 189, 189, 189, 214, 214, 214, 214,
            ],
        ),
        (
            5.0,
            [
                11, 11, 11, 11, 39, 39, 39, 39, 67, 67, 67, 67, 98, 98, 98, 98, 98, 130, 130, 130, 130, 158,
                158, 158, 158, 186, 186, 186, 186, 214, 214, 214, 214,
            ],
        ),
    ];
    let row: Vec<u8> = (0..33).flat_map(|x| [x * 7; 3]).collect();
    let picture = Picture::from_rgb(33, 32, row.repeat(32)).unwrap();
    for (severity, recorded) in recorded {
        let found = apply(Corruption::Pixelate, severity, &picture);
        let expected: Vec<u8> = recorded.iter().flat_map(|v| [*v; 3]).collect();
        assert_eq!(found.data(), expected.repeat(32), "severity {severity}");
    }
}

/// FNV-1a, to recognise bytes by.
fn hash(picture: &Picture) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    picture.data().iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[test]
fn the_same_picture_gives_these_very_bytes() {
    // Those that compute with whole numbers and the four exact operations only.
    let kinds = [
        Corruption::Brightness,
        Corruption::Contrast,
        Corruption::Saturate,
        Corruption::Pixelate,
        Corruption::ColourQuantisation,
    ];
    let hashes = kinds.map(|kind| hash(&apply(kind, 3.0, &scene(97, 64))));
    let recorded = [
        1_276_958_555_955_107_468,
        8_530_822_547_723_286_090,
        15_241_327_488_551_139_236,
        2_125_667_817_466_127_970,
        17_775_322_154_744_588_026,
    ];
    assert_eq!(hashes, recorded);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn any_size_and_severity_is_fine(width in 32_u32..90, height in 32_u32..70, severity in 0.001..5.0) {
        let scene = scene(width, height);
        for kind in KINDS {
            let corrupted = apply(kind, severity, &scene);
            assert_eq!((corrupted.width(), corrupted.height()), (width, height), "{kind}");
            assert_eq!(corrupted.data().len(), scene.data().len(), "{kind}");
        }
    }
}
