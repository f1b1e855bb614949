//! Accuracy against latency and size.

use super::chart::{Axis, Frame, Tick, coordinate};
use super::number::{megabytes, ms, points};
use super::palette::SERIES;
use crate::evaluation::{Study, Variant};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 280.0;
/// How wide a letter of a label is, and how high a line.
const LETTER: f64 = 7.0;
const LINE: f64 = 13.0;

pub(super) struct Scatter {
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    pub(super) marks: Vec<Mark>,
    pub(super) left: String,
    pub(super) right: String,
    pub(super) top: String,
    pub(super) base: String,
    /// Whether marks carry numbers, because their names would cover each other.
    pub(super) numbered: bool,
}

pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) series: usize,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) radius: String,
    /// End of the line to the 99th percentile.
    pub(super) x99: String,
    /// Ends of the interval.
    pub(super) ends: Option<(String, String)>,
    pub(super) name: String,
    pub(super) values: String,
    pub(super) label: String,
    pub(super) text_x: String,
    pub(super) text_y: String,
    pub(super) anchor: &'static str,
}

/// A variant that can be drawn: its number, itself, and its AP in points.
type Known<'a> = (usize, &'a Variant, f64);

#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    fn overlap(&self, other: &Self) -> f64 {
        let x = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let y = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        x.max(0.0) * y.max(0.0)
    }
}

/// The drawing; none where no variant has an AP.
pub(super) fn scatter(study: &Study) -> Option<Scatter> {
    let variants = study.variants.iter().enumerate();
    let known: Vec<Known<'_>> = variants.filter_map(|(i, v)| Some((i, v, v.clean.ap? * 100.0))).collect();
    if known.is_empty() {
        return None;
    }
    let times = known.iter().flat_map(|(_, v, _)| [v.latency.p50_ms, v.latency.p99_ms]);
    let heights = known.iter().flat_map(|(_, v, ap)| {
        let [low, high] = interval(v).unwrap_or([*ap; 2]);
        [low, high, *ap]
    });
    let (x, y) = (Axis::around(times.chain([0.0]), 5.0), Axis::around(heights, 5.0));
    let frame = Frame { width: WIDTH, height: HEIGHT, left: 36.0, bottom: 36.0, x, y };
    let largest = known.iter().map(|(_, v, _)| v.model.size_bytes).max().unwrap_or(1).max(1) as f64;
    let radius = |variant: &Variant| (variant.model.size_bytes as f64 / largest).sqrt().mul_add(12.0, 3.0);

    let names: Vec<String> = known.iter().map(|(_, v, _)| shorten(&v.name, 22)).collect();
    let numbers: Vec<String> = known.iter().map(|(i, _, _)| (i + 1).to_string()).collect();
    let (places, covered) = label(&frame, &known, &radius, &names);
    let numbered = covered > 1.0;
    let (places, labels) =
        if numbered { (label(&frame, &known, &radius, &numbers).0, numbers) } else { (places, names) };
    let marks = known.iter().zip(places.iter().zip(labels)).map(|((i, v, ap), (place, label))| {
        let x = frame.px(v.latency.p50_ms);
        // The text hangs at whichever side of its place is nearer to the mark.
        let after = place.x + place.width / 2.0 >= x;
        let (text_x, anchor) = if after { (place.x, "start") } else { (place.x + place.width, "end") };
        Mark {
            index: *i,
            series: i % SERIES.len(),
            x: coordinate(x),
            y: coordinate(frame.py(*ap)),
            radius: coordinate(radius(v)),
            x99: coordinate(frame.px(v.latency.p99_ms)),
            ends: interval(v).map(|[low, high]| (coordinate(frame.py(low)), coordinate(frame.py(high)))),
            name: v.name.clone(),
            values: format!(
                "AP {}, {} ms (p99 {} ms), {} MB",
                points(ap / 100.0),
                ms(v.latency.p50_ms),
                ms(v.latency.p99_ms),
                megabytes(v.model.size_bytes)
            ),
            label,
            text_x: coordinate(text_x),
            text_y: coordinate(place.y + LINE - 3.0),
            anchor,
        }
    });
    Some(Scatter {
        x_ticks: frame.x_ticks(),
        y_ticks: frame.y_ticks(),
        marks: marks.collect(),
        left: coordinate(frame.left),
        right: coordinate(frame.right()),
        top: coordinate(frame.py(frame.y.to)),
        base: coordinate(frame.base()),
        numbered,
    })
}

