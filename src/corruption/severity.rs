use std::fmt;

use serde::{Deserialize, Serialize};

use super::CorruptionError;

/// How strong a corruption is: 0 (none) to 5, the published levels at the integers.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Severity(f64);

impl Severity {
    /// No corruption.
    pub const NONE: Self = Self(0.0);
    /// The strongest published level.
    pub const MAX: Self = Self(5.0);

    /// Checks the range.
    ///
    /// # Errors
    /// Not within 0 … 5, or not a number.
    pub fn new(value: f64) -> Result<Self, CorruptionError> {
        // Also false for NaN.
        if (0.0..=5.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(CorruptionError::Severity { found: value })
        }
    }

    /// The number, 0 … 5.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// Whether this is no corruption at all.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 <= 0.0
    }

    /// A parameter at this severity: `identity` at 0, `levels[i]` at `i + 1`, straight lines between.
    #[must_use]
    pub fn interpolate(self, identity: f64, levels: [f64; 5]) -> f64 {
        let lower = self.0.floor();
        let at = |level: f64| {
            if level < 1.0 { identity } else { levels.get(level as usize - 1).copied().unwrap_or(levels[4]) }
        };
        at(lower) + (at(lower + 1.0) - at(lower)) * (self.0 - lower)
    }

    /// Like [`Severity::interpolate`], along a curve of constant ratio; for parameters that are scales. All
    /// values must be positive.
    #[must_use]
    pub fn interpolate_ratio(self, identity: f64, levels: [f64; 5]) -> f64 {
        self.interpolate(identity.ln(), levels.map(f64::ln)).exp()
    }
}

impl TryFrom<f64> for Severity {
    type Error = CorruptionError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Severity> for f64 {
    fn from(severity: Severity) -> Self {
        severity.0
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_0_to_5_is_a_severity() {
        for bad in [f64::NAN, -0.001, 5.001, 6.0, f64::INFINITY] {
            assert!(Severity::new(bad).unwrap_err().to_string().contains("0 … 5"));
        }
        assert!(Severity::new(0.0).unwrap().is_none());
        assert!(serde_json::from_str::<Severity>("6").is_err());
    }

    #[test]
    fn parameters_hit_the_published_levels_and_move_straight_between() {
        let levels = [0.08, 0.12, 0.18, 0.26, 0.38];
        let at = |s| Severity::new(s).unwrap().interpolate(0.0, levels);
        assert_eq!(at(0.0), 0.0);
        assert_eq!(at(0.5), 0.04);
        for (i, level) in levels.into_iter().enumerate() {
            assert!((at(i as f64 + 1.0) - level).abs() < 1e-12);
        }
        assert!((at(2.5) - 0.15).abs() < 1e-12);
        let ratio = Severity::new(1.5).unwrap().interpolate_ratio(1.0, [2.0, 8.0, 9.0, 10.0, 11.0]);
        assert!((ratio - 4.0).abs() < 1e-12);
    }
}
