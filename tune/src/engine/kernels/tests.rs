use proptest::prelude::*;

use super::*;

/// Numbers whose sums of products are exact.
fn numbers(length: usize, seed: usize) -> Vec<f32> {
    (0..length).map(|index| ((index * 31 + seed * 17 + index * index % 7) % 9) as f32 - 4.0).collect()
}

proptest! {
    #[test]
    fn weighted_sums_of_rows_are_those_of_the_definition(
        rows in 1_usize..20,
        offsets in prop::collection::vec(0_usize..40, 1..12),
        start in 0_usize..9,
        width in 0_usize..300,
    ) {
        let a = numbers(rows * offsets.len(), 1);
        let b = numbers(40 + start + width, 2);
        let panels = Panels::new(rows, offsets.len(), |m, k| a[m * offsets.len() + k]);
        let mut out = vec![f32::NAN; rows * width];
        correlate(&panels, &b, &offsets, start..start + width, &mut out);
        for m in 0..rows {
            for p in 0..width {
                let terms = offsets.iter().enumerate().map(|(k, at)| a[m * offsets.len() + k] * b[at + start + p]);
                prop_assert_eq!(out[m * width + p], terms.sum::<f32>());
            }
        }
    }

    #[test]
    fn products_of_rows_are_those_of_the_definition(
        rows in 1_usize..20,
        offsets in prop::collection::vec(0_usize..40, 1..12),
        width in 0_usize..2500,
        gap in 0_usize..5,
    ) {
        let a = numbers(rows * (width + gap), 1);
        let b = numbers(40 + width, 2);
        let mut out = vec![1.0; rows * offsets.len()];
        dots((&a, width + gap), &b, &offsets, width, &mut out);
        for m in 0..rows {
            for (k, at) in offsets.iter().enumerate() {
                let terms = (0..width).map(|p| a[m * (width + gap) + p] * b[at + p]);
                prop_assert_eq!(out[m * offsets.len() + k], 1.0 + terms.sum::<f32>());
            }
        }
    }

    #[test]
    fn matrix_products_are_those_of_the_definition(
        (m, k, n) in (1_usize..20, 0_usize..40, 1_usize..1100),
        (a_transposed, b_transposed) in any::<(bool, bool)>(),
    ) {
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let matrix = |data, rows, columns, transposed| {
            if transposed {
                Matrix::new(data, columns, rows).unwrap().transposed()
            } else {
                Matrix::new(data, rows, columns).unwrap()
            }
        };
        let mut out = vec![1.0; m * n];
        product(2.0, matrix(&a, m, k, a_transposed), matrix(&b, k, n, b_transposed), &mut out);
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k).map(|l| {
                    let left = if a_transposed { a[l * m + i] } else { a[i * k + l] };
                    let right = if b_transposed { b[j * k + l] } else { b[l * n + j] };
                    left * right
                });
                prop_assert_eq!(out[i * n + j], 1.0 + 2.0 * terms.sum::<f32>());
            }
        }
    }
}

#[test]
fn a_matrix_has_as_many_elements_as_its_sides_say() {
    assert!(Matrix::new(&[0.0; 5], 2, 3).is_none());
}
