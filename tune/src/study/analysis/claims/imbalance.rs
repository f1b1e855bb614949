//! Methods for imbalance do little without compression, and more the more channels go.

use super::{Bench, Claim, Scope, Test, Unit, Verdict, gain};
use crate::study::analysis::effect::View;
use crate::study::analysis::table::{Quantity, Table};
use crate::study::arm::Arm;
use crate::study::options::Method;

/// An AP within which an effect is little.
const LITTLE: f64 = 0.01;

pub(super) fn claim(bench: &Bench<'_>) -> Claim {
    let table = bench.table;
    let gain = |view: &View<'_>, level| gain(view, level, Arm::Imbalance, Quantity::Clean);
    let without = bench
        .test("AP without compression", (Scope::Primary, Unit::Ap), &|view| gain(view, table.unpruned()?));
    let rates = structured(table);
    let rise =
        bench.test("slope of that over structured rates", (Scope::Primary, Unit::ApPerRate), &|view| {
            let points: Option<Vec<(f64, f64)>> =
                rates.iter().map(|(level, rate)| Some((*rate, gain(view, *level)?))).collect();
            slope(&points?)
        });
    let verdict = verdict(&without, &rise);
    let mut tests = vec![without, rise];
    tests.extend(bench.by_compression(&table.pruned(), Unit::Ap, &gain));
    Claim {
        title: "Methods for imbalance help more the more channels go".to_owned(),
        statement:
            "Methods for data imbalance bring little without compression, and more and more with structured \
                    pruning."
                .to_owned(),
        rule: format!(
            "The effect is clean AP (mean over classes) with methods for imbalance minus that of the plain arm. \
             Confirmed where its slope over the rates of structured pruning (least squares, with no compression as rate \
             0) lies above 0 and it is little without compression (its interval holds 0, or lies within ±{LITTLE}). \
             Contradicted where the slope lies below 0, or all of the interval without compression beyond ±{LITTLE}."
        ),
        verdict,
        tests,
    }
}

fn verdict(without: &Test, rise: &Test) -> Verdict {
    let (Some(effect), Some(_)) = (without.effect, rise.effect) else { return Verdict::Undecided };
    let [low, high] = effect.interval;
    let is_little = (low <= 0.0 && high >= 0.0) || (low >= -LITTLE && high <= LITTLE);
    let is_large = without.verdict != Verdict::Undecided && (low > LITTLE || high < -LITTLE);
    match rise.verdict {
        Verdict::Confirmed if is_little => Verdict::Confirmed,
        Verdict::Contradicted => Verdict::Contradicted,
        _ if is_large => Verdict::Contradicted,
        _ => Verdict::Undecided,
    }
}

/// The level without compression and those of structured pruning, with their rates.
fn structured(table: &Table) -> Vec<(usize, f64)> {
    let levels = table.levels().iter().enumerate();
    let chosen = levels.filter(|(_, level)| level.method != Method::Unstructured);
    chosen.map(|(place, level)| (place, level.rate)).collect()
}

/// The slope of the least-squares line; `None` with fewer than two rates.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean =
        points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count));
    let (mut both, mut spread) = (0.0, 0.0);
    for (x, y) in points {
        both += (x - mean.0) * (y - mean.1);
        spread += (x - mean.0).powi(2);
    }
    (spread > 0.0).then(|| both / spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::analysis::effect::Effect;

    #[test]
    fn the_slope_is_that_of_least_squares() {
        // worked by hand: means 1 and 2, Σxy = 3, Σx² = 2
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 1.0), (2.0, 4.0)]), Some(1.5));
        assert_eq!(slope(&[(0.3, 1.0), (0.3, 2.0)]), None);
        assert_eq!(slope(&[]), None);
    }

    #[test]
    fn both_parts_decide() {
        use Verdict::{Confirmed, Contradicted, Undecided};
        let test = |interval: [f64; 2]| Test {
            name: String::new(),
            scope: Scope::Primary,
            unit: Unit::Ap,
            effect: Some(Effect { effect: 0.0, interval, p_value: 1.0 }),
            p_adjusted: None,
            verdict: match interval {
                [low, _] if low > 0.0 => Confirmed,
                [_, high] if high < 0.0 => Contradicted,
                _ => Undecided,
            },
            note: String::new(),
        };
        for (without, rise, expected) in [
            ([-0.03, 0.03], [0.01, 0.2], Confirmed),
            ([0.002, 0.008], [0.01, 0.2], Confirmed),
            ([0.002, 0.03], [0.01, 0.2], Undecided),
            ([0.02, 0.03], [0.01, 0.2], Contradicted),
            ([-0.03, 0.03], [-0.2, -0.1], Contradicted),
            ([-0.03, 0.03], [-0.2, 0.1], Undecided),
        ] {
            assert_eq!(verdict(&test(without), &test(rise)), expected, "{without:?} {rise:?}");
        }
        let unknown = Test { effect: None, ..test([0.0, 0.0]) };
        assert_eq!(verdict(&unknown, &test([0.1, 0.2])), Undecided);
    }
}
