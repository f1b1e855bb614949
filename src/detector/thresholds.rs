//! Which detections are published and which are only counted.

use serde::{Deserialize, Serialize};

use super::{Detection, DetectorError};

/// Thresholds and limits of the postprocessing.
///
/// A detection is *kept* from [`low_score`](Self::low_score) up (health watches those too) and *published* from
/// its class's publish score up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Publish score of every class without an override, in `(0, 1]`.
    pub score: f32,
    /// Two boxes of one class with an IoU above this are one object, in `[0, 1]`.
    pub nms_iou: f32,
    /// At most so many detections per frame, the highest scores first.
    pub max_detections: usize,
    /// Publish score per class id; `None` or a missing entry means [`score`](Self::score).
    #[serde(default)]
    pub class_scores: Vec<Option<f32>>,
    /// Whether a class is looked for at all, per class id; a missing entry means yes.
    #[serde(default)]
    pub enabled: Vec<bool>,
    /// Score from which a detection is kept, in `(0, 1]` and at most the lowest publish score.
    pub low_score: f32,
}

impl Thresholds {
    /// The publish score of a class.
    #[must_use]
    pub fn publish_score(&self, class_id: u32) -> f32 {
        self.class_scores.get(class_id as usize).copied().flatten().unwrap_or(self.score)
    }

    /// Whether a class is looked for.
    #[must_use]
    pub fn is_enabled(&self, class_id: u32) -> bool {
        self.enabled.get(class_id as usize).copied().unwrap_or(true)
    }

    /// Whether this detection goes out (as opposed to being known to health only).
    #[must_use]
    pub fn publishes(&self, detection: &Detection) -> bool {
        self.is_enabled(detection.class_id) && detection.score >= self.publish_score(detection.class_id)
    }

    /// Publishes from `score` up, and keeps at least that.
    pub fn publish_from(&mut self, score: f32) {
        self.score = score;
        self.low_score = self.low_score.min(score);
    }

    /// Keeps and publishes everything from `score` up, as accuracy is measured.
    pub fn keep_all_from(&mut self, score: f32) {
        (self.score, self.low_score) = (score, score);
        self.class_scores.clear();
    }

    /// Checks every value, and that the per-class lists fit a model of `class_count` classes.
    ///
    /// # Errors
    /// [`DetectorError::Thresholds`] naming the value, what was found and what is expected.
    pub fn validate(&self, class_count: usize) -> Result<(), DetectorError> {
        let refuse = |key: String, expected: String, found: String| {
            Err(DetectorError::Thresholds { key, expected, found })
        };
        for (key, value) in [("score", self.score), ("low_score", self.low_score)] {
            // `contains` is false for NaN
            if !(f32::MIN_POSITIVE..=1.0).contains(&value) {
                return refuse(key.to_owned(), "a number above 0, at most 1".to_owned(), value.to_string());
            }
        }
        if !(0.0..=1.0).contains(&self.nms_iou) {
            return refuse("nms_iou".to_owned(), "a number from 0 to 1".to_owned(), self.nms_iou.to_string());
        }
        if self.max_detections == 0 {
            return refuse("max_detections".to_owned(), "at least 1".to_owned(), "0".to_owned());
        }
        for (key, length) in [("class_scores", self.class_scores.len()), ("enabled", self.enabled.len())] {
            if length > class_count {
                return refuse(
                    key.to_owned(),
                    format!("at most {class_count} entries, one for each of the model's classes"),
                    format!("{length} entries"),
                );
            }
        }
        for (class_id, score) in self.class_scores.iter().enumerate() {
            if let Some(score) = score
                && !(f32::MIN_POSITIVE..=1.0).contains(score)
            {
                return refuse(
                    format!("class_scores[{class_id}]"),
                    "a number above 0, at most 1".to_owned(),
                    score.to_string(),
                );
            }
        }
        let overridden = self.class_scores.iter().flatten().copied();
        let lowest = overridden.fold(self.score, f32::min);
        if self.low_score > lowest {
            return refuse(
                "low_score".to_owned(),
                format!("at most {lowest}, the lowest publish score"),
                self.low_score.to_string(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::BoundingBox;
    use super::*;

    fn thresholds() -> Thresholds {
        Thresholds {
            score: 0.4,
            nms_iou: 0.6,
            max_detections: 100,
            class_scores: vec![None, Some(0.2)],
            enabled: vec![true, true, false],
            low_score: 0.05,
        }
    }

    #[test]
    fn publishes_by_class() {
        let t = thresholds();
        let detection = |class_id, score| Detection { bbox: BoundingBox::default(), class_id, score };
        assert!(t.publishes(&detection(0, 0.4)));
        assert!(!t.publishes(&detection(0, 0.39)));
        assert!(t.publishes(&detection(1, 0.2)));
        assert!(!t.publishes(&detection(2, 0.9)), "disabled");
        assert!(t.publishes(&detection(7, 0.5)), "no entry: the defaults");
    }

    type Case = (&'static str, fn(&mut Thresholds));

    #[test]
    fn bad_values_are_named() {
        thresholds().validate(3).unwrap();
        let cases: [Case; 9] = [
            ("score", |t| t.score = f32::NAN),
            ("score", |t| t.score = 1.5),
            ("low_score", |t| t.low_score = 0.0),
            ("low_score", |t| t.low_score = 0.21),
            ("nms_iou", |t| t.nms_iou = -0.1),
            ("max_detections", |t| t.max_detections = 0),
            ("class_scores", |t| t.class_scores = vec![None; 4]),
            ("enabled", |t| t.enabled = vec![true; 4]),
            ("class_scores[1]", |t| t.class_scores = vec![None, Some(f32::INFINITY)]),
        ];
        for (key, spoil) in cases {
            let mut t = thresholds();
            spoil(&mut t);
            let error = t.validate(3).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
        }
    }
}
