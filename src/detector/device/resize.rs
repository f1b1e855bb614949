//! Tables that tell the GPU which source pixels make up each pixel of the resized image.
//!
//! They follow OpenCV's `resize` for 8-bit images (`modules/imgproc/src/resize.cpp`): bilinear weights in 11-bit fixed
//! point, area weights in single precision, halving as a mean of four.

use crate::detector::manifest::Interpolation;
use crate::gpu::{ResizeKind, Tap};

/// One in the fixed point of bilinear weights.
const ONE: f32 = 2048.0;

/// How an image is resized along both axes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ResizeTables {
    pub(super) kind: ResizeKind,
    pub(super) columns: Vec<Tap>,
    pub(super) rows: Vec<Tap>,
    /// For [`ResizeKind::Area`]: what `Tap::weight_a` counts into.
    pub(super) column_weights: Vec<f32>,
    pub(super) row_weights: Vec<f32>,
}

impl ResizeTables {
    /// From `source` to `target` pixels, `(width, height)`, all at least 1.
    pub(super) fn new(source: (u32, u32), target: (u32, u32), interpolation: Interpolation) -> Self {
        let empty = |kind| Self {
            kind,
            columns: Vec::new(),
            rows: Vec::new(),
            column_weights: Vec::new(),
            row_weights: Vec::new(),
        };
        if source == target {
            return empty(ResizeKind::None);
        }
        if source.0 == 2 * target.0 && source.1 == 2 * target.1 {
            return empty(ResizeKind::Halve);
        }
        let shrinks = target.0 <= source.0 && target.1 <= source.1;
        if shrinks && interpolation == Interpolation::Area {
            let (columns, column_weights) = area(source.0, target.0);
            let (rows, row_weights) = area(source.1, target.1);
            return Self { kind: ResizeKind::Area, columns, rows, column_weights, row_weights };
        }
        Self {
            columns: linear(source.0, target.0, true),
            rows: linear(source.1, target.1, false),
            ..empty(ResizeKind::Linear)
        }
    }
}

/// The two pixels around each target pixel's centre. Beyond the border the border's pixel counts; along columns it then
/// has all the weight.
fn linear(source: u32, target: u32, along_columns: bool) -> Vec<Tap> {
    let scale = 1.0 / (f64::from(target) / f64::from(source));
    let last = source.saturating_sub(1) as i32;
    let tap = |index: u32| {
        let place = ((f64::from(index) + 0.5) * scale - 0.5) as f32;
        let mut first = place.floor() as i32;
        let mut part = place - place.floor();
        if along_columns && first < 0 {
            (first, part) = (0, 0.0);
        }
        if along_columns && first >= last {
            (first, part) = (last, 0.0);
        }
        let weight = |part: f32| (part * ONE).round_ties_even() as i32;
        Tap {
            first: first.clamp(0, last),
            count: (first + 1).clamp(0, last),
            weight_a: weight(1.0 - part),
            weight_b: weight(part),
        }
    };
    (0..target).map(tap).collect()
}

/// The pixels that each target pixel covers, with the share of each in it.
fn area(source: u32, target: u32) -> (Vec<Tap>, Vec<f32>) {
    let scale = 1.0 / (f64::from(target) / f64::from(source));
    let mut weights = Vec::new();
    let mut taps = Vec::new();
    for index in 0..target {
        let begin = f64::from(index) * scale;
        let end = begin + scale;
        let covered = scale.min(f64::from(source) - begin);
        let last_whole = (end.floor() as i32).min(source as i32 - 1);
        let first_whole = (begin.ceil() as i32).min(last_whole);
        let mut tap = Tap { first: first_whole, count: 0, weight_a: weights.len() as i32, weight_b: 0 };
        if f64::from(first_whole) - begin > 1e-3 {
            tap.first = first_whole - 1;
            weights.push(((f64::from(first_whole) - begin) / covered) as f32);
        }
        for _ in first_whole..last_whole {
            weights.push((1.0 / covered) as f32);
        }
        if end - f64::from(last_whole) > 1e-3 {
            weights.push(((end - f64::from(last_whole)).min(1.0).min(covered) / covered) as f32);
        }
        tap.count = weights.len() as i32 - tap.weight_a;
        taps.push(tap);
    }
    (taps, weights)
}
