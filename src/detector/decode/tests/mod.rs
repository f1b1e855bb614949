//! Every decoder against a naive implementation of its formulas, on random and on spoilt tensors.

mod binding;
mod naive;
mod random;

use super::*;
use crate::detector::Thresholds;
use crate::detector::manifest::{Colour, DecoderSpec, InputSpec, Interpolation, Layout, OutputNames, Resize};
use crate::detector::nms::Candidate;

/// An output of a made-up model.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) shape: Vec<i64>,
    pub(super) data: Vec<f32>,
}

impl Output {
    pub(super) fn new(name: &str, shape: &[i64], data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<i64>(), data.len() as i64);
        Self { name: name.to_owned(), shape: shape.to_vec(), data }
    }
}

/// A made-up model: its manifest's parts and its outputs.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) spec: DecoderSpec,
    pub(super) input: InputSpec,
    pub(super) class_count: usize,
    pub(super) outputs: Vec<Output>,
}

impl Model {
    pub(super) fn new(kind: DecoderKind, class_count: usize, outputs: Vec<Output>) -> Self {
        Self { spec: spec(kind), input: input(64, 64), class_count, outputs }
    }

    pub(super) fn bind(&self) -> Result<Decoder, DetectorError> {
        let context = DecodeContext {
            path: Path::new("model.onnx"),
            spec: &self.spec,
            input: &self.input,
            class_count: self.class_count,
        };
        let infos: Vec<_> = self
            .outputs
            .iter()
            .map(|o| OutputInfo { name: o.name.clone(), shape: o.shape.clone(), is_f32: true })
            .collect();
        Decoder::bind(&context, &infos)
    }

    pub(super) fn views(&self) -> Vec<TensorView<'_>> {
        self.outputs.iter().map(|o| TensorView { shape: &o.shape, data: &o.data }).collect()
    }

    /// All candidates from `low_score` up, by index.
    pub(super) fn decode(&self, low_score: f32) -> (Vec<Candidate>, DecodeStats) {
        let mut decoder = self.bind().unwrap();
        let mut candidates = Candidates::new(100_000);
        candidates.begin(&thresholds(low_score));
        decoder.decode(&self.views(), &mut candidates).unwrap();
        let mut items = candidates.items().to_vec();
        items.sort_by_key(|c| c.index);
        (items, candidates.stats())
    }
}

pub(super) fn thresholds(low_score: f32) -> Thresholds {
    Thresholds {
        score: 0.5,
        nms_iou: 0.6,
        max_detections: 100,
        class_scores: vec![],
        enabled: vec![],
        low_score,
    }
}

pub(super) fn spec(kind: DecoderKind) -> DecoderSpec {
    DecoderSpec {
        kind,
        strides: if kind.has_strides() { vec![8, 16, 32] } else { vec![] },
        activation: Activation::None,
        cell_offset: None,
        multi_label: None,
        max_candidates: 1000,
        outputs: OutputNames::default(),
    }
}

pub(super) fn input(width: u32, height: u32) -> InputSpec {
    InputSpec {
        width,
        height,
        layout: Layout::Nchw,
        colour: Colour::Bgr,
        mean: [0.0; 3],
        std: [1.0; 3],
        resize: Resize::Letterbox,
        pad_value: 0,
        interpolation: Interpolation::Area,
    }
}

/// A small generator of pseudo-random numbers (xorshift64*; Vigna 2016), so that a seed is all a failure needs.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// In `[low, high)`.
    pub(super) fn next(&mut self, low: f32, high: f32) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        low + (high - low) * bits as f32 / (1u64 << 24) as f32
    }

    pub(super) fn list(&mut self, count: usize, low: f32, high: f32) -> Vec<f32> {
        (0..count).map(|_| self.next(low, high)).collect()
    }
}
