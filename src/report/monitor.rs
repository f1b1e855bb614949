//! How good the health figures are: estimates beside the truth, and alarms.

use super::chart::{Axis, Frame, Tick, coordinate};
use super::number::{NONE, decimals, points, signed};
use crate::evaluation::monitor::{AlarmStudy, MonitorCondition, MonitorRow, MonitorStudy};

/// Size of window that single conditions are drawn for, frames.
const DRAWN: usize = 100;

pub(super) struct Monitor {
    pub(super) intro: String,
    pub(super) estimators: Vec<String>,
    pub(super) map: Vec<Row>,
    pub(super) classes: Vec<Row>,
    pub(super) plot: Plot,
    pub(super) areas: Vec<String>,
    pub(super) alarms: Option<Alarms>,
}

pub(super) struct Row {
    pub(super) known: &'static str,
    pub(super) group: &'static str,
    pub(super) frames: usize,
    pub(super) cells: Vec<Cell>,
    pub(super) coverage: String,
}

pub(super) struct Cell {
    pub(super) mae: String,
    pub(super) note: String,
    /// Whether nothing but the oracle is better in this row.
    pub(super) is_best: bool,
}

/// Estimated over true mAP.
pub(super) struct Plot {
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    pub(super) frame: [String; 6],
    pub(super) dots: Vec<Dot>,
}

pub(super) struct Dot {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) low: String,
    pub(super) high: String,
    pub(super) class: &'static str,
    pub(super) title: String,
}

pub(super) struct Alarms {
    pub(super) facts: Vec<String>,
    pub(super) steps: Vec<[String; 5]>,
}

pub(super) fn monitor(study: &MonitorStudy) -> Monitor {
    let profile = &study.profile;
    Monitor {
        intro: format!(
            "The profile was made from {} ({} frames) under {}; measured on {} ({} frames), {} windows of each condition and size, \
             drawn with replacement. Corruptions that the profile does not know are held out.",
            profile.source,
            profile.frames,
            profile.corruptions.join(", "),
            study.dataset,
            study.frames,
            study.draws
        ),
        estimators: study.map.first().map_or(Vec::new(), |row| {
            row.estimators.iter().map(|estimator| estimator.name.replace('_', " ")).collect()
        }),
        map: study.map.iter().map(row).collect(),
        classes: study.classes.iter().map(row).collect(),
        plot: plot(&study.conditions),
        areas: study
            .roc
            .iter()
            .filter_map(|roc| Some(format!("{} frames: {}", roc.frames, decimals(roc.area?, 3))))
            .collect(),
        alarms: study.alarms.as_ref().map(alarms),
    }
}

fn row(row: &MonitorRow) -> Row {
    let contenders = row.estimators.iter().filter(|estimator| estimator.name != "oracle");
    let best = contenders.map(|estimator| estimator.mae).fold(f64::INFINITY, f64::min);
    let cells = row.estimators.iter().map(|estimator| {
        let rank = estimator.rank_correlation.map_or(NONE.to_owned(), |rank| decimals(rank, 2));
        Cell {
            mae: points(estimator.mae),
            note: format!("{}, r {rank}", signed(estimator.bias)),
            is_best: estimator.name != "oracle" && estimator.mae <= best,
        }
    });
    let coverage = row.estimators.iter().find_map(|estimator| estimator.coverage);
    Row {
        known: if row.is_held_out { "held out" } else { "profiled" },
        group: row.group.map_or("all", |group| group.name()),
        frames: row.frames,
        cells: cells.collect(),
        coverage: coverage.map_or(NONE.to_owned(), points),
    }
}

fn plot(conditions: &[MonitorCondition]) -> Plot {
    let drawn = || conditions.iter().filter(|condition| condition.frames == DRAWN);
    let most = drawn().map(|c| c.truth.max(c.interval[1])).fold(0.1, f64::max);
    let axis = Axis::around([0.0, most].into_iter(), 5.0);
    let frame = Frame { width: 360.0, height: 320.0, left: 40.0, bottom: 36.0, x: axis, y: axis };
    let dots = drawn().map(|condition| {
        let name = condition.corruption.as_deref().unwrap_or("clean");
        Dot {
            x: coordinate(frame.px(condition.truth)),
            y: coordinate(frame.py(condition.estimate)),
            low: coordinate(frame.py(condition.interval[0])),
            high: coordinate(frame.py(condition.interval[1])),
            class: if condition.is_held_out { "hollow" } else { "filled" },
            title: format!(
                "{name}:{} true {}, estimated {}, looks like {}",
                condition.severity,
                points(condition.truth),
                points(condition.estimate),
                condition.seems.as_deref().unwrap_or("clean")
            ),
        }
    });
    Plot {
        dots: dots.collect(),
        x_ticks: frame.x_ticks(),
        y_ticks: frame.y_ticks(),
        frame: [frame.width, frame.height, frame.left, frame.right(), frame.py(axis.to), frame.base()]
            .map(coordinate),
    }
}

fn alarms(alarms: &AlarmStudy) -> Alarms {
    let mut facts = vec![format!(
        "Clean frames: {} false alarms in {} simulated hours, {} in 10 hours where {} are allowed.",
        alarms.false_alarms,
        alarms.clean_hours,
        decimals(alarms.false_alarms_per_10h, 2),
        alarms.allowed_per_10h
    )];
    if let Some(ramp) = &alarms.ramp {
        facts.push(match ramp.severity {
            Some(severity) => format!(
                "{} that comes up over {} s: first warning at severity {}, when {} points of 100 of true recall were lost.",
                ramp.corruption,
                ramp.length_s,
                decimals(severity, 1),
                ramp.recall_lost.map_or(NONE.to_owned(), points)
            ),
            None => format!("{} that comes up over {} s: no warning.", ramp.corruption, ramp.length_s),
        });
    }
    facts.extend(alarms.vanishing.iter().map(|class| {
        let rate = decimals(class.rate_hz, 1);
        match class.delay_s {
            Some(delay) => {
                format!(
                    "{} vanishes ({rate} detections a second): ERROR after {} s.",
                    class.class,
                    decimals(delay, 0)
                )
            }
            None => format!("{} vanishes ({rate} detections a second): not noticed.", class.class),
        }
    }));
    let steps = alarms.steps.iter().map(|step| {
        [
            step.corruption.replace('_', " "),
            step.severity.to_string(),
            points(step.lost),
            format!("{} of {}", step.detected, step.streams),
            step.median_delay_frames.map_or(NONE.to_owned(), |delay| decimals(delay, 0)),
        ]
    });
    Alarms { facts, steps: steps.collect() }
}
