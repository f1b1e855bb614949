//! Rank correlation.

/// Spearman's rank correlation (Amer. J. Psychol. 15(1), 1904), ties at their mean rank; `None` where one side does not vary.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let a = ranks(pairs.iter().map(|(a, _)| *a));
    let b = ranks(pairs.iter().map(|(_, b)| *b));
    let mean = f64::midpoint(pairs.len() as f64, 1.0);
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        both += (a - mean) * (b - mean);
        of_a += (a - mean).powi(2);
        of_b += (b - mean).powi(2);
    }
    (of_a > 0.0 && of_b > 0.0).then(|| both / (of_a * of_b).sqrt())
}

/// Ranks from 1 on, in the order of the values given.
fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<(usize, f64)> = values.enumerate().collect();
    sorted.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut ranks = vec![0.0; sorted.len()];
    let mut before = 0;
    for equal in sorted.chunk_by(|(_, a), (_, b)| a.total_cmp(b).is_eq()) {
        // The mean of the ranks that they take together.
        let rank = before as f64 + f64::midpoint(equal.len() as f64, 1.0);
        for (index, _) in equal {
            if let Some(place) = ranks.get_mut(*index) {
                *place = rank;
            }
        }
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks([3.0, 1.0, 3.0, 2.0].into_iter()), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn what_does_not_vary_has_no_rank_correlation() {
        assert_eq!(spearman(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(spearman(&[]), None);
    }

    proptest! {
        #[test]
        fn it_is_one_for_anything_rising_and_turns_with_the_sign(
            mut values in prop::collection::hash_set(-1000_i32..1000, 2..50),
        ) {
            let pairs: Vec<(f64, f64)> = values.drain().map(|v| (f64::from(v), f64::from(v).powi(3))).collect();
            prop_assert!((spearman(&pairs).unwrap() - 1.0).abs() < 1e-12);
            let turned: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (*a, -b)).collect();
            prop_assert!((spearman(&turned).unwrap() + 1.0).abs() < 1e-12);
        }
    }
}
