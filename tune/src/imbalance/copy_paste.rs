//! Which objects are pasted into other images.

use serde::{Deserialize, Serialize};

use super::{Census, ImbalanceError, Objects};
use crate::data::{Donor, Pasting, check, check_probability, check_range};

/// Objects of rare classes are pasted into other images, on the parent's and the student's picture alike: "simple copy-paste"
/// (Ghiasi et al., CVPR 2021, arXiv 2012.07177) of rectangles with soft edges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CopyPaste {
    /// Probability that something is pasted into an image.
    pub probability: f64,
    /// Share of the images below which a class is rare, above 0, at most 1.
    pub threshold: f64,
    /// Most objects pasted into one image, 1 to 20. Each costs the reading of its image.
    pub most: usize,
    /// What sizes (in shares of the image) are multiplied by, at least and at most, 0.1 to 10.
    pub scale: [f64; 2],
    /// Width of the soft edge, in shares of the shorter side of what is pasted, 0 to 0.5.
    pub feather: f64,
    /// Smallest side of an object that is cut out, pixels of its image, at least 1: smaller ones are too blurred to tell.
    pub min_side_px: f32,
}

impl Default for CopyPaste {
    /// Into three images of ten, one or two objects of classes in less than 5 % of the images, half to one and a half times
    /// as large, at least 16 px.
    fn default() -> Self {
        Self {
            probability: 0.3,
            threshold: 0.05,
            most: 2,
            scale: [0.5, 1.5],
            feather: 0.05,
            min_side_px: 16.0,
        }
    }
}

impl CopyPaste {
    pub(super) fn validate(&self, key: &str) -> Result<(), ImbalanceError> {
        let name = |name: &str| format!("{key}.{name}");
        check_probability(&name("probability"), self.probability)?;
        let share = self.threshold > 0.0 && self.threshold <= 1.0;
        check(share, &name("threshold"), "a share above 0, at most 1", &self.threshold)?;
        check((1..=20).contains(&self.most), &name("most"), "a number from 1 to 20", &self.most)?;
        check_range(&name("scale"), self.scale, [0.1, 10.0], "[low, high], 0.1 <= low <= high <= 10")?;
        check((0.0..=0.5).contains(&self.feather), &name("feather"), "a share from 0 to 0.5", &self.feather)?;
        check(self.min_side_px >= 1.0, &name("min_side_px"), "at least 1 pixel", &self.min_side_px)?;
        Ok(())
    }

    /// Collects the objects of rare classes; `None` where there are none.
    #[must_use]
    pub fn pasting(&self, objects: &Objects, census: &Census) -> Option<Pasting> {
        let mut donors = vec![Vec::new(); census.instances().len()];
        for (image, objects) in objects.images().iter().enumerate() {
            for object in objects {
                let side = object.bbox.width().min(object.bbox.height());
                if census.frequency(object.class_id) < self.threshold
                    && side >= self.min_side_px
                    && let Some(donors) = donors.get_mut(object.class_id as usize)
                {
                    donors.push(Donor { image, object: *object });
                }
            }
        }
        let Self { probability, most, scale, feather, .. } = *self;
        let has_donors = donors.iter().any(|donors| !donors.is_empty());
        has_donors.then_some(Pasting { probability, most, scale, feather, donors })
    }
}
