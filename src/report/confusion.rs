//! Which classes are taken for which, as far as it is worth a look.

use super::number::count;
use super::palette::step;
use crate::evaluation::{Study, Variant};

/// Classes shown: those in the most mix-ups.
const MOST: usize = 8;

pub(super) struct Matrix {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<MatrixRow>,
    pub(super) note: String,
    pub(super) worst: Option<String>,
}

pub(super) struct MatrixRow {
    pub(super) name: String,
    pub(super) cells: Vec<MatrixCell>,
}

pub(super) struct MatrixCell {
    pub(super) class: String,
    pub(super) text: String,
}

/// One matrix for each variant.
pub(super) fn matrices(study: &Study) -> Vec<Matrix> {
    study.variants.iter().enumerate().map(|(index, variant)| matrix(index, variant)).collect()
}

fn matrix(index: usize, variant: &Variant) -> Matrix {
    let (classes, counts) = (&variant.confusion.classes, &variant.confusion.counts);
    let background = classes.len();
    let at =
        |row: usize, column: usize| counts.get(row).and_then(|row| row.get(column)).copied().unwrap_or(0);
    let mixed = |class: usize| -> usize {
        (0..background).filter(|other| *other != class).map(|other| at(class, other) + at(other, class)).sum()
    };
    let mut ranked: Vec<usize> = (0..background).filter(|class| mixed(*class) > 0).collect();
    ranked.sort_by_key(|class| std::cmp::Reverse(mixed(*class)));
    ranked.truncate(MOST);
    let name = |class: usize, of: &str| classes.get(class).cloned().unwrap_or_else(|| of.to_owned());

    let shown: Vec<usize> = ranked.iter().copied().chain([background]).collect();
    let rows = shown.iter().map(|row| {
        let total: usize = (0..=background).map(|column| at(*row, column)).sum();
        let cells = shown.iter().map(|column| {
            let found = at(*row, *column);
            let class = if *row == background && *column == background {
                "none".to_owned()
            } else if row == column {
                "right".to_owned()
            } else {
                // Of the instances of this class; false alarms are no share of anything.
                let share = if *row == background { 0.0 } else { found as f64 / total.max(1) as f64 };
                if found == 0 { "zero".to_owned() } else { format!("q{}", step((share * 2.0).min(0.99))) }
            };
            let text = if class == "none" { String::new() } else { count(found) };
            MatrixCell { class, text }
        });
        MatrixRow { name: name(*row, "not there (false alarm)"), cells: cells.collect() }
    });
    let rows = if ranked.is_empty() { vec![] } else { rows.collect() };
    let pairs = (0..background).flat_map(|a| (0..background).map(move |b| (a, b))).filter(|(a, b)| a != b);
    let worst = pairs.max_by_key(|(a, b)| at(*a, *b)).filter(|(a, b)| at(*a, *b) > 0);
    let left_out = (0..background).filter(|class| mixed(*class) > 0).count().saturating_sub(MOST);
    Matrix {
        index,
        name: variant.name.clone(),
        columns: shown.iter().map(|class| name(*class, "missed")).collect(),
        rows,
        note: match left_out {
            0 => String::new(),
            n => format!("{n} more classes with fewer mix-ups are left out."),
        },
        worst: worst.map(|(a, b)| {
            format!("Most often: {} taken for {} ({} times).", name(a, ""), name(b, ""), count(at(a, b)))
        }),
    }
}
