use proptest::prelude::*;
use roadproof::compress::graph::proto::AttributeProto;

use crate::engine::Role;
use crate::engine::ops::trial::{assert_gradients_are_differences, backward, build, forward, node, whole};
use crate::engine::ops::{Context, build as build_op};
use crate::tensor::{Tensor, Value};

/// The product, with the elements of the factors that `a` and `b` tell.
fn product(
    (rows, depth, columns): (usize, usize, usize),
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Tensor {
    Tensor::from_fn(&[rows, columns], |index| {
        (0..depth).map(|k| a(index / columns, k) * b(k, index % columns)).sum()
    })
}

proptest! {
    #[test]
    fn gemm_is_its_definition(
        (rows, depth, columns) in (1_usize..9, 1_usize..9, 1_usize..40),
        (a_transposed, b_transposed) in any::<(bool, bool)>(),
        summand in 0_usize..5,
    ) {
        let mut node = node("Gemm").with_int("transA", a_transposed.into()).with_int("transB", b_transposed.into());
        for (name, value) in [("alpha", 2.0), ("beta", 4.0)] {
            node.attribute.push(AttributeProto { name: Some(name.to_owned()), f: Some(value), ..Default::default() });
        }
        let op = build(&node).unwrap();
        let a = whole(&if a_transposed { [depth, rows] } else { [rows, depth] }, 1);
        let b = whole(&if b_transposed { [columns, depth] } else { [depth, columns] }, 2);
        let dims = [vec![], vec![1], vec![columns], vec![rows, 1], vec![rows, columns]];
        let c = whole(&dims[summand], 3);
        let element = |tensor: &Tensor, transposed: bool, row: usize, column: usize| {
            tensor.data()[if transposed { column * tensor.dim(1) + row } else { row * tensor.dim(1) + column }]
        };
        let mut expected = product(
            (rows, depth, columns),
            |m, k| 2.0 * element(&a, a_transposed, m, k),
            |k, n| element(&b, b_transposed, k, n),
        );
        for (index, value) in expected.data_mut().iter_mut().enumerate() {
            let (row, column) = (index / columns, index % columns);
            *value += 4.0 * c.data()[[0, 0, column, row, index][summand]];
        }
        prop_assert_eq!(forward(op.as_ref(), &[&a, &b, &c]).unwrap(), expected);
        assert_gradients_are_differences(op.as_ref(), &[&a, &b, &c]);
        assert_gradients_are_differences(op.as_ref(), &[&a, &b]);
    }

    #[test]
    fn matmul_broadcasts_as_numpy(
        (rows, depth, columns) in (1_usize..4, 1_usize..4, 1_usize..20),
        batch in [1_usize..4, 1_usize..4],
        drop in prop::array::uniform4(any::<bool>()),
        short in prop::array::uniform2(0_usize..3),
    ) {
        // a side of a factor's batch is missing, or 1, or the output's
        let sides = |ones: [bool; 2], short: usize| {
            let all = [if ones[0] { 1 } else { batch[0] }, if ones[1] { 1 } else { batch[1] }];
            all[short..].to_vec()
        };
        let (left, right) = (sides([drop[0], drop[1]], short[0]), sides([drop[2], drop[3]], short[1]));
        let count = |sides: &[usize]| sides.iter().product::<usize>();
        let a = whole(&[left.clone(), vec![rows, depth]].concat(), 1);
        let b = whole(&[right.clone(), vec![depth, columns]].concat(), 2);
        let op = build(&node("MatMul")).unwrap();
        let output = forward(op.as_ref(), &[&a, &b]).unwrap();

        let axis = |sides: &[usize], axis: usize| (axis + sides.len()).checked_sub(2).map_or(1, |axis| sides[axis]);
        let whole_batch = [0, 1].map(|at| axis(&left, at).max(axis(&right, at)));
        let skipped = 2 - left.len().max(right.len());
        prop_assert_eq!(output.dims(), [&whole_batch[skipped..], &[rows, columns]].concat());
        for (index, found) in output.data().chunks(rows * columns).enumerate() {
            let place = [index / whole_batch[1], index % whole_batch[1]];
            let number = |sides: &[usize]| {
                let at = |at: usize| if axis(sides, at) == 1 { 0 } else { place[at] };
                at(0) * axis(sides, 1) + at(1)
            };
            prop_assert!(number(&left) < count(&left) && number(&right) < count(&right));
            let (from_a, from_b) = (number(&left) * rows * depth, number(&right) * depth * columns);
            let expected = product(
                (rows, depth, columns),
                |m, k| a.data()[from_a + m * depth + k],
                |k, n| b.data()[from_b + k * columns + n],
            );
            prop_assert_eq!(found, expected.data());
        }
        assert_gradients_are_differences(op.as_ref(), &[&a, &b]);
    }
}

#[test]
fn vectors_are_matrices_of_one_row_or_column() {
    let op = build(&node("MatMul")).unwrap();
    let (vector, matrix) = (whole(&[3], 1), whole(&[3, 4], 2));
    let row = forward(op.as_ref(), &[&vector, &matrix]).unwrap();
    assert_eq!(row.dims(), [4]);
    assert_eq!(
        row.data(),
        product((1, 3, 4), |_, k| vector.data()[k], |k, n| matrix.data()[k * 4 + n]).data()
    );
    let dot = forward(op.as_ref(), &[&vector, &vector]).unwrap();
    assert_eq!(
        (dot.dims(), dot.data()),
        (&[][..], &[vector.data().iter().map(|value| value * value).sum()][..])
    );
    assert_eq!(backward(op.as_ref(), &[&vector, &matrix], &whole(&[4], 3))[1].dims(), [3, 4]);
}

#[test]
fn sides_that_do_not_fit_are_told() {
    let matmul = build(&node("MatMul")).unwrap();
    for (a, b) in [(&[2, 3][..], &[2, 3][..]), (&[2, 1, 3], &[3, 3, 4]), (&[], &[1])] {
        let found = forward(matmul.as_ref(), &[&whole(a, 1), &whole(b, 2)]).unwrap_err().to_string();
        assert!(found.contains(&format!("{a:?} and {b:?}")), "{found}");
    }
    let gemm = build(&node("Gemm")).unwrap();
    let found = forward(gemm.as_ref(), &[&whole(&[2, 3], 1), &whole(&[2, 3], 2)]).unwrap_err().to_string();
    assert!(found.contains("3 rows, found 2"), "{found}");
    let found =
        forward(gemm.as_ref(), &[&whole(&[2, 3], 1), &whole(&[3, 4], 2), &whole(&[3], 3)]).unwrap_err();
    assert!(found.to_string().contains("[2, 4], found [3]"), "{found}");
    let found = forward(gemm.as_ref(), &[&whole(&[1, 2, 3], 1), &whole(&[3, 4], 2)]).unwrap_err();
    assert!(found.to_string().contains("expected a matrix"), "{found}");
}

#[test]
fn the_constant_matrix_is_the_weight() {
    let node = node("MatMul");
    let weights = |constants: &[Option<Value>]| {
        build_op(&Context { node: &node, opset: 17, constants }).unwrap().weights().to_vec()
    };
    let constant = |dims: &[usize]| Some(Value::F32(whole(dims, 1)));
    assert_eq!(weights(&[None, constant(&[2, 3])]), [(1, Role::Weight)]);
    assert_eq!(weights(&[constant(&[2, 3]), None]), [(0, Role::Weight)]);
    assert_eq!(weights(&[None, constant(&[2, 2, 3])]), []);
}
