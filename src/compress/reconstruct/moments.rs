//! What least squares need to know of a layer's inputs and outputs, summed up sample by sample.

use nalgebra::DMatrix;

use super::Target;
use super::layer::Layer;

/// Sums of products of inputs and outputs, by group of channels.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub(super) groups: Vec<Group>,
}

/// Of one group. The last input is always 1: what is multiplied with it is the bias.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Inputs × inputs.
    pub(super) inputs: DMatrix<f64>,
    /// Inputs × outputs; its last row is the sum of the outputs.
    pub(super) outputs: DMatrix<f64>,
    /// By output, the sum of its squares.
    pub(super) squares: Vec<f64>,
    pub(super) samples: usize,
}

impl Moments {
    pub(super) fn new(layer: &Layer) -> Self {
        let (inputs, outputs) = (layer.inputs() + 1, layer.group_outputs());
        let group = Group {
            inputs: DMatrix::zeros(inputs, inputs),
            outputs: DMatrix::zeros(inputs, outputs),
            squares: vec![0.0; outputs],
            samples: 0,
        };
        Self { groups: vec![group; layer.groups] }
    }

    pub(super) fn samples(&self) -> usize {
        self.groups.first().map_or(0, |group| group.samples)
    }

    /// Takes in an image's samples; `fill` writes what the group reads at a position.
    pub(super) fn add(&mut self, group: usize, target: &Target, fill: impl Fn(usize, &mut [f32])) {
        let outputs_of_all = self.groups.len() * self.groups.first().map_or(0, |group| group.squares.len());
        let Some(moments) = self.groups.get_mut(group) else { return };
        let (inputs, outputs) = moments.outputs.shape();
        let samples = target.positions.len();
        // one column for each sample
        let mut read = DMatrix::<f32>::from_element(inputs, samples, 1.0);
        for (column, position) in read.as_mut_slice().chunks_exact_mut(inputs).zip(&target.positions) {
            if let Some((_, row)) = column.split_last_mut() {
                fill(*position, row);
            }
        }
        let wanted = DMatrix::<f32>::from_fn(samples, outputs, |sample, output| {
            let place = sample * outputs_of_all + group * outputs + output;
            target.values.get(place).copied().unwrap_or(0.0)
        });
        // single precision within an image, double over all of them
        add(&mut moments.outputs, &(&read * &wanted));
        add(&mut moments.inputs, &(&read * read.transpose()));
        for (square, column) in moments.squares.iter_mut().zip(wanted.column_iter()) {
            *square += column.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        }
        moments.samples += samples;
    }
}

fn add(sum: &mut DMatrix<f64>, more: &DMatrix<f32>) {
    for (sum, more) in sum.iter_mut().zip(more.iter()) {
        *sum += f64::from(*more);
    }
}

impl Group {
    /// By output, the summed squared error of `weights` (inputs × outputs).
    pub(super) fn errors(&self, weights: &DMatrix<f64>) -> Vec<f64> {
        let made = &self.inputs * weights;
        let columns = weights.column_iter().zip(made.column_iter()).zip(self.outputs.column_iter());
        columns
            .zip(&self.squares)
            .map(|(((weights, made), wanted), square)| {
                (square - 2.0 * weights.dot(&wanted) + weights.dot(&made)).max(0.0)
            })
            .collect()
    }

    /// By output, the summed squared distance from its mean.
    pub(super) fn spreads(&self) -> Vec<f64> {
        let sums = self.outputs.row(self.outputs.nrows().saturating_sub(1));
        let spread = |(square, sum): (&f64, &f64)| (square - sum * sum / self.samples.max(1) as f64).max(0.0);
        self.squares.iter().zip(sums.iter()).map(spread).collect()
    }
}
