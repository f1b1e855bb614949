//! Forward and backward runs.

use super::{Call, Gradients, Net, Node, OpError, Parameters, Saved, Source, ValueId};
use crate::tensor::{Tensor, Value, ValueRef};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An operator could not do with what it was given.
    #[error("node \"{node}\" ({op_type}): {source}")]
    Op {
        /// Its name.
        node: String,
        /// Its kind.
        op_type: String,
        /// What is wrong.
        source: OpError,
    },
    /// The input has the wrong sides.
    #[error("expected an input of sides {expected:?}, found {found:?}")]
    Input {
        /// The network's.
        expected: Vec<usize>,
        /// What was given.
        found: Vec<usize>,
    },
    /// A tensor that is asked for is not made by the run.
    #[error("\"{name}\" is no float32 tensor that the network makes")]
    Missing {
        /// The tensor's name.
        name: String,
    },
    /// A gradient was given for something that has none, or of other sides.
    #[error("a gradient of sides {found:?} was given for \"{name}\", which has {expected:?}")]
    Seed {
        /// The tensor's name.
        name: String,
        /// Its sides; none where it is not there.
        expected: Vec<usize>,
        /// Those of the gradient.
        found: Vec<usize>,
    },
}

/// What a forward run made.
#[derive(Debug)]
pub struct Tape {
    /// By [`ValueId`]; `None` for parameters and constants.
    values: Vec<Option<Value>>,
    /// By node.
    saved: Vec<Saved>,
}

impl Tape {
    /// A tensor of numbers that the run made.
    #[must_use]
    pub fn tensor(&self, value: ValueId) -> Option<&Tensor> {
        self.values.get(value.0)?.as_ref()?.as_f32()
    }
}

impl Node {
    pub(super) fn error(&self, source: OpError) -> RunError {
        RunError::Op { node: self.name.clone(), op_type: self.op_type.clone(), source }
    }
}

