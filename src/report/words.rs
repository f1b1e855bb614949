//! What the numbers say, in sentences that claim no more than the data does.

use super::number::{counted, interval, megabytes, ms, p_value, percent, points, significant};
use crate::corruption::Group;
use crate::evaluation::{Difference, Study, Variant};

/// With a capital.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What compression costs a variant, clean and group by group; empty for one without a base.
pub(super) fn cost(study: &Study, variant: &Variant) -> Vec<String> {
    let Some(comparison) = &variant.against_base else { return vec![] };
    let images = images(study);
    let bootstrap = study.settings.bootstrap;
    let clean = &comparison.clean_drop;
    let clean = if significant(clean) {
        let (amount, text) = amount(clean, bootstrap);
        let side = if clean.drop > 0.0 { "below" } else { "above" };
        format!("On clean images it is {amount} points {side} its base ({text}).")
    } else {
        format!(
            "On clean images there is no difference from its base that {images} could show ({}).",
            unsure(clean, bootstrap)
        )
    };
    let groups = comparison.groups.iter().map(|(of, difference)| {
        let subject = match of {
            Group::Noise | Group::Blur | Group::Weather => of.name().to_owned(),
            Group::Digital => "digital processing".to_owned(),
            Group::Camera => "what cameras do".to_owned(),
            Group::Stream => "a disturbed stream".to_owned(),
        };
        let subject = capital(&subject);
        let left = left(study, variant, *of);
        if significant(difference) {
            let (amount, text) = amount(difference, bootstrap);
            let side = if difference.drop > 0.0 { "more" } else { "less" };
            format!("{subject} costs it {amount} points {side} than its base ({text}).{left}")
        } else {
            format!(
                "{subject} makes no difference that {images} could show ({}).{left}",
                unsure(difference, bootstrap)
            )
        }
    });
    std::iter::once(clean).chain(groups).collect()
}

/// What is left of the clean AP under a group, beside the base: who has little to lose loses few points.
fn left(study: &Study, variant: &Variant, of: Group) -> String {
    let share = |variant: &Variant| {
        let robustness = variant.robustness.groups.iter().find(|group| group.group == of);
        robustness.and_then(|group| group.rpc)
    };
    let base = study.variants.iter().find(|base| variant.base.as_deref() == Some(base.name.as_str()));
    match (share(variant), base.and_then(share)) {
        (Some(own), Some(base)) => {
            format!(" Left of its clean AP: {}, of its base's: {}.", percent(own), percent(base))
        }
        _ => String::new(),
    }
}

/// The size of a difference without its sign, and how sure that is.
fn amount(difference: &Difference, bootstrap: usize) -> (String, String) {
    let [low, high] = difference.interval;
    let range = if difference.drop < 0.0 { [-high, -low] } else { [low, high] };
    let text = format!("95\u{a0}% {}, {}", interval(range), p_value(difference.p_value, bootstrap));
    (points(difference.drop.abs()), text)
}

fn unsure(difference: &Difference, bootstrap: usize) -> String {
    format!("95\u{a0}% {} points, {}", interval(difference.interval), p_value(difference.p_value, bootstrap))
}

pub(super) fn images(study: &Study) -> String {
    counted(study.dataset.images, "image", "images")
}

/// A variant and what it is best at.
pub(super) struct Lead {
    /// Its name.
    pub(super) name: String,
    /// What, with values.
    pub(super) on: String,
}

struct Criterion {
    what: &'static str,
    value: fn(&Variant) -> Option<f64>,
    more_is_better: bool,
    text: fn(f64) -> String,
}

const CRITERIA: [Criterion; 7] = [
    Criterion { what: "clean AP", value: |v| v.clean.ap, more_is_better: true, text: points },
    Criterion {
        what: "AP of its worst class",
        value: |v| v.worst_class.as_ref().map(|w| w.ap),
        more_is_better: true,
        text: points,
    },
    Criterion { what: "mPC", value: |v| v.robustness.mpc, more_is_better: true, text: points },
    Criterion { what: "rPC", value: |v| v.robustness.rpc, more_is_better: true, text: percent },
    Criterion {
        what: "median latency",
        value: |v| Some(v.latency.p50_ms),
        more_is_better: false,
        text: |v| format!("{} ms", ms(v)),
    },
    Criterion {
        what: "p99 latency",
        value: |v| Some(v.latency.p99_ms),
        more_is_better: false,
        text: |v| format!("{} ms", ms(v)),
    },
    Criterion {
        what: "size",
        value: |v| Some(v.model.size_bytes as f64),
        more_is_better: false,
        text: |v| format!("{} MB", megabytes(v as u64)),
    },
];

impl Criterion {
    /// The only best variant; none where two print the same.
    fn best<'a>(&self, variants: &'a [Variant]) -> Option<(&'a Variant, f64)> {
        let mut known: Vec<_> = variants.iter().filter_map(|v| Some((v, (self.value)(v)?))).collect();
        known.sort_by(|(_, a), (_, b)| if self.more_is_better { b.total_cmp(a) } else { a.total_cmp(b) });
        let (first, second) = (known.first()?, known.get(1)?);
        ((self.text)(first.1) != (self.text)(second.1)).then_some(*first)
    }
}

