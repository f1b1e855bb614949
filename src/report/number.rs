//! Numbers as they are printed: points of 100 with one decimal, and no more digits than they deserve.

use crate::evaluation::Difference;

/// What stands where there is no value.
pub(super) const NONE: &str = "–";

/// A share in points of 100.
pub(super) fn points(share: f64) -> String {
    decimals(share * 100.0, 1)
}

/// [`points`], or a dash.
pub(super) fn points_or(share: Option<f64>) -> String {
    share.map_or_else(|| NONE.to_owned(), points)
}

/// Both ends of an interval, in points.
pub(super) fn interval([low, high]: [f64; 2]) -> String {
    format!("{} to {}", points(low), points(high))
}

/// A share in percent without decimals.
pub(super) fn percent(share: f64) -> String {
    format!("{}\u{a0}%", decimals(share * 100.0, 0))
}

/// A difference in points, always with its sign.
pub(super) fn signed(share: f64) -> String {
    let text = points(share);
    if text.starts_with('−') || text == "0.0" { text } else { format!("+{text}") }
}

/// Milliseconds: two or three digits that mean something.
pub(super) fn ms(value: f64) -> String {
    decimals(value, usize::from(value < 100.0))
}

/// Bytes in MB of a million.
pub(super) fn megabytes(bytes: u64) -> String {
    let value = bytes as f64 / 1e6;
    decimals(value, if value < 1.0 { 2 } else { usize::from(value < 100.0) })
}

/// A p-value as in a sentence; resampling cannot tell smaller ones than its number of resamples allows.
pub(super) fn p_value(p: f64, bootstrap: usize) -> String {
    let least = (1.0 / bootstrap.max(1) as f64).max(0.001);
    if p < least {
        format!("p\u{a0}<\u{a0}{}", decimals(least, 3).trim_end_matches('0'))
    } else if p < 0.1 {
        format!("p\u{a0}=\u{a0}{p:.3}")
    } else {
        format!("p\u{a0}=\u{a0}{p:.2}")
    }
}

/// Whether a difference is one at the usual 5 %.
pub(super) fn significant(difference: &Difference) -> bool {
    difference.p_value < 0.05
}

/// How many of these differences remain at 5 % after Holm's correction (Holm 1979) for how many there are.
pub(super) fn holm(differences: &[&Difference]) -> usize {
    let mut p: Vec<f64> = differences.iter().map(|difference| difference.p_value).collect();
    p.sort_by(f64::total_cmp);
    let count = p.len();
    p.iter().enumerate().take_while(|(rank, p)| **p * ((count - rank) as f64) < 0.05).count()
}

/// A count with thin spaces between thousands.
pub(super) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 image`, `2 images`.
pub(super) fn counted(value: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// The name of a corruption as words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ").replace("jpeg", "JPEG")
}

/// With so many decimals, and no negative zero.
pub(super) fn decimals(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        // No negative zero.
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_mean_something() {
        assert_eq!(points(0.41234), "41.2");
        assert_eq!(points(-0.000_01), "0.0");
        assert_eq!(signed(0.031), "+3.1");
        assert_eq!(signed(-0.031), "−3.1");
        assert_eq!(signed(0.0), "0.0");
        assert_eq!(points_or(None), "–");
        assert_eq!(interval([0.1, 0.2]), "10.0 to 20.0");
        assert_eq!(ms(6.234), "6.2");
        assert_eq!(ms(623.4), "623");
        assert_eq!(megabytes(14_230_000), "14.2");
        assert_eq!(megabytes(900_000), "0.90");
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn p_values_end_where_the_resamples_do() {
        let p_value = |p, bootstrap| super::p_value(p, bootstrap).replace('\u{a0}', " ");
        assert_eq!(p_value(0.0, 1000), "p < 0.001");
        assert_eq!(p_value(0.0, 200), "p < 0.005");
        assert_eq!(p_value(0.004, 10_000), "p = 0.004");
        assert_eq!(p_value(0.32, 1000), "p = 0.32");
    }

    #[test]
    fn holm_counts_what_remains() {
        let all =
            [0.001, 0.02, 0.03, 0.9].map(|p_value| Difference { drop: 0.1, interval: [0.0, 0.2], p_value });
        // 0.001 × 4 holds, 0.02 × 3 does not, and nothing after it.
        assert_eq!(holm(&all.iter().collect::<Vec<_>>()), 1);
        assert_eq!(holm(&[]), 0);
    }
}
