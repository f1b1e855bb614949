//! From detections to figures.

use crate::corruption::Group;
use crate::detector::{ModelInfo, ModelManifest};
use crate::evaluation::{
    Accuracy, Cell, ClassSupport, DatasetSummary, FORMAT, Found, GroupRobustness, Labelled, Latency, Matches,
    ModelSummary, ResampledAp, Resamples, Robustness, Settings, Study, Variant, WorstClass, accuracy,
    calibration, confusion, interval,
};

use crate::evaluation::average_precision::mean_of;
use crate::pipeline::nearest_rank;

use super::cache::CellResult;
use super::comparison::compare;
use super::samples::samples;
use super::{Condition, Plan, StudyImages};

/// Matches and resamples of one model under one condition.
pub(super) struct Scored {
    pub(super) accuracy: Accuracy,
    pub(super) resampled: Vec<ResampledAp>,
    matches: Matches,
    labelled: Vec<Labelled>,
}

impl Scored {
    fn new(images: &StudyImages, found: Vec<Vec<Found>>, resamples: &Resamples) -> Self {
        let truths = images.truths.iter().cloned();
        let labelled: Vec<Labelled> =
            truths.zip(found).map(|(truths, detections)| Labelled { truths, detections }).collect();
        let matches = Matches::new(&labelled, images.classes.len());
        let mut accuracy = accuracy(&labelled, &images.classes, &matches);
        let resampled = resamples.average_precisions(&matches);
        accuracy.ap_interval =
            accuracy.ap.and_then(|ap| interval(ap, resampled.iter().filter_map(|sample| sample.ap)));
        Self { accuracy, resampled, matches, labelled }
    }

    fn class_intervals(&mut self) {
        for (i, class) in self.accuracy.classes.iter_mut().enumerate() {
            let values = self.resampled.iter().filter_map(|sample| sample.classes.get(i).copied().flatten());
            class.interval = class.ap.and_then(|ap| interval(ap, values));
        }
    }
}

/// A whole model: clean, and under each corruption.
pub(super) struct ScoredVariant {
    pub(super) clean: Scored,
    pub(super) cells: Vec<(Cell, Vec<ResampledAp>)>,
}

/// Figures of all variants; `cells[condition][model]`.
pub(super) fn summarise(
    plan: &Plan,
    infos: &[ModelInfo],
    conditions: &[Condition],
    cells: &[Vec<CellResult>],
) -> Study {
    let images = &plan.images;
    let resamples = Resamples::new(images.paths.len(), plan.bootstrap, plan.seed);
    let mut scored = Vec::new();
    for model in 0..plan.models.len() {
        let mut clean = None;
        let mut under = Vec::new();
        for (condition, results) in conditions.iter().zip(cells) {
            let Some(result) = results.get(model) else { continue };
            let mut found = Scored::new(images, result.found(), &resamples);
            match condition {
                Condition::Clean => {
                    found.class_intervals();
                    clean = Some((found, result.latency_ms.clone()));
                }
                Condition::Corrupted(step) => {
                    let cell = Cell {
                        corruption: step.corruption.name().to_owned(),
                        group: step.corruption.group(),
                        severity: step.severity.value(),
                        accuracy: found.accuracy,
                    };
                    // Classes are resampled on clean images only, which is what memory allows.
                    found.resampled.iter_mut().for_each(|sample| sample.classes = Vec::new());
                    under.push((cell, found.resampled));
                }
            }
        }
        if let Some((clean, latency)) = clean {
            scored.push((ScoredVariant { clean, cells: under }, latency));
        }
    }
    let support = images.support();
    let variants =
        plan.models.iter().zip(infos).zip(&scored).enumerate().map(|(index, ((manifest, info), this))| {
            let base = scored.get(plan.base).filter(|_| index != plan.base);
            let base_name =
                plan.models.get(plan.base).filter(|_| index != plan.base).map(|model| model.name.clone());
            let comparison = base.map(|(base, _)| compare(base, &this.0, &support, plan.min_support));
            Variant {
                base: base_name,
                against_base: comparison,
                ..variant(plan, manifest, info, this, &support)
            }
        });
    Study {
        format: FORMAT,
        roadproof_version: env!("CARGO_PKG_VERSION").to_owned(),
        created: now(),
        dataset: dataset_summary(images),
        settings: Settings {
            corruptions: plan.corruptions.iter().map(|corruption| corruption.name().to_owned()).collect(),
            severities: plan.severities.iter().map(|severity| severity.value()).collect(),
            seed: plan.seed,
            score: plan.score,
            min_support: plan.min_support,
            bootstrap: plan.bootstrap,
        },
        variants: variants.collect(),
        monitor: None,
    }
}

fn now() -> String {
    let now = std::time::SystemTime::now();
    humantime::format_rfc3339_seconds(now).to_string()
}

