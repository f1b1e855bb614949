//! Detection heads as training sees them: where probabilities and boxes lie in the network's outputs, and boxes as
//! functions of them that can be differentiated.
//!
//! A [`Head`] is bound to the outputs once, by the decoder of the main library, so that training reads them as the
//! detector does. A location (cell of a grid, or query) is a row of one of its [`Block`]s.
#![allow(clippy::doc_markdown, reason = "the names of models are no code")]

mod coder;
mod view;

use roadproof::detector::decode::{DecodeContext, Decoder, OutputInfo, Part};
use roadproof::detector::manifest::{Activation, DecoderKind};
use roadproof::detector::{DetectorError, ModelManifest};

pub(crate) use coder::peak_and_total;
pub use coder::{BoxCoder, Corners, Grid};
pub use view::{BoxValues, Sinks, View, each};

/// Strides of a YOLOv8 head's levels, which its outputs do not tell: of the P5 models, and of the P6 models.
const YOLOV8_STRIDES: [&[u32]; 2] = [&[8, 16, 32], &[8, 16, 32, 64]];

/// Why a head cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The outputs are not those of the manifest's decoder.
    #[error(transparent)]
    Outputs(#[from] DetectorError),
    /// No gradient flows through such a head, or none is known.
    #[error(
        "heads of type `{kind}` cannot be trained: expected nanodet, yolox, yolov8 or rtdetr, whose outputs hold every \
         location's class scores"
    )]
    Kind {
        /// The manifest's decoder.
        kind: DecoderKind,
    },
}

/// Name and sides of an output of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its sides.
    pub dims: Vec<usize>,
}

/// Locations whose boxes are made in the same way: a level of the feature pyramid, or all queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Number of its first location.
    pub first: usize,
    /// How many locations it has.
    pub rows: usize,
    /// A column per class. The parts' outputs are numbered as in [`Head::outputs`].
    pub scores: Part,
    /// What the box is made of.
    pub boxes: Part,
    /// One column, where the head has objectness, which class probabilities are multiplied with.
    pub objectness: Option<Part>,
    /// How the box is made.
    pub coder: BoxCoder,
}

/// A head bound to the outputs of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    kind: DecoderKind,
    logits: bool,
    classes: usize,
    locations: usize,
    size: [f64; 2],
    outputs: Vec<Output>,
    blocks: Vec<Block>,
}

/// A location: a row of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Index in [`Head::blocks`].
    pub block: usize,
    /// Row in the block.
    pub row: usize,
}

impl Head {
    /// Finds scores and boxes in a network's outputs.
    ///
    /// # Errors
    /// [`HeadError::Outputs`] where they are not what the manifest says, [`HeadError::Kind`] for YOLOv5 and end-to-end
    /// heads.
    pub fn bind(manifest: &ModelManifest, outputs: &[Output]) -> Result<Self, HeadError> {
        let spec = &manifest.decoder;
        if matches!(spec.kind, DecoderKind::Yolov5 | DecoderKind::EndToEnd) {
            return Err(HeadError::Kind { kind: spec.kind });
        }
        let infos: Vec<OutputInfo> = outputs.iter().map(info).collect();
        let path = manifest.model_path();
        let class_count = manifest.class_names().len();
        let context = DecodeContext { path: &path, spec, input: &manifest.input, class_count };
        let layout = Decoder::bind(&context, &infos)?.layout();

        // outputs that nothing is read from are left out
        let is_read = |index: usize| {
            layout.iter().any(|block| {
                let parts = [Some(block.scores), Some(block.boxes), block.objectness];
                parts.iter().flatten().any(|part| part.output == index)
            })
        };
        let read: Vec<usize> = (0..outputs.len()).filter(|index| is_read(*index)).collect();
        let moved = |part: Part| {
            let output = read.iter().position(|index| *index == part.output).unwrap_or_default();
            Part { output, ..part }
        };
        let mut blocks = Vec::new();
        for (level, block) in layout.iter().enumerate() {
            let whole = Block {
                first: block.first_row,
                rows: block.rows,
                scores: moved(block.scores),
                boxes: moved(block.boxes),
                objectness: block.objectness.map(moved),
                coder: BoxCoder::Centre { scale: [1.0; 2], grid: None },
            };
            split(manifest, whole, level, &mut blocks);
        }
        let size = [f64::from(manifest.input.width), f64::from(manifest.input.height)];
        Ok(Self {
            kind: spec.kind,
            logits: spec.activation == Activation::Sigmoid,
            classes: class_count,
            locations: blocks.iter().map(|block| block.rows).sum(),
            size,
            outputs: read.iter().filter_map(|index| outputs.get(*index).cloned()).collect(),
            blocks,
        })
    }

