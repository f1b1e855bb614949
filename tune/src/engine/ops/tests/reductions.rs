use proptest::prelude::*;

use super::few;
use crate::engine::testing::{Case, apart, integers, ints, sides};

proptest! {
    #![proptest_config(few())]

    #[test]
    fn reductions(dims in sides(2..=4), seed in 0u64..1000, axes in 0u8..16, keep in 0i64..2) {
        let input = || apart(&dims, seed).into();
        let axes: Vec<i64> = (0..dims.len() as i64).filter(|axis| axes >> axis & 1 == 1).collect();
        for op in ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"] {
            Case::new(op, vec![input(), integers(&[axes.len()], &axes)]).opset(18).int("keepdims", keep).check()?;
            let old = Case::new(op, vec![input()]).opset(11).int("keepdims", keep);
            let old = if axes.is_empty() { old } else { old.attribute("axes", ints(&axes)) };
            old.check()?;
        }
        let none = Case::new("ReduceSum", vec![input(), integers(&[0], &[])]);
        none.int("noop_with_empty_axes", 1).check()?;
    }

    #[test]
    fn softmaxes(dims in sides(1..=4), seed in 0u64..1000, axis in -4i64..4, opset in prop::sample::select(vec![11i64, 13])) {
        let axis = axis.clamp(-(dims.len() as i64), dims.len() as i64 - 1);
        for op in ["Softmax", "LogSoftmax"] {
            Case::new(op, vec![apart(&dims, seed).into()]).opset(opset).int("axis", axis).check()?;
        }
    }
}
