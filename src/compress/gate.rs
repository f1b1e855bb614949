//! The accuracy gate: a variant that loses more than is allowed is refused.
//!
//! The one place of this room that looks at [`crate::evaluation`]: what it measures is what `roadproof evaluate` measures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::CompressError;
use crate::data::dataset::{ClassMap, Dataset};
use crate::detector::{ModelManifest, SessionOptions};
use crate::evaluation::study::{self, Plan, StudyImages};
use crate::evaluation::{Accuracy, Variant};

/// Lowest score of a detection that counts, as in `roadproof evaluate`.
const SCORE: f32 = 0.02;
/// Floating point is not exact; a drop of just what is allowed passes.
const TOLERANCE: f64 = 1e-9;

/// An accuracy that can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// COCO's AP over IoU 0.50 to 0.95.
    Ap,
    /// AP at IoU 0.50.
    Ap50,
    /// AP of the class that the base detects worst, among those with enough instances.
    WorstClassAp,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ap, Self::Ap50, Self::WorstClassAp];

    /// Its name in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ap => "ap",
            Self::Ap50 => "ap50",
            Self::WorstClassAp => "worst_class_ap",
        }
    }
}

/// How much each accuracy may drop from the base to a variant: 0.01 is one point of AP. Written
/// `ap=0.01,worst_class_ap=0.03`, in TOML `{ ap = 0.01, worst_class_ap = 0.03 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Metric, f64>", into = "BTreeMap<Metric, f64>")]
pub struct Limits(BTreeMap<Metric, f64>);

impl Limits {
    /// What is limited, and to how much.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, f64)> {
        self.0.iter().map(|(metric, allowed)| (*metric, *allowed))
    }
}

impl TryFrom<BTreeMap<Metric, f64>> for Limits {
    type Error = String;

    fn try_from(limits: BTreeMap<Metric, f64>) -> Result<Self, String> {
        if limits.is_empty() {
            return Err("expected at least one of ap, ap50, worst_class_ap, found none".to_owned());
        }
        match limits.iter().find(|(_, allowed)| !(0.0..=1.0).contains(*allowed)) {
            None => Ok(Self(limits)),
            Some((metric, found)) => Err(format!(
                "{}: expected a drop from 0 to 1 (0.01 is a point), found {found}",
                metric.name()
            )),
        }
    }
}

impl From<Limits> for BTreeMap<Metric, f64> {
    fn from(limits: Limits) -> Self {
        limits.0
    }
}

impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut limits = BTreeMap::new();
        for part in text.split(',') {
            let wrong = || format!("expected NAME=DROP such as ap=0.01, found '{}'", part.trim());
            let (name, allowed) = part.split_once('=').ok_or_else(wrong)?;
            let name = name.trim();
            let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(|| {
                format!("unknown accuracy '{name}', expected one of ap, ap50, worst_class_ap")
            })?;
            let allowed: f64 = allowed.trim().parse().map_err(|_| wrong())?;
            if limits.insert(metric, allowed).is_some() {
                return Err(format!("{name} is given twice"));
            }
        }
        limits.try_into()
    }
}

/// What a gate is, in a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSpec {
    /// How much may be lost.
    pub max_drop: Limits,
    /// The labelled dataset that is measured on; the calibration dataset if not given.
    #[serde(default)]
    pub validate: Option<PathBuf>,
    /// What the dataset's classes are called in the model.
    #[serde(default)]
    pub class_map: Option<PathBuf>,
    /// Instances that a class needs to be called the worst.
    #[serde(default = "min_support")]
    pub min_support: usize,
}

/// What [`GateSpec::min_support`] is by default.
#[must_use]
pub const fn min_support() -> usize {
    10
}

/// What a gate measures with.
#[derive(Debug, Clone)]
pub struct Measuring {
    /// Images at a time, each with sessions of its own.
    pub workers: usize,
    /// What executes the models.
    pub session: SessionOptions,
    /// Where detections are kept, so that a model is not measured twice; `None` keeps nothing.
    pub cache: Option<PathBuf>,
}

/// A gate with its measured base.
#[derive(Debug, Clone)]
pub struct Gate {
    images: StudyImages,
    limits: Limits,
    min_support: usize,
    measuring: Measuring,
    base: Figures,
    worst_class: Option<String>,
}

