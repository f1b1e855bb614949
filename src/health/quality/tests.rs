mod degraded;
mod photographs;
mod windowed;

use proptest::prelude::*;

use super::{ImageQuality, QualityMeter};
use crate::image::{ChannelOrder, PixelView};

fn measure(order: ChannelOrder, width: u32, height: u32, step: usize, data: &[u8]) -> ImageQuality {
    QualityMeter::new().measure(&PixelView::new(order, width, height, step, data).unwrap())
}

/// A grey picture from a function of column and row.
fn grey(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> ImageQuality {
    let data: Vec<u8> =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| value(x, y)).collect();
    measure(ChannelOrder::Mono, width, height, width as usize, &data)
}

#[test]
fn a_picture_of_two_halves_has_the_figures_of_both() {
    let quality = grey(320, 192, |x, _| if x < 160 { 0 } else { 200 });
    assert_eq!((quality.brightness, quality.contrast), (100.0, 100.0));
    assert_eq!((quality.dark_share, quality.bright_share), (0.5, 0.0));
    assert_eq!(quality.saturation, 0.0);
    let white = grey(64, 64, |_, _| 255);
    assert_eq!((white.brightness, white.contrast, white.bright_share), (255.0, 0.0, 1.0));
}

#[test]
fn a_slope_is_neither_noise_nor_blocks() {
    let quality = grey(256, 128, |x, y| (x / 2 + y / 2) as u8);
    assert!(quality.noise < 0.5, "{quality:?}");
    assert!((quality.blockiness - 1.0).abs() < 0.25, "{quality:?}");
    assert_eq!(quality.flat_share, 0.0);
}

#[test]
fn steps_at_the_blocks_of_8_are_blockiness_and_those_of_other_grids_are_not() {
    let tiled = |size: u32, shift: u32| {
        grey(320, 240, move |x, y| {
            let tile = ((x + shift) / size).wrapping_mul(7) + ((y + shift) / size).wrapping_mul(13);
            (100 + tile % 5 * 6) as u8
        })
    };
    assert!(tiled(8, 0).blockiness > 5.0, "{:?}", tiled(8, 0));
    assert!(tiled(8, 4).blockiness < 1.0, "{:?}", tiled(8, 4));
    assert!(tiled(7, 0).blockiness < 1.5, "{:?}", tiled(7, 0));
}

#[test]
fn tiles_without_structure_are_counted_with_noise_or_without() {
    for noise in [0, 3, 12] {
        let quality = grey(256, 256, |x, y| {
            let mixed =
                (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35) >> 16;
            let shade = if x < 192 { 90 } else { 40 + (x / 4 % 2) * 90 };
            (shade + mixed % (2 * noise + 1)) as u8
        });
        assert!((0.74..=0.751).contains(&quality.flat_share), "{noise}: {quality:?}");
    }
}

/// The same colours in every order, with and without padding behind the rows.
#[test]
fn figures_do_not_depend_on_the_layout() {
    let (width, height) = (331_u32, 97_u32);
    let colour = |i: u32| {
        let mixed = i.wrapping_mul(0x9e37_79b9);
        [(mixed >> 24) as u8, (mixed >> 16) as u8 / 2, (i / 331) as u8]
    };
    let bytes = |order: ChannelOrder, [r, g, b]: [u8; 3]| match order {
        ChannelOrder::Rgb => vec![r, g, b],
        ChannelOrder::Bgr => vec![b, g, r],
        ChannelOrder::Rgba => vec![r, g, b, 17],
        _ => vec![b, g, r, 250],
    };
    let mut found = Vec::new();
    for order in [ChannelOrder::Rgb, ChannelOrder::Bgr, ChannelOrder::Rgba, ChannelOrder::Bgra] {
        for padding in [0, 5] {
            let mut data = Vec::new();
            for y in 0..height {
                data.extend((0..width).flat_map(|x| bytes(order, colour(y * width + x))));
                data.extend(std::iter::repeat_n(y as u8, padding));
            }
            let step = width as usize * order.channels() + padding;
            found.push(measure(order, width, height, step, &data));
        }
    }
    assert!(found.iter().all(|quality| *quality == found[0]), "{found:?}");
    assert!(found[0].saturation > 0.3);
}

