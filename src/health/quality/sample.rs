//! Luminance of picked pixels, for every channel order.

use crate::image::ChannelOrder;

/// Saturation of HSV, `1 - min / max`, summed in units of 2⁻²⁴.
const SATURATION_ONE: u32 = 1 << 24;

/// `SATURATION_ONE / max` for each value of `max`; 0 for black, which has no colour.
const RECIPROCALS: [u32; 256] = {
    let mut table = [0; 256];
    let mut value = 1;
    while value < 256 {
        table[value] = SATURATION_ONE / value as u32;
        value += 1;
    }
    table
};

/// Luminance of every `step`-th pixel of `row`, the first at `offset`, into `out`; ITU-R BT.601's weights in 256ths.
pub(super) fn luminance(order: ChannelOrder, row: &[u8], offset: usize, step: usize, out: &mut [u8]) {
    match order {
        ChannelOrder::Mono => {
            let picked = row.iter().skip(offset).step_by(step.max(1));
            out.iter_mut().zip(picked).for_each(|(out, value)| *out = *value);
        }
        ChannelOrder::Rgb => weighted::<3, 0, 2>(row, offset, step, out),
        ChannelOrder::Bgr => weighted::<3, 2, 0>(row, offset, step, out),
        ChannelOrder::Rgba => weighted::<4, 0, 2>(row, offset, step, out),
        ChannelOrder::Bgra => weighted::<4, 2, 0>(row, offset, step, out),
    }
}

fn weighted<const CHANNELS: usize, const RED: usize, const BLUE: usize>(
    row: &[u8],
    offset: usize,
    step: usize,
    out: &mut [u8],
) {
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    let of = |pixel: &[u8; CHANNELS]| {
        let (red, green, blue) = (u32::from(pixel[RED]), u32::from(pixel[1]), u32::from(pixel[BLUE]));
        ((77 * red + 150 * green + 29 * blue + 128) >> 8) as u8
    };
    let pixels = pixels.get(offset..).unwrap_or(&[]);
    if step <= 1 {
        out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = of(pixel));
    } else {
        out.iter_mut().zip(pixels.iter().step_by(step)).for_each(|(out, pixel)| *out = of(pixel));
    }
}

/// Summed saturation, each 0 … 1, of every `step`-th pixel of `row`, the first at `offset`.
pub(super) fn saturation(order: ChannelOrder, row: &[u8], offset: usize, step: usize) -> f64 {
    let units = match order {
        ChannelOrder::Mono => 0,
        ChannelOrder::Rgb | ChannelOrder::Bgr => saturation_units::<3>(row, offset, step),
        ChannelOrder::Rgba | ChannelOrder::Bgra => saturation_units::<4>(row, offset, step),
    };
    units as f64 / f64::from(SATURATION_ONE)
}

fn saturation_units<const CHANNELS: usize>(row: &[u8], offset: usize, step: usize) -> u64 {
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    let picked = pixels.iter().skip(offset).step_by(step.max(1));
    let of = |pixel: &[u8; CHANNELS]| {
        let max = pixel[0].max(pixel[1]).max(pixel[2]);
        let min = pixel[0].min(pixel[1]).min(pixel[2]);
        u64::from(u32::from(max - min) * RECIPROCALS[usize::from(max)])
    };
    picked.map(of).sum()
}