/// What was measured of one model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// AP, 0 to 1.
    pub ap: f64,
    /// AP at an IoU of 0.5, 0 to 1.
    pub ap50: f64,
    /// AP of the base's worst class, 0 to 1; none where no class has enough instances.
    pub worst_class_ap: Option<f64>,
    /// Time of one image, median, ms.
    pub latency_p50_ms: f64,
}

/// Whether a variant passes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Its name.
    pub variant: String,
    /// Whether no accuracy dropped by more than is allowed.
    pub passed: bool,
    /// One for each limit.
    pub drops: Vec<Drop>,
    /// All that was measured of the base.
    pub base_figures: Figures,
    /// All that was measured of the variant.
    pub figures: Figures,
}

/// One accuracy before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drop {
    /// Which.
    pub metric: Metric,
    /// Of which class, where it is one's.
    pub class: Option<String>,
    /// The base's, 0 to 1.
    pub base: f64,
    /// The variant's, 0 to 1.
    pub variant: f64,
    /// Base minus variant.
    pub drop: f64,
    /// The most that it may be.
    pub allowed: f64,
    /// Whether it is not more.
    pub passed: bool,
}

impl std::fmt::Display for Drop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let class = self.class.as_ref().map_or_else(String::new, |class| format!(" ({class})"));
        write!(
            f,
            "{}{class}: base {:.4}, variant {:.4}, drop {:.4}, allowed {:.4}",
            self.metric.name(),
            self.base,
            self.variant,
            self.drop,
            self.allowed
        )
    }
}

impl Gate {
    /// Opens the dataset and measures the base. `dataset` stands in where the specification names none.
    ///
    /// # Errors
    /// [`CompressError::Gate`]: there is no dataset, it has no labels, or no class has instances enough for the worst
    /// class; [`CompressError::Study`]: nothing of it is a class of the model, or a model or image cannot be used.
    pub fn new(
        base: &ModelManifest,
        spec: &GateSpec,
        dataset: Option<&Path>,
        measuring: Measuring,
    ) -> Result<Self, CompressError> {
        let wrong = |problem: String| CompressError::Gate { problem };
        let path = spec.validate.as_deref().or(dataset).ok_or_else(|| {
            wrong("expected a labelled dataset to measure on, found none; give one (--validate, or `validate` under \
                   [gate])".to_owned())
        })?;
        let labelled = Dataset::open(path, None).map_err(|error| {
            wrong(format!("needs labels to measure on; give a labelled dataset (--validate, or `validate` under [gate]): {error}"))
        })?;
        let map = spec.class_map.as_deref().map(ClassMap::load).transpose()?.unwrap_or_default();
        let map_path = spec.class_map.as_deref().unwrap_or(Path::new(""));
        let images = StudyImages::new(labelled, &map, base.class_names(), map_path)?;
        let mut gate = Self {
            images,
            limits: spec.max_drop.clone(),
            min_support: spec.min_support,
            measuring,
            base: Figures { ap: 0.0, ap50: 0.0, worst_class_ap: None, latency_p50_ms: 0.0 },
            worst_class: None,
        };
        let measured = gate.measure(base)?;
        gate.worst_class = measured.worst_class.as_ref().map(|worst| worst.name.clone());
        gate.base = gate.figures(&measured.clean, measured.latency.p50_ms);
        if gate.base.worst_class_ap.is_none() && gate.limits.0.contains_key(&Metric::WorstClassAp) {
            return Err(wrong(format!(
                "worst_class_ap: no class of {} has {} instances or more; give a larger dataset, or a lower --min-support",
                path.display(),
                spec.min_support
            )));
        }
        Ok(gate)
    }

    /// Measures a variant and compares it with the base.
    ///
    /// # Errors
    /// [`CompressError::Study`]: the variant has other classes than the base, or cannot be run.
    pub fn check(&self, variant: &ModelManifest) -> Result<Verdict, CompressError> {
        let measured = self.measure(variant)?;
        let figures = self.figures(&measured.clean, measured.latency.p50_ms);
        let drops = self.drops(&figures);
        Ok(Verdict {
            variant: variant.name.clone(),
            passed: drops.iter().all(|drop| drop.passed),
            drops,
            base_figures: self.base,
            figures,
        })
    }

    /// What was measured of the base.
    #[must_use]
    pub fn base(&self) -> &Figures {
        &self.base
    }

