//! The same picture through every raw encoding, and any layout whatsoever.

use proptest::prelude::*;

use super::*;

/// What a test picture shows at (x, y), as RGB: gradients with a bright, saturated box in them.
type Scene = fn(x: u32, y: u32) -> [u8; 3];

fn street(x: u32, y: u32) -> [u8; 3] {
    if (16..32).contains(&x) && (8..24).contains(&y) {
        [210, 60, 30]
    } else {
        [(40 + 3 * x % 160) as u8, (60 + 2 * y % 120) as u8, (200 - 2 * x % 100) as u8]
    }
}

fn plain(_: u32, _: u32) -> [u8; 3] {
    [200, 90, 20]
}

const ALL: [Encoding; 14] = [
    Encoding::Rgb8,
    Encoding::Bgr8,
    Encoding::Rgba8,
    Encoding::Bgra8,
    Encoding::Mono8,
    Encoding::Mono16(Endianness::Little),
    Encoding::Mono16(Endianness::Big),
    Encoding::Bayer8(BayerPattern::Rggb),
    Encoding::Bayer8(BayerPattern::Bggr),
    Encoding::Bayer8(BayerPattern::Gbrg),
    Encoding::Bayer8(BayerPattern::Grbg),
    Encoding::Uyvy,
    Encoding::Yuyv,
    Encoding::Nv12,
];

/// ITU-R BT.601, limited range: Y, U, V of an RGB pixel.
fn yuv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [f64::from(r), f64::from(g), f64::from(b)].map(|channel| channel / 255.0);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    [16.0 + 219.0 * luma, 128.0 + 224.0 * (b - luma) / 1.772, 128.0 + 224.0 * (r - luma) / 1.402]
        .map(|value| value.round() as u8)
}

fn grey([r, g, b]: [u8; 3]) -> u8 {
    (0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)).round() as u8
}

/// The sample that a Bayer sensor with `pattern` has at (x, y), written out from the pattern's name.
fn mosaic(pattern: BayerPattern, scene: Scene, x: u32, y: u32) -> u8 {
    let name = match pattern {
        BayerPattern::Rggb => "rggb",
        BayerPattern::Bggr => "bggr",
        BayerPattern::Gbrg => "gbrg",
        BayerPattern::Grbg => "grbg",
    };
    let [red, green, blue] = scene(x, y);
    match name.as_bytes()[(2 * (y % 2) + x % 2) as usize] {
        b'r' => red,
        b'g' => green,
        _ => blue,
    }
}

/// `scene` in `encoding`, every row followed by `padding` bytes of rubbish.
fn encode(encoding: Encoding, scene: Scene, width: u32, height: u32, padding: usize) -> Vec<u8> {
    let mut data = Vec::new();
    let end_row = |data: &mut Vec<u8>| data.extend(std::iter::repeat_n(0xab, padding));
    for y in 0..height {
        for x in 0..width {
            let rgb @ [r, g, b] = scene(x, y);
            let [luma, u, v] = yuv(rgb);
            // Two bytes apart, so that a swapped or dropped byte shows.
            let wide = u16::from(grey(rgb)) << 8 | 0x17;
            match encoding {
                Encoding::Rgb8 => data.extend([r, g, b]),
                Encoding::Bgr8 => data.extend([b, g, r]),
                Encoding::Rgba8 => data.extend([r, g, b, 255]),
                Encoding::Bgra8 => data.extend([b, g, r, 255]),
                Encoding::Mono8 => data.push(grey(rgb)),
                Encoding::Mono16(Endianness::Little) => data.extend(wide.to_le_bytes()),
                Encoding::Mono16(Endianness::Big) => data.extend(wide.to_be_bytes()),
                Encoding::Bayer8(pattern) => data.push(mosaic(pattern, scene, x, y)),
                Encoding::Uyvy => data.extend([if x % 2 == 0 { u } else { v }, luma]),
                Encoding::Yuyv => data.extend([luma, if x % 2 == 0 { u } else { v }]),
                Encoding::Nv12 => data.push(luma),
            }
        }
        end_row(&mut data);
    }
    if encoding == Encoding::Nv12 {
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let [_, u, v] = yuv(scene(x, y));
                data.extend([u, v]);
            }
            end_row(&mut data);
        }
    }
    data
}

/// The picture's pixels as RGB; grey three times.
fn to_rgb(picture: &PixelView<'_>) -> Vec<[u8; 3]> {
    let mut pixels = Vec::new();
    for row in picture.rows() {
        for pixel in row.chunks_exact(picture.order().channels()) {
            pixels.push(match picture.order() {
                ChannelOrder::Rgb | ChannelOrder::Rgba => [pixel[0], pixel[1], pixel[2]],
                ChannelOrder::Bgr | ChannelOrder::Bgra => [pixel[2], pixel[1], pixel[0]],
                ChannelOrder::Mono => [pixel[0]; 3],
            });
        }
    }
    pixels
}

