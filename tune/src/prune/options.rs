//! When to prune, and what.

use roadproof::compress::sparse::Scope;
use serde::{Deserialize, Serialize};

/// What becomes less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Channels go.
    Structured,
    /// Weights become zero.
    Unstructured,
    /// Two of every four consecutive weights become zero.
    Pattern,
}

/// By what channels or weights are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Their magnitude.
    #[default]
    Magnitude,
    /// What the loss would change without them, to first order: gradient times weight. Molchanov, Mallya, Tyree, Frosio,
    /// Kautz, "Importance Estimation for Neural Network Pruning" (CVPR 2019), equations 8 and 9.
    Taylor,
}

/// Pruning in the loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneOptions {
    /// What becomes less.
    pub method: Method,
    /// Share of the channels or weights that is gone after the last round, above 0 to 0.95; of no meaning for `pattern`.
    #[serde(default)]
    pub rate: f64,
    /// Rounds, 1 to 100; 1 takes all at once.
    #[serde(default = "one")]
    pub rounds: u32,
    /// Steps before the first round.
    #[serde(default)]
    pub first: u64,
    /// Steps between rounds, 1 or more.
    #[serde(default = "every")]
    pub every: u64,
    /// By what they are ranked.
    #[serde(default)]
    pub rank: Rank,
    /// Images behind `taylor`, 1 or more.
    #[serde(default = "images")]
    pub images: u64,
    /// Where the smallest weights are looked for, of `unstructured`.
    #[serde(default)]
    pub scope: Scope,
    /// Channel counts that remain are multiples of this, of `structured`.
    #[serde(default = "multiple")]
    pub multiple: usize,
    /// Names of nodes that stay as they are.
    #[serde(default)]
    pub exclude: Vec<String>,
}

const fn one() -> u32 {
    1
}

const fn every() -> u64 {
    200
}

const fn images() -> u64 {
    64
}

const fn multiple() -> usize {
    1
}

impl PruneOptions {
    /// Checks the values.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn validate(&self) -> Result<(), String> {
        if self.method != Method::Pattern && !(self.rate > 0.0 && self.rate <= 0.95) {
            return Err(format!("`prune.rate`: expected above 0 to 0.95, found {}", self.rate));
        }
        if !(1..=100).contains(&self.rounds) {
            return Err(format!("`prune.rounds`: expected 1 to 100, found {}", self.rounds));
        }
        if self.method == Method::Pattern && self.rounds != 1 {
            return Err(format!("`prune.rounds`: expected 1 with `pattern`, found {}", self.rounds));
        }
        if self.every == 0 || self.images == 0 {
            return Err("`prune.every`, `prune.images`: expected 1 or more, found 0".to_owned());
        }
        Ok(())
    }

    /// In words, such as `structured 0.5 in 3 rounds`.
    #[must_use]
    pub fn describe(&self) -> String {
        let rounds = if self.rounds > 1 { format!(" in {} rounds", self.rounds) } else { String::new() };
        let rank = if self.rank == Rank::Taylor { " by taylor" } else { "" };
        match self.method {
            Method::Structured => format!("structured {}{rank}{rounds}", self.rate),
            Method::Unstructured => format!("unstructured {}{rank}{rounds}", self.rate),
            Method::Pattern => format!("2:4{rank}"),
        }
    }

    /// The round (from 0) that comes before step `step`, where one does.
    #[must_use]
    pub fn due(&self, step: u64) -> Option<u32> {
        let since = step.checked_sub(self.first)?;
        let round = u32::try_from(since / self.every).ok()?;
        (since.is_multiple_of(self.every) && round < self.rounds).then_some(round)
    }

    /// The share that is gone after round `round`: the same share of what is left goes in each.
    #[must_use]
    pub fn so_far(&self, round: u32) -> f64 {
        1.0 - (1.0 - self.rate).powf(f64::from(round + 1) / f64::from(self.rounds))
    }

    /// The share of what is left that goes in a round.
    #[must_use]
    pub fn share(&self) -> f64 {
        1.0 - (1.0 - self.rate).powf(1.0 / f64::from(self.rounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> PruneOptions {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn rounds_end_at_the_rate() {
        let prune = options("method = \"structured\"\nrate = 0.5\nrounds = 3\nfirst = 10\nevery = 20");
        prune.validate().unwrap();
        let due: Vec<(u64, u32)> = (0..100).filter_map(|step| Some((step, prune.due(step)?))).collect();
        assert_eq!(due, [(10, 0), (30, 1), (50, 2)]);
        let left: f64 = (0..3).map(|_| 1.0 - prune.share()).product();
        assert!((left - 0.5).abs() < 1e-12);
        assert!((prune.so_far(2) - 0.5).abs() < 1e-12 && prune.so_far(0) < 0.25);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, said) in [
            ("method = \"structured\"", "prune.rate"),
            ("method = \"unstructured\"\nrate = 1.0", "prune.rate"),
            ("method = \"structured\"\nrate = 0.5\nrounds = 0", "prune.rounds"),
            ("method = \"pattern\"\nrounds = 2", "prune.rounds"),
            ("method = \"structured\"\nrate = 0.5\nevery = 0", "prune.every"),
        ] {
            assert!(options(text).validate().unwrap_err().contains(said), "{text}");
        }
        assert!(toml::from_str::<PruneOptions>("method = \"magic\"").is_err());
    }
}