/// Which variant leads on what, in the variants' order.
pub(super) fn leads(study: &Study) -> Vec<Lead> {
    let best: Vec<_> = CRITERIA.iter().filter_map(|c| Some((c, c.best(&study.variants)?))).collect();
    study
        .variants
        .iter()
        .filter_map(|variant| {
            let on: Vec<String> = best
                .iter()
                .filter(|(_, (leader, _))| leader.name == variant.name)
                .map(|(criterion, (_, value))| format!("{} ({})", criterion.what, (criterion.text)(*value)))
                .collect();
            (!on.is_empty()).then(|| Lead { name: variant.name.clone(), on: list(&on) })
        })
        .collect()
}

/// What must be said beside [`leads`], so that nobody reads chance as a lead.
pub(super) fn caveats(study: &Study) -> Vec<String> {
    let mut out = Vec::new();
    let mut by_ap: Vec<_> = study.variants.iter().filter_map(|v| Some((v, v.clean.ap?))).collect();
    by_ap.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    if let [(first, a), rest @ ..] = by_ap.as_slice() {
        let close: Vec<String> = rest
            .iter()
            .filter(|(v, _)| !told_apart(first, v))
            .map(|(v, b)| format!("{} ({} points behind)", v.name, points(a - b)))
            .collect();
        if !close.is_empty() {
            out.push(format!(
                "On clean AP, {} cannot tell {} from {}.",
                images(study),
                first.name,
                list(&close)
            ));
        }
    }
    let mut by_worst: Vec<_> =
        study.variants.iter().filter_map(|v| Some((v, v.worst_class.as_ref()?))).collect();
    by_worst.sort_by(|(_, a), (_, b)| b.ap.total_cmp(&a.ap));
    if let [(first, best), rest @ ..] = by_worst.as_slice() {
        let close: Vec<String> = rest
            .iter()
            .filter(|(_, worst)| overlap(best.interval, worst.interval))
            .map(|(v, _)| v.name.clone())
            .collect();
        if !close.is_empty() {
            let those = if close.len() == 1 { "that" } else { "those" };
            let first = &first.name;
            out.push(format!(
                "On the worst class, the interval of {first} overlaps {those} of {}.",
                list(&close)
            ));
        }
    }
    if study.variants.len() > 1 {
        out.push("mPC and rPC carry no interval of their own; what compression costs, below, does.".into());
    }
    out
}

/// Whether two variants differ on clean images: by the paired comparison where there is one, else by their intervals.
fn told_apart(a: &Variant, b: &Variant) -> bool {
    let paired = |variant: &Variant, base: &Variant| {
        let comparison = variant.against_base.as_ref()?;
        (variant.base.as_deref() == Some(base.name.as_str())).then(|| significant(&comparison.clean_drop))
    };
    paired(a, b).or_else(|| paired(b, a)).unwrap_or_else(
        || matches!((a.clean.ap_interval, b.clean.ap_interval), (Some(a), Some(b)) if !overlap(a, b)),
    )
}

fn overlap([a, b]: [f64; 2], [c, d]: [f64; 2]) -> bool {
    a <= d && c <= b
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_difference_is_claimed_only_where_there_is_one() {
        let study = fixture::study();
        let text = cost(&study, &study.variants[1]);
        let text: Vec<_> = text.iter().map(|sentence| sentence.replace('\u{a0}', " ")).collect();
        let expected = [
            "Noise costs it 3.1 points more than its base (95 % 1.2 to 5.0, p = 0.001). Left of its clean AP: ",
            "Blur makes no difference that 128 images could show (95 % −1.3 to 2.1 points, p = 0.65). Left of its ",
            "Weather costs it 1.2 points less than its base (95 % 0.1 to 2.3, p = 0.033). Left of its clean AP: ",
        ];
        for (sentence, expected) in text[1..].iter().zip(expected) {
            assert!(sentence.starts_with(expected), "{sentence}");
        }
        assert!(text[0].starts_with("On clean images there is no difference from its base"), "{}", text[0]);
        assert!(cost(&study, &study.variants[0]).is_empty());
    }

    #[test]
    fn leads_name_every_criterion_once_and_a_tie_has_none() {
        let mut study = fixture::study();
        let all: String = leads(&study).iter().map(|lead| format!("{}: {}\n", lead.name, lead.on)).collect();
        assert!(all.contains("street-fp32: clean AP"), "{all}");
        assert!(all.contains("street-int8: median latency (18.7 ms)"), "{all}");
        study.variants[1].latency.p50_ms = study.variants[2].latency.p50_ms;
        let all: String = leads(&study).iter().map(|lead| lead.on.clone()).collect();
        assert!(!all.contains("median latency"), "{all}");
    }

    #[test]
    fn a_lead_within_chance_is_called_that() {
        let study = fixture::study();
        let all = caveats(&study).join("\n");
        assert!(all.contains("128 images cannot tell street-fp32 from street-int8"), "{all}");
        assert!(!all.contains("from street-pruned-50 ("), "{all}");
    }
}
