use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::BLOCK_ROWS;

/// What is left of width and height, at the published levels (`imagecorruptions` 1.1.2).
const LEFT: [f64; 5] = [0.6, 0.5, 0.4, 0.3, 0.25];

/// Fraction bits of a weight, as in Pillow.
const BITS: u32 = 22;

/// Pixelate: shrunk to *floor(c × side)* by averaging boxes, enlarged again by repeating pixels.
///
/// Byte for byte what Pillow's `BOX` and `NEAREST` filters make (on which the reference relies): a box holds the whole pixels
/// whose centres lie in it, all with the same weight, so neighbouring boxes differ by a pixel in width where *c* is not one
/// over a whole number. Rows are averaged first and rounded, then columns.
///
/// Between levels *c* moves in straight lines; below level 1 the picture is blended with that of level 1, since nearly as many
/// pixels as before are no small change. Bound by adding up every pixel once, and by repeating them.
#[derive(Default)]
pub(in crate::corruption) struct Pixelate {
    columns: Axis,
    rows: Axis,
    small: Vec<[u8; 3]>,
}

/// How one side is shrunk and enlarged.
#[derive(Default)]
struct Axis {
    large: usize,
    /// For each small pixel the large ones that it is the mean of.
    boxes: Vec<Span>,
    /// For each large pixel the small one that it is replaced by.
    nearest: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    length: usize,
}

pub(in crate::corruption) fn pixelate() -> Pixelate {
    Pixelate::default()
}

impl Kernel for Pixelate {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let whole = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
        let left = whole.interpolate(1.0, LEFT);
        // In 1/256.
        let share = (severity.value().min(1.0) * 256.0).round() as u32;
        self.columns.prepare(picture.width() as usize, left);
        self.rows.prepare(picture.height() as usize, left);
        self.shrink(picture);
        self.enlarge(picture, share);
        Ok(Delivery::Deliver)
    }
}

impl Axis {
    fn prepare(&mut self, large: usize, left: f64) {
        let small = ((large as f64 * left) as usize).max(1);
        if (self.large, self.boxes.len()) == (large, small) {
            return;
        }
        self.large = large;
        let scale = large as f64 / small as f64;
        self.boxes.clear();
        self.boxes.extend((0..small).map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let start = (centre - 0.5 * scale + 0.5).max(0.0) as usize;
            let end = ((centre + 0.5 * scale + 0.5) as usize).min(large);
            // Of the two ends the upper one belongs to the box.
            let inside = |x: &usize| {
                let distance = (*x as f64 - centre + 0.5) * scale.recip();
                distance > -0.5 && distance <= 0.5
            };
            let first = (start..end).find(inside).unwrap_or(start.min(large - 1));
            Span { start: first, length: (first..end).take_while(inside).count().max(1) }
        }));
        self.nearest.clear();
        // Added up step by step, as Pillow does.
        let step = small as f64 / large as f64;
        let mut position = step * 0.5;
        for _ in 0..large {
            self.nearest.push((position as usize).min(small - 1));
            position += step;
        }
    }
}

impl Pixelate {
    fn shrink(&mut self, picture: &Picture) {
        let pixels = picture.data().as_chunks::<3>().0;
        let (width, columns) = (self.columns.large, &self.columns.boxes);
        self.small.resize(columns.len() * self.rows.boxes.len(), [0; 3]);
        let rows = self.small.par_chunks_mut(columns.len()).zip(&self.rows.boxes);
        rows.for_each(|(small, span)| {
            let source = pixels.get(span.start * width..(span.start + span.length) * width);
            let source = source.unwrap_or_default();
            // Most boxes of a small picture have one of these shapes; knowing it unrolls the loops.
            match span.length {
                1 => shrink_row::<1>(source, width, columns, small),
                2 => shrink_row::<2>(source, width, columns, small),
                3 => shrink_row::<3>(source, width, columns, small),
                4 => shrink_row::<4>(source, width, columns, small),
                _ => shrink_row::<5>(source, width, columns, small),
            }
        });
    }

    fn enlarge(&self, picture: &mut Picture, share: u32) {
        let length = self.columns.boxes.len();
        let (width, nearest) = (self.columns.large * 3, &self.columns.nearest);
        let blocks = picture.data_mut().par_chunks_mut(width * BLOCK_ROWS);
        blocks.zip(self.rows.nearest.par_chunks(BLOCK_ROWS)).for_each(|(block, sources)| {
            let mut last = None;
            for (y, source) in sources.iter().enumerate() {
                if share == 256 && last == Some(source) {
                    block.copy_within((y - 1) * width..y * width, y * width);
                    continue;
                }
                last = Some(source);
                let row = block.get_mut(y * width..(y + 1) * width).unwrap_or_default();
                let row = row.as_chunks_mut::<3>().0;
                let small = self.small.get(source * length..(source + 1) * length).unwrap_or_default();
                for (pixel, column) in row.iter_mut().zip(nearest) {
                    let Some(new) = small.get(*column) else { continue };
                    if share == 256 {
                        *pixel = *new;
                        continue;
                    }
                    for (old, new) in pixel.iter_mut().zip(new) {
                        *old = ((u32::from(*old) * (256 - share) + u32::from(*new) * share + 128) >> 8) as u8;
                    }
                }
            }
        });
    }
}

/// Averages `source`, `ROWS` rows of `width` pixels, to one row.
fn shrink_row<const ROWS: usize>(source: &[[u8; 3]], width: usize, columns: &[Span], small: &mut [[u8; 3]]) {
    let mut rows = [&source[..0]; ROWS];
    for (row, pixels) in rows.iter_mut().zip(source.chunks_exact(width)) {
        *row = pixels;
    }
    for (mean, span) in small.iter_mut().zip(columns) {
        let mut sum = [0; 3];
        for row in rows {
            let of_row = sum_of(row.get(span.start..span.start + span.length).unwrap_or_default());
            for (sum, of_row) in sum.iter_mut().zip(of_row) {
                *sum += divide(of_row, span.length);
            }
        }
        *mean = sum.map(|sum| divide(sum, ROWS) as u8);
    }
}

fn sum_of(pixels: &[[u8; 3]]) -> [u32; 3] {
    let mut sums = [0; 3];
    for pixel in pixels {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += u32::from(*value);
        }
    }
    sums
}

/// The rounded mean, by the weights that Pillow uses.
fn divide(sum: u32, count: usize) -> u32 {
    const WEIGHTS: [u32; 6] = {
        let one = 1 << BITS;
        // Rounded.
        [one, one, one / 2, (one + 1) / 3, one / 4, (one + 2) / 5]
    };
    let weight = WEIGHTS.get(count).copied().unwrap_or(0);
    (sum * weight + (1 << (BITS - 1))) >> BITS
}
