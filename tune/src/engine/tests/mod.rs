//! Whole graphs: forward against ONNX Runtime, backward against finite differences, and back into a file.

mod build;
mod statistics;

use std::path::{Path, PathBuf};

use roadproof::compress::graph::Model;
use roadproof::compress::{Elements, InferenceSession};

use super::testing::{noise, number};
use super::{Gradients, Net, Parameters};
use crate::tensor::Tensor;

/// A network, its parameters, an image, and what ONNX Runtime makes of the same model and image.
struct Loaded {
    net: Net,
    parameters: Parameters,
    image: Tensor,
}

fn sides(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|side| *side as i64).collect()
}

fn load(model: &Model) -> Loaded {
    let shape = model.input_shape().unwrap();
    let (net, parameters) = Net::load(model, &shape, &|_| false).unwrap();
    let image = noise(net.input_dims(), 5, 1.0);
    Loaded { net, parameters, image }
}

impl Loaded {
    /// The model's outputs, by name.
    fn outputs(&self, parameters: &Parameters) -> Vec<(String, Tensor)> {
        let tape = self.net.forward(parameters, self.image.clone()).unwrap();
        let outputs = self.net.outputs().iter();
        outputs.map(|id| (self.net.name(*id).to_owned(), tape.tensor(*id).unwrap().clone())).collect()
    }

    /// Compares them with what ONNX Runtime makes of a model; differences are relative to an output's range.
    fn agrees_with(&self, model: &Model, tolerance: f32) {
        let made = self.outputs(&self.parameters);
        let names = made.iter().map(|(name, _)| name.as_str());
        let mut session = InferenceSession::open(model, &sides(self.net.input_dims()), names).unwrap();
        session.input_mut().copy_from_slice(self.image.data());
        let expected = session.run().unwrap();
        assert_eq!(expected.len(), made.len());
        for output in expected {
            let (name, found) = made.iter().find(|(name, _)| *name == output.name).unwrap();
            assert_eq!(sides(found.dims()), output.dims, "{name}");
            let Elements::F32(expected) = output.elements else { panic!("{name} holds no numbers") };
            let range = expected.iter().fold(0.0f32, |range, value| range.max(value.abs()));
            for (index, (found, expected)) in found.data().iter().zip(&expected).enumerate() {
                let near = (found - expected).abs() <= tolerance * range;
                assert!(near, "{name}[{index}]: {found}, ONNX Runtime {expected}, range {range}");
            }
        }
    }

    /// A random linear functional of the outputs.
    fn loss(&self, parameters: &Parameters) -> f64 {
        let mut loss = 0.0;
        for (place, (_, output)) in self.outputs(parameters).iter().enumerate() {
            for (index, value) in output.data().iter().enumerate() {
                loss += f64::from(*value) * f64::from(number(index, place as u64));
            }
        }
        loss
    }

    fn gradients(&self) -> Gradients {
        let tape = self.net.forward(&self.parameters, self.image.clone()).unwrap();
        let seed = |(place, id): (usize, &super::ValueId)| {
            let dims = tape.tensor(*id).unwrap().dims();
            (*id, Tensor::from_fn(dims, |index| number(index, place as u64)))
        };
        let seeds = self.net.outputs().iter().enumerate().map(seed).collect();
        let mut gradients = Gradients::zeros(&self.parameters);
        self.net.backward(&self.parameters, tape, seeds, &mut gradients).unwrap();
        gradients
    }

    /// The slope of the loss along a random direction in each of `chosen` parameters is that of central differences.
    fn check_gradients(&self, chosen: impl IntoIterator<Item = usize>, step: f32, tolerance: f64) {
        let gradients = self.gradients();
        for place in chosen {
            let tensor = &gradients.0[place];
            let direction = noise(tensor.dims(), 900 + place as u64, 1.0);
            let slope: f64 =
                tensor.data().iter().zip(direction.data()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let moved = |by: f32| {
                let mut parameters = self.parameters.clone();
                let items = parameters.items[place].tensor.data_mut().iter_mut();
                items.zip(direction.data()).for_each(|(value, direction)| *value += direction * by);
                self.loss(&parameters)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            let scale = slope.abs().max(difference.abs()).max(0.1);
            let name = &self.parameters.items[place].name;
            assert!(
                (slope - difference).abs() < tolerance * scale,
                "{name}: {slope}, by differences {difference}"
            );
        }
    }

    /// Other parameters, stored, are read again as they were, under their names, and ONNX Runtime computes with them.
    fn check_stored(mut self, before: &Model) {
        for parameter in &mut self.parameters.items {
            parameter.tensor.data_mut().iter_mut().for_each(|value| *value *= 1.01);
        }
        let stored = self.net.store(&self.parameters);
        let bytes = stored.to_bytes();
        let stored = Model::from_bytes(&bytes, Path::new("stored.onnx"), String::new()).unwrap();
        self.agrees_with(&stored, 1e-4);
        let again = load(&stored);
        assert_eq!(again.parameters, self.parameters);
        assert_eq!(again.outputs(&again.parameters), self.outputs(&self.parameters));
        for parameter in &self.parameters.items {
            let known = before.graph().initializer.iter().find(|tensor| tensor.name() == parameter.name);
            assert_eq!(known.map(|tensor| tensor.dims.clone()), Some(sides(parameter.tensor.dims())));
        }
    }
}

fn check(model: &Model, least: usize) {
    let loaded = load(model);
    let count = loaded.parameters.items.len();
    assert!(count >= least, "{count} parameters");
    loaded.agrees_with(model, 1e-4);
    loaded.check_gradients(0..count, 1e-3, 0.03);
    loaded.check_stored(model);
}

#[test]
fn a_graph_like_yolox_trains() {
    check(&build::yolox(), 60);
}

#[test]
fn a_graph_like_yolov8_trains() {
    check(&build::yolov8(), 20);
}

#[test]
fn a_graph_like_rt_detr_trains() {
    check(&build::rt_detr(), 22);
}

/// A model of the repository; `None` where it was not fetched.
fn nanodet() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/nanodet-g.onnx");
    let found = path.is_file();
    if !found {
        eprintln!("skipped: {} is not there (scripts/setup.sh fetches it)", path.display());
    }
    found.then_some(path)
}

#[test]
fn nanodet_trains() {
    let Some(path) = nanodet() else { return };
    let model = Model::load(&path, None).unwrap();
    let loaded = load(&model);
    loaded.agrees_with(&model, 1e-4);
    let last = loaded.parameters.items.len() - 1;
    // thousands of bends lie within the step: differences are right to some percent
    loaded.check_gradients([0, 1, last / 2, last - 1, last], 3e-4, 0.1);
    loaded.check_stored(&model);
}
