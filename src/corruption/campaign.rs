//! Campaigns: which corruption, how strong, when, on which camera. The same file serves live injection and replays.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::context::mix;
use super::{Corruption, Severity, Step};

/// The format that this version reads.
const FORMAT: u32 = 1;

/// A schedule of corruptions, read from a TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// Version of the file format, 1.
    pub format: u32,
    /// What it is called in outputs and diagnostics.
    pub name: String,
    /// Whether it starts over when the last segment has ended.
    #[serde(default)]
    pub repeat: bool,
    /// What happens when. Segments of one camera must not overlap.
    #[serde(rename = "segment", default)]
    pub segments: Vec<Segment>,
}

/// When and where a segment acts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<'a> {
    /// Start in seconds from the campaign's beginning.
    pub start_s: f64,
    /// Length in seconds.
    pub duration_s: f64,
    /// Names of the cameras; none means all.
    pub cameras: &'a [String],
}

/// One part of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Segment {
    /// The same corruptions throughout.
    Hold {
        /// Start in seconds.
        start_s: f64,
        /// Length in seconds.
        duration_s: f64,
        /// Names of the cameras; none means all.
        #[serde(default)]
        cameras: Vec<String>,
        /// Applied in order.
        steps: Vec<Step>,
    },
    /// One corruption whose severity moves in a straight line.
    Ramp {
        /// Start in seconds.
        start_s: f64,
        /// Length in seconds.
        duration_s: f64,
        /// Names of the cameras; none means all.
        #[serde(default)]
        cameras: Vec<String>,
        /// What is applied.
        corruption: Corruption,
        /// Severity at the start.
        from: Severity,
        /// Severity at the end.
        to: Severity,
    },
    /// The same corruptions, on and off.
    Pulse {
        /// Start in seconds.
        start_s: f64,
        /// Length in seconds.
        duration_s: f64,
        /// Names of the cameras; none means all.
        #[serde(default)]
        cameras: Vec<String>,
        /// Applied in order while on.
        steps: Vec<Step>,
        /// From one switching on to the next, seconds.
        period_s: f64,
        /// Share of the period that they are on, above 0, at most 1; they are on first.
        duty: f64,
    },
    /// In each interval one corruption and severity, drawn at random from the seed.
    Random {
        /// Start in seconds.
        start_s: f64,
        /// Length in seconds.
        duration_s: f64,
        /// Names of the cameras; none means all. Each camera draws its own.
        #[serde(default)]
        cameras: Vec<String>,
        /// To draw from.
        corruptions: Vec<Corruption>,
        /// Least severity.
        min: Severity,
        /// Greatest severity.
        max: Severity,
        /// Length of an interval, seconds.
        interval_s: f64,
    },
}

/// Why a campaign cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The file cannot be read.
    #[error("campaign {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or holds a key or value that is not a campaign's.
    #[error("campaign {}: {}", .path.display(), .source.to_string().trim_end())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The values do not make sense.
    #[error("campaign {}: {problem}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found, where.
        problem: String,
    },
}

impl Segment {
    /// When and where it acts.
    #[must_use]
    pub fn span(&self) -> Span<'_> {
        let (Self::Hold { start_s, duration_s, cameras, .. }
        | Self::Ramp { start_s, duration_s, cameras, .. }
        | Self::Pulse { start_s, duration_s, cameras, .. }
        | Self::Random { start_s, duration_s, cameras, .. }) = self;
        Span { start_s: *start_s, duration_s: *duration_s, cameras }
    }

    fn problem(&self) -> Option<String> {
        let span = self.span();
        let positive = |key: &str, value: f64| {
            let fine = value.is_finite() && value > 0.0;
            (!fine).then(|| format!("{key} must be above 0, found {value}"))
        };
        if !(span.start_s.is_finite() && span.start_s >= 0.0) {
            return Some(format!("start_s must be at least 0, found {}", span.start_s));
        }
        positive("duration_s", span.duration_s).or_else(|| match self {
            Self::Hold { steps, .. } => steps.is_empty().then(|| "steps is empty".to_owned()),
            Self::Ramp { .. } => None,
            Self::Pulse { steps, period_s, duty, .. } => {
                let duty_fine = *duty > 0.0 && *duty <= 1.0;
                let duty = (!duty_fine).then(|| format!("duty must be above 0 and at most 1, found {duty}"));
                steps
                    .is_empty()
                    .then(|| "steps is empty".to_owned())
                    .or(positive("period_s", *period_s))
                    .or(duty)
            }
            Self::Random { corruptions, min, max, interval_s, .. } => {
                let order = (min > max).then(|| format!("min {min} is above max {max}"));
                let none = corruptions.is_empty().then(|| "corruptions is empty".to_owned());
                none.or(positive("interval_s", *interval_s)).or(order)
            }
        })
    }

    /// Adds what acts `t_s` seconds after the segment's start.
    fn steps(&self, t_s: f64, draw: impl Fn(u64) -> u64, out: &mut Vec<Step>) {
        match self {
            Self::Hold { steps, .. } => out.extend_from_slice(steps),
            Self::Ramp { corruption, from, to, duration_s, .. } => {
                let share = (t_s / duration_s).clamp(0.0, 1.0);
                let severity = from.value() + (to.value() - from.value()) * share;
                push(*corruption, severity, out);
            }
            Self::Pulse { steps, period_s, duty, .. } => {
                if (t_s / period_s).fract() < *duty {
                    out.extend_from_slice(steps);
                }
            }
            Self::Random { corruptions, min, max, interval_s, .. } => {
                let interval = (t_s / interval_s) as u64;
                let which = draw(2 * interval) % corruptions.len().max(1) as u64;
                // 53 bits, as many as a double holds.
                let share = (draw(2 * interval + 1) >> 11) as f64 / (1_u64 << 53) as f64;
                if let Some(corruption) = corruptions.get(which as usize) {
                    push(*corruption, min.value() + (max.value() - min.value()) * share, out);
                }
            }
        }
    }
}

