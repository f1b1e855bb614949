//! What compression costs beyond the base, image by image the same.

use crate::corruption::Group;
use crate::evaluation::{ClassSupport, Comparison, Difference, ResampledAp, difference};

use super::summary::{Scored, ScoredVariant};

/// Compares a variant with its base. Classes with fewer instances than `min_support` are left out.
pub(super) fn compare(
    base: &ScoredVariant,
    variant: &ScoredVariant,
    support: &[ClassSupport],
    min_support: usize,
) -> Comparison {
    let clean_drop = paired(
        base.clean.accuracy.ap.zip(variant.clean.accuracy.ap).map(|(base, variant)| base - variant),
        base.clean
            .resampled
            .iter()
            .zip(&variant.clean.resampled)
            .map(|(base, variant)| Some(base.ap? - variant.ap?)),
    );
    let extra = |chosen: &dyn Fn(usize) -> bool| extra_drop(base, variant, chosen, absolute);
    let cell = |index: usize| variant.cells.get(index).map(|(cell, _)| cell);
    let mut groups: Vec<(Group, Difference)> = Vec::new();
    let mut groups_relative: Vec<(Group, Difference)> = Vec::new();
    let mut corruptions: Vec<(String, Difference)> = Vec::new();
    for (this, _) in &variant.cells {
        if !groups.iter().any(|(group, _)| *group == this.group) {
            let own = |i: usize| cell(i).is_some_and(|cell| cell.group == this.group);
            groups.push((this.group, extra(&own)));
            groups_relative.push((this.group, extra_drop(base, variant, &own, relative)));
        }
        if !corruptions.iter().any(|(name, _)| *name == this.corruption) {
            let drop = extra(&|i| cell(i).is_some_and(|cell| cell.corruption == this.corruption));
            corruptions.push((this.corruption.clone(), drop));
        }
    }
    let classes = support.iter().enumerate().filter(|(_, class)| class.instances >= min_support);
    let classes = classes.map(|(i, class)| (class.name.clone(), class_drop(&base.clean, &variant.clean, i)));
    Comparison { clean_drop, groups, groups_relative, corruptions, classes: classes.collect() }
}

fn paired(drop: Option<f64>, resampled: impl Iterator<Item = Option<f64>>) -> Difference {
    let drop = drop.unwrap_or(0.0);
    let resampled: Vec<f64> = resampled.flatten().collect();
    // Without resamples nothing is known but that accuracies lie between 0 and 1.
    difference(drop, &resampled).unwrap_or(Difference { drop, interval: [-1.0, 1.0], p_value: 1.0 })
}

fn class_drop(base: &Scored, variant: &Scored, class: usize) -> Difference {
    let ap = |scored: &Scored| scored.accuracy.classes.get(class).and_then(|class| class.ap);
    let of = |sample: &ResampledAp| sample.classes.get(class).copied().flatten();
    paired(
        ap(base).zip(ap(variant)).map(|(base, variant)| base - variant),
        base.resampled.iter().zip(&variant.resampled).map(|(base, variant)| Some(of(base)? - of(variant)?)),
    )
}

/// Points lost from `clean` to `left`.
#[expect(clippy::unnecessary_wraps, reason = "stands where `relative` does")]
fn absolute(clean: f64, left: f64) -> Option<f64> {
    Some(clean - left)
}

/// Share of `clean` lost to `left`.
fn relative(clean: f64, left: f64) -> Option<f64> {
    (clean > 0.0).then(|| 1.0 - left / clean)
}

/// The mean, over the chosen cells, of what the variant loses from clean minus what the base does, by `loss`.
fn extra_drop(
    base: &ScoredVariant,
    variant: &ScoredVariant,
    chosen: &dyn Fn(usize) -> bool,
    loss: fn(f64, f64) -> Option<f64>,
) -> Difference {
    let cells: Vec<usize> = (0..variant.cells.len().min(base.cells.len())).filter(|i| chosen(*i)).collect();
    let mean = |extra: &dyn Fn(usize) -> Option<f64>| -> Option<f64> {
        let sum: f64 = cells.iter().map(|i| extra(*i)).sum::<Option<f64>>()?;
        Some(sum / cells.len() as f64)
    };
    let drop = mean(&|i| {
        let left = |scored: &ScoredVariant| scored.cells.get(i).and_then(|(cell, _)| cell.accuracy.ap);
        let own = loss(variant.clean.accuracy.ap?, left(variant)?)?;
        Some(own - loss(base.clean.accuracy.ap?, left(base)?)?)
    });
    let resampled = (0..variant.clean.resampled.len()).map(|sample| {
        mean(&|i| {
            let clean =
                |scored: &ScoredVariant| scored.clean.resampled.get(sample).and_then(|sample| sample.ap);
            let left = |scored: &ScoredVariant| {
                scored.cells.get(i).and_then(|(_, cells)| cells.get(sample)).and_then(|s| s.ap)
            };
            Some(loss(clean(variant)?, left(variant)?)? - loss(clean(base)?, left(base)?)?)
        })
    });
    paired(drop, resampled)
}
