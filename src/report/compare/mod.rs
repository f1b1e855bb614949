//! Two studies beside each other, and conditions on what changed.

mod condition;
mod metric;

pub use condition::{Condition, ConditionError, Outcome};
pub use metric::Metric;

use crate::evaluation::{Study, Variant};

/// Why two studies cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// They were not measured in the same way.
    #[error("the studies are not comparable: {}. With --allow-different they are compared nevertheless", .0.join("; "))]
    Different(Vec<String>),
    /// The variant is not in a study.
    #[error("no variant '{name}' in {study}, it has {}", .known.join(", "))]
    NoVariant {
        /// What was asked for.
        name: String,
        /// Which study.
        study: &'static str,
        /// What it has.
        known: Vec<String>,
    },
    /// No variant is in both.
    #[error("the studies have no variant in common: A has {}, B has {}", .a.join(", "), .b.join(", "))]
    NothingInCommon {
        /// Variants of the first.
        a: Vec<String>,
        /// Variants of the second.
        b: Vec<String>,
    },
}

/// A metric before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Which.
    pub metric: Metric,
    /// In the first study.
    pub a: Option<f64>,
    /// In the second.
    pub b: Option<f64>,
}

/// In what ways two studies were measured differently; empty if they are comparable.
#[must_use]
pub fn differences(a: &Study, b: &Study) -> Vec<String> {
    let mut out = Vec::new();
    if a.dataset.name != b.dataset.name {
        out.push(format!("dataset '{}' in A, '{}' in B", a.dataset.name, b.dataset.name));
    }
    if a.dataset.images != b.dataset.images {
        out.push(format!("{} images in A, {} in B", a.dataset.images, b.dataset.images));
    }
    if a.dataset.classes != b.dataset.classes {
        let pairs = a.dataset.classes.iter().zip(&b.dataset.classes);
        out.push(match pairs.clone().find(|(a, b)| a != b) {
            Some((a, b)) if a.name == b.name => {
                format!("class '{}' has {} instances in A, {} in B", a.name, a.instances, b.instances)
            }
            Some((a, b)) => format!("class '{}' in A is '{}' in B", a.name, b.name),
            None => format!("{} classes in A, {} in B", a.dataset.classes.len(), b.dataset.classes.len()),
        });
    }
    let listed = |of: &Study| of.settings.corruptions.join(", ");
    let mut corruptions = [&a.settings.corruptions, &b.settings.corruptions].map(Clone::clone);
    for names in &mut corruptions {
        names.sort();
    }
    if corruptions[0] != corruptions[1] {
        out.push(format!("corruptions [{}] in A, [{}] in B", listed(a), listed(b)));
    }
    let sorted = |of: &Study| {
        let mut severities = of.settings.severities.clone();
        severities.sort_by(f64::total_cmp);
        severities
    };
    if sorted(a) != sorted(b) {
        out.push(format!("severities {:?} in A, {:?} in B", sorted(a), sorted(b)));
    }
    out
}

/// The variants to compare: those in both studies, or the one called `only`.
///
/// # Errors
/// There is none.
pub fn pairs<'a>(
    a: &'a Study,
    b: &'a Study,
    only: Option<&str>,
) -> Result<Vec<(&'a Variant, &'a Variant)>, CompareError> {
    let names = |study: &Study| study.variants.iter().map(|variant| variant.name.clone()).collect();
    let find = |study: &'a Study, name: &str| study.variants.iter().find(|variant| variant.name == name);
    if let Some(name) = only {
        let get = |study: &'a Study, which| {
            find(study, name).ok_or_else(|| CompareError::NoVariant {
                name: name.to_owned(),
                study: which,
                known: names(study),
            })
        };
        return Ok(vec![(get(a, "A")?, get(b, "B")?)]);
    }
    let both: Vec<_> = a.variants.iter().filter_map(|of| Some((of, find(b, &of.name)?))).collect();
    if both.is_empty() {
        return Err(CompareError::NothingInCommon { a: names(a), b: names(b) });
    }
    Ok(both)
}

/// Names of the variants that only the first study has, and of those that only the second has.
#[must_use]
pub fn unmatched(a: &Study, b: &Study) -> (Vec<String>, Vec<String>) {
    let only = |of: &Study, other: &Study| {
        let missing = of.variants.iter().filter(|v| other.variants.iter().all(|o| o.name != v.name));
        missing.map(|variant| variant.name.clone()).collect()
    };
    (only(a, b), only(b, a))
}

/// Every metric that at least one of the two has.
#[must_use]
pub fn changes(a: &Variant, b: &Variant) -> Vec<Change> {
    let change = |metric: &Metric| Change { metric: *metric, a: metric.value(a), b: metric.value(b) };
    Metric::ALL.iter().map(change).filter(|change| change.a.is_some() || change.b.is_some()).collect()
}

#[cfg(test)]
mod tests;
