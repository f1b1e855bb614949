//! How the students of a study are compressed.

use roadproof::compress::recipe::Step;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

/// One level of compression. In files `name`, `method` (`none`, `structured` or `unstructured`) and the options of that
/// method, as in a recipe of `roadproof compress`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compression {
    /// Its name, and so of its folders.
    pub name: String,
    /// What is done to the parent; `None` for the parent as it is.
    pub step: Option<Step>,
}

/// What is done, in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Nothing.
    None,
    /// Channels go.
    Structured,
    /// Weights become zero.
    Unstructured,
}

impl Method {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Structured => "structured",
            Self::Unstructured => "unstructured",
        }
    }
}

impl Compression {
    /// What is done, in kind.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self.step {
            None => Method::None,
            Some(Step::Structured(_)) => Method::Structured,
            Some(_) => Method::Unstructured,
        }
    }

    /// The share of channels or weights that goes, 0 to 0.95.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.step.as_ref().and_then(Step::rate).unwrap_or(0.0)
    }
}

impl<'de> Deserialize<'de> for Compression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let Some(Value::String(name)) = table.remove("name") else {
            return Err(D::Error::custom("expected `name`, a string"));
        };
        let wrong = |problem: String| D::Error::custom(format!("compression `{name}`: {problem}"));
        let step = match table.get("method").and_then(Value::as_str) {
            Some("none") => {
                let known = ["method", "rate"];
                if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
                    return Err(wrong(format!("`{key}` has no meaning with method `none`")));
                }
                let zero = [Value::Float(0.0), Value::Integer(0)];
                if let Some(rate) = table.get("rate").filter(|rate| !zero.contains(rate)) {
                    return Err(wrong(format!("`rate`: expected 0 with method `none`, found {rate}")));
                }
                None
            }
            Some("structured" | "unstructured") => {
                Some(Step::deserialize(table).map_err(|error| wrong(error.to_string()))?)
            }
            found => {
                let found = found.unwrap_or("nothing");
                return Err(wrong(format!(
                    "`method`: expected none, structured or unstructured, found {found}"
                )));
            }
        };
        Ok(Self { name, step })
    }
}

/// The levels of a study that names none: those of the published one in kind, at rates that a small detector survives.
pub(super) fn levels() -> Vec<Compression> {
    use roadproof::compress::recipe::{Structured, Unstructured};
    use roadproof::compress::reconstruct::Reconstruct::Weights;
    use roadproof::compress::{channels, sparse};

    let structured = |rate: f64| Compression {
        name: format!("structured{:.0}", rate * 100.0),
        step: Some(Step::Structured(Structured {
            options: channels::Options {
                rate,
                importance: channels::Importance::default(),
                spread: channels::Spread::default(),
                multiple: 1,
                exclude: Vec::new(),
            },
            reconstruct: Weights,
        })),
    };
    let unstructured = |rate: f64| Compression {
        name: format!("unstructured{:.0}", rate * 100.0),
        step: Some(Step::Unstructured(Unstructured {
            options: sparse::Options { rate, scope: sparse::Scope::default(), exclude: Vec::new() },
            reconstruct: Weights,
        })),
    };
    let none = Compression { name: "none".to_owned(), step: None };
    let pruned = [0.3, 0.5, 0.7].map(structured).into_iter().chain([0.5, 0.8].map(unstructured));
    std::iter::once(none).chain(pruned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Compression, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_level_is_read_with_the_options_of_its_method() {
        let level = read(
            "name = \"c50\"\nmethod = \"structured\"\nrate = 0.5\nimportance = \"redundancy\"\nreconstruct = \"weights\"",
        );
        let level = level.unwrap();
        assert_eq!((level.method(), level.rate()), (Method::Structured, 0.5));
        assert_eq!(level.step.unwrap().needs_images_for(), Some("reconstruction"));
        let none = read("name = \"none\"\nmethod = \"none\"\nrate = 0.0").unwrap();
        assert_eq!((none.method(), none.rate()), (Method::None, 0.0));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, said) in [
            ("method = \"none\"", "name"),
            ("name = \"a\"\nmethod = \"none\"\nrate = 0.5", "expected 0"),
            ("name = \"a\"\nmethod = \"none\"\nimportance = \"l1\"", "`importance`"),
            ("name = \"a\"\nmethod = \"int8\"", "found int8"),
            ("name = \"a\"", "found nothing"),
            ("name = \"a\"\nmethod = \"unstructured\"\nrate = 0.5\nspread = \"uniform\"", "spread"),
        ] {
            assert!(read(text).unwrap_err().to_string().contains(said), "{text}");
        }
    }

    #[test]
    fn default_levels_differ_by_name_and_rise() {
        let names: Vec<String> = levels().into_iter().map(|level| level.name).collect();
        let expected =
            ["none", "structured30", "structured50", "structured70", "unstructured50", "unstructured80"];
        assert_eq!(names, expected);
        assert_eq!(levels()[3].rate(), 0.7);
    }
}
