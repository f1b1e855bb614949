//! Estimates beside the truth, window by window.

use rayon::prelude::*;

use super::ranks::spearman;
use super::results::{
    ClassRow, EstimatorError, MonitorCondition, MonitorRow, MonitorStudy, ProfileSummary, Roc, RocPoint,
};
use super::sampled::{SampledCell, draw, generator};
use super::{Observed, WINDOW_SIZES};
use crate::corruption::{Group, Step};
use crate::health::estimate::{Estimate, FIRM_INSTANCES, Method, WindowFeatures, estimate};
use crate::health::{Estimated, Profile};

/// Share of clean average precision whose loss an alarm should tell.
const LOST: f64 = 0.2;

/// How to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureOptions {
    /// Name of the dataset.
    pub dataset: String,
    /// Windows drawn from each condition, of each size.
    pub draws: usize,
    /// Of the draws.
    pub seed: u64,
}

/// A window, true and estimated.
struct Window {
    cell: usize,
    frames: usize,
    map: f64,
    estimate: Estimated,
    seems: (Option<usize>, f64),
    others: Vec<(Method, f64)>,
    classes: Vec<ClassWindow>,
}

/// A class in a window with enough of its instances.
struct ClassWindow {
    class_id: usize,
    ap: f64,
    estimate: Estimated,
    profiled: f64,
}

/// One estimate beside the truth.
struct Pair {
    truth: f64,
    estimate: f64,
    interval: Option<[f64; 2]>,
}

/// Measures the estimates of `profile` on labelled frames that it was not made from; `None` without labels.
#[must_use]
pub fn measure(observed: &Observed, profile: &Profile, options: &MeasureOptions) -> Option<MonitorStudy> {
    let truths = observed.truths.as_ref()?;
    let among: Vec<usize> = (0..truths.len()).collect();
    let windows: Vec<Window> = observed
        .cells
        .par_iter()
        .enumerate()
        .flat_map_iter(|(index, cell)| {
            let sampled = SampledCell::new(observed, cell, truths);
            let mut rng = generator(options.seed, index as u64);
            let mut windows = Vec::new();
            for size in WINDOW_SIZES {
                for _ in 0..options.draws {
                    let weights = draw(&mut rng, &among, size, among.len());
                    windows.extend(window(profile, &sampled, &weights, index, size));
                }
            }
            windows
        })
        .collect();
    let cells: Vec<Option<Step>> = observed.cells.iter().map(|cell| cell.step).collect();
    let known: Vec<String> = profile.curves.iter().map(|curve| curve.corruption.clone()).collect();
    let measured = Measured { windows: &windows, cells: &cells, known: &known };
    let map = profile.camera.map.unwrap_or(1.0);
    Some(MonitorStudy {
        profile: ProfileSummary {
            sha256: profile.sha256.clone(),
            source: profile.source.name.clone(),
            frames: profile.source.frames,
            corruptions: known.clone(),
        },
        dataset: options.dataset.clone(),
        frames: truths.len(),
        draws: options.draws,
        seed: options.seed,
        map: measured.rows(map_pairs),
        classes: measured.rows(class_pairs),
        by_class: measured.by_class(&observed.classes),
        conditions: measured.conditions(),
        roc: WINDOW_SIZES.map(|frames| measured.roc(frames, map)).into(),
        alarms: None,
    })
}

/// `None` for a window without instances, or where the profile estimates nothing.
fn window(
    profile: &Profile,
    sampled: &SampledCell,
    weights: &[u16],
    cell: usize,
    frames: usize,
) -> Option<Window> {
    let estimator = profile.estimator.as_ref()?;
    let view = sampled.window(weights);
    let truth = sampled.accuracy(weights);
    let mut estimated = Estimate::unknown(profile.classes.len());
    estimate(profile, &view, &mut estimated);
    let features = WindowFeatures::new(profile, &view);
    let others = estimator.comparisons.iter().map(|other| (other.method, other.predict(&features)));
    let instances = sampled.instances(weights);
    let classes = truth.classes.iter().zip(&instances).zip(&estimated.classes).zip(&profile.classes);
    let classes = classes.enumerate().filter_map(|(class_id, (((ap, instances), estimate), class))| {
        let known = *instances >= FIRM_INSTANCES && estimate.value.is_finite();
        known.then_some(ClassWindow { class_id, ap: (*ap)?, estimate: *estimate, profiled: class.ap? })
    });
    Some(Window {
        cell,
        frames,
        map: truth.ap?,
        estimate: estimated.map,
        seems: (estimated.corruption, estimated.severity),
        others: others.collect(),
        classes: classes.collect(),
    })
}

