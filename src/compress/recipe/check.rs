//! Whether steps go together, before any work is done.

use super::Step;
use crate::compress::CompressError;
use crate::compress::sparse::Scope;
use crate::corruption::{self, Group};

/// Checks the values of steps, their order, and whether there are images and a gate where they need them.
///
/// # Errors
/// [`CompressError::Step`] names the step; [`CompressError::NoSteps`].
pub fn check(steps: &[Step], has_images: bool, has_gate: bool) -> Result<(), CompressError> {
    if steps.is_empty() {
        return Err(CompressError::NoSteps);
    }
    for (number, step) in steps.iter().enumerate() {
        let before = steps.get(..number).unwrap_or_default();
        let problem = out_of_range(step).or_else(|| out_of_order(step, before)).or_else(|| {
            let what = step.needs_images_for().filter(|_| !has_images)?;
            Some(format!(
                "{what} need{} calibration images, none are given",
                if what.ends_with('s') { "" } else { "s" }
            ))
        });
        let problem = problem.or_else(|| {
            let mixed = matches!(step, Step::Int8(options) if options.mixed);
            (mixed && !has_gate).then(|| {
                "mixed precision needs to know how much may be lost: give a gate (--max-drop, or [gate] in the recipe)"
                    .to_owned()
            })
        });
        if let Some(problem) = problem {
            return Err(CompressError::Step { number: number + 1, method: step.method(), problem });
        }
    }
    Ok(())
}

/// Checks the order alone; the first step that is at the wrong place, counted from 0, and why.
pub(super) fn misplaced(steps: &[Step]) -> Option<(usize, String)> {
    steps.iter().enumerate().find_map(|(number, step)| {
        let problem = out_of_range(step).or_else(|| out_of_order(step, steps.get(..number)?));
        problem.map(|problem| (number, problem))
    })
}

fn out_of_range(step: &Step) -> Option<String> {
    let outside = |key: &str, from: f64, to: f64, found: f64| {
        (!(from..=to).contains(&found)).then(|| format!("`{key}`: expected {from} to {to}, found {found}"))
    };
    match step {
        Step::Fp16(options) => outside("margin", 1.0, 65504.0, f64::from(options.margin)),
        Step::Int8(options) => outside("percentile", 50.0, 100.0, options.percentile),
        Step::Structured(step) => outside("rate", 0.0, 0.95, step.options.rate)
            .or_else(|| outside("multiple", 1.0, 64.0, step.options.multiple as f64)),
        Step::Unstructured(step) => match step.options.scope {
            Scope::Pattern { keep, group } if keep == 0 || keep >= group => Some(format!(
                "`pattern`: expected N:M with 0 < N < M (N of M weights stay), found {keep}:{group}"
            )),
            Scope::Pattern { .. } => None,
            Scope::Global | Scope::Layer => outside("rate", 0.0, 0.99, step.options.rate),
        },
    }
}

fn out_of_order(step: &Step, before: &[Step]) -> Option<String> {
    let precision = before.iter().find(|step| !step.is_pruning())?.method();
    Some(match (step.is_pruning(), precision == step.method()) {
        (true, _) => {
            format!("prunes float32 weights, which `{precision}` before it has changed: prune first")
        }
        (false, true) => format!("the model is in {precision} already"),
        (false, false) => format!("the model is in {precision} already; choose one precision"),
    })
}

/// Checks that corruptions make sense on single images.
///
/// # Errors
/// [`CompressError::StreamCorruption`].
pub fn check_corruptions(steps: &[corruption::Step]) -> Result<(), CompressError> {
    match steps.iter().find(|step| step.corruption.group() == Group::Stream) {
        None => Ok(()),
        Some(step) => Err(CompressError::StreamCorruption { name: step.corruption.name() }),
    }
}

/// Checks that files can have this name anywhere.
///
/// # Errors
/// [`CompressError::Name`].
pub fn check_name(name: &str) -> Result<(), CompressError> {
    let fine = |c: char| c.is_alphanumeric() || "-_.+ ".contains(c);
    let usable = name.chars().all(fine) && !name.starts_with(['.', ' ', '-']) && !name.ends_with(['.', ' ']);
    if usable && !name.is_empty() && name.len() <= 200 {
        return Ok(());
    }
    Err(CompressError::Name { name: name.to_owned() })
}
