use serde::de::{Error as _, IntoDeserializer as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::compress::reconstruct::Reconstruct;
use crate::compress::sparse::Scope;
use crate::compress::{channels, fp16, int8, sparse};

/// One thing that is done to a model. In files a table: `method`, and the options of that method beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum Step {
    /// Half precision.
    Fp16(fp16::Options),
    /// 8-bit integers.
    Int8(int8::Options),
    /// Channels removed.
    Structured(Structured),
    /// Weights set to zero.
    Unstructured(Unstructured),
}

/// Structured pruning, and what is won back after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Structured {
    /// What is pruned.
    #[serde(flatten)]
    pub options: channels::Options,
    /// What is fitted afterwards.
    pub reconstruct: Reconstruct,
}

/// Unstructured pruning, and what is won back after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unstructured {
    /// What is pruned.
    #[serde(flatten)]
    pub options: sparse::Options,
    /// What is fitted afterwards.
    pub reconstruct: Reconstruct,
}

/// The methods by their names in files.
const METHODS: [&str; 4] = ["fp16", "int8", "structured", "unstructured"];

impl Step {
    /// Its method's name in files.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Fp16(_) => "fp16",
            Self::Int8(_) => "int8",
            Self::Structured(_) => "structured",
            Self::Unstructured(_) => "unstructured",
        }
    }

    /// Whether it removes weights.
    #[must_use]
    pub const fn is_pruning(&self) -> bool {
        matches!(self, Self::Structured(_) | Self::Unstructured(_))
    }

    /// What is fitted after pruning.
    #[must_use]
    pub const fn reconstruct(&self) -> Reconstruct {
        match self {
            Self::Structured(step) => step.reconstruct,
            Self::Unstructured(step) => step.reconstruct,
            Self::Fp16(_) | Self::Int8(_) => Reconstruct::None,
        }
    }

    /// What it cannot do without images, if anything.
    #[must_use]
    pub fn needs_images_for(&self) -> Option<&'static str> {
        match self {
            Self::Int8(_) => Some("the ranges of activations"),
            _ if self.reconstruct() != Reconstruct::None => Some("reconstruction"),
            Self::Structured(step) if step.options.importance == channels::Importance::Activation => {
                Some("the importance `activation`")
            }
            Self::Structured(step) if step.options.importance == channels::Importance::Redundancy => {
                Some("the importance `redundancy`")
            }
            Self::Structured(step) if step.options.spread == channels::Spread::Sensitivity => {
                Some("the spread `sensitivity`")
            }
            _ => None,
        }
    }

    /// The share of weights or channels that it removes, 0 to 1.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        match self {
            Self::Structured(step) => Some(step.options.rate),
            Self::Unstructured(step) => Some(match step.options.scope {
                Scope::Pattern { keep, group } => 1.0 - keep as f64 / group.max(1) as f64,
                Scope::Global | Scope::Layer => step.options.rate,
            }),
            Self::Fp16(_) | Self::Int8(_) => None,
        }
    }

    /// From the method's name, the value of `reconstruct` where there was one, and the table of all other keys.
    pub(super) fn from_parts<'de, D: Deserializer<'de>>(
        method: &str,
        reconstruct: Option<Reconstruct>,
        options: D,
    ) -> Result<Self, D::Error> {
        let reconstruct = reconstruct.unwrap_or_default();
        Ok(match method {
            "fp16" => Self::Fp16(Deserialize::deserialize(options)?),
            "int8" => Self::Int8(Deserialize::deserialize(options)?),
            "structured" => {
                Self::Structured(Structured { options: Deserialize::deserialize(options)?, reconstruct })
            }
            "unstructured" => {
                Self::Unstructured(Unstructured { options: Deserialize::deserialize(options)?, reconstruct })
            }
            other => return Err(D::Error::custom(unknown_method(other))),
        })
    }
}

/// Whether `reconstruct` is a key of this method.
pub(super) fn takes_reconstruct(method: &str) -> bool {
    matches!(method, "structured" | "unstructured")
}

/// What is said about a method that there is not.
pub(super) fn unknown_method(found: &str) -> String {
    format!("unknown method `{found}`, expected one of `{}`", METHODS.join("`, `"))
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let method = table.remove("method").ok_or_else(|| D::Error::missing_field("method"))?;
        let method = method.as_str().ok_or_else(|| D::Error::custom("`method` must be a string"))?.to_owned();
        let reconstruct = table.remove("reconstruct").filter(|_| takes_reconstruct(&method));
        let reconstruct = reconstruct.map(Reconstruct::deserialize).transpose().map_err(D::Error::custom)?;
        let options = toml::Value::Table(table).into_deserializer();
        Self::from_parts(&method, reconstruct, options).map_err(D::Error::custom)
    }
}

/// A value that is written as one word in files.
fn word(value: &impl Serialize) -> String {
    let value = toml::Value::try_from(value);
    value.ok().as_ref().and_then(toml::Value::as_str).unwrap_or_default().to_owned()
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per_cent = |rate: f64| (rate * 1000.0).round() / 10.0;
        match self {
            Self::Fp16(_) => f.write_str("fp16")?,
            Self::Int8(options) => {
                write!(f, "int8 weights, {} activations, {}", options.activations, options.calibration)?;
                if options.mixed {
                    f.write_str(", mixed")?;
                }
            }
            Self::Structured(Structured { options, .. }) => {
                let (importance, spread) = (word(&options.importance), word(&options.spread));
                write!(f, "structured {} %, {importance}, {spread}", per_cent(options.rate))?;
            }
            Self::Unstructured(Unstructured { options, .. }) => match options.scope {
                Scope::Pattern { keep, group } => write!(f, "unstructured {keep}:{group}")?,
                Scope::Global | Scope::Layer => {
                    write!(f, "unstructured {} %, {}", per_cent(options.rate), word(&options.scope))?;
                }
            },
        }
        match self.reconstruct() {
            Reconstruct::None => Ok(()),
            what => write!(f, ", {} reconstructed", word(&what)),
        }
    }
}

/// What is done, in words.
#[must_use]
pub fn describe(steps: &[Step]) -> String {
    steps.iter().map(Step::to_string).collect::<Vec<_>>().join("; ")
}

/// Whether what comes out can depend on calibration images.
#[must_use]
pub fn may_use_images(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Fp16(_)) || step.needs_images_for().is_some())
}
