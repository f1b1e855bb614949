//! Which corruption the student's picture gets.

use roadproof::corruption::{Corruption, Group, Severity, Step};
use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::error::{DataError, check, check_probability, check_range};

/// A corruption, or all of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Family {
    /// All of one group: `weather`.
    Group(Group),
    /// One of them: `fog`.
    Kind(Corruption),
}

impl Family {
    fn has(self, kind: Corruption) -> bool {
        match self {
            Self::Group(group) => kind.group() == group,
            Self::Kind(own) => kind == own,
        }
    }
}

impl TryFrom<String> for Family {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if let Some(group) = Group::ALL.into_iter().find(|group| group.name() == name) {
            return Ok(Self::Group(group));
        }
        name.parse().map(Self::Kind).map_err(|error| {
            let groups = Group::ALL.map(Group::name).join(", ");
            format!("expected a group of corruptions ({groups}) or a corruption, found '{name}': {error}")
        })
    }
}

impl From<Family> for String {
    fn from(family: Family) -> Self {
        match family {
            Family::Group(group) => group.name().to_owned(),
            Family::Kind(kind) => kind.name().to_owned(),
        }
    }
}

/// How the student's pictures are corrupted; the parent sees them clean.
///
/// One corruption at a time (`roadproof corrupt --list` names them all), each of those allowed as often as any other. Those of
/// the stream are never used: a single picture has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Corruptions {
    /// Probability that a sample is corrupted.
    pub probability: f64,
    /// Groups and corruptions to use; all where there are none.
    pub kinds: Vec<Family>,
    /// Groups and corruptions never to use, for measuring with later.
    pub hold_out: Vec<Family>,
    /// Least and largest severity, 0 to 5; uniform between.
    pub severity: [f64; 2],
    /// Share of the training over which the largest severity rises in a straight line from the least to its own, 0 to 1.
    pub ramp: f64,
}

impl Corruptions {
    /// None.
    #[must_use]
    pub fn off() -> Self {
        Self { probability: 0.0, ..Self::default() }
    }

    /// The corruptions that are drawn from.
    ///
    /// # Errors
    /// An option out of range, one of the stream, or nothing is left to draw.
    pub(super) fn pool(&self, key: &str) -> Result<Vec<Corruption>, DataError> {
        check_probability(&format!("{key}.probability"), self.probability)?;
        let severities = "[low, high], 0 <= low <= high <= 5";
        check_range(&format!("{key}.severity"), self.severity, [0.0, 5.0], severities)?;
        check((0.0..=1.0).contains(&self.ramp), &format!("{key}.ramp"), "a share from 0 to 1", &self.ramp)?;
        let is_stream = |kind: Corruption| kind.group() == Group::Stream;
        let of_stream = |family: &Family| match family {
            Family::Group(group) => *group == Group::Stream,
            Family::Kind(kind) => is_stream(*kind),
        };
        let expected = "corruptions of single pictures, none of the stream";
        check(!self.kinds.iter().any(of_stream), &format!("{key}.kinds"), expected, &self.kinds)?;
        let asked =
            |kind: Corruption| self.kinds.is_empty() || self.kinds.iter().any(|family| family.has(kind));
        let is_held_out = |kind: Corruption| self.hold_out.iter().any(|family| family.has(kind));
        let all = Corruption::ALL.iter().copied();
        let pool: Vec<_> =
            all.filter(|kind| !is_stream(*kind) && asked(*kind) && !is_held_out(*kind)).collect();
        let expected = "a corruption that is left to draw";
        check(
            self.probability <= 0.0 || !pool.is_empty(),
            &format!("{key}.hold_out"),
            expected,
            &self.hold_out,
        )?;
        Ok(pool)
    }

    /// Draws what is done to a sample; `progress` is the share of the training that is done.
    pub(super) fn draw(&self, pool: &[Corruption], progress: f64, dice: &mut Dice) -> Option<Step> {
        if !dice.chance(self.probability) {
            return None;
        }
        let corruption = *pool.get(dice.below(pool.len()))?;
        let risen = if self.ramp > 0.0 { (progress / self.ramp).clamp(0.0, 1.0) } else { 1.0 };
        let [low, high] = self.severity;
        let drawn = dice.between(low, low + (high - low) * risen);
        // two decimals, as they are told
        let severity = Severity::new((drawn * 100.0).round() / 100.0).ok()?;
        (!severity.is_none()).then_some(Step { corruption, severity })
    }
}

