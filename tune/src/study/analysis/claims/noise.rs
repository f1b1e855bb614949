//! Compression costs more under noise than under blur.

use roadproof::corruption::Group;

use super::{Bench, Claim, Scope, Test, Unit, Verdict, mean_over, ratio};
use crate::study::analysis::effect::View;
use crate::study::analysis::table::{Quantity, Table};
use crate::study::arm::Arm;

/// Levels with a lower clean AP are left out: there is nothing left that noise could take.
const LEAST_AP: f64 = 0.05;

pub(super) fn claim(bench: &Bench<'_>) -> Claim {
    let (kept, lost): (Vec<usize>, Vec<usize>) =
        bench.table.pruned().into_iter().partition(|level| is_alive(bench.table, *level));
    let unpruned = bench.table.unpruned();
    let kept_share = |view: &View<'_>, level: usize| {
        let of = |group| ratio(ap(view, level, group)?, ap(view, unpruned?, group)?);
        Some(of(Group::Blur)? - of(Group::Noise)?)
    };
    let own_share = |view: &View<'_>, level: usize| {
        let clean = |level| view.ap(level, Arm::Plain, Quantity::Clean);
        let of = |group| {
            let unpruned = unpruned?;
            let before = ratio(ap(view, unpruned, group)?, clean(unpruned)?)?;
            Some(ratio(ap(view, level, group)?, clean(level)?)? - before)
        };
        Some(of(Group::Blur)? - of(Group::Noise)?)
    };
    let primary = bench.test("mean over compressions", (Scope::Primary, Unit::Share), &|view| {
        mean_over(&kept, |level| kept_share(view, level))
    });
    let verdict = primary.verdict;
    let mut tests = vec![primary];
    tests.push(bench.test(
        "the same of shares of each model's own clean AP",
        (Scope::Secondary, Unit::Share),
        &|view| mean_over(&kept, |level| own_share(view, level)),
    ));
    tests.extend(bench.by_compression(&kept, Unit::Share, &kept_share));
    tests.extend(lost.iter().filter_map(|level| left_out(bench.table, *level)));
    Claim {
        title: "Noise costs compressed models more than blur".to_owned(),
        statement: "Compressed models lose more under additive noise, and hardly more under blur, than the \
                    uncompressed one."
            .to_owned(),
        rule: format!(
            "Plain arm. The effect is AP under blur / the same of the uncompressed model, minus AP under noise / the \
             same of the uncompressed model; the mean over compressions decides. Compressions with a clean AP below \
             {LEAST_AP} are left out."
        ),
        verdict,
        tests,
    }
}

fn ap(view: &View<'_>, level: usize, group: Group) -> Option<f64> {
    view.ap(level, Arm::Plain, Quantity::Group(group))
}

fn is_alive(table: &Table, level: usize) -> bool {
    let ap = |seed| table.get((level, Arm::Plain, seed), Quantity::Clean, 0);
    let sum = (0..table.seeds()).map(ap).sum::<Option<f64>>();
    sum.is_some_and(|sum| sum >= LEAST_AP * table.seeds() as f64)
}

fn left_out(table: &Table, level: usize) -> Option<Test> {
    Some(Test {
        name: table.levels().get(level)?.name.clone(),
        scope: Scope::Compression,
        unit: Unit::Share,
        effect: None,
        p_adjusted: None,
        verdict: Verdict::Undecided,
        note: format!("left out: clean AP below {LEAST_AP}"),
    })
}
