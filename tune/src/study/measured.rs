//! What a model was measured to be worth, with every resample of the images: all that the analysis needs of it.

use roadproof::corruption::{Group, Step};
use roadproof::evaluation::{ClassSupport, Found, Labelled, Matches, ResampledAp, Resamples, Truth};
use serde::{Deserialize, Serialize};

/// AP (COCO's, over IoU 0.50 to 0.95, 0 to 1) on all images and in each resample of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resampled {
    /// On all images; `None` without instances.
    pub ap: Option<f64>,
    /// In each resample; `None` where that has no instance.
    pub resamples: Vec<Option<f32>>,
}

/// A class that has enough instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassMeasured {
    /// Its name.
    pub name: String,
    /// Its instances.
    pub instances: usize,
    /// Its AP on clean images.
    pub ap: Resampled,
}

/// One corruption at one severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionMeasured {
    /// Name of the corruption.
    pub corruption: String,
    /// Its group.
    pub group: Group,
    /// Severity, above 0 to 5.
    pub severity: f64,
    /// Mean over classes.
    pub ap: Resampled,
}

/// What a model was measured to be worth.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Images.
    pub images: usize,
    /// Mean over classes, clean.
    pub clean: Resampled,
    /// Classes with enough instances, clean.
    pub classes: Vec<ClassMeasured>,
    /// Under each corruption and severity.
    pub conditions: Vec<ConditionMeasured>,
}

/// The labelled images, and how they are resampled: the same for every model of a study, so that differences are paired.
pub(super) struct Sheet<'a> {
    pub(super) truths: &'a [Vec<Truth>],
    pub(super) support: &'a [ClassSupport],
    pub(super) min_support: usize,
    pub(super) resamples: &'a Resamples,
}

impl Sheet<'_> {
    /// Sums up what a model found; the first of `passes` is of clean images (without a step). `found` is by image.
    pub(super) fn measure(&self, passes: impl Iterator<Item = (Option<Step>, Vec<Vec<Found>>)>) -> Measured {
        let mut measured = Measured { images: self.truths.len(), ..Measured::default() };
        for (step, found) in passes {
            let (classes, resampled) = self.matches(found);
            let ap = Resampled {
                ap: mean(classes.iter().copied()),
                resamples: resampled.iter().map(|resample| resample.ap.map(|ap| ap as f32)).collect(),
            };
            match step {
                None => {
                    measured.clean = ap;
                    measured.classes = self.classes(&classes, &resampled);
                }
                Some(Step { corruption, severity }) => measured.conditions.push(ConditionMeasured {
                    corruption: corruption.name().to_owned(),
                    group: corruption.group(),
                    severity: severity.value(),
                    ap,
                }),
            }
        }
        measured
    }

    /// AP by class, on all images and in each resample.
    fn matches(&self, found: Vec<Vec<Found>>) -> (Vec<Option<f64>>, Vec<ResampledAp>) {
        let truths = self.truths.iter().cloned();
        let labelled: Vec<Labelled> =
            truths.zip(found).map(|(truths, detections)| Labelled { truths, detections }).collect();
        let matches = Matches::new(&labelled, self.support.len());
        (matches.class_ap(), self.resamples.average_precisions(&matches))
    }

    fn classes(&self, classes: &[Option<f64>], resampled: &[ResampledAp]) -> Vec<ClassMeasured> {
        let enough = self.support.iter().enumerate().filter(|(_, class)| class.instances >= self.min_support);
        let of_class = |(index, class): (usize, &ClassSupport)| ClassMeasured {
            name: class.name.clone(),
            instances: class.instances,
            ap: Resampled {
                ap: classes.get(index).copied().flatten(),
                resamples: resampled
                    .iter()
                    .map(|resample| resample.classes.get(index).copied().flatten().map(|ap| ap as f32))
                    .collect(),
            },
        };
        enough.map(of_class).collect()
    }
}

/// The mean of what is defined.
pub(super) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use roadproof::evaluation::Rect;

    use super::*;

    /// Images with one object of class 0 each, and of class 1 in the first.
    fn truths() -> Vec<Vec<Truth>> {
        let at = |class_id, x| Truth::new(class_id, Rect { x, y: 0.0, width: 10.0, height: 10.0 });
        (0..4)
            .map(|image| if image == 0 { vec![at(0, 0.0), at(1, 50.0)] } else { vec![at(0, 0.0)] })
            .collect()
    }

    fn finds(truths: &[Vec<Truth>], images: usize) -> Vec<Vec<Found>> {
        let found = |truth: &Truth| Found { class_id: 0, bbox: truth.bbox, score: 0.9 };
        let of_image = |(image, truths): (usize, &Vec<Truth>)| {
            truths.iter().filter(|truth| image < images && truth.class_id == Some(0)).map(found).collect()
        };
        truths.iter().enumerate().map(of_image).collect()
    }

    #[test]
    fn figures_come_by_condition_and_by_class_with_enough_instances() {
        let truths = truths();
        let support = [("car", 4), ("tram", 1), ("dog", 0)]
            .map(|(name, instances)| ClassSupport { name: name.to_owned(), instances });
        let resamples = Resamples::new(truths.len(), 50, 7);
        let sheet = Sheet { truths: &truths, support: &support, min_support: 2, resamples: &resamples };
        let step: Step = "fog:2".parse().unwrap();
        let passes = [(None, finds(&truths, 4)), (Some(step), finds(&truths, 2))];
        let measured = sheet.measure(passes.into_iter());
        // all cars and no tram, then half of the cars
        assert!((measured.clean.ap.unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(measured.classes.len(), 1);
        assert_eq!((measured.classes[0].name.as_str(), measured.classes[0].ap.ap), ("car", Some(1.0)));
        assert_eq!(measured.classes[0].ap.resamples, vec![Some(1.0); 50]);
        let fog = &measured.conditions[0];
        assert_eq!((fog.corruption.as_str(), fog.group, fog.severity), ("fog", Group::Weather, 2.0));
        assert!((fog.ap.ap.unwrap() - 51.0 / 101.0 / 2.0).abs() < 1e-9);
        // resamples without the tram have an AP of the car alone
        assert!(
            measured.clean.resamples.contains(&Some(1.0)) && measured.clean.resamples.contains(&Some(0.5))
        );
        let text = serde_json::to_string(&measured).unwrap();
        assert_eq!(serde_json::from_str::<Measured>(&text).unwrap(), measured);
    }
}
