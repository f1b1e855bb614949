//! NanoDet and NanoDet-Plus: class scores and box distributions per grid cell.
//!
//! The distances from a cell's point to the four sides of its box are the expectations of discrete distributions over
//! `0..bins` cells (Generalized Focal Loss: Li et al., NeurIPS 2020, arXiv 2006.04388, section 3.2), in the order left,
//! top, right, bottom.

use super::outputs::{Matrix, Outputs, ShapeChanged};
use super::scores::ScoreReader;
use super::{Candidates, Part, Row, RowBlock, TensorView};
use crate::detector::{BoundingBox, DetectorError};

/// One level of the feature pyramid.
#[derive(Debug, Clone, Copy)]
struct Level {
    stride: u32,
    /// Cells per row of the grid, at least 1.
    columns: usize,
    cells: usize,
    scores: Block,
    boxes: Block,
}

/// Rows of a matrix that belong to a level, and the columns that matter.
#[derive(Debug, Clone, Copy)]
struct Block {
    matrix: Matrix,
    first_row: usize,
    first_column: usize,
    columns: usize,
}

impl Block {
    fn part(&self) -> Part {
        self.matrix.part(self.first_row, self.first_column, self.columns)
    }

    fn row<'a>(&self, data: &'a [f32], row: usize) -> &'a [f32] {
        let start = (self.first_row + row) * self.matrix.columns + self.first_column;
        data.get(start..start + self.columns).unwrap_or_default()
    }
}

/// A NanoDet head bound to its outputs.
#[derive(Debug)]
pub(super) struct Nanodet {
    levels: Vec<Level>,
    reader: ScoreReader,
    /// Where a cell's point lies, in cells.
    offset: f32,
}

impl Nanodet {
    pub(super) fn bind(outputs: &Outputs<'_>) -> Result<Self, DetectorError> {
        let context = outputs.context;
        let grids: Vec<Grid> = context
            .spec
            .strides
            .iter()
            .map(|&stride| Grid {
                stride,
                columns: context.input.width.div_ceil(stride) as usize,
                rows: context.input.height.div_ceil(stride) as usize,
            })
            .collect();
        let names = &context.spec.outputs;
        let levels = if names.predictions.is_some() {
            one_matrix(outputs, &grids)?
        } else if !names.scores.is_empty() {
            named_pairs(outputs, &grids)?
        } else {
            match pairs_by_shape(outputs, &grids)? {
                Some(levels) => levels,
                None => one_matrix(outputs, &grids)?,
            }
        };
        let reader = ScoreReader { activation: context.spec.activation, multi_label: context.multi_label() };
        Ok(Self { levels, reader, offset: context.spec.cell_offset.unwrap_or(0.5) })
    }

    pub(super) fn decode(
        &self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
    ) -> Result<(), ShapeChanged> {
        let mut first_cell = 0;
        for level in &self.levels {
            let (scores, boxes) = (level.scores.matrix.of(outputs)?, level.boxes.matrix.of(outputs)?);
            for cell in 0..level.cells {
                let (scores, boxes) = (level.scores.row(scores, cell), level.boxes.row(boxes, cell));
                self.take(level, cell, &Row::plain(first_cell + cell, scores, boxes), candidates);
            }
            first_cell += level.cells;
        }
        Ok(())
    }

    pub(super) fn row_blocks(&self) -> Vec<RowBlock> {
        let mut first_row = 0;
        let block = |level: &Level| {
            let (scores, boxes) = (level.scores.part(), level.boxes.part());
            let block = RowBlock { rows: level.cells, first_row, scores, boxes, objectness: None };
            first_row += level.cells;
            block
        };
        self.levels.iter().map(block).collect()
    }

    pub(super) fn take_row(&self, row: &Row<'_>, candidates: &mut Candidates) {
        let mut first_cell = 0;
        for level in &self.levels {
            if let Some(cell) = row.number.checked_sub(first_cell).filter(|cell| *cell < level.cells) {
                self.take(level, cell, row, candidates);
                return;
            }
            first_cell += level.cells;
        }
    }

