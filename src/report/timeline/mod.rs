//! Health over time: a page from the `health.jsonl` of a replay, per camera and class, with what was injected below.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use askama::Template;

use super::ReportError;
use super::chart::{Axis, coordinate, percent};
use super::number::NONE;
use super::palette;
use read::{Line, Status};

/// Width of the drawings in their own units; time runs over all of it.
const WIDTH: f64 = 1000.0;
/// Height of curves.
const HEIGHT: f64 = 120.0;
/// Most points of a curve: what lies closer together is not seen.
const MAX_POINTS: usize = 1000;
/// Most classes with a lane of their own, the worst and most frequent first.
const MAX_LANES: usize = 20;
/// Rows of the table of changes.
const MAX_CHANGES: usize = 500;

#[derive(Template)]
#[template(path = "timeline.html")]
struct Page {
    title: String,
    version: &'static str,
    cameras: Vec<Camera>,
    light: [palette::Step; palette::STEPS],
    dark: [palette::Step; palette::STEPS],
    series: [(&'static str, &'static str); 6],
}

struct Camera {
    name: String,
    extent: String,
    summary: String,
    /// Places in percent, and what stands there.
    ticks: Vec<(String, String)>,
    map: Option<Curve>,
    severity: Option<Severity>,
    status: Lane,
    lanes: Vec<Lane>,
    left_out: usize,
    changes: Vec<Change>,
    changes_left_out: usize,
}

/// Estimated mAP with its interval.
struct Curve {
    band: String,
    line: String,
    top: String,
}

/// Severity of what was injected, and what the image looked like.
struct Severity {
    injected: Vec<Block>,
    estimated: String,
    names: String,
}

/// A run of seconds with the same status, or the same severity.
struct Block {
    x: String,
    y: String,
    width: String,
    height: String,
    class: &'static str,
    title: String,
}

struct Lane {
    name: String,
    blocks: Vec<Block>,
    worst: &'static str,
    worst_class: &'static str,
}

struct Change {
    time: String,
    who: String,
    before: (&'static str, &'static str),
    after: (&'static str, &'static str),
    reason: String,
    injected: String,
}

/// The page for one `health.jsonl`, with everything in it.
///
/// # Errors
/// The file cannot be read, or a line is not one of health; the error names it.
pub fn html(path: &Path) -> Result<String, ReportError> {
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let title = folder.unwrap_or_else(|| path.display().to_string());
    render(title, &read::read(path)?)
}

fn render(title: String, lines: &[Line]) -> Result<String, ReportError> {
    let mut cameras: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        cameras.entry(&line.camera).or_default().push(line);
    }
    let cameras = cameras.into_iter().map(|(name, lines)| camera(name, &lines)).collect();
    Ok(Page {
        title,
        version: env!("CARGO_PKG_VERSION"),
        cameras,
        light: palette::LIGHT,
        dark: palette::DARK,
        series: palette::SERIES,
    }
    .render()?)
}

/// Where times lie on the page, by the order of lines: stamps may jump, a page may not.
struct Scale {
    count: usize,
}

impl Scale {
    /// Left edge of a line's second.
    fn x(&self, index: usize) -> f64 {
        index as f64 / self.count.max(1) as f64 * WIDTH
    }

    fn block(&self, from: usize, to: usize, class: &'static str, title: String) -> Block {
        let (x, end) = (self.x(from), self.x(to));
        Block {
            x: coordinate(x),
            y: "0".to_owned(),
            width: coordinate(end - x),
            height: "16".to_owned(),
            class,
            title,
        }
    }
}

