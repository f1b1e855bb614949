use proptest::prelude::*;

use super::few;
use crate::engine::testing::{Case, apart, float, integers, ints, noise, number, sides, text};
use crate::tensor::{Tensor, Value};

fn list(values: &[i64]) -> Value {
    integers(&[values.len()], values)
}

/// An order of `rank` axes.
fn order(rank: usize, seed: u64) -> Vec<i64> {
    let mut order: Vec<i64> = (0..rank as i64).collect();
    order.sort_by(|one, other| number(*one as usize, seed).total_cmp(&number(*other as usize, seed)));
    order
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn elements_move(dims in sides(2..=4), seed in 0u64..1000, axis in 0usize..2, repeats in 1i64..4) {
        let input = || Value::from(noise(&dims, seed, 1.0));
        let rank = dims.len();
        Case::new("Transpose", vec![input()]).attribute("perm", ints(&order(rank, seed))).check()?;
        Case::new("Transpose", vec![input()]).check()?;
        Case::new("Flatten", vec![input()]).int("axis", axis as i64).check()?;
        Case::new("Flatten", vec![input()]).int("axis", rank as i64).check()?;
        Case::new("Identity", vec![input()]).check()?;
        Case::new("Dropout", vec![input()]).check()?;
        let mut shape: Vec<i64> = vec![0; rank];
        shape[rank - 1] = -1;
        Case::new("Reshape", vec![input(), list(&shape)]).check()?;
        Case::new("Reshape", vec![input(), list(&[-1])]).check()?;
        Case::new("Unsqueeze", vec![input(), list(&[0, -1])]).check()?;
        Case::new("Unsqueeze", vec![input()]).opset(11).attribute("axes", ints(&[1])).check()?;
        let mut single = dims.clone();
        single[axis] = 1;
        Case::new("Squeeze", vec![noise(&single, seed, 1.0).into(), list(&[axis as i64])]).check()?;
        Case::new("Squeeze", vec![noise(&single, seed, 1.0).into()]).opset(11).attribute("axes", ints(&[axis as i64])).check()?;
        Case::new("Squeeze", vec![noise(&single, seed, 1.0).into()]).check()?;
        let mut wanted: Vec<i64> = single.iter().map(|side| *side as i64).collect();
        wanted[axis] = repeats;
        wanted.insert(0, 2);
        Case::new("Expand", vec![noise(&single, seed, 1.0).into(), list(&wanted)]).check()?;
        let mut tiles = vec![1; rank];
        tiles[axis] = repeats;
        tiles[rank - 1] = 2;
        Case::new("Tile", vec![input(), list(&tiles)]).check()?;
    }

    #[test]
    fn slices_and_parts(
        dims in sides(2..=4), seed in 0u64..1000, axis in 0usize..2, start in -6i64..6, end in -6i64..6,
        step in prop::sample::select(vec![-3i64, -2, -1, 1, 2, 3]),
    ) {
        let input = || Value::from(noise(&dims, seed, 1.0));
        let at = [list(&[start]), list(&[end]), list(&[axis as i64 - dims.len() as i64]), list(&[step])];
        let [starts, ends, axes, steps] = at;
        let slice = Case::new("Slice", vec![input(), starts, ends, axes, steps]);
        let empty = slice.run().unwrap().0[0].borrowed().dims().contains(&0);
        if !empty {
            slice.check()?;
        }
        let old = Case::new("Slice", vec![input()]).opset(9).attribute("starts", ints(&[0, -3])).attribute("ends", ints(&[9, 9]));
        old.check()?;
        let side = dims[axis] as i64;
        if side > 1 {
            Case::new("Split", vec![input(), list(&[1, side - 1])]).int("axis", axis as i64).outputs(2).check()?;
            let uneven = Case::new("Split", vec![input()]).opset(18).int("axis", axis as i64);
            uneven.int("num_outputs", 2).outputs(2).check()?;
            Case::new("Split", vec![input()]).opset(11).int("axis", axis as i64).attribute("split", ints(&[side - 1, 1]))
                .outputs(2).check()?;
        }
        let mut wider = dims.clone();
        wider[axis] += 2;
        let inputs = vec![input(), noise(&wider, seed, 1.0).into(), input()];
        Case::new("Concat", inputs).int("axis", axis as i64 - dims.len() as i64).check()?;
        Case::new("Concat", vec![list(&[1, 2]), list(&[3])]).int("axis", 0).check_forward()?;
    }

    #[test]
    fn blocks_and_depth(n in 1usize..3, c in 1usize..3, h in 1usize..4, w in 1usize..4, block in 1usize..4, seed in 0u64..99) {
        let deep = noise(&[n, c * block * block, h, w], seed, 1.0);
        let wide = noise(&[n, c, h * block, w * block], seed, 1.0);
        for mode in ["DCR", "CRD"] {
            let case = Case::new("DepthToSpace", vec![deep.clone().into()]).int("blocksize", block as i64);
            case.attribute("mode", text(mode)).check()?;
        }
        Case::new("SpaceToDepth", vec![wide.into()]).int("blocksize", block as i64).check()?;
    }

    #[test]
    fn pads(h in 2usize..5, w in 2usize..5, pads in prop::collection::vec(0i64..2, 4), seed in 0u64..99) {
        let input = || Value::from(noise(&[1, 2, h, w], seed, 1.0));
        let full = [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]];
        for mode in ["constant", "reflect", "edge"] {
            Case::new("Pad", vec![input(), list(&full)]).attribute("mode", text(mode)).check()?;
            Case::new("Pad", vec![input()]).opset(10).attribute("pads", ints(&full)).attribute("mode", text(mode)).check()?;
        }
        let fill = Value::from(Tensor::from_fn(&[], |_| 0.7));
        Case::new("Pad", vec![input(), list(&full), fill]).check()?;
        let old = Case::new("Pad", vec![input()]).opset(10).attribute("pads", ints(&full));
        old.attribute("value", float(-0.5)).check()?;
        let inputs = vec![input(), list(&pads), input(), list(&[2, -1])];
        Case::new("Pad", inputs).opset(18).without(2).check()?;
    }

    #[test]
    fn elements_are_picked(dims in sides(2..=3), axis in 0usize..2, seed in 0u64..1000, count in 1usize..5) {
        let input = || Value::from(noise(&dims, seed, 1.0));
        let side = dims[axis] as i64;
        let index = |index: usize| ((number(index, seed) + 1.0) * side as f32) as i64 - side;
        let picks: Vec<i64> = (0..count * 2).map(|place| index(place).clamp(-side, side - 1)).collect();
        Case::new("Gather", vec![input(), integers(&[count, 2], &picks)]).int("axis", axis as i64).check()?;
        Case::new("Gather", vec![input(), integers(&[], &picks[..1])]).int("axis", axis as i64).check()?;
        Case::new("Gather", vec![list(&[5, 6, 7]), list(&[2, 0])]).check_forward()?;
        let mut like = dims.clone();
        like[axis] = count;
        let all: Vec<i64> = (0..like.iter().product()).map(|place| index(place).clamp(-side, side - 1)).collect();
        Case::new("GatherElements", vec![input(), integers(&like, &all)]).int("axis", axis as i64).check()?;
        let rows: Vec<i64> = (0..count)
            .flat_map(|row| [(row % dims[0]) as i64, ((row * 3 + 1) % dims[1]) as i64])
            .collect();
        Case::new("GatherND", vec![input(), integers(&[count, 2], &rows)]).check()?;
        Case::new("GatherND", vec![input(), integers(&[count, 1], &rows[..count].iter().map(|row| row % dims[0] as i64).collect::<Vec<_>>())]).check()?;
        let batch: Vec<i64> = (0..dims[0]).map(|row| ((row * 3 + 1) % dims[1]) as i64).collect();
        Case::new("GatherND", vec![input(), integers(&[dims[0], 1], &batch)]).int("batch_dims", 1).check()?;
        let mut slice = vec![1];
        slice.extend_from_slice(&dims[1..]);
        let inputs = vec![input(), integers(&[1, 1], &[dims[0] as i64 - 1]), noise(&slice, seed + 1, 1.0).into()];
        Case::new("ScatterND", inputs).check()?;
    }

    #[test]
    fn the_largest(dims in sides(2..=3), axis in 0usize..2, seed in 0u64..1000, largest in 0i64..2) {
        let count = dims[axis].div_ceil(2) as i64;
        let inputs = vec![apart(&dims, seed).into(), list(&[count])];
        Case::new("TopK", inputs).int("axis", axis as i64).int("largest", largest).outputs(2).check()?;
        let ties = Tensor::from_fn(&[8], |index| (index % 3) as f32);
        Case::new("TopK", vec![ties.into(), list(&[5])]).int("largest", largest).outputs(2).check_forward()?;
        for last in 0..2 {
            let case = Case::new("ArgMax", vec![apart(&dims, seed).into()]).int("axis", axis as i64);
            case.int("keepdims", largest).int("select_last_index", last).check_forward()?;
            Case::new("ArgMax", vec![Tensor::zeros(&dims).into()]).int("select_last_index", last).check_forward()?;
        }
    }

    #[test]
    fn shapes_and_types(dims in sides(1..=4), seed in 0u64..1000, start in -3i64..3, limit in -9i64..9) {
        let input = || Value::from(noise(&dims, seed, 3.0));
        Case::new("Shape", vec![input()]).check_forward()?;
        Case::new("Shape", vec![input()]).int("start", -2).int("end", 3).check_forward()?;
        Case::new("Size", vec![input()]).check_forward()?;
        Case::new("Cast", vec![input()]).int("to", 1).check()?;
        Case::new("Cast", vec![input()]).int("to", 7).check_forward()?;
        Case::new("Cast", vec![input()]).int("to", 6).check_forward()?;
        Case::new("Cast", vec![input()]).int("to", 9).check_forward()?;
        Case::new("Cast", vec![list(&[0, -2, 3])]).int("to", 1).check_forward()?;
        let scalar = |value: i64| integers(&[], &[value]);
        Case::new("Range", vec![scalar(start), scalar(limit), scalar(2)]).check_forward()?;
        Case::new("Range", vec![scalar(limit), scalar(start), scalar(-1)]).check_forward()?;
        let sides: Vec<i64> = dims.iter().map(|side| *side as i64).collect();
        Case::new("ConstantOfShape", vec![list(&sides)]).check_forward()?;
    }
}

#[test]
fn impossible_sides_are_told() {
    let input = || Value::from(noise(&[2, 3], 1, 1.0));
    let told = |op: &str, second: Value, words: &str| {
        let message = Case::new(op, vec![input(), second]).run().unwrap_err();
        assert!(message.contains(words), "{op}: {message}");
    };
    told("Reshape", list(&[4, 2]), "found [4, 2]");
    told("Reshape", list(&[-1, -1]), "found [-1, -1]");
    told("Reshape", list(&[-1, 4]), "found [-1, 4]");
    told("Expand", list(&[2, 4]), "[2, 4]");
    told("Squeeze", list(&[0]), "found one of 2");
    told("Gather", list(&[2]), "expected an index below 2, found 2");
    told("TopK", list(&[4]), "expected at most 3 elements, found 4");
    told("Split", list(&[1, 1]), "found [1, 1]");
    told("Concat", noise(&[3, 3], 1, 1.0).into(), "found [3, 3] as input 1");
}
