//! What the health of a camera means: the diagnostic level, from rules that name the safety-critical classes.
//!
//! Rules are read from a TOML file (`config/health_rules.toml` says what it holds). Every key must be there: a rule that was
//! forgotten should not be a rule that was guessed.

mod decide;
mod error;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use error::RulesError;

/// Version of the file's format; others are refused.
pub const RULES_FORMAT: u32 = 1;

/// A diagnostic level, with the number of `diagnostic_msgs/msg/DiagnosticStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Level {
    /// Nothing to act on.
    Ok = 0,
    /// Something is worse than it should be.
    Warn = 1,
    /// The camera's detections should not be relied upon.
    Error = 2,
}

impl Level {
    /// Its name in files: `ok`, `warn`, `error`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What each status of a class means. `Ok` always means [`Level::Ok`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusLevels {
    /// Worse than the profile.
    pub warn: Level,
    /// Much worse, or lost.
    pub error: Level,
    /// Too few detections to judge.
    pub insufficient_data: Level,
    /// No frame lately.
    pub stale: Level,
}

/// What each state of the image means. `Normal` and `Unknown` always mean [`Level::Ok`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageLevels {
    /// The same picture again and again.
    pub frozen: Level,
    /// Black.
    pub black: Level,
    /// Large parts without structure.
    pub obstructed: Level,
}

/// Rules that make a level of a camera's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// [`RULES_FORMAT`].
    pub format: u32,
    /// Names of the safety-critical classes.
    pub safety_critical: Vec<String>,
    /// What a status of a safety-critical class means.
    pub critical: StatusLevels,
    /// What a status of every other class means.
    pub other: StatusLevels,
    /// What a state of the image means.
    pub image: ImageLevels,
}

impl Default for Rules {
    /// Those of `config/health_rules.toml`: road users and signals of COCO are safety-critical.
    fn default() -> Self {
        let names =
            ["person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "traffic light", "stop sign"];
        Self {
            format: RULES_FORMAT,
            safety_critical: names.map(str::to_owned).to_vec(),
            critical: StatusLevels {
                warn: Level::Warn,
                error: Level::Error,
                insufficient_data: Level::Ok,
                stale: Level::Error,
            },
            other: StatusLevels {
                warn: Level::Ok,
                error: Level::Warn,
                insufficient_data: Level::Ok,
                stale: Level::Warn,
            },
            image: ImageLevels { frozen: Level::Error, black: Level::Error, obstructed: Level::Error },
        }
    }
}

impl Rules {
    /// Reads the rules for a model with these classes.
    ///
    /// # Errors
    /// The file cannot be read or is no rule file, or names a class that the model does not have.
    pub fn load(path: &Path, class_names: &[String]) -> Result<Self, RulesError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RulesError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text, path, class_names)
    }

    /// Like [`Rules::load`], from the text of a file; `path` is only named in errors.
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub fn from_toml(text: &str, path: &Path, class_names: &[String]) -> Result<Self, RulesError> {
        let malformed = |problem: String| RulesError::Malformed { path: path.to_owned(), problem };
        // The format first: a file of another one is told so, not that its keys are unknown.
        let table: toml::Table = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        match table.get("format").map(toml::Value::as_integer) {
            Some(Some(found)) if found == i64::from(RULES_FORMAT) => {}
            Some(Some(found)) => {
                return Err(RulesError::Format { path: path.to_owned(), found, expected: RULES_FORMAT });
            }
            Some(None) => return Err(malformed(format!("`format` must be {RULES_FORMAT}"))),
            None => return Err(malformed(format!("`format = {RULES_FORMAT}` is missing"))),
        }
        let rules: Self = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        rules.check(path, class_names)?;
        Ok(rules)
    }

    /// The built-in rules for a model with these classes: safety-critical are those of [`Rules::default`] that the model has,
    /// and all of its classes where it has none of them, since nothing is known of them then.
    #[must_use]
    pub fn built_in(class_names: &[String]) -> Self {
        let mut rules = Self::default();
        rules.safety_critical.retain(|name| class_names.contains(name));
        if rules.safety_critical.is_empty() {
            rules.safety_critical = class_names.to_vec();
        }
        rules
    }

    fn check(&self, path: &Path, class_names: &[String]) -> Result<(), RulesError> {
        for (index, name) in self.safety_critical.iter().enumerate() {
            if !class_names.contains(name) {
                return Err(RulesError::UnknownClass {
                    path: path.to_owned(),
                    name: name.clone(),
                    nearest: nearest(name, class_names),
                    classes: class_names.len(),
                });
            }
            if self.safety_critical.iter().take(index).any(|before| before == name) {
                return Err(RulesError::TwiceNamed { path: path.to_owned(), name: name.clone() });
            }
        }
        Ok(())
    }

    /// Whether a class is safety-critical.
    #[must_use]
    pub fn is_critical(&self, class_name: &str) -> bool {
        self.safety_critical.iter().any(|name| name == class_name)
    }
}

/// The name that was likely meant, if one is near; case does not count.
fn nearest(name: &str, class_names: &[String]) -> Option<String> {
    let lower = name.to_lowercase();
    let distance = |known: &&String| strsim::damerau_levenshtein(&known.to_lowercase(), &lower);
    let near = class_names.iter().min_by_key(distance)?;
    (distance(&near) <= 1 + name.chars().count() / 4).then(|| near.clone())
}
