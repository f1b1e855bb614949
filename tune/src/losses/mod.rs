//! The loss of fine-tuning: how far a network is from its parent, and from labels where there are some.
//!
//! An [`Objective`] is bound to a network and to what its parent gives; [`Objective::evaluate`] then says for one image the
//! parts of the loss and its gradients by the network's tensors. All gradients are written out by hand.
#![allow(clippy::doc_markdown, reason = "the names of models and measures are no code")]

mod assign;
mod boxes;
mod error;
mod features;
mod giou;
mod labels;
mod matching;
mod options;
mod positives;
mod scores;
mod terms;

use roadproof::compress::channels::{Kept, kept_channels};
use roadproof::detector::ModelManifest;
use roadproof::detector::manifest::DecoderKind;

pub use error::LossError;
pub use options::{BoxOptions, FeatureOptions, FeaturePair, LabelOptions, Options, ScoreOptions};
pub use terms::Terms;

use boxes::Pull;
use features::Feature;
use positives::Positive;
use scores::QualityFocal;

use crate::engine::{Gradients, Net, Parameters, ValueId};
use crate::heads::{Head, Output, Sinks, View};
use crate::tensor::Tensor;
use crate::truth::{ClassWeights, Truth};

/// The sides of a tensor by its name; none where it is not there.
type SidesOf<'a> = dyn Fn(&str) -> Option<Vec<usize>> + 'a;

/// A tensor that the loss reads.
#[derive(Debug, Clone, PartialEq)]
struct Tap {
    name: String,
    dims: Vec<usize>,
}

/// A loss, bound to a network and to its parent's tensors.
#[derive(Debug)]
pub struct Objective {
    options: Options,
    weights: ClassWeights,
    head: Head,
    /// One for each tap behind the head's outputs.
    features: Vec<Feature>,
    student: Vec<Tap>,
    student_values: Vec<ValueId>,
    parent: Vec<Tap>,
    parent_names: Vec<String>,
}

impl Objective {
    /// Binds a loss to a network, by a trial run, and to its parent, whose tensors' sides `parent_dims` tells. Adaptors of
    /// features are pushed behind `parameters`, `seed` makes them.
    ///
    /// # Errors
    /// An option is out of its range, the head cannot be trained, a tensor is missing, or parent and student do not go
    /// together: other outputs, classes, strides, or sides of features.
    pub fn new(
        options: &Options,
        manifest: &ModelManifest,
        net: &Net,
        parameters: &mut Parameters,
        parent_dims: &SidesOf<'_>,
        weights: ClassWeights,
        seed: u64,
    ) -> Result<Self, LossError> {
        let tape = net.forward(parameters, Tensor::zeros(net.input_dims()))?;
        let dims = |name: &str| Some(tape.tensor(net.value(name)?)?.dims().to_vec());
        let outputs: Vec<&str> = net.outputs().iter().map(|id| net.name(*id)).collect();
        let mut objective = Self::bind(
            options,
            manifest,
            (&outputs, &dims),
            parameters,
            parent_dims,
            &Left::of(net),
            (weights, seed),
        )?;
        objective.student_values = objective.student.iter().filter_map(|tap| net.value(&tap.name)).collect();
        Ok(objective)
    }