#[test]
fn grey_channels_are_the_grey_picture() {
    let values: Vec<u8> = (0..80_u32 * 60).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let three: Vec<u8> = values.iter().flat_map(|v| [*v; 3]).collect();
    assert_eq!(
        measure(ChannelOrder::Mono, 80, 60, 80, &values),
        measure(ChannelOrder::Bgr, 80, 60, 240, &three)
    );
}

#[test]
fn a_meter_keeps_nothing_of_the_frame_before() {
    let busy: Vec<u8> = (0..300_u32 * 200).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let small = [40_u8; 31 * 20];
    let mut meter = QualityMeter::new();
    let small_view = PixelView::new(ChannelOrder::Mono, 31, 20, 31, &small).unwrap();
    let first = meter.measure(&small_view);
    meter.measure(&PixelView::new(ChannelOrder::Mono, 300, 200, 300, &busy).unwrap());
    assert_eq!(meter.measure(&small_view), first);
}

#[test]
fn saturation_is_that_of_hsv() {
    let quality = |pixel: [u8; 3]| measure(ChannelOrder::Rgb, 40, 40, 120, &pixel.repeat(1600)).saturation;
    assert!((quality([200, 50, 100]) - 0.75).abs() < 1e-3);
    assert!((quality([0, 0, 9]) - 1.0).abs() < 1e-3);
    assert_eq!(quality([0, 0, 0]), 0.0);
}

fn any_picture() -> impl Strategy<Value = (ChannelOrder, u32, u32, usize, Vec<u8>)> {
    let order = prop_oneof![Just(ChannelOrder::Mono), Just(ChannelOrder::Bgr), Just(ChannelOrder::Rgba)];
    // Narrow, low and long ones too.
    let side = || prop_oneof![1_u32..6, 28_u32..70, 250_u32..600];
    (order, side(), side(), 0_usize..9).prop_flat_map(|(order, width, height, padding)| {
        let step = width as usize * order.channels() + padding;
        let values = prop_oneof![Just((0_u8, 255_u8)), Just((0, 0)), Just((255, 255)), Just((100, 140))];
        (values, any::<u32>()).prop_map(move |((low, high), seed)| {
            let spread = u32::from(high - low) + 1;
            let value =
                |i: u32| low + ((i ^ seed).wrapping_mul(0x9e37_79b9) >> 12) as u8 % spread.min(255) as u8;
            (order, width, height, step, (0..(step * height as usize) as u32).map(value).collect())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn figures_are_in_their_ranges((order, width, height, step, data) in any_picture()) {
        let q = measure(order, width, height, step, &data);
        for share in [q.dark_share, q.bright_share, q.flat_share, q.saturation] {
            prop_assert!((0.0..=1.0).contains(&share), "{q:?}");
        }
        prop_assert!((0.0..=255.0).contains(&q.brightness) && (0.0..=127.5).contains(&q.contrast), "{q:?}");
        for amount in [q.noise, q.sharpness, q.blockiness] {
            prop_assert!(amount.is_finite() && amount >= 0.0, "{q:?}");
        }
        let unpadded = PixelView::new(order, width, height, step, &data).unwrap();
        let bytes: Vec<u8> = unpadded.rows().flatten().copied().collect();
        prop_assert_eq!(measure(order, width, height, width as usize * order.channels(), &bytes), q);
    }

    /// Up to 256 pixels a side, every pixel is looked at.
    #[test]
    fn the_digest_tells_pictures_apart(
        width in 1_u32..80, height in 1_u32..80, at in any::<prop::sample::Index>(), change in 1_u8..=255,
    ) {
        let mut data: Vec<u8> = (0..width * height).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        let before = measure(ChannelOrder::Mono, width, height, width as usize, &data).digest;
        let index = at.index(data.len());
        data[index] = data[index].wrapping_add(change);
        prop_assert_ne!(measure(ChannelOrder::Mono, width, height, width as usize, &data).digest, before);
        data[index] = data[index].wrapping_sub(change);
        prop_assert_eq!(measure(ChannelOrder::Mono, width, height, width as usize, &data).digest, before);
    }
}
