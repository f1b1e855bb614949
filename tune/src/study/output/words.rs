//! Numbers and verdicts as they are written.

use crate::study::analysis::{Effect, Test, Unit, Verdict};

/// What stands where there is nothing.
pub(super) const NONE: &str = "–";

/// A number in hundredths, one decimal: points of AP, or percent.
pub(super) fn hundredths(value: f64) -> String {
    let text = format!("{:.1}", value * 100.0);
    if text == "-0.0" { "0.0".to_owned() } else { text }
}

/// A value with its interval.
pub(super) fn with_interval(effect: &Effect) -> String {
    let [low, high] = effect.interval.map(hundredths);
    format!("{} ({low} to {high})", hundredths(effect.effect))
}

/// The value alone.
pub(super) fn value(effect: Option<&Effect>) -> String {
    effect.map_or_else(|| NONE.to_owned(), |effect| hundredths(effect.effect))
}

/// What an effect is in.
pub(super) const fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Ap => "points of AP",
        Unit::Share => "percentage points",
        Unit::ApPerRate => "points of AP per rate of 1",
    }
}

pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::Contradicted => "contradicted",
        Verdict::Undecided => "undecided",
    }
}

/// A p-value; what resamples cannot tell apart is not made to look exact.
pub(super) fn p_value(test: &Test) -> String {
    let Some(effect) = test.effect else { return NONE.to_owned() };
    let (p, adjusted) = test.p_adjusted.map_or((effect.p_value, ""), |p| (p, " (Holm)"));
    if p < 0.001 { format!("< 0.001{adjusted}") } else { format!("{p:.3}{adjusted}") }
}

/// The cells of a test's row: name, effect with interval, p-value, verdict.
pub(super) fn row(test: &Test) -> Vec<String> {
    let effect = test.effect.as_ref().map_or_else(|| test.note.clone(), with_interval);
    vec![
        test.name.clone(),
        effect,
        unit(test.unit).to_owned(),
        p_value(test),
        verdict(test.verdict).to_owned(),
    ]
}

/// Heads of [`row`].
pub(super) const ROW: [&str; 5] = ["Difference", "Effect (95 %)", "In", "p", "Verdict"];

/// Words in a list.
pub(super) fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::analysis::Scope;

    #[test]
    fn numbers_are_written_in_hundredths() {
        let effect = Effect { effect: 0.0312, interval: [-0.0004, 0.06], p_value: 0.0002 };
        assert_eq!(with_interval(&effect), "3.1 (0.0 to 6.0)");
        assert_eq!(value(None), NONE);
        let test = Test {
            name: "a".to_owned(),
            scope: Scope::Primary,
            unit: Unit::Ap,
            effect: Some(effect),
            p_adjusted: None,
            verdict: Verdict::Undecided,
            note: String::new(),
        };
        assert_eq!(p_value(&test), "< 0.001");
        assert_eq!(p_value(&Test { p_adjusted: Some(0.04), ..test.clone() }), "0.040 (Holm)");
        let unknown = Test { effect: None, note: "not measured".to_owned(), ..test };
        assert_eq!(row(&unknown)[1..4], ["not measured", "points of AP", NONE]);
    }
}
