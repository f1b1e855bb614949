//! How far two boxes are apart: generalised intersection over union, and distance.

use crate::heads::Corners;

/// Areas from here down are none, square pixels.
const NO_AREA: f64 = 1e-9;

/// How two boxes lie to each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Overlap {
    /// Intersection over union, in `[0, 1]`.
    pub(super) iou: f64,
    /// Generalised intersection over union, in `[-1, 1]`.
    pub(super) giou: f64,
    /// Gradient of `giou` by the edges of the first box. Where edges of both boxes fall together, the mean of the gradients
    /// on both sides, so that it is 0 for equal boxes.
    pub(super) gradient: Corners,
}

/// `IoU - (C - U) / C` with the union `U` and the smallest box around both, `C` (Rezatofighi et al., "Generalized
/// Intersection over Union", CVPR 2019, algorithm 2).
pub(super) fn overlap(a: &Corners, b: &Corners) -> Overlap {
    let x = Axis::new((a[0], a[2]), (b[0], b[2]));
    let y = Axis::new((a[1], a[3]), (b[1], b[3]));
    let intersection = x.common * y.common;
    let union = (x.length * y.length + x.other * y.other - intersection).max(NO_AREA);
    let around = (x.around * y.around).max(NO_AREA);
    let iou = intersection / union;
    let giou = iou - (around - union) / around;
    // one axis's edges change its lengths; the other axis's lengths are factors of the areas
    let edges = |along: &Axis, across: &Axis| {
        [0, 1].map(|end| {
            let by_intersection = along.common_by[end] * across.common;
            let by_union = along.length_by[end] * across.length - by_intersection;
            let by_around = along.around_by[end] * across.around;
            by_intersection / union - iou * by_union / union + by_union / around
                - union * by_around / (around * around)
        })
    };
    let ([left, right], [top, bottom]) = (edges(&x, &y), edges(&y, &x));
    Overlap { iou, giou, gradient: [left, top, right, bottom] }
}

/// The sum of the distances of two boxes' centres and sizes in widths and heights of the input, and its gradient by the edges
/// of the first box (Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020, section 3.1).
pub(super) fn distance(a: &Corners, b: &Corners, [width, height]: [f64; 2]) -> (f64, Corners) {
    let along = |start: usize, end: usize, size: f64| {
        let (low, high) = ((a[start] - b[start]) / size, (a[end] - b[end]) / size);
        let (centre, length) = (f64::midpoint(low, high), high - low);
        let (by_centre, by_length) = (sign(centre) / (2.0 * size), sign(length) / size);
        (centre.abs() + length.abs(), [by_centre - by_length, by_centre + by_length])
    };
    let ((x, [left, right]), (y, [top, bottom])) = (along(0, 2, width), along(1, 3, height));
    (x + y, [left, top, right, bottom])
}

/// Derivative of `|a|`; 0 at 0.
fn sign(a: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a.signum() }
}

/// Lengths along an axis, and their gradients by the start and the end of the first interval.
struct Axis {
    length: f64,
    length_by: [f64; 2],
    other: f64,
    common: f64,
    common_by: [f64; 2],
    around: f64,
    around_by: [f64; 2],
}

impl Axis {
    fn new(a: (f64, f64), b: (f64, f64)) -> Self {
        let length = a.1 - a.0;
        let common = a.1.min(b.1) - a.0.max(b.0);
        let (overlaps, exists) = (f64::from(u8::from(common > 0.0)), f64::from(u8::from(length > 0.0)));
        Self {
            length: length.max(0.0),
            length_by: [-exists, exists],
            other: (b.1 - b.0).max(0.0),
            common: common.max(0.0),
            common_by: [-overlaps * above(a.0, b.0), overlaps * above(b.1, a.1)],
            around: a.1.max(b.1) - a.0.min(b.0),
            around_by: [-above(b.0, a.0), above(a.1, b.1)],
        }
    }
}

/// Derivative of `max(a, b)` by `a`.
fn above(a: f64, b: f64) -> f64 {
    if a > b {
        1.0
    } else if a < b {
        0.0
    } else {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_boxes() {
        let a = [0.0, 0.0, 10.0, 10.0];
        // 5 x 10 in common, union 150, around both 150
        let touching = overlap(&a, &[5.0, 0.0, 15.0, 10.0]);
        assert!((touching.giou - 1.0 / 3.0).abs() < 1e-12);
        // apart: union 200, around both 300
        let apart = overlap(&a, &[20.0, 0.0, 30.0, 10.0]);
        assert_eq!(apart.iou, 0.0);
        assert!((apart.giou + 1.0 / 3.0).abs() < 1e-12);
        assert!(apart.gradient[2] > 0.0, "growing towards the other box is good");
        // turned inside out, it is still pulled open
        let inside_out = overlap(&[12.0, 0.0, 8.0, 10.0], &a);
        assert!(inside_out.giou.is_finite() && inside_out.gradient.iter().all(|edge| edge.is_finite()));
    }

    fn any_box() -> impl Strategy<Value = Corners> {
        (0f64..100.0, 0f64..100.0, 1f64..80.0, 1f64..80.0).prop_map(|(x, y, w, h)| [x, y, x + w, y + h])
    }

    proptest! {
        #[test]
        fn gradients_are_those_of_finite_differences(a in any_box(), b in any_box()) {
            let found = overlap(&a, &b);
            let step = 1e-5;
            for edge in 0..4 {
                let moved = |by: f64| {
                    let mut a = a;
                    a[edge] += by;
                    overlap(&a, &b).giou
                };
                let numeric = (moved(step) - moved(-step)) / (2.0 * step);
                prop_assert!((found.gradient[edge] - numeric).abs() < 1e-5, "{} {numeric}", found.gradient[edge]);
            }
        }

        #[test]
        fn distances_have_the_gradients_of_finite_differences(a in any_box(), b in any_box()) {
            let (found, gradient) = distance(&a, &b, [640.0, 480.0]);
            prop_assert!((found - distance(&b, &a, [640.0, 480.0]).0).abs() < 1e-12);
            for edge in 0..4 {
                let moved = |by: f64| {
                    let mut a = a;
                    a[edge] += by;
                    distance(&a, &b, [640.0, 480.0]).0
                };
                let numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                prop_assert!((gradient[edge] - numeric).abs() < 1e-6, "{} {numeric}", gradient[edge]);
            }
            prop_assert_eq!(distance(&a, &a, [640.0, 480.0]), (0.0, [0.0; 4]));
        }

        #[test]
        fn it_is_symmetric_bounded_and_best_for_equal_boxes(a in any_box(), b in any_box()) {
            let (one, other) = (overlap(&a, &b), overlap(&b, &a));
            prop_assert!((one.giou - other.giou).abs() < 1e-12);
            prop_assert!((-1.0..=1.0).contains(&one.giou) && one.giou <= one.iou + 1e-12);
            let same = overlap(&a, &a);
            prop_assert!((same.giou - 1.0).abs() < 1e-12);
            prop_assert!(same.gradient.iter().all(|edge| edge.abs() < 1e-12));
        }
    }
}
