use std::fmt;
use std::str::FromStr;

use super::condition::ConditionError;
use crate::corruption::Group;
use crate::evaluation::Variant;

/// A figure of a variant that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// AP on clean images.
    Ap,
    /// AP at an IoU of 0.5.
    Ap50,
    /// AP at an IoU of 0.75.
    Ap75,
    /// AP of the worst class, whichever that is.
    WorstClassAp,
    /// Mean AP under corruption.
    Mpc,
    /// The same for one group.
    MpcOf(Group),
    /// `mpc` relative to clean AP.
    Rpc,
    /// Calibration error of scores.
    DEce,
    /// Median latency.
    LatencyP50,
    /// 99th percentile of latency.
    LatencyP99,
    /// Size of the model's file.
    SizeBytes,
}

impl Metric {
    /// All of them, in the order of the table.
    pub const ALL: &'static [Self] = &[
        Self::WorstClassAp,
        Self::Ap,
        Self::Ap50,
        Self::Ap75,
        Self::Mpc,
        Self::MpcOf(Group::Noise),
        Self::MpcOf(Group::Blur),
        Self::MpcOf(Group::Weather),
        Self::MpcOf(Group::Digital),
        Self::MpcOf(Group::Camera),
        Self::MpcOf(Group::Stream),
        Self::Rpc,
        Self::DEce,
        Self::LatencyP50,
        Self::LatencyP99,
        Self::SizeBytes,
    ];

    /// The name in conditions and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ap => "ap",
            Self::Ap50 => "ap50",
            Self::Ap75 => "ap75",
            Self::WorstClassAp => "worst_class_ap",
            Self::Mpc => "mpc",
            Self::MpcOf(Group::Noise) => "mpc_noise",
            Self::MpcOf(Group::Blur) => "mpc_blur",
            Self::MpcOf(Group::Weather) => "mpc_weather",
            Self::MpcOf(Group::Digital) => "mpc_digital",
            Self::MpcOf(Group::Camera) => "mpc_camera",
            Self::MpcOf(Group::Stream) => "mpc_stream",
            Self::Rpc => "rpc",
            Self::DEce => "d_ece",
            Self::LatencyP50 => "latency_p50_ms",
            Self::LatencyP99 => "latency_p99_ms",
            Self::SizeBytes => "size_bytes",
        }
    }

    /// Its value; none where the study has none.
    #[must_use]
    pub fn value(self, variant: &Variant) -> Option<f64> {
        match self {
            Self::Ap => variant.clean.ap,
            Self::Ap50 => variant.clean.ap50,
            Self::Ap75 => variant.clean.ap75,
            Self::WorstClassAp => variant.worst_class.as_ref().map(|worst| worst.ap),
            Self::Mpc => variant.robustness.mpc,
            Self::MpcOf(group) => variant
                .robustness
                .groups
                .iter()
                .find(|entry| entry.group == group)
                .and_then(|entry| entry.mpc),
            Self::Rpc => variant.robustness.rpc,
            Self::DEce => variant.calibration.d_ece,
            Self::LatencyP50 => Some(variant.latency.p50_ms),
            Self::LatencyP99 => Some(variant.latency.p99_ms),
            Self::SizeBytes => Some(variant.model.size_bytes as f64),
        }
    }

    /// Whether more of it is better.
    #[must_use]
    pub const fn more_is_better(self) -> bool {
        !matches!(self, Self::DEce | Self::LatencyP50 | Self::LatencyP99 | Self::SizeBytes)
    }

    /// A value as it is printed, in the unit that conditions use.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::SizeBytes => format!("{value:.0}"),
            Self::LatencyP50 | Self::LatencyP99 => format!("{value:.2}"),
            _ => format!("{value:.4}"),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = ConditionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name).ok_or_else(|| {
            let distance = |metric: &Self| strsim::damerau_levenshtein(metric.name(), &name.to_lowercase());
            let nearest = Self::ALL.iter().copied().min_by_key(distance);
            let nearest = nearest.filter(|metric| distance(metric) <= 1 + name.len() / 3).map(Self::name);
            ConditionError::Metric { found: name.to_owned(), nearest }
        })
    }
}
