//! The normal distribution as a table over sixteen random bits.

use std::sync::OnceLock;

use statrs::distribution::{ContinuousCDF as _, Normal};

/// Number of different sixteen-bit numbers.
pub(super) const SIZE: usize = 1 << 16;

/// Quantiles of the standard normal distribution at (i + ½) / 65536; they reach ±4.3 standard deviations.
pub(in crate::corruption) fn normal_quantiles() -> &'static [f32] {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let normal = Normal::standard();
        (0..SIZE).map(|i| normal.inverse_cdf((i as f64 + 0.5) / SIZE as f64) as f32).collect()
    })
}
