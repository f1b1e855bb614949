//! A layer as a matrix: which inputs each of its outputs is made of.

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::Target;
use super::moments::Moments;
use crate::compress::graph::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::compress::graph::{GraphError, Index, node_name};

/// How a layer reads its input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    /// Windows of an image.
    Windows { kernel: [usize; 2], strides: [usize; 2], dilations: [usize; 2], pads: [usize; 2] },
    /// The last axis, at each place of the others.
    Rows {
        /// The weights' rows are the outputs, not the inputs.
        transposed: bool,
        /// Whether there is a third input for a bias.
        bias: bool,
    },
}

/// A node with constant weights.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) name: String,
    /// Its index in the graph.
    pub(super) node: usize,
    /// The tensor that it reads.
    pub(super) data: String,
    pub(super) weight: String,
    /// The weights' sides.
    pub(super) dims: Vec<i64>,
    pub(super) bias_name: Option<String>,
    /// By output and, within a group, input.
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) groups: usize,
    /// Outputs of all groups.
    pub(super) outputs: usize,
    reading: Reading,
}

/// The layers of a sorted graph that can be fitted, and the names of those that cannot.
pub(super) fn layers(graph: &GraphProto) -> Result<(Vec<Layer>, Vec<String>), GraphError> {
    let index = Index::new(graph);
    let (mut layers, mut left) = (Vec::new(), Vec::new());
    for (number, node) in graph.node.iter().enumerate() {
        let constant = |place: usize| {
            let name = node.input.get(place)?;
            graph.initializer.get(index.initialiser(name)?).filter(|tensor| tensor.is_f32())
        };
        let Some(weight) = constant(1).filter(|_| weighs(node)) else { continue };
        let given = node.input.get(2).is_some_and(|name| !name.is_empty());
        let bias = constant(2);
        let computed = node.input.first().is_some_and(|data| index.initialiser(data).is_none());
        let reading = reading(node, weight).filter(|_| computed && given == bias.is_some());
        match reading {
            Some(reading) => layers.push(Layer::new(number, node, weight, bias, reading)?),
            None => left.push(node_name(node).to_owned()),
        }
    }
    Ok((layers, left))
}

fn weighs(node: &NodeProto) -> bool {
    matches!(node.op_type(), "Conv" | "ConvTranspose" | "Gemm" | "MatMul")
}

fn reading(node: &NodeProto, weight: &TensorProto) -> Option<Reading> {
    let int = |name: &str, default: i64| node.attribute(name).map_or(default, AttributeProto::i);
    let one =
        |name: &str| node.attribute(name).is_none_or(|attribute| (attribute.f() - 1.0).abs() < f32::EPSILON);
    let sides = |name: &str, count: usize, default: usize| -> Option<Vec<usize>> {
        let found = node.attribute(name).map(|attribute| attribute.ints.clone()).unwrap_or_default();
        if found.is_empty() {
            return Some(vec![default; count]);
        }
        let sides: Option<Vec<usize>> = found.iter().map(|side| usize::try_from(*side).ok()).collect();
        sides.filter(|sides| sides.len() == count)
    };
    match (node.op_type(), weight.dims.as_slice()) {
        ("Conv", [_, _, height, width]) => {
            let auto = node.attribute("auto_pad").and_then(|attribute| attribute.s.clone());
            if !matches!(auto.as_deref(), None | Some(b"NOTSET" | b"VALID" | b"")) {
                return None;
            }
            let kernel = [usize::try_from(*height).ok()?, usize::try_from(*width).ok()?];
            let pair = |name: &str, default: usize| <[usize; 2]>::try_from(sides(name, 2, default)?).ok();
            let pads = sides("pads", 4, 0)?;
            let pads = [*pads.first()?, *pads.get(1)?];
            Some(Reading::Windows {
                kernel,
                strides: pair("strides", 1)?,
                dilations: pair("dilations", 1)?,
                pads,
            })
        }
        ("MatMul", [_, _]) => Some(Reading::Rows { transposed: false, bias: false }),
        ("Gemm", [_, _]) if int("transA", 0) == 0 && one("alpha") && one("beta") => {
            Some(Reading::Rows { transposed: int("transB", 0) != 0, bias: true })
        }
        _ => None,
    }
}

impl Layer {
    fn new(
        number: usize,
        node: &NodeProto,
        weight: &TensorProto,
        bias: Option<&TensorProto>,
        reading: Reading,
    ) -> Result<Self, GraphError> {
        let values = weight.f32_values()?;
        let side = |axis: usize| weight.dims.get(axis).map_or(0, |side| usize::try_from(*side).unwrap_or(0));
        let (outputs, weights) = match reading {
            Reading::Windows { .. } | Reading::Rows { transposed: true, .. } => (side(0), values),
            Reading::Rows { transposed: false, .. } => (side(1), transpose(&values, side(1))),
        };
        let groups = match reading {
            Reading::Windows { .. } => node.attribute("group").map_or(1, AttributeProto::i).max(1) as usize,
            Reading::Rows { .. } => 1,
        };
        let wrong = |found: usize| GraphError::Tensor {
            tensor: bias.map_or("", TensorProto::name).to_owned(),
            expected: format!("a bias for each of {outputs} outputs"),
            found: found.to_string(),
        };
        let offset = match bias {
            Some(bias) => bias.f32_values()?,
            None => vec![0.0; outputs],
        };
        if offset.len() != outputs {
            return Err(wrong(offset.len()));
        }
        Ok(Self {
            name: node_name(node).to_owned(),
            node: number,
            data: node.input.first().cloned().unwrap_or_default(),
            weight: weight.name().to_owned(),
            dims: weight.dims.clone(),
            bias_name: bias.map(|bias| bias.name().to_owned()),
            weights,
            bias: offset,
            groups,
            outputs,
            reading,
        })
    }

