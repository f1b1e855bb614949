//! Boxes as functions of a location's outputs, and the gradients by these.

/// Left, top, right and bottom edge of a box in pixels of the network's input.
pub type Corners = [f64; 4];

/// A level's grid of cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// Side of a cell, pixels.
    pub stride: f64,
    /// Cells per row, at least 1.
    pub columns: usize,
    /// Where a cell's point lies, in cells from its top left corner.
    pub offset: f64,
}

impl Grid {
    /// Column and line of a cell.
    fn cell(&self, row: usize) -> [f64; 2] {
        [(row % self.columns) as f64, (row / self.columns) as f64]
    }

    /// A cell's point, pixels.
    #[must_use]
    pub fn point(&self, row: usize) -> [f64; 2] {
        self.cell(row).map(|cell| (cell + self.offset) * self.stride)
    }
}

/// How a location's outputs make a box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BoxCoder {
    /// Logits of four distributions over the distances 0, 1, ... `bins - 1` cells from the point to the left, top, right
    /// and bottom edge; the distance is the expectation (Li et al., "Generalized Focal Loss", NeurIPS 2020, section 3.2).
    Distributions {
        /// Logits per side, at least 2.
        bins: usize,
        /// The level's grid.
        grid: Grid,
    },
    /// `x = (x' + column) stride`, `w = exp(w') stride`, and so for y and h (Ge et al., "YOLOX", arXiv 2107.08430).
    Offsets {
        /// The level's grid.
        grid: Grid,
    },
    /// Centre and size, each times a scale.
    Centre {
        /// Pixels per unit, of x and width and of y and height.
        scale: [f64; 2],
        /// The level's grid, where it is known: it makes no box, but says which cell each comes from.
        grid: Option<Grid>,
    },
}

impl BoxCoder {
    /// The grid, if there is one.
    #[must_use]
    pub fn grid(&self) -> Option<&Grid> {
        match self {
            Self::Distributions { grid, .. } | Self::Offsets { grid } => Some(grid),
            Self::Centre { grid, .. } => grid.as_ref(),
        }
    }

    /// The box of a row's outputs: `4 * bins` logits, or four numbers.
    #[must_use]
    pub fn decode(&self, row: usize, values: &[f64]) -> Corners {
        match self {
            Self::Distributions { bins, grid } => {
                let [x, y] = grid.point(row);
                let mut distances = [0.0; 4];
                for (distance, logits) in distances.iter_mut().zip(values.chunks_exact(*bins)) {
                    *distance = expectation(logits) * grid.stride;
                }
                let [left, top, right, bottom] = distances;
                [x - left, y - top, x + right, y + bottom]
            }
            Self::Offsets { grid } => {
                let [column, line] = grid.cell(row);
                let [x, y, w, h] = four(values);
                let (x, y) = ((x + column) * grid.stride, (y + line) * grid.stride);
                corners([x, y, w.exp() * grid.stride, h.exp() * grid.stride])
            }
            Self::Centre { scale: [sx, sy], .. } => {
                let [x, y, w, h] = four(values);
                corners([x * sx, y * sy, w * sx, h * sy])
            }
        }
    }

    /// Adds to `sink`, as long as `values`, the gradients by them from those by the edges of their box.
    pub fn backward(&self, values: &[f64], edges: &Corners, sink: &mut [f64]) {
        match self {
            Self::Distributions { bins, grid } => {
                let [left, top, right, bottom] = *edges;
                let distances = [-left, -top, right, bottom].map(|gradient| gradient * grid.stride);
                let sides = values.chunks_exact(*bins).zip(sink.chunks_exact_mut(*bins));
                for (gradient, (logits, sink)) in distances.into_iter().zip(sides) {
                    // the derivative of an expectation by a logit: p_k (k - E)
                    let expectation = expectation(logits);
                    let (peak, total) = peak_and_total(logits, 1.0);
                    for (bin, (logit, sink)) in logits.iter().zip(sink).enumerate() {
                        *sink += gradient * (logit - peak).exp() / total * (bin as f64 - expectation);
                    }
                }
            }
            Self::Offsets { grid } => {
                let [_, _, w, h] = four(values);
                let [x, y, width, height] = by_centre(edges);
                let stride = grid.stride;
                add(sink, [x * stride, y * stride, width * w.exp() * stride, height * h.exp() * stride]);
            }
            Self::Centre { scale: [sx, sy], .. } => {
                let [x, y, width, height] = by_centre(edges);
                add(sink, [x * sx, y * sy, width * sx, height * sy]);
            }
        }
    }
}

/// The highest logit, and the sum of `exp((logit - highest) / temperature)`.
pub(crate) fn peak_and_total(logits: &[f64], temperature: f64) -> (f64, f64) {
    let peak = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (peak, logits.iter().map(|logit| ((logit - peak) / temperature).exp()).sum())
}

/// Of the index, under the softmax of the logits.
fn expectation(logits: &[f64]) -> f64 {
    let peak = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let weight = (logit - peak).exp();
        total += weight;
        weighted += weight * bin as f64;
    }
    weighted / total
}

fn four(values: &[f64]) -> [f64; 4] {
    values.first_chunk().copied().unwrap_or([f64::NAN; 4])
}

fn corners([x, y, w, h]: [f64; 4]) -> Corners {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

/// Gradients by x, y, width and height from those by the edges.
fn by_centre([left, top, right, bottom]: &Corners) -> [f64; 4] {
    [left + right, top + bottom, (right - left) / 2.0, (bottom - top) / 2.0]
}

fn add(sink: &mut [f64], gradients: [f64; 4]) {
    for (sink, gradient) in sink.iter_mut().zip(gradients) {
        *sink += gradient;
    }
}
