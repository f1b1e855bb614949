use proptest::prelude::*;

use super::*;

/// One step of a random chain.
#[derive(Debug, Clone)]
enum Step {
    Conv { channels: i64, bias: bool },
    BatchNorm,
    Arithmetic { operator: usize, first: bool, scalar: bool },
    Pad { sides: [i64; 4] },
    Turn { by: usize },
    Idle { kind: usize },
    Branch,
    Output,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1i64..5, any::<bool>()).prop_map(|(channels, bias)| Step::Conv { channels, bias }),
        Just(Step::BatchNorm),
        (0usize..4, any::<bool>(), any::<bool>()).prop_map(|(operator, first, scalar)| Step::Arithmetic {
            operator,
            first,
            scalar
        }),
        prop::array::uniform4(0i64..3).prop_map(|sides| Step::Pad { sides }),
        (0usize..3).prop_map(|by| Step::Turn { by }),
        (0usize..4).prop_map(|kind| Step::Idle { kind }),
        Just(Step::Branch),
        Just(Step::Output),
    ]
}

/// A chain of steps over tensors of four axes, whose sides are followed.
fn chain(steps: &[Step]) -> Model {
    let (mut nodes, mut constants, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut current, mut dims) = ("images".to_owned(), SHAPE);
    for (number, step) in steps.iter().enumerate() {
        let next = format!("t{number}");
        let named = |what: &str| format!("{next}.{what}");
        let made = match step {
            Step::Conv { channels, bias } => {
                let (weight, shift) = (named("w"), named("b"));
                constants.push(floats(&weight, &[*channels, dims[1], 1, 1], 1.0));
                dims[1] = *channels;
                if *bias {
                    constants.push(floats(&shift, &[*channels], 1.0));
                    node("Conv", &[&current, &weight, &shift], &next)
                } else {
                    nodes.push(constant(constants.pop().unwrap()));
                    node("Conv", &[&current, &weight], &next)
                }
            }
            Step::BatchNorm => {
                let (made, mut more) = batch_norm(&next, &current, dims[1]);
                constants.append(&mut more);
                made
            }
            Step::Arithmetic { operator, first, scalar } => {
                let name = named("c");
                let sides = if *scalar { vec![] } else { vec![dims[1], 1, 1] };
                let count = sides.iter().product::<i64>() as usize;
                let values: Vec<f32> = numbers(count, 1.0).iter().map(|value| value.abs() + 0.5).collect();
                constants.push(TensorProto::of_f32(&name, &sides, &values));
                // a constant over a tensor that may be zero is no finite number
                let operator = ["Add", "Sub", "Mul", "Div"][*operator];
                if *first && operator != "Div" {
                    node(operator, &[&name, &current], &next)
                } else {
                    node(operator, &[&current, &name], &next)
                }
            }
            Step::Pad { sides: [top, left, bottom, right] } => {
                let name = named("p");
                constants.push(TensorProto::of_i64(&name, &[8], &[0, 0, *top, *left, 0, 0, *bottom, *right]));
                dims[2] += top + bottom;
                dims[3] += left + right;
                node("Pad", &[&current, &name], &next)
            }
            Step::Turn { by } => {
                let perm = [[0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2]][*by];
                dims = perm.map(|axis| dims[axis as usize]);
                ints(node("Transpose", &[&current], &next), "perm", &perm)
            }
            Step::Idle { kind: 0 } => node("Identity", &[&current], &next),
            Step::Idle { kind: 1 } => node("Cast", &[&current], &next).with_int("to", 1),
            Step::Idle { kind: 2 } => {
                let shape = named("shape");
                nodes.push(node("Shape", &[&current], &shape));
                node("Reshape", &[&current, &shape], &next)
            }
            Step::Idle { .. } => node("Dropout", &[&current], &next),
            Step::Branch => {
                let side = named("side");
                nodes.push(node("Sigmoid", &[&current], &side));
                node("Mul", &[&current, &side], &next)
            }
            Step::Output => {
                outputs.push(current.clone());
                node("LeakyRelu", &[&current], &next)
            }
        };
        nodes.push(made);
        current = next;
    }
    outputs.retain(|name| name != "images");
    outputs.push(current);
    model(nodes, constants, &outputs.iter().map(String::as_str).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn random_graphs_compute_the_same(steps in prop::collection::vec(step(), 1..12)) {
        let (clean, report) = check(&chain(&steps));
        prop_assert!(report.nodes_after <= report.nodes_before);
        let names = |model: &Model| {
            let outputs = model.graph().output.iter();
            outputs.map(|value| value.name().to_owned()).collect::<Vec<_>>()
        };
        prop_assert_eq!(names(&clean), names(&chain(&steps)));
    }
}
