//! Planes with one entry per square of pixels: smooth light is cheap to blur there, and interpolated on its way back.

use rayon::prelude::*;

use crate::corruption::Picture;

/// A plane of `N` values per cell of `cell` × `cell` pixels; cells at the right and lower border may be cut off.
#[derive(Debug)]
pub(super) struct Coarse<const N: usize> {
    pub(super) cell: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<[f32; N]>,
    spare: Vec<[f32; N]>,
}

impl<const N: usize> Default for Coarse<N> {
    fn default() -> Self {
        Self { cell: 1, width: 0, height: 0, values: Vec::new(), spare: Vec::new() }
    }
}

impl Coarse<3> {
    /// Averages `light` of the pixels of each cell.
    pub(super) fn gather(
        &mut self,
        picture: &Picture,
        cell: usize,
        light: impl Fn([u8; 3]) -> [f32; 3] + Sync,
    ) {
        self.resize(picture, cell);
        let row = picture.width() as usize * 3;
        let cells = self.values.par_chunks_mut(self.width);
        cells.zip(picture.data().par_chunks(row * cell)).for_each(|(cells, rows)| {
            cells.fill([0.0; 3]);
            for row in rows.chunks_exact(row) {
                for (sum, pixels) in cells.iter_mut().zip(row.as_chunks::<3>().0.chunks(cell)) {
                    for pixel in pixels {
                        let light = light(*pixel);
                        for (sum, light) in sum.iter_mut().zip(light) {
                            *sum += light;
                        }
                    }
                }
            }
            // The last row and column of cells may have fewer pixels.
            let (across, down) = (row / 3, rows.len() / row);
            for (i, sum) in cells.iter_mut().enumerate() {
                let count = down * cell.min(across - i * cell);
                *sum = sum.map(|sum| sum / count as f32);
            }
        });
    }
}

impl<const N: usize> Coarse<N> {
    /// Makes the plane fit `picture`; its values are unspecified then.
    pub(super) fn resize(&mut self, picture: &Picture, cell: usize) {
        self.cell = cell.max(1);
        self.width = (picture.width() as usize).div_ceil(self.cell);
        self.height = (picture.height() as usize).div_ceil(self.cell);
        self.values.resize(self.width * self.height, [0.0; N]);
    }

    /// Blurs with about a Gaussian of standard deviation `sigma` cells: three means over squares of odd sides (Wells, PAMI
    /// 1986), whose time does not depend on the width. The border is repeated.
    pub(super) fn blur(&mut self, sigma: f64) {
        // The variance of three means over 2 r + 1 cells is ((2 r + 1)² − 1) / 4.
        let radius = (((4.0 * sigma * sigma + 1.0).sqrt() - 1.0) / 2.0).round() as usize;
        if radius == 0 {
            return;
        }
        self.spare.resize(self.values.len(), [0.0; N]);
        for _ in 0..2 {
            for _ in 0..3 {
                let rows = self.values.par_chunks(self.width).zip(self.spare.par_chunks_mut(self.width));
                rows.for_each(|(from, to)| mean(from, to, radius));
                std::mem::swap(&mut self.values, &mut self.spare);
            }
            self.transpose();
        }
    }

    fn transpose(&mut self) {
        for (x, column) in self.spare.chunks_exact_mut(self.height).enumerate() {
            let from = self.values.iter().skip(x).step_by(self.width);
            for (to, from) in column.iter_mut().zip(from) {
                *to = *from;
            }
        }
        std::mem::swap(&mut self.values, &mut self.spare);
        std::mem::swap(&mut self.width, &mut self.height);
    }

    /// The cells of a row; the last row's below the plane.
    fn row(&self, y: usize) -> &[[f32; N]] {
        let start = y.min(self.height.saturating_sub(1)) * self.width;
        self.values.get(start..start + self.width).unwrap_or_default()
    }

    /// Calls `f` for each pixel of the picture's row `y` with the values interpolated bilinearly between the cells' centres.
    #[inline]
    pub(super) fn along(&self, y: usize, row: &mut [u8], mut f: impl FnMut(usize, &mut [u8; 3], [f32; N])) {
        let place = ((y as f32 + 0.5) / self.cell as f32 - 0.5).max(0.0);
        let (upper, lower) = (self.row(place as usize), self.row(place as usize + 1));
        let share = place.fract();
        let mut cells = upper.iter().zip(lower).map(|(upper, lower)| lerp(*upper, *lower, share));
        let Some(mut left) = cells.next() else { return };
        let half = self.cell / 2;
        // Centres of cells with an even side lie between pixels.
        let first = if self.cell.is_multiple_of(2) { 0.5 } else { 0.0 };
        let pixels = row.as_chunks_mut::<3>().0;
        let (head, rest) = pixels.split_at_mut(half.min(pixels.len()));
        for (x, pixel) in head.iter_mut().enumerate() {
            f(x, pixel, left);
        }
        let mut x = half;
        for pixels in rest.chunks_mut(self.cell) {
            let right = cells.next().unwrap_or(left);
            let step: [f32; N] = std::array::from_fn(|i| (right[i] - left[i]) / self.cell as f32);
            let mut value: [f32; N] = std::array::from_fn(|i| left[i] + step[i] * first);
            for pixel in pixels {
                f(x, pixel, value);
                x += 1;
                for (value, step) in value.iter_mut().zip(step) {
                    *value += step;
                }
            }
            left = right;
        }
    }

