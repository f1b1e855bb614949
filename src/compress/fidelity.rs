//! How far a variant's outputs are from those of the model that it was made from; needs images, no labels.

use super::graph::Model;
use super::images::Loader;
use super::runner::Runner;
use super::{CalibrationImages, CompressError};
use crate::detector::manifest::InputSpec;
use crate::detector::probe::Values;

/// What the base puts out for some images.
#[derive(Debug, Clone)]
pub struct Reference {
    shape: [i64; 4],
    /// By image: what the network sees.
    inputs: Vec<Vec<f32>>,
    /// By image and output.
    outputs: Vec<Vec<Vec<f32>>>,
    names: Vec<String>,
    /// By output: the sum of the squared distances from the mean, over all images.
    spread: Vec<f64>,
}

impl Reference {
    /// Runs the base on at most `limit` of the images, evenly taken.
    ///
    /// # Errors
    /// An image cannot be used, or ONNX Runtime refuses the model.
    pub fn new(
        base: &Model,
        input: &InputSpec,
        images: &CalibrationImages,
        limit: usize,
    ) -> Result<Self, CompressError> {
        let shape = input.shape();
        let names: Vec<String> = base.graph().output.iter().map(|value| value.name().to_owned()).collect();
        let mut runner = Runner::new(base, &shape, names.iter().map(String::as_str))?;
        let mut loader = Loader::new(input, images);
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for image in images.evenly(limit) {
            loader.load(image, runner.input_mut())?;
            inputs.push(runner.input_mut().to_vec());
            outputs.push(run(&mut runner, &names)?);
        }
        let spread = (0..names.len()).map(|output| spread(&outputs, output)).collect();
        Ok(Self { shape, inputs, outputs, names, spread })
    }

    /// The error of a variant's outputs: squared differences over the squared distances of the base's outputs from
    /// their mean, averaged over the outputs. 0 is no difference; 1 is as bad as the mean for everything.
    ///
    /// # Errors
    /// ONNX Runtime refuses the variant.
    pub fn error(&self, variant: &Model) -> Result<f64, CompressError> {
        let mut runner = Runner::new(variant, &self.shape, self.names.iter().map(String::as_str))?;
        let mut errors = vec![0f64; self.names.len()];
        for (input, wanted) in self.inputs.iter().zip(&self.outputs) {
            runner.input_mut().copy_from_slice(input);
            let found = run(&mut runner, &self.names)?;
            for (error, (wanted, found)) in errors.iter_mut().zip(wanted.iter().zip(&found)) {
                let squares = wanted.iter().zip(found).map(|(a, b)| f64::from(a - b).powi(2));
                *error += squares.sum::<f64>();
            }
        }
        let relative = errors.iter().zip(&self.spread).filter(|(_, spread)| **spread > 0.0);
        let relative: Vec<f64> = relative.map(|(error, spread)| error / spread).collect();
        Ok(relative.iter().sum::<f64>() / relative.len().max(1) as f64)
    }
}

fn run(runner: &mut Runner, names: &[String]) -> Result<Vec<Vec<f32>>, CompressError> {
    let mut outputs = vec![Vec::new(); names.len()];
    runner.run(|name, _, values| {
        let place = names.iter().position(|known| known == name).and_then(|place| outputs.get_mut(place));
        if let (Some(place), Values::F32(values)) = (place, values) {
            *place = values.to_vec();
        }
    })?;
    Ok(outputs)
}

fn spread(images: &[Vec<Vec<f32>>], output: usize) -> f64 {
    let values = || images.iter().filter_map(|outputs| outputs.get(output)).flatten().map(|v| f64::from(*v));
    let mean = values().sum::<f64>() / values().count().max(1) as f64;
    values().map(|value| (value - mean).powi(2)).sum()
}
