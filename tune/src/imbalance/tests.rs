use std::path::Path;

use roadproof::detector::{BoundingBox, Detector, ModelManifest, SessionOptions};

use super::*;
use crate::data::{DataOptions, Donor, Object, Samples, SourceOptions, testing};

fn object(class_id: u32, side: f32) -> Object {
    Object { class_id, bbox: BoundingBox::new(10.0, 10.0, 10.0 + side, 10.0 + side) }
}

/// 100 images: class 0 in 64, twice in each of them, class 1 in 4, class 2 in the first, class 3 nowhere; 32 empty ones.
fn objects() -> Objects {
    let of = |image: usize| match image {
        0 => vec![object(0, 30.0), object(0, 30.0), object(2, 40.0), object(2, 9.0)],
        1..64 => vec![object(0, 30.0), object(0, 30.0)],
        64..68 => vec![object(1, 20.0)],
        _ => Vec::new(),
    };
    Objects::new((0..100).map(of).collect())
}

#[test]
fn the_census_counts_objects_and_images() {
    let census = Census::of(&objects(), 4);
    assert_eq!(census.instances(), [128, 4, 2, 0]);
    assert_eq!(census.images_with(), [64, 4, 1, 0]);
    assert_eq!(census.classes_of_images()[0], [0, 2]);
    assert_eq!(census.frequency(0), 0.64);
    assert_eq!((census.frequency(3), census.frequency(99)), (0.0, 0.0));
    // a class that the model does not have
    assert_eq!(Census::of(&objects(), 2).instances(), [128, 4]);
    assert_eq!(Census::of(&Objects::default(), 2).frequency(0), 0.0);
}

#[test]
fn repeat_factors_are_those_of_the_paper() {
    let census = Census::of(&objects(), 4);
    let method = RepeatFactor { threshold: 0.16, most: 100.0 };
    // sqrt(0.16 / 0.64) < 1, sqrt(0.16 / 0.04) = 2, sqrt(0.16 / 0.01) = 4
    for (class, expected) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 1.0)] {
        assert!((method.of_class(&census, class) - expected).abs() < 1e-12);
    }
    let sampling = method.sampling(&census);
    let factor = |image: usize| sampling.factors()[image];
    assert!((factor(0) - 4.0).abs() < 1e-12, "the rarest class of an image decides");
    assert_eq!((factor(1), factor(99)), (1.0, 1.0));
    assert!((factor(64) - 2.0).abs() < 1e-12);
    assert_eq!(sampling.epoch_len(), 100 + 3 + 4);
    let limited = RepeatFactor { most: 1.5, ..method };
    assert_eq!(limited.sampling(&census).factors()[0], 1.5);
}

#[test]
fn weights_are_those_of_the_paper() {
    // n = 3, 1: 0.5 / (1 - 0.125) = 4/7 and 1; mean over objects (3 * 4/7 + 1) / 4 = 19/28
    let objects = Objects::new(vec![vec![object(0, 9.0), object(0, 9.0), object(0, 9.0), object(1, 9.0)]]);
    let census = Census::of(&objects, 3);
    let weights = EffectiveNumber { beta: 0.5, range: [0.01, 100.0] }.weights(&census);
    let expected = [16.0 / 19.0, 28.0 / 19.0, 28.0 / 19.0];
    for (weight, expected) in weights.0.iter().zip(expected) {
        assert!((weight - expected).abs() < 1e-6, "{weight} {expected}");
    }
    // all the same without beta
    let even = EffectiveNumber { beta: 0.0, range: [0.01, 100.0] }.weights(&census);
    assert!(even.0.iter().all(|weight| (weight - 1.0).abs() < 1e-6));
}

#[test]
fn limited_weights_still_are_one_on_average() {
    let census = Census::of(&self::objects(), 4);
    let weights = EffectiveNumber { beta: 0.999, range: [0.5, 3.0] }.weights(&census);
    assert!(weights.0.iter().all(|weight| (0.5..=3.0).contains(weight)), "{weights:?}");
    assert!(weights.0[3] >= weights.0[2], "a class that is nowhere is the rarest");
    let counted = census.instances().iter().zip(&weights.0);
    let mean = counted.map(|(count, weight)| *count as f32 * weight).sum::<f32>() / 134.0;
    assert!((mean - 1.0).abs() < 1e-5, "{mean}");
    // free, the rare ones weigh over 30 times as much
    let free = EffectiveNumber { beta: 0.999, range: [0.001, 1000.0] }.weights(&census);
    assert!(free.0[1] / free.0[0] > 25.0, "{free:?}");
    let nothing = Census::of(&Objects::default(), 2);
    assert_eq!(EffectiveNumber::default().weights(&nothing), ClassWeights::even(2));
}

