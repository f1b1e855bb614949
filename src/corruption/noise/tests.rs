use super::*;
use crate::corruption::context::tests::context;
use crate::corruption::engine::Kernel;
use crate::corruption::{Corruption, Severity};

const KINDS: [Corruption; 4] =
    [Corruption::GaussianNoise, Corruption::ShotNoise, Corruption::ImpulseNoise, Corruption::SpeckleNoise];

fn kernel(kind: Corruption) -> Box<dyn Kernel> {
    match kind {
        Corruption::GaussianNoise => Box::new(gaussian_noise()),
        Corruption::ShotNoise => Box::new(shot_noise()),
        Corruption::ImpulseNoise => Box::new(impulse_noise()),
        _ => Box::new(speckle_noise()),
    }
}

fn flat(value: u8) -> Picture {
    Picture::from_rgb(200, 200, vec![value; 200 * 200 * 3]).unwrap()
}

/// Mean and standard deviation of what becomes of a flat picture.
fn moments(kind: Corruption, severity: f64, value: u8) -> (f64, f64) {
    let mut picture = flat(value);
    let severity = Severity::new(severity).unwrap();
    let _ = kernel(kind).apply(&mut picture, severity, &context(kind, 7, 0)).unwrap();
    let n = picture.data().len() as f64;
    let mean = picture.data().iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = picture.data().iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected} ± {tolerance}");
}

#[test]
fn gaussian_noise_has_its_deviation_and_cuts_off_the_fraction() {
    let (mean, deviation) = moments(Corruption::GaussianNoise, 1.0, 128);
    close(mean, 127.5, 0.3);
    close(deviation, 0.08 * 255.0, 0.2);
    close(moments(Corruption::GaussianNoise, 0.5, 128).1, 0.04 * 255.0, 0.1);
}

#[test]
fn shot_noise_has_the_deviation_of_counted_photons() {
    for (severity, photons) in [(1.0, 60.0), (2.0, 25.0), (3.0, 12.0), (4.0, 5.0)] {
        let (mean, deviation) = moments(Corruption::ShotNoise, severity, 64);
        close(mean, 63.5, 0.9);
        close(deviation, 255.0 * (64.0_f64 / 255.0 / photons).sqrt(), 0.6);
    }
    close(moments(Corruption::ShotNoise, 0.5, 64).1, moments(Corruption::ShotNoise, 1.0, 64).1 / 2.0, 0.3);
    assert_eq!(moments(Corruption::ShotNoise, 3.0, 0), (0.0, 0.0), "no light, no photons");
}

#[test]
fn impulse_noise_replaces_its_share_by_both_ends() {
    let mut picture = flat(100);
    let severity = Severity::new(5.0).unwrap();
    let _ = impulse_noise().apply(&mut picture, severity, &context(Corruption::ImpulseNoise, 7, 0)).unwrap();
    let share = |value| {
        let hits: u32 = picture.data().iter().map(|v| u32::from(*v == value)).sum();
        f64::from(hits) / picture.data().len() as f64
    };
    close(share(0), 0.135, 0.005);
    close(share(255), 0.135, 0.005);
    close(share(100), 0.73, 0.005);
}

#[test]
fn speckle_noise_grows_with_the_value() {
    close(moments(Corruption::SpeckleNoise, 1.0, 100).1, 15.0, 0.2);
    close(moments(Corruption::SpeckleNoise, 1.0, 50).1, 7.5, 0.15);
    assert_eq!(moments(Corruption::SpeckleNoise, 5.0, 0), (0.0, 0.0));
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads_or_on_what_was_before() {
    for kind in KINDS {
        let severity = Severity::new(2.3).unwrap();
        let run = |threads: usize, warm: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut kernel = kernel(kind);
            let mut picture = flat(90);
            if warm {
                let _ = kernel.apply(&mut flat(3), Severity::MAX, &context(kind, 1, 1)).unwrap();
            }
            let _ = pool.install(|| kernel.apply(&mut picture, severity, &context(kind, 7, 0))).unwrap();
            picture
        };
        let reference = run(1, false);
        assert!(reference == run(2, false) && reference == run(5, true), "{kind}");
    }
}

#[test]
fn the_effect_grows_with_severity() {
    for kind in KINDS {
        let mut last = 0.0;
        for quarter in 1..=20 {
            let mut picture = flat(90);
            let severity = Severity::new(f64::from(quarter) / 4.0).unwrap();
            let _ = kernel(kind).apply(&mut picture, severity, &context(kind, 7, 0)).unwrap();
            let change: u64 = picture.data().iter().map(|v| u64::from(v.abs_diff(90))).sum();
            let change = change as f64 / picture.data().len() as f64;
            assert!(change >= last - 0.05, "{kind} at {severity}: {change} after {last}");
            last = change;
        }
    }
}
