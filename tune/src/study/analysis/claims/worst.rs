//! Methods for imbalance lift the worst class of pruned models.

use super::{Bench, Claim, Scope, Unit, gain, mean_over};
use crate::study::analysis::table::Quantity;
use crate::study::arm::Arm;

pub(super) fn claim(bench: &Bench<'_>) -> Claim {
    let pruned = bench.table.pruned();
    let over = |name: &str, scope, quantity| {
        bench.test(name, (scope, Unit::Ap), &|view| {
            mean_over(&pruned, |level| gain(view, level, Arm::Imbalance, quantity))
        })
    };
    let primary = over("AP of the worst class, mean over compressions", Scope::Primary, Quantity::WorstClass);
    let verdict = primary.verdict;
    let fifth = over(
        "AP of the lowest fifth of the classes, mean over compressions",
        Scope::Secondary,
        Quantity::LowestFifth,
    );
    let mut tests = vec![primary, fifth];
    tests.extend(bench.by_compression(&pruned, Unit::Ap, &|view, level| {
        gain(view, level, Arm::Imbalance, Quantity::WorstClass)
    }));
    Claim {
        title: "Methods for imbalance lift the worst class of pruned models".to_owned(),
        statement: "Methods for data imbalance significantly improve the accuracy of pruned models on their \
                    worst-detected class."
            .to_owned(),
        rule: "The worst class is the one that the parent, as it is, has the lowest clean AP on, among classes with \
               enough instances; the same class in both arms and all compressions. The effect is its clean AP with \
               methods for imbalance minus that of the plain arm; the mean over compressions decides."
            .to_owned(),
        verdict,
        tests,
    }
}