#[test]
fn donors_are_rare_and_large_enough() {
    let census = Census::of(&objects(), 4);
    let pasting = CopyPaste::default().pasting(&objects(), &census).unwrap();
    assert!(pasting.donors[0].is_empty() && pasting.donors[3].is_empty());
    assert_eq!(pasting.donors[1].len(), 4);
    assert_eq!(pasting.donors[2], [Donor { image: 0, object: object(2, 40.0) }], "not the small one");
    let strict = CopyPaste { threshold: 0.001, ..CopyPaste::default() };
    assert_eq!(strict.pasting(&objects(), &census), None);
}

#[test]
fn methods_are_switches_and_their_options_are_checked() {
    let off = Options::default();
    assert!(off.is_off());
    let balance = off.balance(&objects(), 4).unwrap();
    assert_eq!(balance.sampling, Sampling::even(100));
    assert_eq!((balance.weights, balance.pasting), (ClassWeights::even(4), None));

    let all: Options = toml::from_str("[repeat_factor]\n[class_weights]\nbeta = 0.9\n[copy_paste]").unwrap();
    assert!(!all.is_off());
    let balance = all.balance(&objects(), 4).unwrap();
    assert!(balance.sampling.epoch_len() > 100 && balance.pasting.is_some());
    assert!(balance.weights.0[2] > balance.weights.0[0]);

    let message =
        |text: &str| toml::from_str::<Options>(text).unwrap().balance(&objects(), 4).unwrap_err().to_string();
    assert!(message("score = 0.0").contains("score"));
    assert!(message("[repeat_factor]\nthreshold = 0.0").contains("repeat_factor.threshold"));
    assert!(message("[repeat_factor]\nmost = 0.5").contains("repeat_factor.most"));
    assert!(message("[class_weights]\nbeta = 1.0").contains("class_weights.beta"));
    assert!(message("[class_weights]\nrange = [2.0, 3.0]").contains("class_weights.range"));
    assert!(message("[copy_paste]\nmost = 0").contains("copy_paste.most"));
    assert!(message("[copy_paste]\nfeather = 0.9").contains("copy_paste.feather"));
    assert!(toml::from_str::<Options>("[focal_loss]").is_err());
}

#[test]
fn objects_come_from_labels_where_there_are_any() {
    let (labelled, bare) = (testing::labelled(2, |_| "0 0.5 0.5 0.4 0.4".to_owned()), testing::pictures(1));
    let manifest = testing::manifest(64, 48, "letterbox");
    let mut options = DataOptions::plain(SourceOptions::all(labelled.path()));
    let samples = Samples::open(&options, &manifest, 1).unwrap();
    let objects = Objects::labelled(&samples).unwrap();
    assert_eq!(Census::of(&objects, 3).instances(), [2, 0, 0]);
    options.sources.push(SourceOptions::all(bare.path()));
    let samples = Samples::open(&options, &manifest, 1).unwrap();
    let error = Objects::labelled(&samples).unwrap_err();
    assert!(matches!(error, ImbalanceError::Unlabelled { unlabelled: 1, images: 3, .. }), "{error}");
}

/// On real photographs, with the model of this repository: what it detects has the classes of the labels.
#[test]
fn objects_come_from_the_parents_detections_without_labels() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/nanodet-g.toml");
    let manifest = ModelManifest::load(manifest).unwrap();
    let Some(folder) = testing::shared("coco128-train") else { return };
    if !manifest.model_path().is_file() || std::env::var_os("ORT_DYLIB_PATH").is_none() {
        eprintln!("skipped: {} or ONNX Runtime is not here", manifest.model_path().display());
        return;
    }
    let source = |path| SourceOptions { limit: Some(12), ..SourceOptions::all(path) };
    let classes = manifest.class_names().len();
    let census = |objects: Objects| Census::of(&objects, classes);
    let samples = Samples::open(&DataOptions::plain(source(folder.clone())), &manifest, 1).unwrap();
    let labelled = census(Objects::labelled(&samples).unwrap());

    let samples = Samples::open(&DataOptions::plain(source(folder.join("images"))), &manifest, 1).unwrap();
    let mut parent = Detector::load(&manifest, &SessionOptions::default(), &mut |_| ()).unwrap();
    let mut told = Vec::new();
    let mut progress = |done, of| told.push((done, of));
    let found = Objects::detected(&samples, &mut parent, &manifest.thresholds(), 0.5, &mut progress).unwrap();
    assert_eq!(told, (1..=12).map(|done| (done, 12)).collect::<Vec<_>>());
    let found = census(found);
    let both = found.classes_of_images().iter().zip(labelled.classes_of_images());
    let (mut right, mut all) = (0, 0);
    for (found, labelled) in both {
        all += found.len();
        right += found.iter().filter(|class| labelled.contains(class)).count();
    }
    assert!(all >= 6 && right * 10 >= all * 7, "{right} of {all} classes found are labelled");
}
