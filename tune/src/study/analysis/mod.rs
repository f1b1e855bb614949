//! From measurements to verdicts. All of it is arithmetic on a [`Table`]; the rules are fixed here, before any result.
//!
//! **Resampling.** Each resample draws images with replacement, the same for every model, and seeds with replacement, the
//! same for every compression and arm: a bootstrap of both factors of a crossed design (Efron & Tibshirani, An
//! Introduction to the Bootstrap, 1993, chapters 8 and 13; that it is, if anything, too wide: Owen, "The pigeonhole
//! bootstrap", Ann. Appl. Stat. 1(2), 2007). A bootstrap of a few seeds alone would be too narrow; its deviations are
//! widened to what Student's t asks for (Hesterberg, "What Teachers Should Know About the Bootstrap", Am. Stat. 69(4),
//! 2015, section 4.2): see [`seed_expansion`].
//!
//! **Verdicts.** An effect is confirmed where its 95 % interval lies beyond 0 on the claimed side, contradicted where it
//! does on the other, undecided otherwise and always with fewer than two seeds. Where a claim is tested on several
//! compressions one by one, p-values are adjusted over these (Holm, Scand. J. Stat. 6(2), 1979).

mod claims;
mod effect;
mod significance;
mod summary;
mod table;

pub use claims::{Claim, Scope, Test, Unit, Verdict, claims};
pub use effect::{Draws, Effect, View, estimate};
pub use significance::{holm, p_value, seed_expansion};
pub use summary::{SummaryRow, summary};
pub(super) use table::Worst;
pub use table::{Level, Quantity, Table};

#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;