/// Values between two severities are severities.
fn push(corruption: Corruption, severity: f64, out: &mut Vec<Step>) {
    if let Ok(severity) = Severity::new(severity) {
        out.push(Step { corruption, severity });
    }
}

impl Campaign {
    /// Reads and checks a campaign file.
    ///
    /// # Errors
    /// The file cannot be read, is no campaign, or its values do not make sense.
    pub fn load(path: &Path) -> Result<Self, CampaignError> {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| CampaignError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text, path)
    }

    /// Reads and checks the text of a campaign file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Campaign::load`].
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, CampaignError> {
        let parsed = toml::from_str(text);
        let campaign: Self = parsed
            .map_err(|source| CampaignError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        match campaign.problem() {
            None => Ok(campaign),
            Some(problem) => Err(CampaignError::Invalid { path: path.to_owned(), problem }),
        }
    }

    /// From the beginning to the end of the last segment, seconds.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        let ends = self.segments.iter().map(|segment| segment.span().start_s + segment.span().duration_s);
        ends.fold(0.0, f64::max)
    }

    /// What is applied to `camera` at `t_s` seconds from the beginning, into `out` (emptied first). Nothing before
    /// the beginning, nor after the end of a campaign that does not repeat.
    pub fn steps_at(&self, t_s: f64, camera: &str, seed: u64, out: &mut Vec<Step>) {
        out.clear();
        let duration_s = self.duration_s();
        let (round, t_s) = if self.repeat && duration_s > 0.0 {
            ((t_s / duration_s).floor(), t_s.rem_euclid(duration_s))
        } else {
            (0.0, t_s)
        };
        for (i, segment) in self.segments.iter().enumerate() {
            let span = segment.span();
            let here = span.cameras.is_empty() || span.cameras.iter().any(|name| name == camera);
            let since_s = t_s - span.start_s;
            if here && (0.0..span.duration_s).contains(&since_s) {
                let name = camera.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
                let draw = |n| {
                    [i as u64, round as i64 as u64, name, n].iter().fold(mix(seed), |h, p| mix(h ^ mix(*p)))
                };
                segment.steps(since_s, draw, out);
            }
        }
    }

    fn problem(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("format must be {FORMAT}, found {}", self.format));
        }
        if self.segments.is_empty() {
            return Some("there is no [[segment]]".into());
        }
        for (i, segment) in self.segments.iter().enumerate() {
            if let Some(problem) = segment.problem() {
                return Some(format!("segment {}: {problem}", i + 1));
            }
            let a = segment.span();
            for (j, other) in self.segments.iter().enumerate().take(i) {
                let b = other.span();
                let shared = a.cameras.is_empty()
                    || b.cameras.is_empty()
                    || a.cameras.iter().any(|name| b.cameras.contains(name));
                if shared && a.start_s < b.start_s + b.duration_s && b.start_s < a.start_s + a.duration_s {
                    return Some(format!(
                        "segments {} ({} s to {} s) and {} ({} s to {} s) overlap on a camera; several corruptions at once go into the steps of one segment",
                        j + 1,
                        b.start_s,
                        b.start_s + b.duration_s,
                        i + 1,
                        a.start_s,
                        a.start_s + a.duration_s
                    ));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
