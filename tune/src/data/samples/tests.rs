use std::collections::BTreeSet;

use roadproof::corruption::{Group, Step};
use roadproof::image::{ChannelOrder, CompressedDecoder, DecodeLimits};

use super::*;
use crate::data::{Corruptions, Donor, Family, Geometric, Photometric, SourceOptions, testing};

fn open(options: &DataOptions) -> Samples {
    Samples::open(options, &testing::manifest(64, 48, "letterbox"), 7).unwrap()
}

/// Everything at once.
fn all(folder: &std::path::Path) -> DataOptions {
    DataOptions {
        geometric: Geometric { flip: 0.5, scale: [0.5, 2.0], translate: 0.2, mosaic: 0.5 },
        photometric: Photometric::default(),
        corruption: Corruptions { probability: 0.7, severity: [1.0, 5.0], ..Corruptions::default() },
        ..DataOptions::plain(SourceOptions::all(folder))
    }
}

fn donors() -> Pasting {
    let bbox = roadproof::detector::BoundingBox::new(10.0, 10.0, 40.0, 40.0);
    let donor = |image, class_id| Donor { image, object: Object { class_id, bbox } };
    let donors = vec![Vec::new(), vec![donor(1, 1), donor(2, 1)], vec![donor(3, 2)]];
    Pasting { probability: 0.5, most: 2, scale: [0.5, 1.0], feather: 0.1, donors }
}

#[test]
fn a_sample_depends_on_nothing_but_its_number() {
    let folder = testing::pictures(6);
    let options = all(folder.path());
    let mut samples = open(&options);
    samples.set_pasting(Some(donors()));
    samples.set_sampling(Sampling::new(vec![1.0, 2.5]));
    assert_eq!(samples.epoch_len(), 8);
    let mut maker = samples.maker();
    let made: Vec<_> = (0..96).map(|number| samples.make(&mut maker, number, 0.5).unwrap()).collect();
    // another run, from the end, with other things made between
    let mut again = open(&options);
    again.set_pasting(Some(donors()));
    again.set_sampling(Sampling::new(vec![1.0, 2.5]));
    let mut maker = again.maker();
    for (number, expected) in made.iter().enumerate().rev() {
        again.plain(&mut maker, number % 6).unwrap();
        assert_eq!(&again.make(&mut maker, number as u64, 0.5).unwrap(), expected, "{number}");
    }
    let steps = made.iter().filter_map(|one| one.corruption.as_deref()?.split_once(':'));
    let kinds: BTreeSet<_> = steps.map(|(kind, _)| kind).collect();
    assert!(kinds.len() > 20, "{kinds:?}");
    let epoch =
        |epoch: usize| made[8 * epoch..8 * (epoch + 1)].iter().map(|one| one.image).collect::<Vec<_>>();
    let mut first = epoch(0);
    assert_ne!(first, epoch(1));
    first.sort_unstable();
    first.dedup();
    assert_eq!(first, [0, 1, 2, 3, 4, 5], "an epoch shows every image");
}