fn dataset_summary(images: &StudyImages) -> DatasetSummary {
    let classes = images.support();
    DatasetSummary {
        name: images.name.clone(),
        images: images.paths.len(),
        instances: classes.iter().map(|class| class.instances).sum(),
        classes,
        unmapped: images.unmapped.clone(),
    }
}

fn variant(
    plan: &Plan,
    manifest: &ModelManifest,
    info: &ModelInfo,
    (scored, latency_ms): &(ScoredVariant, Vec<f64>),
    support: &[ClassSupport],
) -> Variant {
    let thresholds = manifest.thresholds();
    let publishes = |found: &Found| {
        thresholds.is_enabled(found.class_id) && found.score >= thresholds.publish_score(found.class_id)
    };
    let clean = &scored.clean;
    let worst_class = worst_class(clean, support, plan.min_support);
    let samples = samples(&plan.images, &clean.labelled, worst_class.as_ref(), publishes);
    Variant {
        name: manifest.name.clone(),
        base: None,
        model: ModelSummary {
            file: info.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: info.sha256.clone(),
            size_bytes: std::fs::metadata(&info.path).map_or(0, |file| file.len()),
            input: [info.input_width, info.input_height],
            provider: info.provider.name().to_owned(),
        },
        latency: latency(latency_ms),
        clean: clean.accuracy.clone(),
        cells: scored.cells.iter().map(|(cell, _)| cell.clone()).collect(),
        robustness: robustness(clean.accuracy.ap, &scored.cells),
        worst_class,
        worst_corruption: worst_corruption(&scored.cells),
        pr_curve: clean.matches.pr_curve(),
        calibration: calibration(&clean.matches),
        confusion: confusion(&clean.labelled, &plan.images.classes, publishes),
        against_base: None,
        samples,
    }
}

fn latency(samples_ms: &[f64]) -> Latency {
    let mut sorted = samples_ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |per_cent| nearest_rank(&sorted, per_cent).unwrap_or(0.0);
    Latency { p50_ms: at(50), p99_ms: at(99) }
}

fn worst_class(clean: &Scored, support: &[ClassSupport], min_support: usize) -> Option<WorstClass> {
    let classes =
        clean.accuracy.classes.iter().zip(support).filter(|(_, support)| support.instances >= min_support);
    let (class, support) = classes
        .min_by(|(a, _), (b, _)| a.ap.unwrap_or(f64::INFINITY).total_cmp(&b.ap.unwrap_or(f64::INFINITY)))?;
    let ap = class.ap?;
    let interval = class.interval.unwrap_or([ap, ap]);
    Some(WorstClass { name: class.name.clone(), ap, interval, instances: support.instances })
}

fn robustness(clean: Option<f64>, cells: &[(Cell, Vec<ResampledAp>)]) -> Robustness {
    let relative =
        |mpc: Option<f64>| mpc.zip(clean).filter(|(_, clean)| *clean > 0.0).map(|(mpc, clean)| mpc / clean);
    let of = |group: Option<Group>| {
        mean_of(
            cells
                .iter()
                .filter(|(cell, _)| group.is_none_or(|g| g == cell.group))
                .map(|(cell, _)| cell.accuracy.ap),
        )
    };
    let mpc = of(None);
    let mut groups: Vec<Group> = Vec::new();
    for (cell, _) in cells {
        if !groups.contains(&cell.group) {
            groups.push(cell.group);
        }
    }
    let groups = groups.into_iter().map(|group| {
        let mpc = of(Some(group));
        GroupRobustness { group, mpc, rpc: relative(mpc) }
    });
    Robustness { mpc, rpc: relative(mpc), groups: groups.collect() }
}

fn worst_corruption(cells: &[(Cell, Vec<ResampledAp>)]) -> Option<String> {
    let mut names: Vec<&str> = cells.iter().map(|(cell, _)| cell.corruption.as_str()).collect();
    names.dedup();
    let left = |name: &&str| {
        let own = cells.iter().filter(|(cell, _)| cell.corruption == *name);
        mean_of(own.map(|(cell, _)| cell.accuracy.ap)).unwrap_or(f64::INFINITY)
    };
    names.into_iter().min_by(|a, b| left(a).total_cmp(&left(b))).map(str::to_owned)
}

/// Scores detections that come from elsewhere, on clean images: the accuracy alone, with intervals.
#[must_use]
pub fn score_detections(
    images: &StudyImages,
    found: Vec<Vec<Found>>,
    bootstrap: usize,
    seed: u64,
) -> Accuracy {
    let resamples = Resamples::new(images.paths.len(), bootstrap, seed);
    let mut scored = Scored::new(images, found, &resamples);
    scored.class_intervals();
    scored.accuracy
}