    fn take(&self, level: &Level, cell: usize, row: &Row<'_>, candidates: &mut Candidates) {
        self.reader.take(row.scores, 1.0, row.number, candidates, || {
            level.bounding_box(cell, row.boxes, self.offset)
        });
    }

    pub(super) fn visit_scores(&self, outputs: &[TensorView<'_>], visit: &mut dyn FnMut(f32)) {
        for level in &self.levels {
            let Ok(scores) = level.scores.matrix.of(outputs) else { continue };
            for cell in 0..level.cells {
                level.scores.row(scores, cell).iter().copied().for_each(&mut *visit);
            }
        }
    }
}

impl Level {
    fn bounding_box(&self, cell: usize, distributions: &[f32], offset: f32) -> BoundingBox {
        let stride = self.stride as f32;
        let x = ((cell % self.columns) as f32 + offset) * stride;
        let y = ((cell / self.columns) as f32 + offset) * stride;
        let bins = (self.boxes.columns / 4).max(1);
        let mut sides = distributions.chunks_exact(bins).map(|side| expectation(side) * stride);
        let mut next = || sides.next().unwrap_or(f32::NAN);
        let (left, top, right, bottom) = (next(), next(), next(), next());
        BoundingBox::new(x - left, y - top, x + right, y + bottom)
    }
}

/// The expectation of the index under the softmax of the logits; NaN where a logit is NaN or infinite.
fn expectation(logits: &[f32]) -> f32 {
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for (index, logit) in logits.iter().enumerate() {
        let weight = (logit - peak).exp();
        total += weight;
        weighted += weight * index as f32;
    }
    weighted / total
}

#[derive(Debug, Clone, Copy)]
struct Grid {
    stride: u32,
    columns: usize,
    rows: usize,
}

impl Grid {
    fn cells(&self) -> usize {
        self.columns * self.rows
    }
}

/// Scores and boxes of all levels side by side in one matrix: `(1, N, C + 4 * bins)`.
fn one_matrix(outputs: &Outputs<'_>, grids: &[Grid]) -> Result<Vec<Level>, DetectorError> {
    let classes = outputs.context.class_count;
    let total: usize = grids.iter().map(Grid::cells).sum();
    let expected = expectation_text(outputs, grids);
    let matrix = outputs.predictions(&expected, |m| m.rows == total && m.columns > 8)?;
    let bin_columns = matrix.columns.saturating_sub(classes);
    if !is_bins(bin_columns) {
        return Err(outputs.wrong(expected));
    }
    let scores = Block { matrix, first_row: 0, first_column: 0, columns: classes };
    let boxes = Block { matrix, first_row: 0, first_column: classes, columns: bin_columns };
    Ok(stack(grids, scores, boxes))
}

/// Levels below each other in the same pair of matrices.
fn stack(grids: &[Grid], scores: Block, boxes: Block) -> Vec<Level> {
    let mut first_row = 0;
    let level = |grid: &Grid| {
        let level = Level {
            stride: grid.stride,
            columns: grid.columns,
            cells: grid.cells(),
            scores: Block { first_row, ..scores },
            boxes: Block { first_row, ..boxes },
        };
        first_row += grid.cells();
        level
    };
    grids.iter().map(level).collect()
}

/// Pairs that the manifest names: one per level, or one for all.
fn named_pairs(outputs: &Outputs<'_>, grids: &[Grid]) -> Result<Vec<Level>, DetectorError> {
    let names = &outputs.context.spec.outputs;
    let mut pairs = Vec::new();
    for (scores, boxes) in names.scores.iter().zip(&names.boxes) {
        pairs.push((outputs.named(scores)?, outputs.named(boxes)?));
    }
    if let ([pair], true) = (pairs.as_slice(), grids.len() != 1) {
        let total = grids.iter().map(Grid::cells).sum();
        let (scores, boxes) = blocks(outputs, *pair, total, grids)?;
        return Ok(stack(grids, scores, boxes));
    }
    let mut levels = Vec::new();
    for (grid, pair) in grids.iter().zip(pairs) {
        let (scores, boxes) = blocks(outputs, pair, grid.cells(), grids)?;
        levels.extend(stack(std::slice::from_ref(grid), scores, boxes));
    }
    Ok(levels)
}

/// Pairs that the shapes tell: two matrices of a level's cells for each level, or two of all cells. `None` where
/// there is nothing like a pair.
fn pairs_by_shape(outputs: &Outputs<'_>, grids: &[Grid]) -> Result<Option<Vec<Level>>, DetectorError> {
    let of_rows = |rows: usize| {
        let mut fitting = outputs.matrices().filter(move |m| m.rows == rows);
        (fitting.next(), fitting.next(), fitting.next())
    };
    let total = grids.iter().map(Grid::cells).sum();
    if let (Some(one), Some(other), None) = of_rows(total) {
        let pair = tell_apart(outputs, one, other)?;
        let (scores, boxes) = blocks(outputs, pair, total, grids)?;
        return Ok(Some(stack(grids, scores, boxes)));
    }
    let mut levels = Vec::new();
    for grid in grids {
        let (Some(one), Some(other), None) = of_rows(grid.cells()) else { return Ok(None) };
        let pair = tell_apart(outputs, one, other)?;
        let (scores, boxes) = blocks(outputs, pair, grid.cells(), grids)?;
        levels.extend(stack(std::slice::from_ref(grid), scores, boxes));
    }
    Ok(Some(levels))
}

/// Which of two matrices holds scores and which boxes, by the manifest's class count.
fn tell_apart(outputs: &Outputs<'_>, one: Matrix, other: Matrix) -> Result<(Matrix, Matrix), DetectorError> {
    let classes = outputs.context.class_count;
    let fits = |scores: &Matrix, boxes: &Matrix| scores.columns == classes && is_bins(boxes.columns);
    match (fits(&one, &other), fits(&other, &one)) {
        (true, false) => Ok((one, other)),
        (false, true) => Ok((other, one)),
        (true, true) => Err(outputs.wrong(format!(
            "scores and boxes to differ in shape; with {classes} classes they do not, so name them in \
             `decoder.outputs`"
        ))),
        // the class count is wrong; whichever cannot be boxes are the scores
        (false, false) if is_bins(other.columns) && !is_bins(one.columns) => {
            Err(outputs.wrong_class_count(&one, one.columns))
        }
        (false, false) if is_bins(one.columns) && !is_bins(other.columns) => {
            Err(outputs.wrong_class_count(&other, other.columns))
        }
        (false, false) => Err(outputs.wrong(format!(
            "outputs of {classes} columns (scores, one per class of the manifest) and of 4 x bins columns (boxes)"
        ))),
    }
}

fn blocks(
    outputs: &Outputs<'_>,
    (scores, boxes): (Matrix, Matrix),
    rows: usize,
    grids: &[Grid],
) -> Result<(Block, Block), DetectorError> {
    if scores.rows != rows || boxes.rows != rows || !is_bins(boxes.columns) {
        return Err(outputs.wrong(expectation_text(outputs, grids)));
    }
    if scores.columns != outputs.context.class_count {
        return Err(outputs.wrong_class_count(&scores, scores.columns));
    }
    let block = |matrix: Matrix| Block { matrix, first_row: 0, first_column: 0, columns: matrix.columns };
    Ok((block(scores), block(boxes)))
}

/// Four distributions of at least two bins.
fn is_bins(columns: usize) -> bool {
    columns >= 8 && columns.is_multiple_of(4)
}

fn expectation_text(outputs: &Outputs<'_>, grids: &[Grid]) -> String {
    let classes = outputs.context.class_count;
    let levels: Vec<_> = grids
        .iter()
        .map(|grid| {
            format!(
                "(1, {}, {classes}) and (1, {}, 4 x bins) for stride {}",
                grid.cells(),
                grid.cells(),
                grid.stride
            )
        })
        .collect();
    let total: usize = grids.iter().map(Grid::cells).sum();
    format!(
        "scores and boxes of shapes {}; or all in one, (1, {total}, {classes} + 4 x bins)",
        levels.join(", ")
    )
}