impl Default for Corruptions {
    /// Half of the samples, with all corruptions, severities 0.5 to 4, the largest from the middle of the training on.
    fn default() -> Self {
        Self { probability: 0.5, kinds: Vec::new(), hold_out: Vec::new(), severity: [0.5, 4.0], ramp: 0.5 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Purpose;
    use super::*;

    fn drawn(options: &Corruptions, progress: f64) -> Vec<Step> {
        let pool = options.pool("corruption").unwrap();
        let draw = |number| options.draw(&pool, progress, &mut Dice::new(5, Purpose::Corruption, number, 0));
        (0..4000).filter_map(draw).collect()
    }

    #[test]
    fn what_is_held_out_and_the_stream_never_come() {
        let options: Corruptions =
            toml::from_str("probability = 1.0\nhold_out = [\"weather\", \"jpeg_compression\"]").unwrap();
        let steps = drawn(&options, 1.0);
        assert_eq!(steps.len(), 4000);
        let wrong = |step: &Step| {
            matches!(step.corruption.group(), Group::Weather | Group::Stream)
                || step.corruption == Corruption::JpegCompression
        };
        assert!(!steps.iter().any(wrong));
        let mut kinds: Vec<_> = steps.iter().map(|step| step.corruption).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), options.pool("").unwrap().len(), "all others come");
    }

    #[test]
    fn only_what_is_asked_for_comes() {
        let options: Corruptions =
            toml::from_str("probability = 0.25\nkinds = [\"fog\", \"noise\"]\nhold_out = [\"shot_noise\"]")
                .unwrap();
        let steps = drawn(&options, 1.0);
        assert!((800..1200).contains(&steps.len()), "{}", steps.len());
        let right = |step: &Step| {
            step.corruption == Corruption::Fog
                || step.corruption.group() == Group::Noise && step.corruption != Corruption::ShotNoise
        };
        assert!(steps.iter().all(right));
    }

    #[test]
    fn severities_rise_with_the_training() {
        let options =
            Corruptions { probability: 1.0, severity: [1.0, 4.0], ramp: 0.5, ..Corruptions::default() };
        for (progress, expected) in [(0.0, 1.0), (0.25, 2.5), (0.5, 4.0), (1.0, 4.0)] {
            let steps = drawn(&options, progress);
            let largest = steps.iter().map(|step| step.severity.value()).fold(0.0, f64::max);
            assert!((largest - expected).abs() < 0.02, "{largest} at {progress}");
            assert!(steps.iter().all(|step| step.severity.value() >= 1.0));
        }
    }

    #[test]
    fn severity_zero_is_no_corruption() {
        let options = Corruptions { probability: 1.0, severity: [0.0, 4.0], ..Corruptions::default() };
        assert_eq!(drawn(&options, 0.0), []);
    }

    #[test]
    fn wrong_options_are_named() {
        let message = |options: Corruptions| options.pool("corruption").unwrap_err().to_string();
        let groups = |groups: &[Group]| groups.iter().copied().map(Family::Group).collect::<Vec<_>>();
        let base = Corruptions::default;
        assert!(
            message(Corruptions { kinds: groups(&[Group::Stream]), ..base() }).contains("corruption.kinds")
        );
        let nothing = Corruptions { hold_out: groups(&Group::ALL), ..base() };
        assert!(message(nothing).contains("corruption.hold_out"));
        assert!(message(Corruptions { severity: [1.0, 6.0], ..base() }).contains("corruption.severity"));
        assert!(message(Corruptions { ramp: 2.0, ..base() }).contains("corruption.ramp"));
        let error = toml::from_str::<Corruptions>("kinds = [\"fogg\"]").unwrap_err().to_string();
        assert!(error.contains("did you mean 'fog'"), "{error}");
        assert!(toml::from_str::<Corruptions>("severities = [1, 2]").is_err());
    }
}
