//! Scores and boxes towards labels.

use super::assign::{Match, assign};
use super::boxes::{Pull, Target, two_hot};
use super::scores::QualityFocal;
use super::{LabelOptions, LossError, Terms};
use crate::heads::{BoxCoder, BoxValues, Head, Sinks, View};
use crate::truth::{ClassWeights, Truth};
use roadproof::detector::manifest::DecoderKind;

/// Learns from an image's labels; all objects of the image are among them.
///
/// # Errors
/// [`LossError::Truth`] for a label that makes no sense, [`LossError::Queries`] for too many.
pub(super) fn learn(
    options: &LabelOptions,
    weights: &ClassWeights,
    student: View<'_>,
    truth: &[Truth],
    sinks: &mut Sinks<'_>,
) -> Result<Terms, LossError> {
    check(student.head, truth)?;
    let matches = assign(options, student, truth)?;
    Ok(approach(options, weights, student, &matches, sinks))
}

/// Learns from what was assigned; what it says of scores to learn is taken as it is.
fn approach(
    options: &LabelOptions,
    weights: &ClassWeights,
    student: View<'_>,
    matches: &[Match],
    sinks: &mut Sinks<'_>,
) -> Terms {
    let normaliser = matches.iter().map(|matched| matched.weight).sum::<f64>().max(1.0);
    let mut terms = Terms::default();
    if options.scores > 0.0 {
        terms.label_scores =
            scores(options, (options.scores / normaliser) as f32, weights, student, matches, sinks);
    }
    let pull =
        Pull { giou: options.giou, l1: options.l1, distributions: options.distributions, temperature: 1.0 };
    if !pull.is_idle() {
        for matched in matches {
            let location = matched.location;
            let distributions = match student.block(location).map(|block| block.coder) {
                Some(BoxCoder::Distributions { bins, grid }) => {
                    two_hot(&grid, location.row, bins, &matched.bbox)
                }
                _ => BoxValues::new(),
            };
            let weight = matched.weight * f64::from(weights.of(matched.class)) / normaliser;
            let target = Target { location, bbox: matched.bbox, distributions, weight };
            let (boxes, sides) = pull.apply(student, &target, sinks);
            terms.label_boxes += boxes;
            terms.label_distributions += sides;
        }
    }
    terms
}

fn check(head: &Head, truth: &[Truth]) -> Result<(), LossError> {
    for (index, object) in truth.iter().enumerate() {
        let bbox = &object.bbox;
        if object.class_id as usize >= head.classes() || !bbox.is_finite() || bbox.area() <= 0.0 {
            return Err(LossError::Truth {
                index,
                classes: head.classes(),
                class: object.class_id,
                bbox: [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max],
            });
        }
    }
    Ok(())
}

/// Assigned locations shall give their object's class its score, everything else 0. With objectness, that is learnt
/// everywhere, and classes at assigned locations alone, as YOLOX does.
fn scores(
    options: &LabelOptions,
    weight: f32,
    weights: &ClassWeights,
    student: View<'_>,
    matches: &[Match],
    sinks: &mut Sinks<'_>,
) -> f64 {
    let beta = options.beta.unwrap_or(match student.head.kind() {
        DecoderKind::Nanodet | DecoderKind::Rtdetr => 2.0,
        _ => 0.0,
    });
    let focal = QualityFocal { beta, logits: student.head.logits() };
    let is_rare = |class: usize| options.equalise_above.is_some_and(|above| weights.of(class as u32) > above);
    let mut sum = 0.0;
    for (index, block) in student.head.blocks().iter().enumerate() {
        let mut by_row: Vec<Option<&Match>> = vec![None; block.rows];
        for matched in matches.iter().filter(|matched| matched.location.block == index) {
            if let Some(slot) = by_row.get_mut(matched.location.row) {
                *slot = Some(matched);
            }
        }
        let matched = |row: usize| by_row.get(row).copied().flatten();
        if let Some(objectness) = &block.objectness {
            sum += focal.sum(student, objectness, block.rows, sinks, |row, _, _| {
                (f32::from(u8::from(matched(row).is_some())), weight)
            });
        }
        let everywhere = if block.objectness.is_none() { weight } else { 0.0 };
        sum += focal.sum(student, &block.scores, block.rows, sinks, |row, class, _| match matched(row) {
            Some(matched) if matched.class as usize == class => {
                (matched.score, weight * weights.of(matched.class))
            }
            Some(_) if is_rare(class) => (0.0, 0.0),
            Some(_) => (0.0, weight * weights.of(class as u32)),
            None => (0.0, everywhere * weights.of(class as u32)),
        });
    }
    sum
}

#[cfg(test)]
mod tests;
