//! Plasma fractals by the diamond-square method, as far as they are looked at.

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::corruption::context::Context;

/// Up to this many cells a side the whole torus is drawn; finer scales only where the picture lies.
const WHOLE_CELLS: usize = 512;

/// Rows and columns beside the cells: one before, two behind, so that the next finer grid has as many.
const MARGIN: usize = 3;

/// Rows that one task refines.
const BLOCK_ROWS: usize = 16;

/// Width of the random term at the coarsest scale, whose square is its amplitude (`imagecorruptions` 1.1.2).
const FIRST_WIDTH: f64 = 100.0;

/// The upper left part of a plasma fractal on a torus (Fournier, Fussell & Carpenter, CACM 25(6), 1982).
///
/// Each scale halves the cells: a square's centre is the mean of its corners, an edge's centre the mean of the four points
/// around it, both with a uniform random term. The random numbers of a row have a lane of their own that is the same wherever
/// the torus meets itself, so that a part is, value for value, what it would be in the whole, and no scale needs more than the
/// one before it. Bound by about two random words and some twenty additions for eight values.
#[derive(Debug, Default)]
pub(super) struct Plasma {
    grid: Grid,
    finer: Grid,
    squares: Vec<f32>,
    width: usize,
    least: f32,
    most: f32,
}

/// Values at the crossings, the first of them one before the origin, and padding that vector loops may run into.
#[derive(Debug, Default)]
struct Grid {
    columns: usize,
    rows: usize,
    stride: usize,
    values: Vec<f32>,
}

impl Grid {
    fn resize(&mut self, columns: usize, rows: usize) {
        (self.columns, self.rows) = (columns, rows);
        self.stride = columns.next_multiple_of(8) + 16;
        self.values.resize(self.stride * rows, 0.0);
    }

    fn row(&self, row: usize) -> &[f32] {
        self.values.get(row * self.stride..(row + 1) * self.stride).unwrap_or_default()
    }

    fn extremes(&self, columns: usize, rows: usize) -> (f32, f32) {
        let of_row = |row: usize| {
            let values = self.row(row + 1).iter().skip(1).take(columns);
            values.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)))
        };
        (0..rows)
            .into_par_iter()
            .map(of_row)
            .reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |(a, b), (c, d)| (a.min(c), b.max(d)))
    }
}

impl Plasma {
    /// Draws the first `width` × `height` values of the torus whose side is the next power of two above both.
    ///
    /// `first_lane` keeps several fractals of a frame apart, by multiples of 2⁴⁸. The range that [`Plasma::normalise`] refers to is that
    /// of the whole torus down to cells of a 512th of its side, and of all scales in the part (beyond, the random term is below
    /// 0.3 % of the range).
    pub(super) fn draw(
        &mut self,
        width: usize,
        height: usize,
        decay: f64,
        context: &Context,
        first_lane: u64,
    ) {
        let side = width.max(height).next_power_of_two().max(2);
        self.width = width;
        self.grid.resize(1 + MARGIN, 1 + MARGIN);
        self.grid.values.fill(0.0);
        let (mut cells, mut random_width, mut level) = (1, FIRST_WIDTH, 0);
        (self.least, self.most) = (f32::INFINITY, f32::NEG_INFINITY);
        while cells < side {
            let amplitude = (random_width * random_width) as f32;
            let finer = cells * 2;
            let needed = |length: usize| {
                if finer <= WHOLE_CELLS { finer } else { length.div_ceil(side / finer).min(finer) }
            };
            self.finer.resize(needed(width) + MARGIN, needed(height) + MARGIN);
            let lane = |kind: u64, row: usize| {
                let row = (row % cells) as u64;
                context.weather_rng(first_lane + ((level << 40) | (kind << 32) | row))
            };
            refine(&self.grid, &mut self.finer, &mut self.squares, cells, amplitude, &lane);
            std::mem::swap(&mut self.grid, &mut self.finer);
            (cells, random_width, level) = (finer, random_width / decay, level + 1);
            if cells == WHOLE_CELLS.min(side) {
                (self.least, self.most) = self.grid.extremes(cells, cells);
            }
        }
        let (least, most) = self.grid.extremes(width, height);
        (self.least, self.most) = (self.least.min(least), self.most.max(most));
    }

    /// Row `y` of the part.
    pub(super) fn row(&self, y: usize) -> &[f32] {
        self.grid.row(y + 1).get(1..=self.width).unwrap_or_default()
    }

    /// Factor and summand that map the values to 0 … 1.
    pub(super) fn normalise(&self) -> (f32, f32) {
        let range = self.most - self.least;
        let factor = if range > 0.0 { range.recip() } else { 0.0 };
        (factor, -self.least * factor)
    }
}

