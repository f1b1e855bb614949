//! Repeat-factor sampling.

use serde::{Deserialize, Serialize};

use super::{Census, ImbalanceError};
use crate::data::{Sampling, check};

/// Repeat-factor sampling (Gupta, Dollár & Girshick, "LVIS", CVPR 2019, arXiv 1908.03195, section 5.1; first by Mahajan et
/// al., ECCV 2018): a class *c* that a share *f(c)* of the images shows has the factor *r(c) = max(1, √(t / f(c)))*, an image the
/// largest of its classes. Fractions come in that share of the epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepeatFactor {
    /// The share *t* of images below which a class is rare, above 0, at most 1.
    pub threshold: f64,
    /// Largest factor of an image, at least 1.
    pub most: f64,
}

impl Default for RepeatFactor {
    /// A class is rare in less than 5 % of the images (0.1 % in LVIS, whose images are 100 000); no image is shown more than
    /// eight times.
    fn default() -> Self {
        Self { threshold: 0.05, most: 8.0 }
    }
}

impl RepeatFactor {
    pub(super) fn validate(&self, key: &str) -> Result<(), ImbalanceError> {
        let share = self.threshold > 0.0 && self.threshold <= 1.0;
        check(share, &format!("{key}.threshold"), "a share above 0, at most 1", &self.threshold)?;
        let most = self.most >= 1.0 && self.most.is_finite();
        check(most, &format!("{key}.most"), "a factor of at least 1", &self.most)?;
        Ok(())
    }

    /// The factor of a class; 1 of one that no image shows.
    #[must_use]
    pub fn of_class(&self, census: &Census, class: u32) -> f64 {
        let frequency = census.frequency(class);
        if frequency > 0.0 { (self.threshold / frequency).sqrt().clamp(1.0, self.most) } else { 1.0 }
    }

    /// The factors of all images; 1 of one with nothing in it.
    #[must_use]
    pub fn sampling(&self, census: &Census) -> Sampling {
        let of_image = |classes: &Vec<u32>| {
            classes.iter().map(|class| self.of_class(census, *class)).fold(1.0, f64::max)
        };
        Sampling::new(census.classes_of_images().iter().map(of_image).collect())
    }
}