#[test]
fn threads_share_samples() {
    let folder = testing::pictures(4);
    let samples = open(&all(folder.path()));
    let make = |number| samples.make(&mut samples.maker(), number, 1.0).unwrap();
    let apart: Vec<_> = (0..8).map(make).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || make(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(apart, together);
}

#[test]
fn without_augmentation_it_is_the_detectors_own_preprocessing() {
    let folder = testing::pictures(5);
    for resize in ["letterbox", "letterbox_top_left", "stretch"] {
        let manifest = testing::manifest(64, 48, resize);
        let options = DataOptions::plain(SourceOptions::all(folder.path()));
        let samples = Samples::open(&options, &manifest, 1).unwrap();
        let mut maker = samples.maker();
        for number in 0..10 {
            let made = samples.make(&mut maker, number, 1.0).unwrap();
            let file = std::fs::read(samples.name(made.image)).unwrap();
            let mut decoder = CompressedDecoder::new(DecodeLimits::default());
            let mut expected = vec![0.0; 3 * 64 * 48];
            let view = decoder.decode("", &file).unwrap();
            Preprocessor::new(&manifest.input).run(&view, &mut expected).unwrap();
            assert_eq!(made.parent.data(), expected);
            assert_eq!(made.student, made.parent);
            assert_eq!(made.parent.dims(), [1, 3, 48, 64]);
            assert_eq!(samples.plain(&mut maker, made.image).unwrap(), made.parent);
            assert_eq!((made.truth, made.corruption), (None, None));
        }
    }
}

#[test]
fn grey_images_are_the_detectors_too() {
    let grey: Vec<u8> = (0..90 * 70_u32).map(|at| (at * 7 % 251) as u8).collect();
    let view = PixelView::new(ChannelOrder::Mono, 90, 70, 90, &grey).unwrap();
    let manifest = testing::manifest(64, 48, "letterbox");
    let (mut direct, mut through) = (vec![0.0; 3 * 64 * 48], vec![0.0; 3 * 64 * 48]);
    Preprocessor::new(&manifest.input).run(&view, &mut direct).unwrap();
    let mut raster = Raster::default();
    raster.assign(&view);
    Preprocessor::new(&manifest.input).run(&raster.view().unwrap(), &mut through).unwrap();
    assert_eq!(direct, through);
}

#[test]
fn only_the_students_picture_is_corrupted() {
    let folder = testing::pictures(4);
    let corruption =
        Corruptions { probability: 1.0, severity: [3.0, 5.0], ramp: 0.0, ..Corruptions::default() };
    let plain = DataOptions { corruption: Corruptions::off(), ..all(folder.path()) };
    let (plain, corrupted) = (open(&plain), open(&DataOptions { corruption, ..all(folder.path()) }));
    let (mut plain_maker, mut maker) = (plain.maker(), corrupted.maker());
    let mut differ = 0;
    for number in 0..60 {
        let clean = plain.make(&mut plain_maker, number, 0.0).unwrap();
        let made = corrupted.make(&mut maker, number, 0.0).unwrap();
        assert_eq!(made.parent, clean.parent, "all else is drawn as without corruption");
        assert_eq!(clean.student, clean.parent);
        assert!(made.corruption.is_some());
        differ += u32::from(made.student != made.parent);
    }
    assert!(differ > 55, "{differ}");
}

#[test]
fn what_is_held_out_never_comes() {
    let folder = testing::pictures(3);
    let corruption = Corruptions {
        probability: 1.0,
        hold_out: [Group::Weather, Group::Camera, Group::Blur].map(Family::Group).to_vec(),
        ..Corruptions::default()
    };
    let options = DataOptions { corruption, ..DataOptions::plain(SourceOptions::all(folder.path())) };
    let samples = open(&options);
    let mut maker = samples.maker();
    for number in 0..300 {
        let step: Step = samples.make(&mut maker, number, 1.0).unwrap().corruption.unwrap().parse().unwrap();
        assert!(matches!(step.corruption.group(), Group::Noise | Group::Digital), "{step}");
    }
}

#[test]
fn truth_follows_the_pictures_into_the_networks_pixels() {
    // a white rectangle on black, labelled
    let folder = testing::labelled(4, |_| "0 0.5 0.5 0.4 0.4\n".to_owned());
    for number in 0..4 {
        let path = folder.path().join(format!("images/{number:02}.png"));
        let inside = |x, y| (24..56).contains(&x) && (18..42).contains(&y);
        testing::write(&path, 80, 60, |x, y| if inside(x, y) { [255; 3] } else { [0; 3] });
    }
    let geometric = Geometric { flip: 0.5, scale: [0.5, 2.0], translate: 0.2, mosaic: 0.0 };
    let options = DataOptions { geometric, ..DataOptions::plain(SourceOptions::all(folder.path())) };
    let samples = open(&options);
    let mut maker = samples.maker();
    let mut boxes = 0;
    for number in 0..200 {
        let made = samples.make(&mut maker, number, 0.0).unwrap();
        // what is nearer to white than to black, of the first channel
        let white = made.parent.data()[..64 * 48].iter().enumerate().filter(|(_, value)| **value > 0.45);
        let white: Vec<_> = white.map(|(at, _)| ((at % 64) as f32, (at / 64) as f32)).collect();
        for truth in made.truth.unwrap() {
            assert_eq!(truth.class_id, 0);
            boxes += 1;
            let least = |of: fn(&(f32, f32)) -> f32| white.iter().map(of).fold(f32::INFINITY, f32::min);
            let most = |of: fn(&(f32, f32)) -> f32| white.iter().map(of).fold(0.0, f32::max) + 1.0;
            let edges = [
                (truth.bbox.x_min, least(|at| at.0)),
                (truth.bbox.y_min, least(|at| at.1)),
                (truth.bbox.x_max, most(|at| at.0)),
                (truth.bbox.y_max, most(|at| at.1)),
            ];
            assert!(edges.iter().all(|(truth, seen)| (truth - seen).abs() < 1.0), "{number}: {edges:?}");
        }
    }
    assert!(boxes > 150, "{boxes}");
}

#[test]
fn pasted_objects_are_in_both_pictures_and_in_the_truth() {
    let folder = testing::labelled(4, |_| String::new());
    let mut samples = open(&DataOptions::plain(SourceOptions::all(folder.path())));
    let mut maker = samples.maker();
    let before: Vec<_> = (0..20).map(|number| samples.make(&mut maker, number, 0.0).unwrap()).collect();
    samples.set_pasting(Some(Pasting { probability: 1.0, ..donors() }));
    let mut classes = BTreeSet::new();
    for (number, before) in before.iter().enumerate() {
        let made = samples.make(&mut maker, number as u64, 0.0).unwrap();
        assert_ne!(made.parent, before.parent);
        assert_eq!(made.student, made.parent);
        assert_eq!(before.truth.as_deref(), Some(&[][..]));
        let truth = made.truth.unwrap();
        assert!((1..=2).contains(&truth.len()), "{truth:?}");
        classes.extend(truth.iter().map(|one| one.class_id));
    }
    assert_eq!(classes, [1, 2].into());
}

#[test]
fn a_donor_that_is_not_there_is_an_error() {
    let folder = testing::pictures(2);
    let mut samples = open(&DataOptions::plain(SourceOptions::all(folder.path())));
    samples.set_pasting(Some(Pasting { probability: 1.0, ..donors() }));
    let mut maker = samples.maker();
    let wrong = (0..20).find_map(|number| samples.make(&mut maker, number, 0.0).err());
    assert!(matches!(wrong, Some(DataError::NoImage { images: 2, .. })), "{wrong:?}");
    assert_eq!(samples.unreadable(), [""; 0]);
}

#[test]
fn a_mosaic_of_labelled_and_other_images_has_no_truth() {
    let (labelled, bare) = (testing::labelled(2, |_| "0 0.5 0.5 0.4 0.4".to_owned()), testing::pictures(2));
    let geometric = Geometric { mosaic: 1.0, ..Geometric::off() };
    let mut options = DataOptions { geometric, ..DataOptions::plain(SourceOptions::all(labelled.path())) };
    options.sources.push(SourceOptions::all(bare.path()));
    let samples = open(&options);
    let mut maker = samples.maker();
    let made: Vec<_> = (0..40).map(|number| samples.make(&mut maker, number, 0.0).unwrap()).collect();
    // all four of a labelled source: one in eight beside the first
    let with = made.iter().filter(|one| one.truth.is_some()).count();
    assert!((1..10).contains(&with), "{with}");
    assert!(made.iter().all(|one| one.truth.is_none() || one.image < 2));
}

#[test]
fn an_image_that_cannot_be_read_is_replaced_and_counted() {
    let folder = testing::pictures(10);
    let broken = folder.path().join("04.jpg");
    let bytes = std::fs::read(&broken).unwrap();
    std::fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    let options = DataOptions::plain(SourceOptions::all(folder.path()));
    let samples = open(&options);
    let images = |samples: &Samples| -> Vec<_> {
        let mut maker = samples.maker();
        (0..10).map(|number| samples.make(&mut maker, number, 0.0).unwrap().image).collect()
    };
    let made = images(&samples);
    let order = samples.order(0);
    let place = order.iter().position(|image| *image == 4).unwrap();
    assert_eq!(made[place], order[(place + 1) % 10] as usize, "the next one of the order");
    assert!(!made.contains(&4));
    assert_eq!(images(&open(&options)), made);
    assert!(samples.unreadable()[0].contains("04.jpg"), "{:?}", samples.unreadable());
    assert!(matches!(samples.plain(&mut samples.maker(), 4), Err(DataError::Image { .. })));

    // two of ten are too many
    std::fs::write(folder.path().join("07.jpg"), "no image").unwrap();
    let samples = open(&options);
    let mut maker = samples.maker();
    let error = (0..10).find_map(|number| samples.make(&mut maker, number, 0.0).err()).unwrap().to_string();
    assert!(error.contains("2 of 10") && error.contains("07.jpg"), "{error}");
}

#[test]
fn pictures_too_small_to_be_corrupted_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    testing::write(&folder.path().join("small.png"), 31, 40, |x, y| testing::scene(0, x, y));
    let corruption = Corruptions { probability: 1.0, ..Corruptions::default() };
    let options = DataOptions { corruption, ..DataOptions::plain(SourceOptions::all(folder.path())) };
    let samples = open(&options);
    let made = samples.make(&mut samples.maker(), 0, 1.0).unwrap();
    assert_eq!((made.corruption, made.student == made.parent), (None, true));
}
