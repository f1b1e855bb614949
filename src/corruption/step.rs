use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Corruption, CorruptionError, Severity};

/// A corruption with its severity; written `fog:2.5`. A list of steps is applied in order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Step {
    /// What is done to the picture.
    pub corruption: Corruption,
    /// How strongly.
    pub severity: Severity,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.corruption, self.severity)
    }
}

impl FromStr for Step {
    type Err = CorruptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || CorruptionError::Step { found: text.to_owned() };
        let (name, severity) = text.split_once(':').ok_or_else(wrong)?;
        let corruption = name.trim().parse()?;
        let severity = Severity::new(severity.trim().parse().map_err(|_| wrong())?)?;
        Ok(Self { corruption, severity })
    }
}

impl TryFrom<String> for Step {
    type Error = CorruptionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Step> for String {
    fn from(step: Step) -> Self {
        step.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_written_as_they_are_read() {
        let step: Step = "fog:2.5".parse().unwrap();
        assert_eq!((step.corruption, step.severity.value()), (Corruption::Fog, 2.5));
        assert_eq!(step.to_string(), "fog:2.5");
        assert_eq!(serde_json::to_string(&step).unwrap(), "\"fog:2.5\"");
        assert_eq!(serde_json::from_str::<Step>("\"fog:2.5\"").unwrap(), step);
        for bad in ["fog", "fog:", "fog:thick", "fgo:1", "fog:9", ":", ""] {
            assert!(bad.parse::<Step>().is_err(), "{bad}");
        }
    }
}
