//! From ranges to scales, from floats to integers.
//!
//! `real = (integer - zero point) * scale`, as in ONNX's `QuantizeLinear`, with rounding half to even.

use super::Activations;
use super::observe::Range;

/// Scale and zero point of an activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Params {
    pub(super) scale: f32,
    pub(super) zero_point: i32,
}

impl Params {
    pub(super) fn new(range: Range, kind: Activations) -> Self {
        let (low, high) = (range.low.min(0.0), range.high.max(0.0));
        match kind {
            Activations::Uint8 => {
                let scale = positive((high - low) / 255.0);
                Self {
                    scale,
                    zero_point: (-low / f64::from(scale)).round_ties_even().clamp(0.0, 255.0) as i32,
                }
            }
            Activations::Int8 => Self { scale: positive(high.max(-low) / 127.0), zero_point: 0 },
        }
    }

    pub(super) fn quantise(self, value: f32, kind: Activations) -> i32 {
        let (low, high) = match kind {
            Activations::Uint8 => (0, 255),
            Activations::Int8 => (-128, 127),
        };
        ((value / self.scale).round_ties_even() as i32).saturating_add(self.zero_point).clamp(low, high)
    }
}

/// A tensor of zeros has any scale, but not zero.
fn positive(scale: f64) -> f32 {
    let scale = scale as f32;
    if scale.is_normal() && scale > 0.0 { scale } else { 1.0 }
}

/// Weights of one scale per channel, symmetric around zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    pub(super) scales: Vec<f32>,
    pub(super) values: Vec<i8>,
    /// Signal to quantisation noise, dB.
    pub(super) sqnr_db: f64,
}

impl Weights {
    /// Quantises a tensor of `dims` by the channels of `axis` into -127..=127. With `bias` and the input's scale the
    /// scales are kept large enough for the bias to fit into 32 bits.
    pub(super) fn new(values: &[f32], dims: &[i64], axis: usize, bias: Option<(&[f32], f32)>) -> Self {
        let side = |dims: &[i64]| dims.iter().product::<i64>().max(1) as usize;
        let channels = dims.get(axis).map_or(1, |side| (*side).max(1) as usize);
        let inner = side(dims.get(axis + 1..).unwrap_or_default());
        let channel_of = |index: usize| index / inner % channels;
        let mut largest = vec![0f32; channels];
        for (index, value) in values.iter().enumerate() {
            if let Some(largest) = largest.get_mut(channel_of(index)) {
                *largest = largest.max(value.abs());
            }
        }
        let scale = |(channel, largest): (usize, &f32)| {
            let scale = positive(f64::from(*largest) / 127.0);
            let least = bias.and_then(|(bias, input)| {
                bias.get(channel).map(|bias| bias.abs() / input / (1 << 30) as f32)
            });
            scale.max(least.unwrap_or(0.0))
        };
        let scales: Vec<f32> = largest.iter().enumerate().map(scale).collect();
        let (mut signal, mut noise) = (0f64, 0f64);
        let quantise = |(index, value): (usize, &f32)| {
            let scale = scales.get(channel_of(index)).copied().unwrap_or(1.0);
            let integer = (value / scale).round_ties_even().clamp(-127.0, 127.0);
            let error = f64::from(integer.mul_add(-scale, *value));
            signal += f64::from(*value) * f64::from(*value);
            noise += error * error;
            integer as i8
        };
        let values = values.iter().enumerate().map(quantise).collect();
        let sqnr_db = if noise > 0.0 { 10.0 * (signal / noise).log10() } else { f64::INFINITY };
        Self { scales, values, sqnr_db }
    }
}

/// A bias in steps of input scale × weight scale.
pub(super) fn bias(values: &[f32], input_scale: f32, scales: &[f32]) -> (Vec<f32>, Vec<i32>) {
    let steps: Vec<f32> = scales.iter().map(|scale| scale * input_scale).collect();
    let quantise =
        |(value, step): (&f32, &f32)| (f64::from(*value) / f64::from(*step)).round_ties_even() as i32;
    let integers = values.iter().zip(&steps).map(quantise).collect();
    (steps, integers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact() {
        for (low, high) in [(-1.0, 3.0), (0.0, 6.0), (-5.0, 0.0), (-0.001, 1000.0)] {
            let params = Params::new(Range { low, high }, Activations::Uint8);
            assert_eq!(params.quantise(0.0, Activations::Uint8), params.zero_point);
            let steps = params.quantise(high as f32, Activations::Uint8)
                - params.quantise(low as f32, Activations::Uint8);
            assert!((254..=255).contains(&steps), "{steps}");
        }
    }

    #[test]
    fn channels_have_scales_of_their_own() {
        // 2 x 2 x 1: channel 0 holds ±1, channel 1 ±100
        let values = [1.0, -1.0, 100.0, -50.0];
        let by_row = Weights::new(&values, &[2, 2, 1], 0, None);
        assert_eq!(by_row.scales, [1.0 / 127.0, 100.0 / 127.0]);
        assert_eq!(by_row.values, [127, -127, 127, -64]);
        let by_column = Weights::new(&values, &[2, 2], 1, None);
        assert_eq!(by_column.scales, [100.0 / 127.0, 50.0 / 127.0]);
        assert!(by_row.sqnr_db > 30.0);
    }

    #[test]
    fn a_large_bias_fits() {
        let weights = Weights::new(&[1e-9], &[1, 1], 0, Some((&[1000.0], 0.01)));
        let (steps, integers) = bias(&[1000.0], 0.01, &weights.scales);
        let back = f64::from(integers[0]) * f64::from(steps[0]);
        assert!((back - 1000.0).abs() < 1.0, "{back}");
    }

    #[test]
    fn a_tensor_of_zeros_has_a_scale() {
        assert_eq!(Params::new(Range { low: 0.0, high: 0.0 }, Activations::Uint8).scale, 1.0);
        assert_eq!(Weights::new(&[0.0; 4], &[2, 2], 0, None).scales, [1.0, 1.0]);
    }
}