    fn bind(
        options: &Options,
        manifest: &ModelManifest,
        (outputs, dims): (&[&str], &SidesOf<'_>),
        parameters: &mut Parameters,
        parent_dims: &SidesOf<'_>,
        left: &Left,
        (weights, seed): (ClassWeights, u64),
    ) -> Result<Self, LossError> {
        options.validate()?;
        let output = |name: &&str| Some(Output { name: (*name).to_owned(), dims: dims(name)? });
        let outputs: Vec<Output> = outputs.iter().filter_map(output).collect();
        let head = Head::bind(manifest, &outputs)?;
        let expected = head.classes();
        if weights.0.len() != expected || !weights.0.iter().all(|weight| weight.is_finite() && *weight >= 0.0)
        {
            return Err(LossError::ClassWeights { expected, found: weights.0 });
        }
        if options.labels.any() {
            let is_known = |block: &crate::heads::Block| block.coder.grid().is_some();
            if head.kind() != DecoderKind::Rtdetr && !head.blocks().iter().all(is_known) {
                return Err(LossError::Cells { kind: head.kind().name(), locations: head.locations() });
            }
        }

        let of_parent = |name: &str| {
            parent_dims(name).ok_or_else(|| LossError::Missing { model: "parent", name: name.to_owned() })
        };
        let tap = |name: &str, dims: &[usize]| Tap { name: name.to_owned(), dims: dims.to_vec() };
        let (mut student, mut parent) = (Vec::new(), Vec::new());
        for Output { name, dims } in head.outputs() {
            let found = of_parent(name)?;
            if found != *dims {
                return Err(LossError::Parent { name: name.clone(), expected: format!("{dims:?}"), found });
            }
            student.push(tap(name, dims));
            parent.push(tap(name, dims));
        }
        let mut features = Vec::new();
        if options.features.weight > 0.0 {
            for (index, pair) in options.features.pairs.iter().enumerate() {
                let mine = dims(&pair.student)
                    .ok_or_else(|| LossError::Missing { model: "student", name: pair.student.clone() })?;
                let theirs = of_parent(pair.parent())?;
                let seed = seed.wrapping_add(index as u64);
                let left = left.kept.get(&pair.student).map(Vec::as_slice);
                features.push(Feature::new(pair, &mine, &theirs, left, parameters, seed)?);
                student.push(tap(&pair.student, &mine));
                parent.push(tap(pair.parent(), &theirs));
            }
            let known: Vec<String> = options.features.pairs.iter().map(|pair| pair.student.clone()).collect();
            let layers = left.layers.iter().filter(|name| options.features.layers && !known.contains(name));
            for name in layers {
                let (Some(mine), Some(theirs)) = (dims(name), parent_dims(name)) else { continue };
                let left = left.kept.get(name).map(Vec::as_slice);
                if let Some(feature) = Feature::of_layer(&mine, &theirs, left) {
                    features.push(feature);
                    student.push(tap(name, &mine));
                    parent.push(tap(name, &theirs));
                }
            }
        }
        let parent_names = parent.iter().map(|tap| tap.name.clone()).collect();
        let options = options.clone();
        Ok(Self {
            options,
            weights,
            head,
            features,
            student,
            student_values: Vec::new(),
            parent,
            parent_names,
        })
    }

    /// The student's tensors that the loss reads: the head's outputs, then those of the features.
    #[must_use]
    pub fn student_taps(&self) -> &[ValueId] {
        &self.student_values
    }

    /// Names of the tensors that the parent has to give: the head's outputs, then those of the features.
    #[must_use]
    pub fn parent_taps(&self) -> &[String] {
        &self.parent_names
    }

    /// The head, as it is bound to the first taps.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The loss of one image, from its tensors in the order of the taps, and the gradients by the student's, `None` where
    /// there is none. Without `truth` nothing is learnt from labels; with it, all objects of the image are there.
    /// Adds the gradients of the adaptors to `gradients`.
    ///
    /// # Errors
    /// Tensors of another number, of other sides, or not finite; labels that make no sense.
    pub fn evaluate(
        &self,
        parameters: &Parameters,
        student: &[&Tensor],
        parent: &[Tensor],
        truth: Option<&[Truth]>,
        gradients: &mut Gradients,
    ) -> Result<(Terms, Vec<Option<Tensor>>), LossError> {
        let parent: Vec<&Tensor> = parent.iter().collect();
        check("student", &self.student, student)?;
        check("parent", &self.parent, &parent)?;
        let outputs = self.head.outputs().len();
        let (mine, my_features) = student.split_at(outputs);
        let (theirs, their_features) = parent.split_at(outputs);
        let views = (View { head: &self.head, outputs: mine }, View { head: &self.head, outputs: theirs });

        let mut sinks = Sinks::new(&self.head);
        let positives = positives::find(views.1, self.options.threshold);
        let mut terms = self.distil(views, &positives, &mut sinks);
        if let (Some(truth), true) = (truth, self.options.labels.any()) {
            terms += labels::learn(&self.options.labels, &self.weights, views.0, truth, &mut sinks)?;
        }
        let mut by_tap = sinks.into_tensors();
        let pairs = self.features.iter().zip(my_features.iter().zip(their_features));
        for (feature, (mine, theirs)) in pairs {
            let mask = self.options.features.foreground.then(|| feature.mask(&positives, self.head.size()));
            let mask = mask.as_ref().map(Tensor::data);
            let weight = self.options.features.weight / self.features.len() as f64;
            let (loss, gradient) = feature.distil(parameters, mine, theirs, mask, weight, gradients)?;
            terms.features += loss;
            by_tap.push(Some(gradient));
        }
        Ok((terms, by_tap))
    }

    /// What the student's outputs shall be like the parent's.
    fn distil(&self, views: (View<'_>, View<'_>), positives: &[Positive], sinks: &mut Sinks<'_>) -> Terms {
        let mut terms = Terms::default();
        let normaliser = positives::normaliser(positives);
        let options = &self.options;
        if options.scores.weight > 0.0 {
            let focal = QualityFocal { beta: options.scores.beta, logits: self.head.logits() };
            let weight = (options.scores.weight / normaliser) as f32;
            terms.scores = scores::distil(focal, weight, &self.weights, views, sinks);
        }
        let pull = Pull {
            giou: options.boxes.giou,
            l1: options.boxes.l1,
            distributions: options.boxes.distributions,
            temperature: options.boxes.temperature,
        };
        if !pull.is_idle() {
            (terms.boxes, terms.distributions) =
                boxes::distil(&pull, normaliser, &self.weights, views, positives, sinks);
        }
        terms
    }
}

/// What a student has left of its parent.
#[derive(Debug, Default)]
struct Left {
    /// Tensor -> the parent's channels that are left; those that kept all are missing.
    kept: Kept,
    /// What its convolutions make, in the order of the graph.
    layers: Vec<String>,
}

impl Left {
    fn of(net: &Net) -> Self {
        let nodes = net.model().graph().node.iter().filter(|node| node.op_type() == "Conv");
        let layers = nodes.filter_map(|node| node.output.first().cloned()).collect();
        Self { kept: kept_channels(net.model()), layers }
    }
}

/// Checks a model's tensors against its taps.
fn check(model: &'static str, taps: &[Tap], tensors: &[&Tensor]) -> Result<(), LossError> {
    if taps.len() != tensors.len() {
        return Err(LossError::Taps { model, expected: taps.len(), found: tensors.len() });
    }
    for (tap, tensor) in taps.iter().zip(tensors) {
        let name = || tap.name.clone();
        if tensor.dims() != tap.dims {
            let (expected, found) = (tap.dims.clone(), tensor.dims().to_vec());
            return Err(LossError::Sides { model, name: name(), expected, found });
        }
        // without leaving early, so that it vectorises
        if !tensor.data().iter().fold(true, |finite, value| finite & value.is_finite()) {
            let mut values = tensor.data().iter().copied().enumerate();
            if let Some((index, value)) = values.find(|(_, value)| !value.is_finite()) {
                return Err(LossError::NotFinite { model, name: name(), index, value });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
