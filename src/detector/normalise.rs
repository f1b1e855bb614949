//! One row of 8-bit pixels to normalised floats.

use super::manifest::Layout;
use crate::image::ChannelOrder;

/// `(value - mean) / std` as one multiplication and one addition per value, in the tensor's channel order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Normalisation {
    scale: [f32; 3],
    offset: [f32; 3],
}

impl Normalisation {
    pub(crate) fn new(mean: [f32; 3], std: [f32; 3]) -> Self {
        let [m0, m1, m2] = mean;
        let scale = std.map(|std| (1.0 / f64::from(std)) as f32);
        let [s0, s1, s2] = std;
        let offset = [(m0, s0), (m1, s1), (m2, s2)].map(|(m, s)| (-f64::from(m) / f64::from(s)) as f32);
        Self { scale, offset }
    }

    /// What a value is multiplied by, and what is added then, channel by channel.
    pub(crate) fn factors(&self) -> ([f32; 3], [f32; 3]) {
        (self.scale, self.offset)
    }

    /// The three values of a grey pixel.
    pub(crate) fn of_grey(&self, level: u8) -> [f32; 3] {
        let value = f32::from(level);
        let ([s0, s1, s2], [o0, o1, o2]) = (self.scale, self.offset);
        [value * s0 + o0, value * s1 + o1, value * s2 + o2]
    }
}

/// Where a row goes: three planes, or, for interleaved tensors, all into the first.
pub(crate) struct Planes<'a> {
    pub(crate) first: &'a mut [f32],
    pub(crate) second: &'a mut [f32],
    pub(crate) third: &'a mut [f32],
}

type RowFunction = fn(&[u8], Planes<'_>, &Normalisation);

/// The function for pixels of `order` into a tensor of RGB (else BGR) channels.
pub(crate) fn row_function(order: ChannelOrder, to_rgb: bool, layout: Layout) -> RowFunction {
    let from_rgb = matches!(order, ChannelOrder::Rgb | ChannelOrder::Rgba);
    let keep = from_rgb == to_rgb;
    match (layout, order) {
        (Layout::Nchw, ChannelOrder::Mono) => planar::<1, 0, 0, 0>,
        (Layout::Nchw, ChannelOrder::Rgb | ChannelOrder::Bgr) if keep => planar::<3, 0, 1, 2>,
        (Layout::Nchw, ChannelOrder::Rgb | ChannelOrder::Bgr) => planar::<3, 2, 1, 0>,
        (Layout::Nchw, _) if keep => planar::<4, 0, 1, 2>,
        (Layout::Nchw, _) => planar::<4, 2, 1, 0>,
        (Layout::Nhwc, ChannelOrder::Mono) => interleaved::<1, 0, 0, 0>,
        (Layout::Nhwc, ChannelOrder::Rgb | ChannelOrder::Bgr) if keep => interleaved::<3, 0, 1, 2>,
        (Layout::Nhwc, ChannelOrder::Rgb | ChannelOrder::Bgr) => interleaved::<3, 2, 1, 0>,
        (Layout::Nhwc, _) if keep => interleaved::<4, 0, 1, 2>,
        (Layout::Nhwc, _) => interleaved::<4, 2, 1, 0>,
    }
}

/// `C` interleaved channels to planes; plane 0 takes channel `A`, plane 1 `B`, plane 2 `D`. The channel numbers are
/// constants below `C`, so the indexing is checked at compile time and the loop has no branch.
fn planar<const C: usize, const A: usize, const B: usize, const D: usize>(
    row: &[u8],
    planes: Planes<'_>,
    normalisation: &Normalisation,
) {
    let ([s0, s1, s2], [o0, o1, o2]) = (normalisation.scale, normalisation.offset);
    let Planes { first, second, third } = planes;
    let targets = first.iter_mut().zip(second).zip(third);
    for (pixel, ((first, second), third)) in row.as_chunks::<C>().0.iter().zip(targets) {
        *first = f32::from(pixel[A]) * s0 + o0;
        *second = f32::from(pixel[B]) * s1 + o1;
        *third = f32::from(pixel[D]) * s2 + o2;
    }
}

/// As [`planar`], into one interleaved row.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of `planar`")]
fn interleaved<const C: usize, const A: usize, const B: usize, const D: usize>(
    row: &[u8],
    planes: Planes<'_>,
    normalisation: &Normalisation,
) {
    let ([s0, s1, s2], [o0, o1, o2]) = (normalisation.scale, normalisation.offset);
    for (pixel, target) in row.as_chunks::<C>().0.iter().zip(planes.first.as_chunks_mut::<3>().0) {
        *target =
            [f32::from(pixel[A]) * s0 + o0, f32::from(pixel[B]) * s1 + o1, f32::from(pixel[D]) * s2 + o2];
    }
}
