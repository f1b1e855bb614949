//! What to do about classes that are rare.
//!
//! Three methods, each for itself or together: images of rare classes are shown more often ([`RepeatFactor`]), rare classes
//! count for more in the loss ([`EffectiveNumber`]), rare objects are pasted into other images ([`CopyPaste`]). All start from
//! a [`Census`] of what is in the images, by their labels or by what the parent detects in them ([`Objects`]).

mod census;
mod copy_paste;
mod error;
mod objects;
mod repeat;
mod weights;

use serde::{Deserialize, Serialize};

pub use census::Census;
pub use copy_paste::CopyPaste;
pub use error::ImbalanceError;
pub use objects::Objects;
pub use repeat::RepeatFactor;
pub use weights::EffectiveNumber;

use crate::data::{Pasting, Sampling, check};
use crate::truth::ClassWeights;

/// Which methods are used, and their constants; a method whose table is missing is off.
///
/// ```toml
/// score = 0.4
///
/// [repeat_factor]
/// threshold = 0.05
///
/// [class_weights]
/// beta = 0.999
///
/// [copy_paste]
/// probability = 0.3
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Least score at which a detection of the parent counts as an object, where images have no labels; above 0, at most 1.
    pub score: f32,
    /// Images of rare classes are shown more often.
    pub repeat_factor: Option<RepeatFactor>,
    /// Rare classes count for more in the loss.
    pub class_weights: Option<EffectiveNumber>,
    /// Rare objects are pasted into other images.
    pub copy_paste: Option<CopyPaste>,
}

impl Default for Options {
    /// No method; objects from a score of 0.4 up.
    fn default() -> Self {
        Self { score: 0.4, repeat_factor: None, class_weights: None, copy_paste: None }
    }
}

/// What the methods come to for a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// What is in the images.
    pub census: Census,
    /// How often each image is shown, for [`Samples::set_sampling`](crate::data::Samples::set_sampling).
    pub sampling: Sampling,
    /// What each class counts for.
    pub weights: ClassWeights,
    /// What is pasted, for [`Samples::set_pasting`](crate::data::Samples::set_pasting); `None` also where no class is rare.
    pub pasting: Option<Pasting>,
}

impl Options {
    /// Whether no method is used, so that nobody needs to know what is in the images.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.repeat_factor.is_none() && self.class_weights.is_none() && self.copy_paste.is_none()
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first option that is out of its range, by name.
    pub fn validate(&self) -> Result<(), ImbalanceError> {
        check(self.score > 0.0 && self.score <= 1.0, "score", "a score above 0, at most 1", &self.score)?;
        self.repeat_factor.as_ref().map_or(Ok(()), |method| method.validate("repeat_factor"))?;
        self.class_weights.as_ref().map_or(Ok(()), |method| method.validate("class_weights"))?;
        self.copy_paste.as_ref().map_or(Ok(()), |method| method.validate("copy_paste"))?;
        Ok(())
    }

    /// Works out all methods for the `objects` of all images, of `classes` classes.
    ///
    /// # Errors
    /// An option is out of its range.
    pub fn balance(&self, objects: &Objects, classes: usize) -> Result<Balance, ImbalanceError> {
        self.validate()?;
        let census = Census::of(objects, classes);
        let even = || Sampling::even(objects.images().len());
        Ok(Balance {
            sampling: self.repeat_factor.as_ref().map_or_else(even, |method| method.sampling(&census)),
            weights: self
                .class_weights
                .as_ref()
                .map_or_else(|| ClassWeights::even(classes), |method| method.weights(&census)),
            pasting: self.copy_paste.as_ref().and_then(|method| method.pasting(objects, &census)),
            census,
        })
    }
}

#[cfg(test)]
mod tests;
