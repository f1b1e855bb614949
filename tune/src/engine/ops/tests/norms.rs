use proptest::prelude::*;

use super::few;
use crate::engine::testing::{Case, float, noise};
use crate::tensor::{Tensor, Value};

fn row(count: usize, seed: u64, level: f32) -> Value {
    let noise = noise(&[count], seed, 0.5);
    Tensor::from_fn(&[count], |index| noise.data()[index] + level).into()
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn batch_normalisation(n in 1usize..3, c in 1usize..5, h in 1usize..4, w in 1usize..4, seed in 0u64..1000) {
        let input = noise(&[n, c, h, w], seed, 2.0);
        let rows = [row(c, seed + 1, 1.0), row(c, seed + 2, 0.0), row(c, seed + 3, 0.0), row(c, seed + 4, 1.0)];
        let inputs: Vec<Value> = std::iter::once(Value::from(input)).chain(rows).collect();
        let case = Case::new("BatchNormalization", inputs).constant(3).constant(4);
        case.attribute("epsilon", float(1e-3)).check()?;
    }

    #[test]
    fn normalisations_of_an_image(n in 1usize..3, c in 1usize..3, h in 2usize..4, w in 2usize..4, seed in 0u64..1000) {
        // neighbours far apart: ONNX Runtime loses digits of small variances
        let spread = || {
            let noise = noise(&[n, 2 * c, h, w], seed, 0.5);
            Tensor::from_fn(noise.dims(), |index| noise.data()[index] + (index % 2) as f32 * 2.0)
        };
        let input = || Value::from(spread());
        let by_channel = || vec![input(), row(2 * c, seed + 1, 1.0), row(2 * c, seed + 2, 0.0)];
        Case::new("InstanceNormalization", by_channel()).check()?;
        // a group is an instance of as many elements
        let groups = Case::new("GroupNormalization", by_channel()).opset(21).int("num_groups", 2);
        groups.check_gradients()?;
        let ones = || Value::from(Tensor::from_fn(&[2], |_| 1.0));
        let joined = spread().reshaped(&[n, 2, c, h, w]).unwrap();
        let alike = vec![joined.into(), ones(), Tensor::zeros(&[2]).into()];
        let normal = Case::new("InstanceNormalization", alike).run().unwrap().0;
        let [_, scale, bias] = [0, 1, 2].map(|place| by_channel()[place].as_f32().unwrap().clone());
        let (found, normal) = (groups.run().unwrap().0, normal[0].as_f32().unwrap());
        for (index, found) in found[0].as_f32().unwrap().data().iter().enumerate() {
            let channel = index / (h * w) % (2 * c);
            let expected = normal.data()[index] * scale.data()[channel] + bias.data()[channel];
            prop_assert!((found - expected).abs() < 1e-5, "{} {}", found, expected);
        }
        let rows = vec![input(), row(w, seed + 1, 1.0), row(w, seed + 2, 0.0)];
        Case::new("LayerNormalization", rows).check()?;
        let count = h * w;
        let scale = noise(&[h, w], seed, 1.0);
        let case = Case::new("LayerNormalization", vec![input(), scale.into(), row(count, seed, 0.0)]);
        case.without(2).int("axis", 2).check()?;
    }
}

#[test]
fn statistics_by_channel_are_as_many_as_channels() {
    let rows = (0..4).map(|seed| row(3, seed, 1.0));
    let inputs = std::iter::once(Value::from(noise(&[1, 2, 2, 2], 1, 1.0))).chain(rows).collect();
    let message = Case::new("BatchNormalization", inputs).run().unwrap_err();
    assert!(message.contains("expected 2 numbers as input") && message.contains("found 3"), "{message}");
}
