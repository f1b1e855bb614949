use super::build::Graph;
use super::load;
use crate::engine::testing::noise;
use crate::engine::{Net, Parameters, Statistics};
use crate::tensor::Tensor;

/// Two batch normalisations with a bend between them.
fn loaded() -> (Net, Parameters, [String; 2]) {
    let mut graph = Graph::new(17);
    let first = graph.batch_norm("images", 3);
    let bent = graph.op("Tanh", &[&first]);
    let second = graph.batch_norm(&bent, 3);
    let model = graph.finish(&[1, 3, 4, 5], &[&first, &second]);
    let loaded = load(&model);
    (loaded.net, loaded.parameters, [first, second])
}

fn images(count: u64) -> Vec<Tensor> {
    let image = |seed: u64| {
        let noise = noise(&[1, 3, 4, 5], seed, 1.0 + seed as f32);
        Tensor::from_fn(noise.dims(), |index| noise.data()[index] + seed as f32 * 0.5)
    };
    (0..count).map(image).collect()
}

/// Mean and variance of each channel of a tensor over all images.
fn moments(net: &Net, parameters: &Parameters, images: &[Tensor], name: &str) -> Vec<[f64; 2]> {
    let id = net.value(name).unwrap();
    let mut channels = vec![Vec::new(); 3];
    for image in images {
        let tape = net.forward(parameters, image.clone()).unwrap();
        for (channel, values) in tape.tensor(id).unwrap().data().chunks_exact(20).enumerate() {
            channels[channel].extend(values.iter().map(|value| f64::from(*value)));
        }
    }
    let count = images.len() as f64 * 20.0;
    let of = |values: &Vec<f64>| {
        let mean = values.iter().sum::<f64>() / count;
        [mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count]
    };
    channels.iter().map(of).collect()
}

#[test]
fn with_measured_statistics_every_layer_puts_out_what_its_scale_and_bias_say() {
    let (mut net, parameters, names) = loaded();
    let images = images(4);
    let statistics = net.batch_statistics(&parameters, images.iter().cloned()).unwrap();
    net.set_statistics(&statistics);
    for (layer, name) in names.iter().enumerate() {
        // the second one's are right only if they were measured behind the first one's new ones
        for (channel, [mean, variance]) in moments(&net, &parameters, &images, name).into_iter().enumerate() {
            let value = |place: usize| f64::from(parameters.items[2 * layer + place].tensor.data()[channel]);
            assert!((mean - value(1)).abs() < 1e-4, "{name}[{channel}]: {mean}, bias {}", value(1));
            // epsilon is 1e-3 and variances behind the bend are small
            let expected = value(0) * value(0);
            assert!(
                (variance - expected).abs() < 0.02 * expected,
                "{name}[{channel}]: {variance}, {expected}"
            );
        }
    }
}

#[test]
fn measured_statistics_are_stored() {
    let (mut net, parameters, _) = loaded();
    let before = net.store(&parameters);
    let statistics = net.batch_statistics(&parameters, images(3)).unwrap();
    net.set_statistics(&statistics);
    let stored = net.store(&parameters);
    assert_ne!(stored, before);
    let again = load(&stored);
    let image = images(1).remove(0);
    let outputs = |net: &Net, parameters: &Parameters| {
        let tape = net.forward(parameters, image.clone()).unwrap();
        net.outputs().iter().map(|id| tape.tensor(*id).unwrap().clone()).collect::<Vec<_>>()
    };
    assert_eq!(outputs(&again.net, &again.parameters), outputs(&net, &parameters));
}

#[test]
fn without_images_nothing_changes() {
    let (mut net, parameters, _) = loaded();
    let statistics = net.batch_statistics(&parameters, Vec::new()).unwrap();
    assert_eq!(statistics, Statistics::default());
    let before = net.store(&parameters);
    net.set_statistics(&statistics);
    assert_eq!(net.store(&parameters), before);
    let wrong = net.batch_statistics(&parameters, [Tensor::zeros(&[1, 3, 2, 2])]).unwrap_err();
    assert!(wrong.to_string().contains("expected an input of sides [1, 3, 4, 5]"), "{wrong}");
}