fn with_interval(truth: f64, estimate: &Estimated) -> Pair {
    Pair { truth, estimate: estimate.value, interval: Some([estimate.low, estimate.high]) }
}

fn bare(truth: f64, estimate: f64) -> Pair {
    Pair { truth, estimate, interval: None }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn name(method: Method) -> &'static str {
    match method {
        Method::MeanConfidence => "mean_confidence",
        Method::DifferenceOfConfidences => "doc",
        Method::ThresholdedConfidence => "atc",
        Method::ConsistencyReliability => "pcr",
    }
}

type Pairs = Vec<(&'static str, Vec<Pair>)>;

/// Mean average precision by each estimator.
fn map_pairs(windows: &[&Window]) -> Pairs {
    let mut all = vec![("roadproof", windows.iter().map(|w| with_interval(w.map, &w.estimate)).collect())];
    for method in Method::ALL {
        let of = |window: &&Window| {
            let other = window.others.iter().find(|(other, _)| *other == method);
            other.map(|(_, estimate)| bare(window.map, *estimate)).filter(|pair| pair.estimate.is_finite())
        };
        all.push((name(method), windows.iter().filter_map(of).collect()));
    }
    let oracle = |window: &&Window| {
        let same = windows.iter().filter(|other| other.cell == window.cell);
        bare(window.map, mean(same.map(|other| other.map)))
    };
    all.push(("oracle", windows.iter().map(oracle).collect()));
    all
}

/// Average precision of classes: estimated, as in the profile, and the condition's own mean.
fn class_pairs(windows: &[&Window]) -> Pairs {
    let each = || windows.iter().flat_map(|window| window.classes.iter().map(move |class| (window, class)));
    let mut sums = std::collections::BTreeMap::<(usize, usize), (f64, f64)>::new();
    for (window, class) in each() {
        let (sum, count) = sums.entry((window.cell, class.class_id)).or_default();
        *sum += class.ap;
        *count += 1.0;
    }
    let oracle = |(window, class): (&&Window, &ClassWindow)| {
        let (sum, count) = sums.get(&(window.cell, class.class_id)).copied().unwrap_or((class.ap, 1.0));
        bare(class.ap, sum / count)
    };
    vec![
        ("roadproof", each().map(|(_, class)| with_interval(class.ap, &class.estimate)).collect()),
        ("as_profiled", each().map(|(_, class)| bare(class.ap, class.profiled)).collect()),
        ("oracle", each().map(oracle).collect()),
    ]
}

fn error(name: &str, pairs: &[Pair]) -> EstimatorError {
    let differences = || pairs.iter().map(|pair| pair.estimate - pair.truth);
    let ranked: Vec<(f64, f64)> = pairs.iter().map(|pair| (pair.estimate, pair.truth)).collect();
    let covered = |pair: &Pair| {
        pair.interval.map(|[low, high]| f64::from(u8::from((low..=high).contains(&pair.truth))))
    };
    let has_interval = !pairs.is_empty() && pairs.iter().all(|pair| pair.interval.is_some());
    EstimatorError {
        name: name.to_owned(),
        mae: mean(differences().map(f64::abs)),
        bias: mean(differences()),
        rank_correlation: spearman(&ranked),
        coverage: has_interval.then(|| mean(pairs.iter().filter_map(covered))),
    }
}

struct Measured<'a> {
    windows: &'a [Window],
    cells: &'a [Option<Step>],
    known: &'a [String],
}