    /// Inputs of an output.
    pub(super) fn inputs(&self) -> usize {
        self.weights.len() / self.outputs.max(1)
    }

    /// Outputs of a group.
    pub(super) fn group_outputs(&self) -> usize {
        self.outputs / self.groups.max(1)
    }

    /// Whether it can have a bias of its own.
    pub(super) fn takes_bias(&self) -> bool {
        !matches!(self.reading, Reading::Rows { bias: false, .. })
    }

    /// Weights as the node stores them.
    pub(super) fn stored(&self, weights: &[f32]) -> Vec<f32> {
        match self.reading {
            Reading::Rows { transposed: false, .. } => transpose(weights, self.inputs()),
            _ => weights.to_vec(),
        }
    }

    /// Whether it reads the model's input itself, which is no output of any node.
    pub(super) fn data_is_input(&self, graph: &GraphProto) -> bool {
        graph.input.iter().any(|value| value.name() == self.data)
    }

    /// How many positions an output of these sides has, and how many of them are one row of one image.
    pub(super) fn grid(&self, sides: &[i64]) -> Grid {
        let product = |sides: &[i64]| sides.iter().product::<i64>().max(0) as usize;
        match (&self.reading, sides) {
            (Reading::Windows { .. }, [images, _, height, width]) => {
                Grid { images: *images as usize, plane: product(&[*height, *width]), width: *width as usize }
            }
            (_, [others @ .., _]) => Grid { images: product(others), plane: 1, width: 1 },
            _ => Grid { images: 0, plane: 1, width: 1 },
        }
    }

    /// Whether an input of these sides has a row for each position of `target`.
    pub(super) fn reads(&self, sides: &[i64], target: &Target) -> bool {
        match self.reading {
            Reading::Windows { .. } => sides.len() == 4,
            Reading::Rows { .. } => self.grid(sides).count() == target.grid.count(),
        }
    }

    /// The channels that are left of an output of the unpruned layer, position by position.
    pub(super) fn outputs_at(
        &self,
        sides: &[i64],
        values: &[f32],
        positions: &[usize],
        kept: Option<&[usize]>,
    ) -> Option<Vec<f32>> {
        let channels = match self.reading {
            Reading::Windows { .. } => *sides.get(1)? as usize,
            Reading::Rows { .. } => *sides.last()? as usize,
        };
        let all: Vec<usize> = (0..channels).collect();
        let left = kept.unwrap_or(&all);
        if left.len() != self.outputs {
            return None;
        }
        let plane = self.grid(sides).plane;
        let mut found = Vec::with_capacity(positions.len() * left.len());
        for position in positions {
            let (image, place) = (position / plane, position % plane);
            for channel in left {
                found.push(*values.get((image * channels + channel) * plane + place)?);
            }
        }
        Some(found)
    }

    /// Takes in what the layer reads at the positions of `target`, and what it should put out.
    pub(super) fn add(&self, sides: &[i64], values: &[f32], target: &Target, moments: &mut Moments) {
        match &self.reading {
            Reading::Windows { kernel, strides, dilations, pads } => {
                let [_, channels, height, width] = *sides else { return };
                let (channels, height, width) = (channels as usize, height as usize, width as usize);
                let [kernel_height, kernel_width] = *kernel;
                let group_channels = self.inputs() / (kernel_height * kernel_width).max(1);
                let Grid { plane, width: out_width, .. } = target.grid;
                let at = |start: usize, y: Option<usize>, x: Option<usize>| {
                    let (y, x) = (y.filter(|y| *y < height)?, x.filter(|x| *x < width)?);
                    values.get(start + y * width + x).copied()
                };
                for group in 0..self.groups {
                    moments.add(group, target, |position, row| {
                        let (image, place) = (position / plane, position % plane);
                        let (out_y, out_x) = (place / out_width, place % out_width);
                        let mut row = row.iter_mut();
                        for channel in group * group_channels..(group + 1) * group_channels {
                            let start = (image * channels + channel) * height * width;
                            for kernel_y in 0..kernel_height {
                                let y = (out_y * strides[0] + kernel_y * dilations[0]).checked_sub(pads[0]);
                                for (kernel_x, element) in (0..kernel_width).zip(&mut row) {
                                    let x =
                                        (out_x * strides[1] + kernel_x * dilations[1]).checked_sub(pads[1]);
                                    *element = at(start, y, x).unwrap_or(0.0);
                                }
                            }
                        }
                    });
                }
            }
            Reading::Rows { .. } => {
                let inputs = self.inputs();
                moments.add(0, target, |position, row| {
                    if let Some(values) = values.get(position * inputs..(position + 1) * inputs) {
                        row.copy_from_slice(values);
                    }
                });
            }
        }
    }
}

/// The positions at which a layer puts out its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    images: usize,
    /// Positions of an image.
    plane: usize,
    /// Positions in a row of the image.
    width: usize,
}

impl Grid {
    pub(super) fn count(self) -> usize {
        self.images * self.plane
    }
}

/// All positions of `count`, or `wanted` that are drawn from them, the same for the same `key`.
pub(super) fn positions(count: usize, wanted: usize, key: (usize, usize)) -> Vec<usize> {
    if count <= wanted {
        return (0..count).collect();
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(((key.0 as u64) << 32) ^ key.1 as u64);
    let mut drawn: Vec<usize> = (0..wanted).map(|_| (random.next_u64() % count as u64) as usize).collect();
    drawn.sort_unstable();
    drawn
}

/// A matrix of so many columns, by columns.
fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
    let columns = columns.max(1);
    let by_column = (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns));
    by_column.copied().collect()
}