    /// The class that the base detects worst; none where no class has enough instances.
    #[must_use]
    pub fn worst_class(&self) -> Option<&str> {
        self.worst_class.as_deref()
    }

    fn measure(&self, model: &ModelManifest) -> Result<Variant, CompressError> {
        let plan = Plan {
            images: self.images.clone(),
            models: vec![model.clone()],
            base: 0,
            corruptions: Vec::new(),
            severities: Vec::new(),
            seed: 0,
            score: SCORE,
            min_support: self.min_support,
            bootstrap: 0, // nothing here reads an interval
            workers: self.measuring.workers,
            session: self.measuring.session.clone(),
            cache: self.measuring.cache.clone(),
        };
        let mut study = study::run(&plan, &|_| ())?;
        study.variants.pop().ok_or_else(|| CompressError::Gate { problem: "nothing was measured".to_owned() })
    }

    fn figures(&self, accuracy: &Accuracy, latency_p50_ms: f64) -> Figures {
        let of_class = |name: &String| accuracy.classes.iter().find(|class| class.name == *name);
        let worst = self.worst_class.as_ref().and_then(of_class);
        // without a detection there is no AP but 0
        Figures {
            ap: accuracy.ap.unwrap_or(0.0),
            ap50: accuracy.ap50.unwrap_or(0.0),
            worst_class_ap: worst.map(|class| class.ap.unwrap_or(0.0)),
            latency_p50_ms,
        }
    }

    fn drops(&self, variant: &Figures) -> Vec<Drop> {
        let of = |figures: &Figures, metric: Metric| match metric {
            Metric::Ap => figures.ap,
            Metric::Ap50 => figures.ap50,
            Metric::WorstClassAp => figures.worst_class_ap.unwrap_or(0.0),
        };
        let drop = |(metric, allowed): (Metric, f64)| {
            let (base, variant) = (of(&self.base, metric), of(variant, metric));
            let drop = base - variant;
            let class = self.worst_class.clone().filter(|_| metric == Metric::WorstClassAp);
            Drop { metric, class, base, variant, drop, allowed, passed: drop <= allowed + TOLERANCE }
        };
        self.limits.iter().map(drop).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let limits: Limits = "worst_class_ap=0.03, ap = 0.01".parse().unwrap();
        assert_eq!(limits.iter().collect::<Vec<_>>(), [(Metric::Ap, 0.01), (Metric::WorstClassAp, 0.03)]);
        assert_eq!(toml::from_str::<Limits>("ap = 0.01\nworst_class_ap = 0.03").unwrap(), limits);
        for (bad, said) in [
            ("", "NAME=DROP"),
            ("ap", "NAME=DROP"),
            ("ap=much", "NAME=DROP"),
            ("mAP=0.1", "unknown accuracy 'mAP'"),
            ("ap=1.5", "from 0 to 1"),
            ("ap=-0.1", "from 0 to 1"),
            ("ap=nan", "from 0 to 1"),
            ("ap=0.1,ap=0.2", "twice"),
        ] {
            let error = bad.parse::<Limits>().unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }

    #[test]
    fn drops_are_held_against_the_limits() {
        let figures = |ap, worst| Figures { ap, ap50: 0.5, worst_class_ap: Some(worst), latency_p50_ms: 1.0 };
        let images = StudyImages {
            name: String::new(),
            paths: Vec::new(),
            truths: Vec::new(),
            classes: Vec::new(),
            unmapped: Vec::new(),
        };
        let gate = Gate {
            images,
            limits: "ap=0.02,worst_class_ap=0.05".parse().unwrap(),
            min_support: 10,
            measuring: Measuring { workers: 1, session: SessionOptions::default(), cache: None },
            base: figures(0.30, 0.10),
            worst_class: Some("handbag".to_owned()),
        };
        let passed = |ap, worst| gate.drops(&figures(ap, worst)).iter().map(|d| d.passed).collect::<Vec<_>>();
        assert_eq!(passed(0.28, 0.05), [true, true]);
        assert_eq!(passed(0.31, 0.20), [true, true]);
        assert_eq!(passed(0.279, 0.05), [false, true]);
        assert_eq!(passed(0.30, 0.04), [true, false]);
        let said = gate.drops(&figures(0.30, 0.04)).pop().unwrap().to_string();
        assert_eq!(
            said,
            "worst_class_ap (handbag): base 0.1000, variant 0.0400, drop 0.0600, allowed 0.0500"
        );
    }
}
