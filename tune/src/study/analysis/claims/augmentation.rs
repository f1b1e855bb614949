//! Augmentation makes compressed models more robust.

use super::{Bench, Claim, Scope, Unit, gain, mean_over};
use crate::study::analysis::table::{Quantity, Table};
use crate::study::arm::Arm;
use crate::study::options::Method;

pub(super) fn claim(bench: &Bench<'_>) -> Claim {
    let pruned = bench.table.pruned();
    let over = |name: &str, scope, levels: &[usize], quantity| {
        bench.test(name, (scope, Unit::Ap), &|view| {
            mean_over(levels, |level| gain(view, level, Arm::Augmentation, quantity))
        })
    };
    let primary = over("mPC, mean over compressions", Scope::Primary, &pruned, Quantity::Corrupted);
    let verdict = primary.verdict;
    let mut tests = vec![primary];
    if let Some((place, name)) = highest(bench.table) {
        let name = format!("mPC, highest compression ({name})");
        tests.push(over(&name, Scope::Secondary, &[place], Quantity::Corrupted));
    }
    let secondary = [
        ("mPC over held-out corruptions, mean over compressions", Quantity::HeldOut),
        ("clean AP, mean over compressions", Quantity::Clean),
    ];
    for (name, quantity) in secondary {
        tests.push(over(name, Scope::Secondary, &pruned, quantity));
    }
    let unpruned: Vec<usize> = bench.table.unpruned().into_iter().collect();
    tests.push(over("mPC without compression", Scope::Secondary, &unpruned, Quantity::Corrupted));
    tests.extend(bench.by_compression(&pruned, Unit::Ap, &|view, level| {
        gain(view, level, Arm::Augmentation, Quantity::Corrupted)
    }));
    Claim {
        title: "Augmentation makes compressed models more robust".to_owned(),
        statement: "Data augmentation improves the robustness of models, also of highly compressed ones.".to_owned(),
        rule: "The effect is mPC with augmentation minus mPC of the plain arm; the mean over compressions decides. The \
               highest compression is the structured one of the highest rate, or where there is none the unstructured."
            .to_owned(),
        verdict,
        tests,
    }
}

/// The structured level of the highest rate, or where there is none the unstructured.
fn highest(table: &Table) -> Option<(usize, &str)> {
    let of = |method| {
        let levels = table.levels().iter().enumerate().filter(move |(_, level)| level.method == method);
        levels.max_by(|(_, a), (_, b)| a.rate.total_cmp(&b.rate))
    };
    let (place, level) = of(Method::Structured).or_else(|| of(Method::Unstructured))?;
    Some((place, &level.name))
}
