//! Precision over recall, and reliability of scores.

use super::chart::{Axis, Frame, Tick, coordinate};
use super::number::{count, percent, points, points_or};
use super::palette::{DASHES, SERIES};
use crate::evaluation::{Study, Variant};

const UNIT: Axis = Axis { from: 0.0, to: 1.0, step: 0.25 };

pub(super) struct Curves {
    pub(super) frame: Axes,
    pub(super) lines: Vec<Line>,
    pub(super) diagrams: Vec<Reliability>,
    pub(super) square: Axes,
}

/// What both kinds of drawing share.
pub(super) struct Axes {
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: String,
    pub(super) right: String,
    pub(super) top: String,
    pub(super) base: String,
}

pub(super) struct Line {
    pub(super) index: usize,
    pub(super) series: usize,
    pub(super) dash: &'static str,
    pub(super) name: String,
    pub(super) ap50: String,
    /// `x,y` pairs; empty without a curve.
    pub(super) points: String,
}

pub(super) struct Reliability {
    pub(super) index: usize,
    pub(super) series: usize,
    pub(super) name: String,
    pub(super) d_ece: String,
    pub(super) why: &'static str,
    pub(super) bins: Vec<Bin>,
    pub(super) reading: String,
}

pub(super) struct Bin {
    pub(super) x: String,
    pub(super) y: String,
    /// Where the diagonal is above or below it.
    pub(super) ideal: String,
    pub(super) radius: String,
    pub(super) title: String,
}

pub(super) fn curves(study: &Study) -> Curves {
    let wide = Frame { width: 360.0, height: 270.0, left: 36.0, bottom: 36.0, x: UNIT, y: UNIT };
    let square = Frame { width: 300.0, height: 280.0, ..wide };
    let variants = || study.variants.iter().enumerate();
    Curves {
        frame: axes(&wide),
        lines: variants().map(|(i, variant)| line(&wide, i, variant)).collect(),
        diagrams: variants().map(|(i, variant)| reliability(&square, i, variant)).collect(),
        square: axes(&square),
    }
}

fn axes(frame: &Frame) -> Axes {
    Axes {
        x_ticks: frame.x_ticks(),
        y_ticks: frame.y_ticks(),
        width: frame.width,
        height: frame.height,
        left: coordinate(frame.left),
        right: coordinate(frame.right()),
        top: coordinate(frame.py(1.0)),
        base: coordinate(frame.base()),
    }
}

fn line(frame: &Frame, index: usize, variant: &Variant) -> Line {
    let points = variant.pr_curve.iter().map(|point| {
        format!("{},{}", coordinate(frame.px(point.recall)), coordinate(frame.py(point.precision)))
    });
    Line {
        index,
        series: index % SERIES.len(),
        dash: DASHES[(index + index / SERIES.len()) % DASHES.len()],
        name: variant.name.clone(),
        ap50: points_or(variant.clean.ap50),
        points: points.collect::<Vec<_>>().join(" "),
    }
}

fn reliability(frame: &Frame, index: usize, variant: &Variant) -> Reliability {
    let bins = &variant.calibration.bins;
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;
    let total: usize = bins.iter().map(|bin| bin.count).sum();
    let drawn = bins.iter().map(|bin| Bin {
        x: coordinate(frame.px(bin.score)),
        y: coordinate(frame.py(bin.precision)),
        ideal: coordinate(frame.py(bin.score)),
        radius: coordinate((bin.count as f64 / most).sqrt().mul_add(7.0, 2.5)),
        title: format!(
            "score {:.2}: {} of {} detections right",
            bin.score,
            percent(bin.precision),
            count(bin.count)
        ),
    });
    Reliability {
        index,
        series: index % SERIES.len(),
        name: variant.name.clone(),
        d_ece: variant.calibration.d_ece.map_or_else(|| super::number::NONE.to_owned(), points),
        why: if variant.calibration.d_ece.is_none() { "no detections" } else { "points" },
        bins: drawn.collect(),
        reading: reading(variant, total),
    }
}

/// Which way scores are off, all bins together.
fn reading(variant: &Variant, total: usize) -> String {
    if total == 0 {
        return "No detections, so nothing can be said about scores.".into();
    }
    let bins = &variant.calibration.bins;
    let gap: f64 =
        bins.iter().map(|bin| (bin.precision - bin.score) * bin.count as f64).sum::<f64>() / total as f64;
    let detections = count(total);
    if gap.abs() < 0.01 {
        format!("Over {detections} detections, scores are right on average to within 1 point.")
    } else if gap > 0.0 {
        format!(
            "Over {detections} detections, scores are on average {} points too low: it is right more often than it says.",
            points(gap)
        )
    } else {
        format!(
            "Over {detections} detections, scores are on average {} points too high: it is right less often than it says.",
            points(-gap)
        )
    }
}
