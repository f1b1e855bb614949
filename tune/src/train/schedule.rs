//! How far each step goes.

use serde::{Deserialize, Serialize};

/// How the learning rate changes after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decline {
    /// Half a cosine down to the last rate: Loshchilov and Hutter, "SGDR" (ICLR 2017), equation 5, without restarts.
    #[default]
    Cosine,
    /// A straight line down to the last rate.
    Linear,
    /// It stays.
    Constant,
}

/// The learning rate over the steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The highest rate.
    pub rate: f64,
    /// Steps over which it rises to that from nothing, in a straight line.
    pub warm_up: u64,
    /// How it falls.
    pub decline: Decline,
    /// The last rate, as a share of the highest, 0 to 1.
    pub last: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { rate: 5e-4, warm_up: 50, decline: Decline::Cosine, last: 0.01 }
    }
}

impl Schedule {
    /// The rate of step `step` (from 0) of `steps`.
    #[must_use]
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step < self.warm_up {
            return self.rate * (step + 1) as f64 / self.warm_up as f64;
        }
        let length = steps.saturating_sub(self.warm_up).saturating_sub(1).max(1);
        let done = ((step - self.warm_up) as f64 / length as f64).min(1.0);
        let height = match self.decline {
            Decline::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Decline::Linear => 1.0 - done,
            Decline::Constant => 1.0,
        };
        self.rate * (self.last + (1.0 - self.last) * height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_then_falls_to_the_last_rate() {
        for decline in [Decline::Cosine, Decline::Linear] {
            let schedule = Schedule { rate: 2.0, warm_up: 10, decline, last: 0.1 };
            let rates: Vec<f64> = (0..110).map(|step| schedule.at(step, 110)).collect();
            assert!((rates[0] - 0.2).abs() < 1e-12 && (rates[9] - 2.0).abs() < 1e-12);
            assert!((rates[10] - 2.0).abs() < 1e-12 && (rates[109] - 0.2).abs() < 1e-12);
            assert!(rates[10..].windows(2).all(|pair| pair[1] < pair[0]), "{decline:?}");
        }
        let schedule = Schedule { decline: Decline::Constant, warm_up: 0, ..Schedule::default() };
        assert_eq!(schedule.at(7, 10), schedule.rate);
        // more steps of warm-up than steps
        assert!(Schedule { warm_up: 50, ..Schedule::default() }.at(3, 5) < 1e-3);
    }
}
