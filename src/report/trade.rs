//! Accuracy against latency and size.

use super::chart::{Axis, Frame, Tick, coordinate};
use super::number::{megabytes, ms, points};
use super::palette::SERIES;
use crate::evaluation::Study;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 280.0;
/// How wide a letter of a label is.
const LETTER: f64 = 6.5;
const LINE: f64 = 12.0;

pub(super) struct Scatter {
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    pub(super) marks: Vec<Mark>,
    pub(super) left: String,
    pub(super) right: String,
    pub(super) top: String,
    pub(super) base: String,
    pub(super) label: String,
}

pub(super) struct Mark {
    pub(super) series: usize,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) radius: String,
    /// End of the line to the 99th percentile.
    pub(super) x99: String,
    /// Ends of the interval.
    pub(super) ends: Option<(String, String)>,
    pub(super) name: String,
    pub(super) note: String,
    pub(super) text_x: String,
    pub(super) text_y: String,
    pub(super) note_y: String,
    pub(super) anchor: &'static str,
}

#[derive(Clone, Copy)]
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
    let known: Vec<_> =
        study.variants.iter().enumerate().filter_map(|(i, v)| Some((i, v, v.clean.ap? * 100.0))).collect();
    if known.is_empty() {
        return None;
    }
    let times = known.iter().flat_map(|(_, v, _)| [v.latency.p50_ms, v.latency.p99_ms]);
    let heights = known.iter().flat_map(|(_, v, ap)| {
        let [low, high] = v.clean.ap_interval.map_or([*ap; 2], |ends| ends.map(|end| end * 100.0));
        [low, high, *ap]
    });
    let x = Axis::around(times.chain([0.0]), 5.0);
    let frame =
        Frame { width: WIDTH, height: HEIGHT, left: 36.0, bottom: 36.0, x, y: Axis::around(heights, 5.0) };
    let largest = known.iter().map(|(_, v, _)| v.model.size_bytes).max().unwrap_or(1).max(1) as f64;
    let radius = |bytes: u64| (bytes as f64 / largest).sqrt().mul_add(12.0, 3.0);

    let mut taken: Vec<Place> = known
        .iter()
        .flat_map(|(_, v, ap)| {
            let (x, y, r) = (frame.px(v.latency.p50_ms), frame.py(*ap), radius(v.model.size_bytes));
            let tail = frame.px(v.latency.p99_ms) - x;
            let [low, high] =
                v.clean.ap_interval.map_or([y; 2], |ends| ends.map(|end| frame.py(end * 100.0)));
            [
                Place { x: x - r, y: y - r, width: 2.0 * r, height: 2.0 * r },
                Place { x, y: y - 2.0, width: tail, height: 4.0 },
                Place { x: x - 2.0, y: high, width: 4.0, height: low - high },
            ]
        })
        .collect();
    let marks = known.iter().map(|(i, v, ap)| {
        let (x, y, r) = (frame.px(v.latency.p50_ms), frame.py(*ap), radius(v.model.size_bytes));
        let note = format!("{} MB, {} ms", megabytes(v.model.size_bytes), ms(v.latency.p50_ms));
        let name = shorten(&v.name, 22);
        let place = place(&frame, &taken, (x, y, r), name.chars().count().max(note.chars().count()));
        taken.push(place);
        // The text hangs at whichever side of its place is nearer to the mark.
        let after = place.x + place.width / 2.0 >= x;
        let (text_x, anchor) = if after { (place.x, "start") } else { (place.x + place.width, "end") };
        Mark {
            series: i % SERIES.len(),
            x: coordinate(x),
            y: coordinate(y),
            radius: coordinate(r),
            x99: coordinate(frame.px(v.latency.p99_ms)),
            ends: v
                .clean
                .ap_interval
                .map(|[low, high]| (coordinate(frame.py(low * 100.0)), coordinate(frame.py(high * 100.0)))),
            name,
            note,
            text_x: coordinate(text_x),
            text_y: coordinate(place.y + LINE - 2.0),
            note_y: coordinate(place.y + 2.0 * LINE - 2.0),
            anchor,
        }
    });
    let marks = marks.collect();
    let told = known.iter().map(|(_, v, ap)| {
        format!(
            "{}: AP {}, median {} ms, {} MB",
            v.name,
            points(ap / 100.0),
            ms(v.latency.p50_ms),
            megabytes(v.model.size_bytes)
        )
    });
    Some(Scatter {
        x_ticks: frame.x_ticks(),
        y_ticks: frame.y_ticks(),
        marks,
        left: coordinate(frame.left),
        right: coordinate(frame.right()),
        top: coordinate(frame.py(frame.y.to)),
        base: coordinate(frame.base()),
        label: told.collect::<Vec<_>>().join("; "),
    })
}

/// Where a label of `letters` covers the least around a mark.
fn place(frame: &Frame, taken: &[Place], (x, y, r): (f64, f64, f64), letters: usize) -> Place {
    let (width, height) = (letters as f64 * LETTER, 2.0 * LINE);
    let gap = r + 4.0;
    let sides = [
        (x + gap, y - height - 2.0),
        (x + gap, y + 4.0),
        (x - gap - width, y - height - 2.0),
        (x - gap - width, y + 4.0),
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
    let cost = |place: &Place| outside(place) + taken.iter().map(|other| place.overlap(other)).sum::<f64>();
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