impl Measured<'_> {
    fn step(&self, cell: usize) -> Option<Step> {
        self.cells.get(cell).copied().flatten()
    }

    fn is_held_out(&self, step: Step) -> bool {
        !self.known.iter().any(|name| name == step.corruption.name())
    }

    /// A row for each known or held out, group and size that has corrupted windows; clean windows count in all of them.
    fn rows(&self, pairs: fn(&[&Window]) -> Pairs) -> Vec<MonitorRow> {
        let mut rows = Vec::new();
        let groups = std::iter::once(None).chain(Group::ALL.map(Some));
        for (is_held_out, group) in
            [false, true].into_iter().flat_map(|h| groups.clone().map(move |g| (h, g)))
        {
            let fits = |step: Step| {
                self.is_held_out(step) == is_held_out
                    && group.is_none_or(|group| group == step.corruption.group())
            };
            if !self.cells.iter().flatten().any(|step| fits(*step)) {
                continue;
            }
            for frames in WINDOW_SIZES {
                let own: Vec<&Window> = self
                    .windows
                    .iter()
                    .filter(|window| window.frames == frames && self.step(window.cell).is_none_or(fits))
                    .collect();
                let pairs = pairs(&own);
                let count = pairs.first().map_or(0, |(_, pairs)| pairs.len());
                if count > 0 {
                    let known = pairs.iter().filter(|(_, pairs)| !pairs.is_empty());
                    let estimators = known.map(|(name, pairs)| error(name, pairs)).collect();
                    rows.push(MonitorRow { is_held_out, group, frames, count, estimators });
                }
            }
        }
        rows
    }

    fn by_class(&self, names: &[String]) -> Vec<ClassRow> {
        let row = |(class_id, name): (usize, &String)| {
            let classes = self.windows.iter().flat_map(|window| &window.classes);
            let own = classes.filter(|class| class.class_id == class_id);
            let pairs: Vec<Pair> = own.map(|class| with_interval(class.ap, &class.estimate)).collect();
            (!pairs.is_empty()).then(|| ClassRow {
                name: name.clone(),
                count: pairs.len(),
                ap: mean(pairs.iter().map(|pair| pair.truth)),
                error: error("roadproof", &pairs),
            })
        };
        names.iter().enumerate().filter_map(row).collect()
    }

    fn conditions(&self) -> Vec<MonitorCondition> {
        let each = (0..self.cells.len()).flat_map(|cell| WINDOW_SIZES.map(|frames| (cell, frames)));
        each.filter_map(|(cell, frames)| self.condition(cell, frames)).collect()
    }

    fn condition(&self, cell: usize, frames: usize) -> Option<MonitorCondition> {
        let own = || self.windows.iter().filter(move |window| window.cell == cell && window.frames == frames);
        own().next()?;
        let step = self.step(cell);
        let truth = mean(own().map(|window| window.map));
        let choices = std::iter::once(None).chain((0..self.known.len()).map(Some));
        let count = |choice: Option<usize>| own().filter(|window| window.seems.0 == choice).count();
        let seems = choices.max_by_key(|choice| count(*choice)).flatten();
        Some(MonitorCondition {
            corruption: step.map(|step| step.corruption.name().to_owned()),
            severity: step.map_or(0.0, |step| step.severity.value()),
            is_held_out: step.is_some_and(|step| self.is_held_out(step)),
            frames,
            truth,
            truth_deviation: mean(own().map(|window| (window.map - truth).powi(2))).sqrt(),
            estimate: mean(own().map(|window| window.estimate.value)),
            interval: [
                mean(own().map(|window| window.estimate.low)),
                mean(own().map(|window| window.estimate.high)),
            ],
            seems: seems.and_then(|index| self.known.get(index).cloned()),
            seems_share: count(seems) as f64 / own().count() as f64,
            seems_severity: mean(own().map(|window| window.seems.1).filter(|severity| severity.is_finite())),
        })
    }

    fn mean_map(&self, cell: usize, frames: usize) -> f64 {
        let own = self.windows.iter().filter(|window| window.cell == cell && window.frames == frames);
        mean(own.map(|window| window.map))
    }

    /// `profiled`: mean average precision in the profile, which thresholds are shares of.
    fn roc(&self, frames: usize, profiled: f64) -> Roc {
        let clean = self.cells.iter().position(Option::is_none);
        let clean_map = clean.map_or(0.0, |clean| self.mean_map(clean, frames));
        let own = || self.windows.iter().filter(|window| window.frames == frames);
        let statistic = |window: &Window| window.estimate.value / profiled;
        let bad: Vec<usize> = (0..self.cells.len())
            .filter(|cell| {
                self.step(*cell).is_some() && self.mean_map(*cell, frames) <= (1.0 - LOST) * clean_map
            })
            .collect();
        let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<f64> {
            own().filter(|window| wanted(window.cell)).map(statistic).collect()
        };
        let negative = of(&|cell| Some(cell) == clean);
        let positive = of(&|cell| bad.contains(&cell));
        let below = |values: &[f64], threshold: f64| {
            mean(values.iter().map(|value| f64::from(u8::from(*value < threshold))))
        };
        let points = (1..=30).map(|step| {
            let threshold = f64::from(step) * 0.05;
            RocPoint {
                threshold,
                true_rate: below(&positive, threshold),
                false_rate: below(&negative, threshold),
            }
        });
        let wins = positive.iter().map(|bad| {
            mean(negative.iter().map(|good| match bad.total_cmp(good) {
                std::cmp::Ordering::Less => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 0.0,
            }))
        });
        let area = (!positive.is_empty() && !negative.is_empty()).then(|| mean(wins));
        Roc { frames, area, points: points.collect() }
    }
}
