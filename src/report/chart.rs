//! Geometry that the charts share. Rows of bars are as wide as the page lets them, so their places are in percent.

/// A place along an axis, in percent of its length.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}%", share.clamp(0.0, 1.0) * 100.0)
}

/// A labelled place along an axis.
pub(super) struct Tick {
    /// Where: `12.50%`, or a coordinate.
    pub(super) at: String,
    /// What stands there.
    pub(super) label: String,
    /// `start`, `middle` or `end`: at the ends of an axis labels must not be cut off.
    pub(super) anchor: &'static str,
}

/// A range of values that ends at round numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) step: f64,
}

impl Axis {
    /// Around all finite `values`, with about `parts` steps; whole steps at both ends.
    pub(super) fn around(values: impl Iterator<Item = f64>, parts: f64) -> Self {
        let (from, to) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), value| (from.min(value), to.max(value)));
        if from > to {
            return Self { from: 0.0, to: 1.0, step: 0.5 };
        }
        let range = if to - from > 1e-9 { to - from } else { to.abs().max(1.0) * 0.1 };
        let rough = range / parts;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0].map(|m| m * magnitude).into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * magnitude);
        let (low, high) = ((from / step).floor() * step, (to / step).ceil() * step);
        Self { from: low, to: if high > low { high } else { low + step }, step }
    }

    /// Where a value lies, 0 to 1.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Values at which ticks stand.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + use<> {
        let (from, step) = (self.from, self.step);
        let count = ((self.to - self.from) / self.step).round() as usize;
        (0..=count.min(40)).map(move |i| from + i as f64 * step)
    }

    /// A value as its label, with as many decimals as the steps need.
    pub(super) fn label(&self, value: f64) -> String {
        let whole = |places: &i32| {
            let scaled = self.step * 10_f64.powi(*places);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        };
        let places = (0..6).find(whole).unwrap_or(6) as usize;
        let text = format!("{value:.places$}");
        if text.trim_start_matches('-').bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            "0".to_owned()
        } else {
            text.replace('-', "−")
        }
    }

    /// Ticks in percent along the axis.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        self.values()
            .map(|value| {
                let share = self.share(value);
                let anchor = match share {
                    s if s < 0.02 => "start",
                    s if s > 0.98 => "end",
                    _ => "middle",
                };
                Tick { at: percent(share), label: self.label(value), anchor }
            })
            .collect()
    }
}

/// A drawing with axes, in its own units; small enough that a phone shows its text at full size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: f64,
    pub(super) bottom: f64,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

const TOP: f64 = 22.0;
const RIGHT: f64 = 14.0;

impl Frame {
    pub(super) fn px(&self, x: f64) -> f64 {
        self.left + self.x.share(x) * (self.right() - self.left)
    }

    pub(super) fn py(&self, y: f64) -> f64 {
        self.base() - self.y.share(y) * (self.base() - TOP)
    }

    /// Right end of the x axis.
    pub(super) fn right(&self) -> f64 {
        self.width - RIGHT
    }

    /// Height of the x axis.
    pub(super) fn base(&self) -> f64 {
        self.height - self.bottom
    }

    pub(super) fn x_ticks(&self) -> Vec<Tick> {
        let tick =
            |value| Tick { at: coordinate(self.px(value)), label: self.x.label(value), anchor: "middle" };
        self.x.values().map(tick).collect()
    }

    pub(super) fn y_ticks(&self) -> Vec<Tick> {
        let tick = |value| Tick { at: coordinate(self.py(value)), label: self.y.label(value), anchor: "end" };
        self.y.values().map(tick).collect()
    }
}

/// A coordinate with one decimal.
pub(super) fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_around_what_they_show() {
        let axis = Axis::around([18.7, 41.2].into_iter(), 5.0);
        assert_eq!(axis, Axis { from: 15.0, to: 45.0, step: 5.0 });
        assert_eq!(axis.label(20.0), "20");
        assert_eq!(Axis { from: 0.0, to: 1.0, step: 0.25 }.label(0.75), "0.75");
        let small = Axis::around([-0.031, 0.05].into_iter(), 4.0);
        assert!(small.from <= -0.031 && small.to >= 0.05, "{small:?}");
        assert_eq!(small.label(-0.04), "−0.04");
        assert_eq!(small.label(-0.0), "0");
    }

    #[test]
    fn nothing_and_one_value_still_make_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![3.0], vec![0.0, 0.0]] {
            let axis = Axis::around(values.iter().copied(), 4.0);
            assert!(axis.to > axis.from && axis.step > 0.0, "{values:?}: {axis:?}");
            assert!(axis.values().count() <= 41);
        }
    }
}