/// Mean and largest absolute difference per channel between the decoded picture and `scene`.
fn difference(picture: &PixelView<'_>, scene: Scene) -> (f64, u8) {
    let width = picture.width();
    let (mut sum, mut largest) = (0.0, 0);
    let pixels = to_rgb(picture);
    assert_eq!(pixels.len(), (width * picture.height()) as usize);
    for (index, found) in pixels.iter().enumerate() {
        let mut expected = scene(index as u32 % width, index as u32 / width);
        if picture.order() == ChannelOrder::Mono {
            expected = [grey(expected); 3];
        }
        for (f, e) in found.iter().zip(expected) {
            sum += f64::from(f.abs_diff(e));
            largest = largest.max(f.abs_diff(e));
        }
    }
    (sum / (3 * pixels.len()) as f64, largest)
}

/// Most that the mean and the largest difference may be, for `street`.
fn tolerance(encoding: Encoding) -> (f64, u8) {
    match encoding {
        // The hard edges of the box and of the gradients' wrap-around are blurred, the rest is close.
        Encoding::Bayer8(_) => (2.0, 120),
        // All edges are at even pixels, so subsampling blurs only gradients; the rest is rounding.
        Encoding::Uyvy | Encoding::Yuyv | Encoding::Nv12 => (1.5, 6),
        _ => (0.0, 0),
    }
}

#[test]
fn the_same_picture_comes_out_of_every_encoding_with_and_without_padding() {
    let (width, height) = (64, 48);
    for encoding in ALL {
        let mut converter = Converter::new();
        for padding in [0, 1, 6, 64] {
            let step = encoding.bytes_per_row(width) + padding;
            let data = encode(encoding, street, width, height, padding);
            // Once whole, once without the padding of the last row.
            for data in [&data[..], &data[..data.len() - padding]] {
                let view = ImageView::new(encoding, width, height, step, data).unwrap();
                let picture = converter.convert(&view).unwrap();
                assert_eq!((picture.width(), picture.height()), (width, height));
                let (mean, largest) = difference(&picture, street);
                let (mean_limit, limit) = tolerance(encoding);
                assert!(
                    mean <= mean_limit && largest <= limit,
                    "{encoding:?}, padding {padding}: mean {mean}, largest {largest}"
                );
            }
        }
    }
}

#[test]
fn a_plain_colour_keeps_its_value_in_every_encoding() {
    // In a plain colour there is nothing to interpolate: a Bayer pattern that is off by a pixel swaps
    // channels, a wrong YUV range or byte order shifts them, and both show undiluted.
    for encoding in ALL {
        let data = encode(encoding, plain, 16, 16, 0);
        let view = ImageView::new(encoding, 16, 16, encoding.bytes_per_row(16), &data).unwrap();
        let mut converter = Converter::new();
        let (_, largest) = difference(&converter.convert(&view).unwrap(), plain);
        let limit = if matches!(encoding, Encoding::Uyvy | Encoding::Yuyv | Encoding::Nv12) { 2 } else { 0 };
        assert!(largest <= limit, "{encoding:?}: {largest}");
    }
}

#[test]
fn eight_bit_colour_and_grey_are_borrowed() {
    for encoding in [Encoding::Rgb8, Encoding::Bgr8, Encoding::Rgba8, Encoding::Bgra8, Encoding::Mono8] {
        let data = encode(encoding, street, 20, 10, 4);
        let view = ImageView::new(encoding, 20, 10, encoding.bytes_per_row(20) + 4, &data).unwrap();
        let mut converter = Converter::new();
        let picture = converter.convert(&view).unwrap();
        assert!(std::ptr::eq(picture.data(), data.as_slice()), "{encoding:?}");
        assert_eq!(picture.step(), view.step());
    }
}

#[test]
fn converted_frames_of_one_size_share_one_buffer() {
    for encoding in ALL {
        let data = encode(encoding, street, 32, 32, 0);
        let view = ImageView::new(encoding, 32, 32, encoding.bytes_per_row(32), &data).unwrap();
        let mut converter = Converter::new();
        let first = converter.convert(&view).unwrap().data().as_ptr();
        for _ in 0..3 {
            assert_eq!(converter.convert(&view).unwrap().data().as_ptr(), first, "{encoding:?}");
        }
    }
}

