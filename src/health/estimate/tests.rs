use proptest::prelude::*;

use super::classes::{ClassBaseline, ClassModel, EVIDENCE, SupportInterval};
use super::features::ClassShape;
use super::regression::{Regression, SizeInterval, conformal};

fn samples() -> Vec<(Vec<f64>, f64)> {
    (0..200)
        .map(|i| {
            let (a, b) = (f64::from(i % 20) / 20.0, f64::from(i / 20) / 10.0);
            (vec![a, b, 7.0], 0.2 + 0.3 * a - 0.1 * b + 0.2 * a * a)
        })
        .collect()
}

fn fitted() -> Regression {
    let samples = samples();
    let samples: Vec<(&[f64], f64)> = samples.iter().map(|(x, y)| (x.as_slice(), *y)).collect();
    Regression::fit(&samples).unwrap()
}

#[test]
fn a_quadratic_is_found_again() {
    let fitted = fitted();
    for (x, y) in samples() {
        let predicted = fitted.predict(&x);
        assert!((predicted.value - y).abs() < 0.01, "{x:?}: {} against {y}", predicted.value);
        assert!(predicted.outside < 1e-9);
    }
    assert_eq!(fitted.problem(3), None);
    assert!(fitted.problem(4).is_some());
}

#[test]
fn what_is_outside_counts_as_its_border_and_widens_the_interval() {
    let fitted = Regression {
        intervals: vec![
            SizeInterval { frames: 30.0, half_width: 0.1 },
            SizeInterval { frames: 300.0, half_width: 0.05 },
        ],
        ..fitted()
    };
    let (border, far) = (fitted.predict(&[0.95, 0.0, 7.0]), fitted.predict(&[9.0, 0.0, 7.0]));
    assert!((border.value - far.value).abs() < 1e-12);
    assert!(far.outside > 1.0);
    assert!(fitted.half_width(100.0, far.outside) > fitted.half_width(100.0, 0.0));
    assert!((fitted.half_width(30.0, 0.0) - 0.1).abs() < 1e-12);
    assert!((fitted.half_width(3000.0, 0.0) - 0.05).abs() < 1e-12);
    assert!(fitted.half_width(3.0, 0.0) > 0.1, "fewer frames than tried scatter more");
}

#[test]
fn nan_in_nan_out() {
    assert!(fitted().predict(&[f64::NAN, 0.0, 7.0]).value.is_nan());
}

#[test]
fn a_class_as_in_the_profile_keeps_its_average_precision() {
    let shape = ClassShape::new([0.0, 3.0, 5.0].into_iter(), None);
    let baseline = ClassBaseline { ap: 0.4, shape };
    let model = ClassModel {
        response: vec![2.0],
        evidence: [0.5; EVIDENCE],
        intervals: vec![SupportInterval { instances: 3.0, half_width: 0.2 }],
        left_out_error: 0.1,
    };
    let same = model.estimate(0, &baseline, shape.as_ref(), 1.0, 5.0);
    assert!((same.value - 0.4).abs() < 1e-12 && (same.low - 0.2).abs() < 1e-12);
    let half = model.estimate(0, &baseline, shape.as_ref(), 0.5, 5.0);
    assert!((half.value - 0.1).abs() < 1e-12, "follows the square of the whole: {}", half.value);
    let rare = model.estimate(0, &baseline, None, 1.0, 1.0);
    assert_eq!((rare.low, rare.high), (0.0, 1.0), "nothing is known of so little");
}

proptest! {
    #[test]
    fn conformal_half_widths_cover_their_share(
        residuals in prop::collection::vec(0.0_f64..1.0, 20..200),
    ) {
        let half_width = conformal(residuals.clone());
        let covered = residuals.iter().filter(|residual| **residual <= half_width).count();
        prop_assert!(covered as f64 >= 0.9 * residuals.len() as f64);
    }
}