    /// The family.
    #[must_use]
    pub fn kind(&self) -> DecoderKind {
        self.kind
    }

    /// Whether scores come as logits; else they are probabilities.
    #[must_use]
    pub fn logits(&self) -> bool {
        self.logits
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of locations in all blocks.
    #[must_use]
    pub fn locations(&self) -> usize {
        self.locations
    }

    /// Width and height of the network's input, pixels.
    #[must_use]
    pub fn size(&self) -> [f64; 2] {
        self.size
    }

    /// The outputs that are read, in the order of the network's.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The blocks, in the order of their locations.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

fn info(output: &Output) -> OutputInfo {
    let shape = output.dims.iter().map(|side| i64::try_from(*side).unwrap_or(i64::MAX)).collect();
    OutputInfo { name: output.name.clone(), shape, is_f32: true }
}

/// Pushes a block of the decoder, cut into the levels of its grids. `level` is its place among the decoder's blocks.
fn split(manifest: &ModelManifest, whole: Block, level: usize, blocks: &mut Vec<Block>) {
    let (spec, input) = (&manifest.decoder, &manifest.input);
    match spec.kind {
        DecoderKind::Nanodet => {
            let stride = spec.strides.get(level).copied().unwrap_or(1);
            let columns = input.width.div_ceil(stride) as usize;
            let offset = f64::from(spec.cell_offset.unwrap_or(0.5));
            let grid = Grid { stride: f64::from(stride), columns, offset };
            let coder = BoxCoder::Distributions { bins: whole.boxes.columns / 4, grid };
            blocks.push(Block { coder, ..whole });
        }
        DecoderKind::Yolox => {
            let coder = |grid| BoxCoder::Offsets { grid };
            cut(&whole, &spec.strides, [input.width, input.height], coder, blocks);
        }
        DecoderKind::Yolov8 => {
            let cells = |strides: &[u32]| -> usize {
                let cells = |stride: &u32| (input.width / stride) as usize * (input.height / stride) as usize;
                strides.iter().map(cells).sum()
            };
            match YOLOV8_STRIDES.iter().find(|strides| cells(strides) == whole.rows) {
                Some(strides) => {
                    let coder = |grid| BoxCoder::Centre { scale: [1.0; 2], grid: Some(grid) };
                    cut(&whole, strides, [input.width, input.height], coder, blocks);
                }
                None => blocks.push(whole),
            }
        }
        DecoderKind::Rtdetr => {
            let scale = [f64::from(input.width), f64::from(input.height)];
            blocks.push(Block { coder: BoxCoder::Centre { scale, grid: None }, ..whole });
        }
        // refused before
        DecoderKind::Yolov5 | DecoderKind::EndToEnd => {}
    }
}

/// Cuts a block whose levels lie below each other.
fn cut(
    whole: &Block,
    strides: &[u32],
    [width, height]: [u32; 2],
    coder: impl Fn(Grid) -> BoxCoder,
    blocks: &mut Vec<Block>,
) {
    let mut row = 0;
    for &stride in strides {
        let columns = (width / stride) as usize;
        let rows = columns * (height / stride) as usize;
        let below = |part: Part| Part { start: part.start + row * part.row_stride, ..part };
        blocks.push(Block {
            first: whole.first + row,
            rows,
            scores: below(whole.scores),
            boxes: below(whole.boxes),
            objectness: whole.objectness.map(below),
            coder: coder(Grid { stride: f64::from(stride), columns: columns.max(1), offset: 0.5 }),
        });
        row += rows;
    }
}

#[cfg(test)]
pub(crate) mod tests;
