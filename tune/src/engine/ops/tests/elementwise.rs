use proptest::prelude::*;

use super::few;
use crate::engine::testing::{Case, apart, float, integers, noise, sides, text};
use crate::tensor::Tensor;

/// An operand of a tensor of `dims`: some sides 1, some outer axes left out.
fn operand(dims: &[usize], ones: u8, skip: usize) -> Vec<usize> {
    let skip = skip.min(dims.len());
    let side = |(axis, side): (usize, &usize)| if ones >> axis & 1 == 1 { 1 } else { *side };
    dims.iter().enumerate().map(side).skip(skip).collect()
}

fn positive(tensor: &Tensor) -> Tensor {
    Tensor::from_fn(tensor.dims(), |index| tensor.data()[index].abs() + 0.3)
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn functions_of_one_number(dims in sides(1..=4), seed in 0u64..1000) {
        let input = apart(&dims, seed);
        for op in [
            "Relu", "LeakyRelu", "Elu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Erf", "Softplus", "Exp", "Neg", "Abs",
            "Sin", "Cos",
        ] {
            Case::new(op, vec![input.clone().into()]).check()?;
        }
        for op in ["Log", "Sqrt", "Reciprocal"] {
            Case::new(op, vec![positive(&input).into()]).check()?;
        }
        Case::new("LeakyRelu", vec![input.clone().into()]).attribute("alpha", float(0.3)).check()?;
        Case::new("HardSigmoid", vec![input.clone().into()]).attribute("alpha", float(0.125)).check()?;
        Case::new("Mish", vec![input.clone().into()]).opset(18).check()?;
        Case::new("Gelu", vec![input.clone().into()]).opset(20).check()?;
        Case::new("Gelu", vec![input.into()]).opset(20).attribute("approximate", text("tanh")).check()?;
    }

    #[test]
    fn functions_of_two_numbers(
        dims in sides(1..=4), ones in (0u8..16, 0u8..16), skip in (0usize..3, 0usize..3), seed in 0u64..1000,
        computed in 0usize..2,
    ) {
        let left = if skip.1 > 0 { 0 } else { skip.0 };
        let (first, second) = (operand(&dims, ones.0, left), operand(&dims, ones.1, skip.1));
        let a = apart(&first, seed);
        let shifted = apart(&second, seed + 1);
        let b = Tensor::from_fn(&second, |index| shifted.data()[index] + 0.0075);
        for op in ["Add", "Sub", "Mul", "Max", "Min"] {
            Case::new(op, vec![a.clone().into(), b.clone().into()]).computed(computed).check()?;
        }
        Case::new("Div", vec![a.clone().into(), positive(&b).into()]).computed(computed).check()?;
        Case::new("Pow", vec![positive(&a).into(), b.into()]).computed(computed).check()?;
        Case::new("Pow", vec![a.clone().into(), Tensor::from_fn(&[], |_| 2.0).into()]).constant(1).check()?;
        let slope = operand(&first, ones.1, 0);
        Case::new("PRelu", vec![a.into(), noise(&slope, seed, 0.5).into()]).check()?;
    }

    #[test]
    fn integers_are_computed_as_such(dims in sides(1..=3), ones in 0u8..8, seed in 0u64..1000) {
        let count: usize = dims.iter().product();
        let data: Vec<i64> = noise(&[count], seed, 9.0).data().iter().map(|value| *value as i64).collect();
        let second = operand(&dims, ones, 0);
        let count: usize = second.iter().product();
        let other: Vec<i64> = (0..count as i64).map(|index| (index % 7 - 3) * 2 + 1).collect();
        for op in ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"] {
            Case::new(op, vec![integers(&dims, &data), integers(&second, &other)]).check_forward()?;
        }
    }

    #[test]
    fn comparisons_and_choice(dims in sides(1..=3), ones in (0u8..8, 0u8..8, 0u8..8), seed in 0u64..1000) {
        let condition = operand(&dims, ones.0, 0);
        let truths: Vec<i64> = apart(&condition, seed).data().iter().map(|value| i64::from(*value > 0.0)).collect();
        let (first, second) = (operand(&dims, ones.1, 0), operand(&dims, ones.2, 0));
        let (a, b) = (apart(&first, seed), apart(&second, seed + 1));
        for op in ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"] {
            Case::new(op, vec![a.clone().into(), b.clone().into()]).check_forward()?;
        }
        for op in ["And", "Or", "Xor"] {
            let inputs = vec![integers(&condition, &truths), integers(&condition, &truths)];
            Case::new(op, inputs).truth(0).truth(1).check_forward()?;
        }
        Case::new("Not", vec![integers(&condition, &truths)]).truth(0).check_forward()?;
        let inputs = vec![integers(&condition, &truths), a.clone().into(), b.clone().into()];
        Case::new("Where", inputs).truth(0).computed(1).check()?;
        let inputs = vec![integers(&condition, &truths), a.clone().into(), b.into()];
        Case::new("Where", inputs).truth(0).computed(2).check()?;
        let limit = |value: f32| Tensor::from_fn(&[], |_| value);
        Case::new("Clip", vec![a.clone().into(), limit(-0.25).into(), limit(0.5).into()])
            .constant(1).constant(2).check()?;
        Case::new("Clip", vec![a.clone().into(), limit(0.0).into(), limit(0.5).into()]).without(1).constant(2).check()?;
        Case::new("Clip", vec![a.into()]).opset(7).attribute("min", float(-0.25)).attribute("max", float(0.25)).check()?;
    }
}

#[test]
fn types_and_sides_that_do_not_fit_are_told() {
    let numbers = || noise(&[2, 3], 1, 1.0).into();
    let run = |op: &str, second| Case::new(op, vec![numbers(), second]).run().unwrap_err();
    assert!(run("Add", integers(&[1], &[2])).contains("found integers and float32"));
    assert!(run("Add", noise(&[2], 1, 1.0).into()).contains("[[2, 3], [2]]"));
    let zero = Case::new("Div", vec![integers(&[1], &[2]), integers(&[1], &[0])]).run();
    assert!(zero.unwrap_err().contains("found 0"));
    assert!(Case::new("Add", vec![numbers()]).run().unwrap_err().contains("expected 2 inputs"));
}
