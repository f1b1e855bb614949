//! The values of one tensor over all calibration images, and the range that is kept of them.

use super::{Calibration, Options};

/// Bins between the smallest and the largest value.
const BINS: usize = 2048;
/// Ranges that MSE and entropy choose from: the whole one, and down to 30 % of it.
const CANDIDATES: usize = 71;
const STEP: f64 = 0.01;
/// Steps of an 8-bit tensor.
const LEVELS: usize = 255;

/// Smallest and largest value kept; zero is always between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Streams over a tensor's values: first for the extremes, then (not for min-max) for the histogram between them.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    low: f32,
    high: f32,
    bins: Vec<u64>,
}

impl Observer {
    pub(super) const fn new() -> Self {
        Self { low: 0.0, high: 0.0, bins: Vec::new() }
    }

    /// Takes in the extremes; the first value that is not finite is the error.
    pub(super) fn extremes(&mut self, values: &[f32]) -> Result<(), f32> {
        let (mut low, mut high, mut sum) = (self.low, self.high, 0f32);
        for &value in values {
            low = low.min(value);
            high = high.max(value);
            sum += value * 0.0; // NaN as soon as one is not finite
        }
        if sum != 0.0 {
            return Err(values.iter().copied().find(|value| !value.is_finite()).unwrap_or(sum));
        }
        (self.low, self.high) = (low, high);
        Ok(())
    }

    /// Counts values, after all extremes are known.
    pub(super) fn count(&mut self, values: &[f32]) {
        if self.bins.is_empty() {
            self.bins = vec![0; BINS];
        }
        let factor = BINS as f32 / (self.high - self.low).max(f32::MIN_POSITIVE);
        for &value in values {
            let bin = ((value - self.low) * factor) as usize;
            if let Some(bin) = self.bins.get_mut(bin.min(BINS - 1)) {
                *bin += 1;
            }
        }
    }

    /// Everything that was seen.
    pub(super) fn whole(&self) -> Range {
        Range { low: f64::from(self.low), high: f64::from(self.high) }
    }

    /// The range that the method keeps.
    pub(super) fn range(&self, options: &Options) -> Range {
        let whole = self.whole();
        match options.calibration {
            _ if self.bins.is_empty() || self.low >= self.high => whole,
            Calibration::Minmax => whole,
            Calibration::Percentile => self.percentile(whole, options.percentile),
            Calibration::Mse => best(whole, |range| self.squared_error(whole, range)),
            Calibration::Entropy => best(whole, |range| self.divergence(whole, range)),
        }
    }

    fn width(whole: Range) -> f64 {
        (whole.high - whole.low) / BINS as f64
    }

    /// Cuts off `100 - share` percent of the values, half of it at each end.
    fn percentile(&self, whole: Range, share: f64) -> Range {
        let total: u64 = self.bins.iter().sum();
        let spare = total as f64 * (1.0 - share / 100.0) / 2.0;
        let bins_beyond = |bins: &mut dyn Iterator<Item = &u64>| {
            let mut sum = 0.0;
            bins.take_while(|count| {
                sum += **count as f64;
                sum <= spare
            })
            .count() as f64
        };
        let below = bins_beyond(&mut self.bins.iter());
        let above = bins_beyond(&mut self.bins.iter().rev());
        let width = Self::width(whole);
        Range {
            low: below.mul_add(width, whole.low).min(0.0),
            high: above.mul_add(-width, whole.high).max(0.0),
        }
    }

    /// Sum of squared errors: a step's variance (step²/12) inside of the range, the distance to it outside.
    fn squared_error(&self, whole: Range, range: Range) -> f64 {
        let width = Self::width(whole);
        let step = (range.high - range.low) / LEVELS as f64;
        let inside = step * step / 12.0;
        let of_bin = |(bin, count): (usize, &u64)| {
            let value = (bin as f64 + 0.5).mul_add(width, whole.low);
            let beyond = (range.low - value).max(value - range.high).max(0.0);
            *count as f64 * beyond.mul_add(beyond, inside)
        };
        self.bins.iter().enumerate().map(of_bin).sum()
    }

