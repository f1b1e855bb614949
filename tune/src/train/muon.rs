//! Steps whose directions are made orthogonal: Muon.
//!
//! Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024). The momentum of a layer's weights, seen as
//! a matrix of filters, is replaced by the nearest matrix whose singular values are all the same. So directions in which the
//! gradient is small, because the layer's inputs hardly vary there, are learned as fast as those in which it is large.

use crate::engine::kernels::{Matrix, product};

/// Of the quintic Newton-Schulz iteration (Jordan et al. 2024): it brings singular values from 0.001 up near 1 in five steps,
/// to between 0.7 and 1.2.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;

/// A matrix of these rows with the singular vectors of the given one and singular values near 1, times
/// √(the longer side): its root mean square is then near 1 (0.2 · √max in Liu et al., arXiv 2502.16982, whose 0.2 is left to
/// the rate). What is zero stays zero.
pub(super) fn orthogonal(momentum: &[f32], rows: usize) -> Vec<f32> {
    let columns = momentum.len() / rows.max(1);
    let norm = momentum.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt();
    if norm == 0.0 || !norm.is_finite() {
        return vec![0.0; momentum.len()];
    }
    let mut made: Vec<f32> = momentum.iter().map(|value| (f64::from(*value) / norm) as f32).collect();
    // the smaller side's products are the cheaper ones
    let wide = rows <= columns;
    let side = rows.min(columns);
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..ITERATIONS {
        let Some(matrix) = Matrix::new(&made, rows, columns) else { break };
        let mut square = vec![0.0; side * side];
        let (left, right) = if wide { (matrix, matrix.transposed()) } else { (matrix.transposed(), matrix) };
        product(1.0, left, right, &mut square);
        let mut factor: Vec<f32> = square.iter().map(|value| b * value).collect();
        if let Some(square) = Matrix::new(&square, side, side) {
            product(c, square, square, &mut factor);
        }
        for diagonal in factor.iter_mut().step_by(side + 1) {
            *diagonal += a;
        }
        let mut next = vec![0.0; made.len()];
        if let Some(factor) = Matrix::new(&factor, side, side) {
            if wide {
                product(1.0, factor, matrix, &mut next);
            } else {
                product(1.0, matrix, factor, &mut next);
            }
        }
        made = next;
    }
    let size = (rows.max(columns) as f32).sqrt();
    for value in &mut made {
        *value *= size;
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::number;

    /// Products of a row vector with each row of the matrix, or with each column of a tall one.
    fn across(matrix: &[f32], rows: usize, vector: &[f32]) -> Vec<f64> {
        let columns = matrix.len() / rows;
        let at = |row: usize, column: usize| f64::from(matrix[row * columns + column]);
        let vector = |index: usize| f64::from(vector[index]);
        if rows <= columns {
            (0..columns).map(|column| (0..rows).map(|row| vector(row) * at(row, column)).sum()).collect()
        } else {
            (0..rows).map(|row| (0..columns).map(|column| vector(column) * at(row, column)).sum()).collect()
        }
    }

    /// Whichever way one looks at it, it is as large: singular values of a matrix that had very different ones are near 1.
    #[test]
    fn singular_values_come_near_one() {
        for (rows, columns) in [(6, 40), (40, 6), (12, 12)] {
            let side = rows.min(columns);
            // rows (columns of a tall one) of sizes from 1 to 1/32
            let matrix: Vec<f32> = (0..rows * columns)
                .map(|index| {
                    let short = if rows <= columns { index / columns } else { index % columns };
                    number(index, 5) * 0.5f32.powi((short % 6) as i32)
                })
                .collect();
            let made = orthogonal(&matrix, rows);
            for seed in 0..20 {
                let vector: Vec<f32> = (0..side).map(|index| number(index, seed)).collect();
                let length: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
                let seen: f64 = across(&made, rows, &vector).iter().map(|value| value * value).sum();
                let value = (seen / length / rows.max(columns) as f64).sqrt();
                assert!((0.5..1.3).contains(&value), "{rows}x{columns}: {value}");
            }
        }
    }

    #[test]
    fn directions_stay_and_nothing_comes_from_nothing() {
        let made = orthogonal(&[3.0, 0.0, 0.0, 0.0, -0.01, 0.0], 2);
        assert!(made[0] > 1.0 && made[4] < -1.0, "{made:?}");
        assert!(made.iter().enumerate().all(|(index, value)| [0, 4].contains(&index) || *value == 0.0));
        assert_eq!(orthogonal(&[0.0; 6], 2), [0.0; 6]);
        assert_eq!(orthogonal(&[f32::NAN, 1.0], 1), [0.0; 2]);
    }
}
