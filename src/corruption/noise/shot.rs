use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_values;

/// Photons that white stands for, at the published levels (`imagecorruptions` 1.1.2).
const PHOTONS: [f64; 5] = [60.0, 25.0, 12.0, 5.0, 3.0];

/// Outcomes that a value can have, rounded up to a power of two: the counts below 60, and white.
const OUTCOMES: usize = 64;

/// Sixteenth-bit units of probability in each column of an alias table.
const COLUMN: u32 = (1 << 16) / OUTCOMES as u32;

/// Entries of the tables of all 256 values.
const ENTRIES: usize = 256 * OUTCOMES;

/// Shot noise: *y = floor(255 min(k / c, 1))*, *k* Poisson with mean *c x / 255*, *c* photons for white.
///
/// Noise is proportional to 1/√c, so that is what moves in straight lines between the published levels. Below level 1 the
/// deviations of level 1 are scaled down (*y = x + s (y₁ − x)*, rounded), since ever more photons would need ever larger
/// tables.
///
/// Counts of *c* and more all give white, so a value has at most 61 outcomes. They are drawn by the alias method
/// (Walker, ACM TOMS 1977; Vose, IEEE TSE 1991): of sixteen random bits six choose one of 64 columns, and the other ten one of
/// the column's two outcomes; probabilities are exact to 1/65536. Bound by that one look-up in a table of 64 KiB, of which a
/// picture's frequent values use a part.
#[derive(Default)]
pub(in crate::corruption) struct ShotNoise {
    severity: Option<Severity>,
    /// By value and column.
    columns: Vec<Column>,
}

/// One column of an alias table.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    /// Out of [`COLUMN`], how often it is the first outcome.
    share: u16,
    first: u8,
    second: u8,
}

pub(in crate::corruption) fn shot_noise() -> ShotNoise {
    ShotNoise::default()
}

impl ShotNoise {
    fn prepare(&mut self, severity: Severity) {
        let photons = photons(severity);
        let strength = severity.value().min(1.0);
        self.columns.clear();
        for value in 0..=255_u8 {
            let mean = photons * f64::from(value) / 255.0;
            let mut weights = [0; OUTCOMES];
            let mut outcomes = [value; OUTCOMES];
            let mut probability = (-mean).exp();
            let mut cumulative = probability;
            let mut before = 0;
            for (count, (weight, outcome)) in weights.iter_mut().zip(&mut outcomes).enumerate() {
                let share = count as f64 / photons;
                let noisy = (share.min(1.0) * 255.0).floor();
                let blended = f64::from(value) + strength * (noisy - f64::from(value));
                // At the published levels the blend is exact, and rounding changes nothing.
                *outcome = blended.round().clamp(0.0, 255.0) as u8;
                let here = if share >= 1.0 { 65536 } else { (cumulative * 65536.0).round() as u32 };
                *weight = here.saturating_sub(before);
                before = before.max(here);
                probability *= mean / (count + 1) as f64;
                cumulative += probability;
            }
            self.columns.extend(alias(weights, outcomes));
        }
        self.severity = Some(severity);
    }
}

/// Photons for white; those of level 1 below it.
fn photons(severity: Severity) -> f64 {
    let severity = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
    let photons = severity.interpolate(0.0, PHOTONS.map(|c| c.sqrt().recip())).powi(-2);
    // Cutting off fractions, a published number must not be missed by a hair.
    let whole = photons.round();
    if (photons - whole).abs() < 1e-6 { whole } else { photons }
}

/// The alias table of outcomes whose weights sum up to 65536.
fn alias(mut weights: [u32; OUTCOMES], outcomes: [u8; OUTCOMES]) -> [Column; OUTCOMES] {
    let mut columns = outcomes.map(|own| Column { share: COLUMN as u16, first: own, second: own });
    // The first outcome that has more than a column of its own fills up those that have less.
    let mut rich = 0;
    for start in 0..OUTCOMES {
        let mut poor = start;
        // An outcome that has given so much that it has become poor itself is filled up at once, if it was passed already.
        while weights[poor] < COLUMN {
            while rich < OUTCOMES && weights[rich] <= COLUMN {
                rich += 1;
            }
            if rich == OUTCOMES {
                break;
            }
            columns[poor].share = weights[poor] as u16;
            columns[poor].second = outcomes[rich];
            weights[rich] -= COLUMN - weights[poor];
            weights[poor] = COLUMN;
            if rich < start {
                poor = rich;
            }
        }
    }
    columns
}

impl Kernel for ShotNoise {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            self.prepare(severity);
        }
        if let Ok(columns) = <&[Column; ENTRIES]>::try_from(self.columns.as_slice()) {
            map_values(picture, context, |values, random| {
                for (value, random) in values.iter_mut().zip(random) {
                    let at = usize::from(*value) * OUTCOMES + usize::from(*random) / COLUMN as usize;
                    let column = columns[at];
                    let fraction = *random % COLUMN as u16;
                    *value = if fraction < column.share { column.first } else { column.second };
                }
            });
        }
        Ok(Delivery::Deliver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_table_gives_every_outcome_its_weight() {
        let outcomes = std::array::from_fn(|i| i as u8);
        let mut cases = vec![[COLUMN; OUTCOMES]];
        for one in [0, 31, 63] {
            let mut weights = [0; OUTCOMES];
            weights[one] = 65536;
            cases.push(weights);
        }
        let mut rising: [u32; OUTCOMES] = std::array::from_fn(|i| 32 * i as u32);
        rising[40] += 65536 - rising.iter().sum::<u32>();
        cases.push(rising);
        rising.reverse();
        cases.push(rising);
        for weights in cases {
            assert_eq!(weights.iter().sum::<u32>(), 65536);
            let mut found = [0; OUTCOMES];
            for column in alias(weights, outcomes) {
                found[usize::from(column.first)] += u32::from(column.share);
                found[usize::from(column.second)] += COLUMN - u32::from(column.share);
            }
            assert_eq!(found, weights);
        }
    }

    #[test]
    fn published_photon_counts_are_exact() {
        for (level, expected) in [(0.3, 60.0), (1.0, 60.0), (2.0, 25.0), (3.0, 12.0), (4.0, 5.0), (5.0, 3.0)]
        {
            assert_eq!(photons(Severity::new(level).unwrap()), expected);
        }
    }
}