#[test]
fn a_converter_follows_a_camera_that_changes_size_and_encoding() {
    let mut converter = Converter::new();
    for (width, height) in [(32, 32), (64, 48), (16, 64), (4, 4)] {
        for encoding in ALL {
            let data = encode(encoding, plain, width, height, 2);
            let step = encoding.bytes_per_row(width) + 2;
            let view = ImageView::new(encoding, width, height, step, &data).unwrap();
            let picture = converter.convert(&view).unwrap();
            assert_eq!((picture.width(), picture.height()), (width, height));
            assert!(difference(&picture, plain).1 <= 2, "{encoding:?} {width}x{height}");
        }
    }
}

#[test]
fn broken_layouts_are_refused_with_the_numbers() {
    let data = [0_u8; 64];
    let message = |encoding, width, height, step, len: usize| {
        ImageView::new(encoding, width, height, step, &data[..len]).unwrap_err().to_string()
    };
    assert!(message(Encoding::Rgb8, 0, 4, 0, 0).contains("0x4 px"));
    assert!(message(Encoding::Rgb8, 4, 4, 11, 44).contains("at least 12"));
    assert!(message(Encoding::Rgb8, 4, 4, 12, 47).contains("4 rows x 12 bytes = 48"));
    assert!(message(Encoding::Rgb8, 4, 4, 12, 49).contains("49 bytes"));
    assert!(message(Encoding::Uyvy, 5, 2, 10, 20).contains("even width"));
    assert!(message(Encoding::Nv12, 4, 5, 4, 28).contains("even width and height"));
    assert!(message(Encoding::Nv12, 4, 4, 4, 16).contains("6 rows"), "the U V plane is missing");
    assert!(message(Encoding::Bayer8(BayerPattern::Rggb), 2, 4, 2, 8).contains("3x3"));
    assert!(message(Encoding::Mono8, u32::MAX, u32::MAX, usize::MAX, 0).contains("limit"));
    assert!(message(Encoding::Mono8, 1, 1, usize::MAX, 1).contains("step"));
    assert!(PixelView::new(ChannelOrder::Bgr, 4, 4, 12, &data[..47]).is_err());
    assert!(PixelView::new(ChannelOrder::Bgr, 0, 4, 12, &data[..48]).is_err());
}

#[test]
fn a_broken_frame_does_not_spoil_the_next() {
    let mut converter = Converter::new();
    let data = encode(Encoding::Nv12, plain, 16, 16, 0);
    assert!(ImageView::new(Encoding::Nv12, 16, 16, 16, &data[1..]).is_err());
    let view = ImageView::new(Encoding::Nv12, 16, 16, 16, &data).unwrap();
    assert!(difference(&converter.convert(&view).unwrap(), plain).1 <= 2);
}

/// Sizes that are mostly small, and now and then absurd.
fn any_size() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..40_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)]
}

proptest! {
    #[test]
    fn no_layout_panics(
        encoding in prop::sample::select(ALL.to_vec()),
        width in any_size(),
        height in any_size(),
        step in prop_oneof![8 => 0..200_usize, 1 => any::<usize>()],
        data in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        if let Ok(view) = ImageView::new(encoding, width, height, step, &data) {
            let mut converter = Converter::new();
            let picture = converter.convert(&view).unwrap();
            prop_assert_eq!((picture.width(), picture.height()), (width, height));
        }
        let _ = PixelView::new(ChannelOrder::Bgra, width, height, step, &data);
    }

    #[test]
    fn every_valid_layout_converts_to_its_size(
        encoding in prop::sample::select(ALL.to_vec()),
        half_width in 2..40_u32,
        half_height in 2..40_u32,
        odd in any::<bool>(),
        padding in 0..50_usize,
        last_row_padded in any::<bool>(),
        seed in any::<u8>(),
    ) {
        let yuv = matches!(encoding, Encoding::Uyvy | Encoding::Yuyv | Encoding::Nv12);
        let more = u32::from(odd && !yuv);
        let (width, height) = (2 * half_width + more, 2 * half_height + more);
        let step = encoding.bytes_per_row(width) + padding;
        let len = step * encoding.rows(height) - if last_row_padded { 0 } else { padding };
        let data: Vec<u8> = (0..len).map(|index| (index as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let view = ImageView::new(encoding, width, height, step, &data).unwrap();
        let mut converter = Converter::new();
        let picture = converter.convert(&view).unwrap();
        prop_assert_eq!((picture.width(), picture.height()), (width, height));
        prop_assert_eq!(picture.rows().len(), height as usize);
        prop_assert!(picture.rows().all(|row| row.len() == picture.bytes_per_row()));
    }

    #[test]
    fn no_encoding_name_panics(name in ".*", is_bigendian in any::<bool>()) {
        let _ = Encoding::from_ros(&name, is_bigendian).map_err(|error| error.to_string());
    }
}