/// Halves the cells of `from`, of which the torus has `cells` a side.
///
/// Value (*i*, *j*) of `from` becomes (2*i* − 1, 2*j* − 1) of `to`, and the square behind it is centred on (2*i*, 2*j*).
fn refine(
    from: &Grid,
    to: &mut Grid,
    squares: &mut Vec<f32>,
    cells: usize,
    amplitude: f32,
    lane: &(impl Fn(u64, usize) -> Xoshiro256PlusPlus + Sync),
) {
    let (stride, columns) = (from.stride, to.columns);
    let unit = amplitude / 32768.0;
    squares.resize(stride * (to.rows / 2 + 1), 0.0);
    squares.par_chunks_mut(stride).enumerate().for_each(|(i, out)| {
        mean(out, [from.row(i), behind(from.row(i)), from.row(i + 1), behind(from.row(i + 1))]);
        let mut rng = lane(0, i);
        for four in out.as_chunks_mut::<4>().0 {
            for (out, noise) in four.iter_mut().zip(uniform(&mut rng)) {
                *out += noise * unit;
            }
        }
        repeat(out, columns.div_ceil(2) + 1, cells);
    });
    let squares = &*squares;
    let square = |i: usize| squares.get(i * stride..(i + 1) * stride).unwrap_or_default();
    let to_stride = to.stride;
    to.values.par_chunks_mut(to_stride * BLOCK_ROWS).enumerate().for_each(|(block, rows)| {
        for (i, out) in rows.chunks_mut(to_stride).enumerate() {
            let row = block * BLOCK_ROWS + i;
            let at = row.div_ceil(2);
            if row.is_multiple_of(2) {
                // Centres of squares, and between them those of the edges that run down.
                let squares = square(at);
                let around = [from.row(at), from.row(at + 1), squares].map(behind);
                let [upper, lower, right] = around;
                edges::<0>(out, [upper, lower, squares, right], right, unit, &mut lane(1, at));
                out[0] = squares.first().copied().unwrap_or(0.0);
            } else {
                // What was there, and between it the centres of the edges that run across.
                let (values, above, below) = (from.row(at), square(at - 1), square(at));
                let mut rng = lane(2, at);
                let first = uniform(&mut rng)[0] * unit;
                let around = [behind(values), behind(behind(values)), behind(above), behind(below)];
                edges::<1>(out, around, behind(values), unit, &mut rng);
                let ends = [values.first(), values.get(1), above.first(), below.first()];
                out[0] = ends.into_iter().flatten().sum::<f32>() * 0.25 + first;
            }
            repeat(out, columns, 2 * cells);
        }
    });
}

/// Fills `out` behind its first value with pairs: at `EDGE` the mean of four values and a random term, beside it what is `known`.
fn edges<const EDGE: usize>(
    out: &mut [f32],
    around: [&[f32]; 4],
    known: &[f32],
    unit: f32,
    rng: &mut Xoshiro256PlusPlus,
) {
    let [a, b, c, d] = around.map(|row| row.as_chunks::<4>().0);
    let fours = a.iter().zip(b).zip(c.iter().zip(d)).zip(known.as_chunks::<4>().0);
    let pairs = out.get_mut(1..).unwrap_or_default().as_chunks_mut::<8>().0;
    for (out, (((a, b), (c, d)), known)) in pairs.iter_mut().zip(fours) {
        let noise = uniform(rng);
        for i in 0..4 {
            out[2 * i + EDGE] = (a[i] + b[i] + c[i] + d[i]) * 0.25 + noise[i] * unit;
            out[2 * i + 1 - EDGE] = known[i];
        }
    }
}

fn mean(out: &mut [f32], [a, b, c, d]: [&[f32]; 4]) {
    for (out, ((a, b), (c, d))) in out.iter_mut().zip(a.iter().zip(b).zip(c.iter().zip(d))) {
        *out = (a + b + c + d) * 0.25;
    }
}

/// A row without its first value.
fn behind(row: &[f32]) -> &[f32] {
    row.get(1..).unwrap_or_default()
}

/// Makes a row repeat itself where it is longer than the torus.
fn repeat(row: &mut [f32], columns: usize, period: usize) {
    for column in period..columns.min(row.len()) {
        row[column] = row[column - period];
    }
}

/// Four uniform numbers within ±32768.
fn uniform(rng: &mut Xoshiro256PlusPlus) -> [f32; 4] {
    let word = rng.next_u64();
    [0, 16, 32, 48].map(|shift| f32::from((word >> shift) as i16) + 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corruption::Corruption;
    use crate::corruption::context::tests::context;

    #[test]
    fn a_part_is_what_it_would_be_in_the_whole() {
        let context = context(Corruption::Fog, 7, 3);
        let (mut whole, mut part) = (Plasma::default(), Plasma::default());
        for (width, height) in
            [(1300_usize, 40_usize), (33, 1100), (1025, 1025), (2047, 2048), (600, 300), (33, 32)]
        {
            let side = width.max(height).next_power_of_two();
            whole.draw(side, side, 1.4, &context, 0);
            part.draw(width, height, 1.4, &context, 0);
            for y in 0..height {
                assert!(whole.row(y)[..width] == *part.row(y), "row {y} of {width} × {height}");
            }
            let (all, seen) = (whole.most - whole.least, part.most - part.least);
            assert!(seen <= all && all - seen < 0.01 * all, "{width} × {height}: {seen} of {all}");
        }
    }

    #[test]
    fn the_torus_has_no_seam_and_is_as_rough_as_its_decay_says() {
        let context = context(Corruption::Fog, 7, 0);
        let mut plasma = Plasma::default();
        let side = 256;
        for decay in [1.4, 2.0] {
            plasma.draw(side, side, decay, &context, 0);
            let step = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64
            };
            let inner: f64 = (0..side - 1).map(|y| step(plasma.row(y), plasma.row(y + 1))).sum();
            let inner = inner / (side - 1) as f64;
            let seam = step(plasma.row(side - 1), plasma.row(0));
            assert!(seam < 3.0 * inner, "{seam} against {inner}");
            let across = |x: usize, next: usize| {
                (0..side).map(|y| f64::from(plasma.row(y)[x] - plasma.row(y)[next]).powi(2)).sum::<f64>()
            };
            assert!(across(side - 1, 0) < 3.0 * inner * side as f64);
        }
        assert!(plasma.row(0)[0].abs() < 1e-6, "the corner is where the fractal begins");
    }
}