impl Net {
    /// Runs the network on one image.
    ///
    /// # Errors
    /// The input has other sides than the network's, or an operator cannot do with what it got.
    pub fn forward(&self, parameters: &Parameters, input: Tensor) -> Result<Tape, RunError> {
        let mut values = self.start(input)?;
        let mut saved = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let inputs = self.inputs(node, parameters, &values);
            let (outputs, kept) = node.op.forward(&inputs).map_err(|source| node.error(source))?;
            saved.push(kept);
            for (id, value) in node.outputs.iter().zip(outputs) {
                if let Some(slot) = id.and_then(|id| values.get_mut(id.0)) {
                    *slot = Some(value);
                }
            }
        }
        Ok(Tape { values, saved })
    }

    /// The tensors of a run before its first node.
    pub(super) fn start(&self, input: Tensor) -> Result<Vec<Option<Value>>, RunError> {
        if input.dims() != self.input_dims() {
            return Err(RunError::Input {
                expected: self.input_dims().to_vec(),
                found: input.dims().to_vec(),
            });
        }
        let mut values: Vec<Option<Value>> = Vec::new();
        values.resize_with(self.names.len(), || None);
        if let Some(slot) = values.get_mut(self.input.0) {
            *slot = Some(Value::F32(input));
        }
        Ok(values)
    }

    /// Adds to `gradients` those of a loss whose gradients by some tensors of the run are `seeds`.
    ///
    /// # Errors
    /// A seed does not fit its tensor, or an operator has no gradient for what it did.
    pub fn backward(
        &self,
        parameters: &Parameters,
        tape: Tape,
        seeds: Vec<(ValueId, Tensor)>,
        gradients: &mut Gradients,
    ) -> Result<(), RunError> {
        let Tape { mut values, saved } = tape;
        let mut by_value: Vec<Option<Tensor>> = Vec::new();
        by_value.resize_with(self.names.len(), || None);
        for (id, seed) in seeds {
            let dims = values.get(id.0).and_then(Option::as_ref).and_then(Value::as_f32).map(Tensor::dims);
            if dims != Some(seed.dims()) {
                return Err(RunError::Seed {
                    name: self.name(id).to_owned(),
                    expected: dims.unwrap_or_default().to_vec(),
                    found: seed.dims().to_vec(),
                });
            }
            match by_value.get_mut(id.0) {
                Some(Some(sum)) => sum.add(&seed),
                Some(slot) => *slot = Some(seed),
                None => {}
            }
        }
        for (node, kept) in self.nodes.iter().zip(&saved).rev() {
            let known: Vec<Option<Tensor>> = node
                .outputs
                .iter()
                .map(|id| id.and_then(|id| by_value.get_mut(id.0)).and_then(Option::take))
                .collect();
            let trains = node.inputs.iter().flatten().any(|id| self.is_wanted(*id));
            if trains && known.iter().any(Option::is_some) {
                self.step_back(node, kept, (parameters, &values), &known, &mut by_value, gradients)?;
            }
            // nobody before this node sees what it made
            for id in node.outputs.iter().flatten() {
                if let Some(slot) = values.get_mut(id.0) {
                    *slot = None;
                }
            }
        }
        Ok(())
    }

    fn step_back(
        &self,
        node: &Node,
        saved: &Saved,
        (parameters, values): (&Parameters, &[Option<Value>]),
        known: &[Option<Tensor>],
        by_value: &mut [Option<Tensor>],
        gradients: &mut Gradients,
    ) -> Result<(), RunError> {
        let inputs = self.inputs(node, parameters, values);
        let outputs: Vec<Option<ValueRef<'_>>> = node
            .outputs
            .iter()
            .map(|id| id.and_then(|id| values.get(id.0)).and_then(Option::as_ref).map(Value::borrowed))
            .collect();
        // each sink leaves its place while the operator adds to it; the same tensor used twice gets a second one
        let mut sinks: Vec<Option<Tensor>> = Vec::with_capacity(inputs.len());
        for (id, input) in node.inputs.iter().zip(&inputs) {
            let sink = id.filter(|id| self.is_wanted(*id)).zip(input.and_then(ValueRef::as_f32)).map(
                |(id, input)| {
                    let place = match self.sources.get(id.0) {
                        Some(Source::Parameter(index)) => {
                            gradients.0.get_mut(*index).map(|place| std::mem::replace(place, empty()))
                        }
                        _ => by_value.get_mut(id.0).and_then(Option::take),
                    };
                    place
                        .filter(|place| place.len() == input.len())
                        .unwrap_or_else(|| Tensor::zeros(input.dims()))
                },
            );
            sinks.push(sink);
        }
        {
            let refs: Vec<Option<&Tensor>> = known.iter().map(Option::as_ref).collect();
            let call = Call { inputs: &inputs, outputs: &outputs, saved, gradients: &refs };
            let mut places: Vec<Option<&mut Tensor>> = sinks.iter_mut().map(Option::as_mut).collect();
            node.op.backward(&call, &mut places).map_err(|source| node.error(source))?;
        }
        for (id, sink) in node.inputs.iter().zip(sinks) {
            let (Some(id), Some(sink)) = (id, sink) else { continue };
            match self.sources.get(id.0) {
                Some(Source::Parameter(index)) => put_back(gradients.0.get_mut(*index), sink),
                _ => match by_value.get_mut(id.0) {
                    Some(Some(sum)) => sum.add(&sink),
                    Some(place) => *place = Some(sink),
                    None => {}
                },
            }
        }
        Ok(())
    }

    fn is_wanted(&self, id: ValueId) -> bool {
        self.wanted.get(id.0).copied().unwrap_or(false)
    }

    pub(super) fn inputs<'a>(
        &'a self,
        node: &Node,
        parameters: &'a Parameters,
        values: &'a [Option<Value>],
    ) -> Vec<Option<ValueRef<'a>>> {
        let value = |id: ValueId| match self.sources.get(id.0)? {
            Source::Parameter(index) => {
                parameters.items.get(*index).map(|parameter| ValueRef::F32(&parameter.tensor))
            }
            Source::Constant(value) => Some(value.borrowed()),
            Source::Input | Source::Node => values.get(id.0)?.as_ref().map(Value::borrowed),
        };
        node.inputs.iter().map(|id| id.and_then(value)).collect()
    }
}

fn empty() -> Tensor {
    Tensor::zeros(&[0])
}

fn put_back(place: Option<&mut Tensor>, sink: Tensor) {
    match place {
        Some(place) if place.len() == sink.len() => place.add(&sink),
        Some(place) => *place = sink,
        None => {}
    }
}