fn camera(name: &str, lines: &[&Line]) -> Camera {
    let start_ns = lines.first().map_or(0, |line| line.stamp_ns);
    let seconds = |index: usize| {
        let stamp_ns = lines.get(index).or(lines.last()).map_or(start_ns, |line| line.stamp_ns);
        stamp_ns.saturating_sub(start_ns) as f64 / 1e9
    };
    let scale = Scale { count: lines.len() };
    let axis = Axis::around([0.0, seconds(lines.len().saturating_sub(1)).max(1.0)].into_iter(), 8.0);
    let ticks = axis.values().filter_map(|value| {
        let index = (0..lines.len()).find(|index| seconds(*index) >= value)?;
        Some((percent(scale.x(index) / WIDTH), format!("{} s", axis.label(value))))
    });
    let status = lane("camera", &scale, &seconds, lines, |line| Some((line.status, line.reason.as_str())));
    let names = ranked(lines);
    let lanes = names.iter().take(MAX_LANES).map(|name| {
        lane(name, &scale, &seconds, lines, |line| {
            let class = line.classes.iter().find(|class| class.class_name == *name)?;
            Some((class.status, class.reason.as_str()))
        })
    });
    let mut changes = changes(lines, &names, &seconds);
    let changes_left_out = changes.len().saturating_sub(MAX_CHANGES);
    changes.truncate(MAX_CHANGES);
    Camera {
        name: name.to_owned(),
        extent: format!("{} lines, {:.0} s", lines.len(), seconds(lines.len().saturating_sub(1))),
        summary: summary(lines),
        ticks: ticks.collect(),
        map: map_curve(&scale, lines),
        severity: severity(&scale, &seconds, lines),
        status,
        lanes: lanes.collect(),
        left_out: names.len().saturating_sub(MAX_LANES),
        changes,
        changes_left_out,
    }
}

/// Classes that were judged at least once, those with the worst status first, then by detections.
fn ranked<'a>(lines: &[&'a Line]) -> Vec<&'a str> {
    let mut classes: BTreeMap<&str, (Status, u64)> = BTreeMap::new();
    for class in lines.iter().flat_map(|line| &line.classes) {
        let known = classes.entry(&class.class_name).or_insert((class.status, 0));
        known.0 = known.0.max(class.status);
        known.1 += class.detections;
    }
    let mut ranked: Vec<_> = classes.into_iter().collect();
    ranked.sort_by(|(_, a), (_, b)| b.cmp(a));
    // Of which nothing was ever said have no lane.
    let is_judged = |(_, (status, _)): &(&str, (Status, u64))| *status > Status::InsufficientData;
    ranked.into_iter().filter(is_judged).map(|(name, _)| name).collect()
}

fn summary(lines: &[&Line]) -> String {
    let share = |status: Status| {
        let count = lines.iter().filter(|line| line.status == status).count();
        (count > 0).then(|| format!("{} {count} s", status.word()))
    };
    let all = [Status::Error, Status::Warn, Status::Stale, Status::Ok, Status::InsufficientData];
    let shares: Vec<String> = all.into_iter().filter_map(share).collect();
    let worst = lines.iter().rev().find_map(|line| line.worst_class.as_deref());
    let worst = worst.map(|name| format!("; worst class at the end: {name}")).unwrap_or_default();
    format!("{}{worst}", shares.join(", "))
}

fn lane<'a>(
    name: &str,
    scale: &Scale,
    seconds: &dyn Fn(usize) -> f64,
    lines: &[&'a Line],
    status: impl Fn(&'a Line) -> Option<(Status, &'a str)>,
) -> Lane {
    let mut blocks = Vec::new();
    let mut worst = Status::InsufficientData;
    let mut run: Option<(usize, Status, &str)> = None;
    for index in 0..=lines.len() {
        let now = lines.get(index).and_then(|line| status(line));
        if let Some((found, _)) = now {
            worst = worst.max(found);
        }
        if let (Some((_, before, _)), Some((found, _))) = (run, now)
            && before == found
        {
            continue;
        }
        if let Some((from, status, reason)) = run.take() {
            let reason = if status == Status::Ok { String::new() } else { format!(": {reason}") };
            let title =
                format!("{:.0} s to {:.0} s {}{reason}", seconds(from), seconds(index), status.word());
            blocks.push(scale.block(from, index, status.class(), title));
        }
        run = now.map(|(status, reason)| (index, status, reason));
    }
    Lane { name: name.to_owned(), blocks, worst: worst.word(), worst_class: worst.class() }
}