/// The interval of AP, in points.
fn interval(variant: &Variant) -> Option<[f64; 2]> {
    variant.clean.ap_interval.map(|ends| ends.map(|end| end * 100.0))
}

/// A place for each label, and how much they cover of each other and of the discs.
fn label(
    frame: &Frame,
    known: &[Known<'_>],
    radius: &impl Fn(&Variant) -> f64,
    labels: &[String],
) -> (Vec<Place>, f64) {
    let at = |(_, v, ap): &Known<'_>| (frame.px(v.latency.p50_ms), frame.py(*ap), radius(v));
    let mut taken: Vec<Place> = known
        .iter()
        .map(|of| {
            let (x, y, r) = at(of);
            Place { x: x - r, y: y - r, width: 2.0 * r, height: 2.0 * r }
        })
        .collect();
    // Lines may be crossed if there is no other way; they count less than what cannot be read any more.
    let lines: Vec<Place> = known
        .iter()
        .flat_map(|of| {
            let (x, y, _) = at(of);
            let [low, high] = interval(of.1).map_or([y; 2], |ends| ends.map(|end| frame.py(end)));
            [
                Place { x, y: y - 2.0, width: frame.px(of.1.latency.p99_ms) - x, height: 4.0 },
                Place { x: x - 2.0, y: high, width: 4.0, height: low - high },
            ]
        })
        .collect();
    let mut covered = 0.0;
    let places = known.iter().zip(labels).map(|(of, label)| {
        let place = place(frame, &taken, &lines, at(of), label.chars().count());
        covered += taken.iter().map(|other| place.overlap(other)).sum::<f64>();
        taken.push(place);
        place
    });
    (places.collect(), covered)
}

/// Where a label of `letters` covers the least around a mark.
fn place(
    frame: &Frame,
    taken: &[Place],
    lines: &[Place],
    (x, y, r): (f64, f64, f64),
    letters: usize,
) -> Place {
    let (width, height) = (letters as f64 * LETTER, LINE);
    let gap = r + 4.0;
    let sides = [
        (x + gap, y - height - 2.0),
        (x + gap, y + 3.0),
        (x - gap - width, y - height - 2.0),
        (x - gap - width, y + 3.0),
        (x + 5.0, y - gap - height),
        (x + 5.0, y + gap),
        (x - width - 5.0, y - gap - height),
        (x - width - 5.0, y + gap),
        (x + gap, y - 2.0 * height),
        (x + gap, y + height),
    ];
    let outside = |place: &Place| {
        let over =
            [frame.left - place.x, place.x + width - frame.width, -place.y, place.y + height - frame.base()];
        over.iter().map(|o| o.max(0.0)).sum::<f64>() * 1000.0
    };
    let covered = |place: &Place, by: &[Place]| by.iter().map(|other| place.overlap(other)).sum::<f64>();
    let cost = |place: &Place| outside(place) + 10.0 * covered(place, taken) + covered(place, lines);
    let places = sides.map(|(x, y)| Place { x, y, width, height });
    let best = places.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
    let best = best.copied().unwrap_or(Place { x, y, width, height });
    // Long names near an edge: whatever happens, the label stays in the drawing.
    let x = best.x.min(frame.width - width).max(2.0);
    Place { x, y: best.y.clamp(2.0, frame.base() - height), ..best }
}

/// At most `most` letters.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::study;
    use super::*;

    #[test]
    fn names_stand_at_their_marks_until_they_would_cover_each_other() {
        let mut study = study();
        assert!(!scatter(&study).unwrap().numbered);
        for i in 0..5 {
            let mut variant = study.variants[1].clone();
            variant.name = format!("a-name-of-some-length-{i}");
            study.variants.push(variant);
        }
        let plot = scatter(&study).unwrap();
        assert!(plot.numbered);
        assert_eq!(plot.marks[7].label, "8");
    }
}