    /// The values at a place given in pixels, interpolated bilinearly; outside, those of the border.
    #[inline]
    pub(super) fn sample(&self, x: f32, y: f32) -> [f32; N] {
        let within = |place: f32, cells: usize| {
            (place / self.cell as f32 - 0.5).clamp(0.0, cells.saturating_sub(1) as f32)
        };
        let (x, y) = (within(x, self.width), within(y, self.height));
        let (upper, lower) = (self.row(y as usize), self.row(y as usize + 1));
        let left = x as usize;
        let right = (left + 1).min(self.width.saturating_sub(1));
        let at = |row: &[[f32; N]]| match (row.get(left), row.get(right)) {
            (Some(left), Some(right)) => lerp(*left, *right, x.fract()),
            _ => [0.0; N],
        };
        lerp(at(upper), at(lower), y.fract())
    }
}

#[inline]
fn lerp<const N: usize>(from: [f32; N], to: [f32; N], share: f32) -> [f32; N] {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

/// Means over 2 `radius` + 1 entries, the border repeated.
fn mean<const N: usize>(from: &[[f32; N]], to: &mut [[f32; N]], radius: usize) {
    let (Some(first), Some(last)) = (from.first(), from.last()) else { return };
    let at = |i: usize| if i < radius { first } else { from.get(i - radius).unwrap_or(last) };
    let mut sum = [0.0_f32; N];
    for i in 0..=2 * radius {
        sum = std::array::from_fn(|n| sum[n] + at(i)[n]);
    }
    let share = 1.0 / (2 * radius + 1) as f32;
    for (i, to) in to.iter_mut().enumerate() {
        *to = sum.map(|sum| (sum * share).max(0.0));
        let (next, gone) = (at(i + 2 * radius + 1), at(i));
        sum = std::array::from_fn(|n| sum[n] + next[n] - gone[n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: u32, height: u32) -> Picture {
        let value = |i: u32| [(i % width) as u8, (i / width) as u8, 100];
        Picture::from_rgb(width, height, (0..width * height).flat_map(value).collect()).unwrap()
    }

    #[test]
    fn a_ramp_comes_back_as_it_was() {
        for cell in [1, 2, 3, 4, 8] {
            let mut picture = ramp(67, 45);
            let mut coarse = Coarse::default();
            coarse.gather(&picture, cell, |pixel| pixel.map(f32::from));
            let mut seen = 0;
            for (y, row) in picture.data_mut().chunks_exact_mut(67 * 3).enumerate() {
                coarse.along(y, row, |x, pixel, value| {
                    seen += 1;
                    assert_eq!(usize::from(pixel[0]), x);
                    assert!((value[2] - 100.0).abs() < 1e-3);
                    if (cell..66 - cell).contains(&x) && (cell..44 - cell).contains(&y) {
                        assert!((value[0] - x as f32).abs() < 1e-3 && (value[1] - y as f32).abs() < 1e-3);
                        let sample = coarse.sample(x as f32 + 0.5, y as f32 + 0.5);
                        assert!((sample[0] - x as f32).abs() < 1e-3 && (sample[1] - y as f32).abs() < 1e-3);
                    }
                });
            }
            assert_eq!(seen, 67 * 45);
        }
    }

    #[test]
    fn a_blur_keeps_the_sum_and_has_its_width() {
        let mut plane =
            Coarse::<1> { cell: 1, width: 101, height: 81, values: vec![[0.0]; 101 * 81], spare: Vec::new() };
        plane.values[40 * 101 + 50] = [1.0];
        plane.blur(30_f64.sqrt());
        let sum: f32 = plane.values.iter().map(|v| v[0]).sum();
        let variance: f32 =
            plane.values.iter().enumerate().map(|(i, v)| v[0] * ((i % 101) as f32 - 50.0).powi(2)).sum();
        assert!((sum - 1.0).abs() < 1e-3 && (variance - 30.0).abs() < 0.1, "{sum} {variance}");
        assert_eq!((plane.width, plane.height), (101, 81));
    }
}