    /// Kullback-Leibler divergence of the quantised distribution from the clipped one, as in Migacz, "8-bit Inference
    /// with TensorRT" (GTC 2017), here for a range of two ends.
    fn divergence(&self, whole: Range, range: Range) -> f64 {
        let width = Self::width(whole);
        let bin_of = |value: f64| (((value - whole.low) / width) as usize).min(BINS - 1);
        let (first, last) = (bin_of(range.low), bin_of(range.high - width / 2.0));
        let Some(inside) = self.bins.get(first..=last) else { return f64::INFINITY };
        let mut clipped: Vec<f64> = inside.iter().map(|count| *count as f64).collect();
        let below: u64 = self.bins.iter().take(first).sum();
        let above: u64 = self.bins.iter().skip(last + 1).sum();
        if let Some(bin) = clipped.first_mut() {
            *bin += below as f64;
        }
        if let Some(bin) = clipped.last_mut() {
            *bin += above as f64;
        }
        let total: f64 = clipped.iter().sum();
        let kept: f64 = inside.iter().map(|count| *count as f64).sum();
        if kept <= 0.0 {
            return f64::INFINITY;
        }
        let mut sum = 0.0;
        for level in 0..LEVELS {
            let bounds = level * clipped.len() / LEVELS..(level + 1) * clipped.len() / LEVELS;
            let Some((p, raw)) = clipped.get(bounds.clone()).zip(inside.get(bounds)) else { continue };
            let filled = p.iter().filter(|count| **count > 0.0).count().max(1) as f64;
            let q = raw.iter().map(|count| *count as f64).sum::<f64>() / filled / kept;
            for p in p.iter().map(|count| count / total).filter(|p| *p > 0.0) {
                sum += p * (p / q.max(1e-12)).ln();
            }
        }
        sum
    }
}

/// The range of the least cost: both ends together first, then each on its own.
fn best(whole: Range, cost: impl Fn(Range) -> f64) -> Range {
    let factors = || (0..CANDIDATES).map(|step| (step as f64).mul_add(-STEP, 1.0));
    let least = |ranges: &mut dyn Iterator<Item = Range>| {
        ranges
            .map(|range| (cost(range), range))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(whole, |best| best.1)
    };
    let both = least(&mut factors().map(|f| Range { low: whole.low * f, high: whole.high * f }));
    let low = least(&mut factors().map(|f| Range { low: whole.low * f, ..both }));
    least(&mut factors().map(|f| Range { high: whole.high * f, ..low }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(calibration: Calibration) -> Options {
        Options { calibration, ..Options::default() }
    }

    fn observed(values: &[f32]) -> Observer {
        let mut observer = Observer::new();
        observer.extremes(values).unwrap();
        observer.count(values);
        observer
    }

    /// A bell of ±1 with one outlier at 20.
    fn bell() -> Vec<f32> {
        let mut values: Vec<f32> =
            (0..400_000).map(|n| f32::midpoint((n as f32 * 0.37).sin(), (n as f32 * 0.91).sin())).collect();
        values.push(20.0);
        values
    }

    #[test]
    fn min_max_keeps_everything_and_zero() {
        let range = observed(&[3.0, 5.0, 4.0]).range(&of(Calibration::Minmax));
        assert_eq!(range, Range { low: 0.0, high: 5.0 });
    }

    #[test]
    fn the_others_leave_an_outlier_out() {
        let observer = observed(&bell());
        for method in [Calibration::Percentile, Calibration::Mse, Calibration::Entropy] {
            let range = observer.range(&of(method));
            assert!(range.high < 15.0 && range.high > 0.5, "{method:?} {range:?}");
            assert!(range.low < -0.2, "{method:?} {range:?}");
        }
    }

    #[test]
    fn what_is_not_finite_is_told() {
        let mut observer = Observer::new();
        assert_eq!(observer.extremes(&[1.0, f32::INFINITY]), Err(f32::INFINITY));
        assert!(observer.extremes(&[f32::NAN, 1.0]).unwrap_err().is_nan());
    }

    #[test]
    fn a_constant_tensor_has_a_range() {
        assert_eq!(observed(&[0.0; 9]).range(&of(Calibration::Mse)), Range { low: 0.0, high: 0.0 });
        let range = observed(&[2.0; 9]).range(&of(Calibration::Percentile));
        assert!(range.low == 0.0 && range.high >= 1.9, "{range:?}");
    }
}