fn map_curve(scale: &Scale, lines: &[&Line]) -> Option<Curve> {
    let stride = lines.len().div_ceil(MAX_POINTS).max(1);
    let known: Vec<(f64, [f64; 3])> = lines
        .iter()
        .enumerate()
        .step_by(stride)
        .filter_map(|(index, line)| {
            let value = line.estimated_map.value?;
            let (low, high) =
                (line.estimated_map.low.unwrap_or(value), line.estimated_map.high.unwrap_or(value));
            Some((scale.x(index), [low, value, high]))
        })
        .collect();
    let top = known.iter().map(|(_, [_, _, high])| *high).fold(f64::NAN, f64::max);
    if !top.is_finite() {
        return None;
    }
    let top = top.max(0.05);
    let point = |x: f64, value: f64| {
        format!("{},{}", coordinate(x), coordinate(HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0))))
    };
    let upper = known.iter().map(|(x, [_, _, high])| point(*x, *high));
    let lower = known.iter().rev().map(|(x, [low, _, _])| point(*x, *low));
    Some(Curve {
        band: upper.chain(lower).collect::<Vec<_>>().join(" "),
        line: known.iter().map(|(x, [_, value, _])| point(*x, *value)).collect::<Vec<_>>().join(" "),
        top: format!("{top:.2}"),
    })
}

/// Sum of the severities that `corruption:severity` names, at most 5.
fn severity_of(corruptions: &[String]) -> f64 {
    let of = |text: &String| text.rsplit_once(':').and_then(|(_, severity)| severity.parse::<f64>().ok());
    corruptions.iter().filter_map(of).sum::<f64>().clamp(0.0, 5.0)
}

fn severity(scale: &Scale, seconds: &dyn Fn(usize) -> f64, lines: &[&Line]) -> Option<Severity> {
    let injected =
        |index: usize| lines.get(index).filter(|line| line.is_injected).map(|line| &line.corruptions);
    let mut names: Vec<&str> = lines
        .iter()
        .filter(|line| line.is_injected)
        .flat_map(|line| &line.corruptions)
        .map(|text| text.split(':').next().unwrap_or(text))
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut blocks = Vec::new();
    let mut from = 0;
    for index in 1..=lines.len() {
        if index < lines.len() && injected(index) == injected(from) {
            continue;
        }
        if let Some(corruptions) = injected(from) {
            let title =
                format!("{:.0} s to {:.0} s: {}", seconds(from), seconds(index), corruptions.join(" + "));
            let mut block = scale.block(from, index, "injected", title);
            let height = severity_of(corruptions) / 5.0 * HEIGHT;
            (block.y, block.height) = (coordinate(HEIGHT - height), coordinate(height));
            blocks.push(block);
        }
        from = index;
    }
    let stride = lines.len().div_ceil(MAX_POINTS).max(1);
    let estimated = lines.iter().enumerate().step_by(stride).filter_map(|(index, line)| {
        let severity = if line.estimated_corruption.is_some() { line.estimated_severity? } else { 0.0 };
        line.estimated_severity?;
        Some(format!("{},{}", coordinate(scale.x(index)), coordinate(HEIGHT * (1.0 - severity / 5.0))))
    });
    let estimated = estimated.collect::<Vec<_>>().join(" ");
    (!blocks.is_empty() || !estimated.is_empty()).then(|| Severity {
        injected: blocks,
        estimated,
        names: if names.is_empty() { "nothing".to_owned() } else { names.join(", ") },
    })
}

/// Every change of status of the camera and of its classes; what only comes into or goes out of sight is none.
fn changes(lines: &[&Line], names: &[&str], seconds: &dyn Fn(usize) -> f64) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut known: BTreeMap<&str, Status> = BTreeMap::new();
    let mut camera: Option<Status> = None;
    for (index, line) in lines.iter().enumerate() {
        let mut note = |who: &str, before: Status, after: Status, reason: &str| {
            changes.push(Change {
                time: format!("{:.0} s", seconds(index)),
                who: who.to_owned(),
                before: (before.class(), before.word()),
                after: (after.class(), after.word()),
                reason: if after == Status::Ok { String::new() } else { reason.to_owned() },
                injected: if line.is_injected { line.corruptions.join(" + ") } else { NONE.to_owned() },
            });
        };
        if let Some(before) = camera.replace(line.status).filter(|before| *before != line.status) {
            note("camera", before, line.status, &line.reason);
        }
        for name in names {
            let class = line.classes.iter().find(|class| class.class_name == *name);
            let Some(class) = class else { continue };
            let before = known.insert(name, class.status).unwrap_or(Status::InsufficientData);
            let is_news = |status: Status| matches!(status, Status::Warn | Status::Error);
            if before != class.status && (is_news(before) || is_news(class.status)) {
                note(name, before, class.status, &class.reason);
            }
        }
    }
    changes
}
