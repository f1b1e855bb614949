//! JPEG and PNG in all their kinds, whole, cut off, damaged and malicious.

use opencv::core::{Mat, MatTraitConst, Scalar, Vector};
use opencv::{imgcodecs, imgproc};
use proptest::prelude::*;

use super::*;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

fn scene(x: u32, y: u32) -> [u8; 3] {
    if (24..56).contains(&x) && (16..48).contains(&y) {
        [220, 40, 60]
    } else {
        [(x * 2) as u8, (y * 3) as u8, (250 - x * 2) as u8]
    }
}

/// The scene as interleaved RGB.
fn rgb() -> Vec<u8> {
    (0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| scene(x, y))).collect()
}

/// The scene as `OpenCV` sees it.
fn bgr_mat() -> Mat {
    let rgb = rgb();
    let (rows, cols) = (HEIGHT.cast_signed(), WIDTH.cast_signed());
    let source = Mat::new_rows_cols_with_bytes::<opencv::core::Vec3b>(rows, cols, &rgb).unwrap();
    let mut bgr = Mat::default();
    imgproc::cvt_color_def(&source, &mut bgr, imgproc::COLOR_RGB2BGR).unwrap();
    bgr
}

fn grey_mat() -> Mat {
    let mut grey = Mat::default();
    imgproc::cvt_color_def(&bgr_mat(), &mut grey, imgproc::COLOR_BGR2GRAY).unwrap();
    grey
}

fn encode(extension: &str, picture: &Mat, parameters: &[i32]) -> Vec<u8> {
    let mut data = Vector::new();
    assert!(imgcodecs::imencode(extension, picture, &mut data, &Vector::from_slice(parameters)).unwrap());
    data.as_slice().to_vec()
}

fn jpeg(parameters: &[i32]) -> Vec<u8> {
    encode(".jpg", &bgr_mat(), parameters)
}

fn jpegs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("baseline", jpeg(&[])),
        ("progressive", jpeg(&[imgcodecs::IMWRITE_JPEG_PROGRESSIVE, 1])),
        ("optimised tables", jpeg(&[imgcodecs::IMWRITE_JPEG_OPTIMIZE, 1])),
        ("restart intervals", jpeg(&[imgcodecs::IMWRITE_JPEG_RST_INTERVAL, 3])),
        ("grey", encode(".jpg", &grey_mat(), &[])),
        ("grey progressive", encode(".jpg", &grey_mat(), &[imgcodecs::IMWRITE_JPEG_PROGRESSIVE, 1])),
    ]
}

/// A PNG written by the `png` crate, for the kinds that `OpenCV` doesn't write.
fn png_of(
    colour: ::png::ColorType,
    depth: ::png::BitDepth,
    data: &[u8],
    extra: impl FnOnce(&mut ::png::Encoder<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, WIDTH, HEIGHT);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    extra(&mut encoder);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    file
}

fn rgb_png() -> Vec<u8> {
    png_of(::png::ColorType::Rgb, ::png::BitDepth::Eight, &rgb(), |_| ())
}

fn decode(data: &[u8]) -> Result<(ChannelOrder, Vec<u8>), ImageError> {
    let mut decoder = CompressedDecoder::new(DecodeLimits::default());
    let picture = decoder.decode("test", data)?;
    assert_eq!((picture.width(), picture.height()), (WIDTH, HEIGHT));
    Ok((picture.order(), picture.data().to_vec()))
}

fn mean_difference(found: &[u8], expected: &[u8]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let sum: f64 = found.iter().zip(expected).map(|(f, e)| f64::from(f.abs_diff(*e))).sum();
    sum / found.len() as f64
}

fn grey_bytes() -> Vec<u8> {
    opencv::prelude::MatTraitConstManual::data_bytes(&grey_mat()).unwrap().to_vec()
}

#[test]
fn every_kind_of_jpeg_shows_the_scene() {
    for (name, data) in jpegs() {
        let (order, pixels) = decode(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (expected_order, expected) = if name.starts_with("grey") {
            (ChannelOrder::Mono, grey_bytes())
        } else {
            (ChannelOrder::Rgb, rgb())
        };
        assert_eq!(order, expected_order, "{name}");
        let difference = mean_difference(&pixels, &expected);
        assert!(difference < 4.0, "{name}: {difference}");
    }
}

#[test]
fn every_kind_of_png_shows_the_scene_exactly() {
    use ::png::{BitDepth, ColorType};
    let rgb = rgb();
    let rgba: Vec<u8> = rgb.chunks(3).flat_map(|p| [p[0], p[1], p[2], 77]).collect();
    let rgb16: Vec<u8> = rgb.iter().flat_map(|&value| [value, 0x5a]).collect();
    let grey = grey_bytes();
    let grey_alpha: Vec<u8> = grey.iter().flat_map(|&value| [value, 9]).collect();
    let grey16: Vec<u8> = grey.iter().flat_map(|&value| [value, 0xa5]).collect();
    let palette_index: Vec<u8> =
        (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| ((x + y) % 3) as u8)).collect();
    let palette = [10, 20, 30, 200, 100, 50, 0, 255, 7];
    let palette_rgb: Vec<u8> =
        palette_index.iter().flat_map(|&index| palette[3 * usize::from(index)..][..3].to_vec()).collect();
    let palette_rgba: Vec<u8> = palette_rgb.chunks(3).flat_map(|p| [p[0], p[1], p[2], 128]).collect();
    let bits: Vec<u8> = (0..HEIGHT * WIDTH / 8).map(|index| (index * 37) as u8).collect();
    let bits_grey: Vec<u8> = bits
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| if byte << bit & 0x80 != 0 { 255 } else { 0 }))
        .collect();

    let (eight, sixteen) = (BitDepth::Eight, BitDepth::Sixteen);
    let cases = [
        ("rgb", png_of(ColorType::Rgb, eight, &rgb, |_| ()), ChannelOrder::Rgb, &rgb),
        ("rgba", png_of(ColorType::Rgba, eight, &rgba, |_| ()), ChannelOrder::Rgba, &rgba),
        ("rgb, 16 bit", png_of(ColorType::Rgb, sixteen, &rgb16, |_| ()), ChannelOrder::Rgb, &rgb),
        ("grey", png_of(ColorType::Grayscale, eight, &grey, |_| ()), ChannelOrder::Mono, &grey),
        ("grey, 16 bit", png_of(ColorType::Grayscale, sixteen, &grey16, |_| ()), ChannelOrder::Mono, &grey),
        (
            "grey alpha",
            png_of(ColorType::GrayscaleAlpha, eight, &grey_alpha, |_| ()),
            ChannelOrder::Mono,
            &grey,
        ),
        (
            "grey, 1 bit",
            png_of(ColorType::Grayscale, BitDepth::One, &bits, |_| ()),
            ChannelOrder::Mono,
            &bits_grey,
        ),
        (
            "palette",
            png_of(ColorType::Indexed, eight, &palette_index, |png| png.set_palette(palette.to_vec())),
            ChannelOrder::Rgb,
            &palette_rgb,
        ),
        (
            "palette with transparency",
            png_of(ColorType::Indexed, eight, &palette_index, |png| {
                png.set_palette(palette.to_vec());
                png.set_trns(vec![128; 3]);
            }),
            ChannelOrder::Rgba,
            &palette_rgba,
        ),
        ("OpenCV's", encode(".png", &bgr_mat(), &[]), ChannelOrder::Rgb, &rgb),
    ];
    for (name, data, expected_order, expected) in cases {
        let (order, pixels) = decode(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(order, expected_order, "{name}");
        assert_eq!(&pixels, expected, "{name}");
    }
}

#[test]
fn every_cut_through_a_jpeg_is_refused() {
    for (name, data) in jpegs() {
        for len in 0..data.len() {
            let error = decode(&data[..len]).expect_err(&format!("{name} cut at {len} of {}", data.len()));
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn every_cut_through_a_jpeg_that_was_given_an_end_again_is_refused() {
    // What a camera or a re-encoder makes of a frame that lost its tail. A progressive JPEG is complete, only
    // coarser, after any of its scans, so it is left out.
    for (name, data) in jpegs().into_iter().filter(|(name, _)| !name.contains("progressive")) {
        for len in 0..data.len() - 2 {
            let ended = [&data[..len], &[0xff, 0xd9]].concat();
            assert!(decode(&ended).is_err(), "{name} cut at {len} of {}", data.len());
        }
    }
}

#[test]
fn every_cut_through_a_png_is_refused() {
    for (name, data) in [("png", rgb_png()), ("OpenCV's", encode(".png", &bgr_mat(), &[]))] {
        for len in 0..data.len() {
            assert!(decode(&data[..len]).is_err(), "{name} cut at {len} of {}", data.len());
        }
    }
}

#[test]
fn a_jpeg_padded_to_its_buffer_or_followed_by_another_is_whole() {
    let data = jpeg(&[]);
    let expected = decode(&data).unwrap();
    for tail in [vec![0; 500], vec![0xff; 3], data.clone()] {
        let padded = [data.as_slice(), &tail].concat();
        assert_eq!(decode(&padded).unwrap(), expected);
    }
}

#[test]
fn the_end_of_a_thumbnail_is_not_the_end_of_the_picture() {
    let data = jpeg(&[]);
    let thumbnail = [&[0xff, 0xe1, 0, 8][..], b"Exif", &[0xff, 0xd9]].concat();
    let mut with_thumbnail = [&data[..2], &thumbnail, &data[2..]].concat();
    assert!(decode(&with_thumbnail).is_ok());
    with_thumbnail.truncate(with_thumbnail.len() - 2);
    assert!(matches!(decode(&with_thumbnail), Err(ImageError::Truncated { codec: "JPEG", .. })));
}

/// Overwrites the size in the frame header (SOF0 or SOF2) of a JPEG.
fn with_jpeg_size(mut data: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let header = data.windows(2).position(|marker| matches!(marker, [0xff, 0xc0 | 0xc2])).unwrap();
    data[header + 5..header + 7].copy_from_slice(&height.to_be_bytes());
    data[header + 7..header + 9].copy_from_slice(&width.to_be_bytes());
    data
}

/// A PNG whose header claims `width` × `height`, with a valid check sum over it.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, width, height);
    encoder.set_color(::png::ColorType::Rgb);
    drop(encoder.write_header().unwrap());
    file
}

#[test]
fn bomb_sized_headers_are_refused_before_allocating() {
    let bombs = [
        with_jpeg_size(jpeg(&[]), u16::MAX, u16::MAX),
        with_jpeg_size(jpeg(&[]), 16_384, 16_384),
        // Within the limits, but more than these bytes can hold.
        with_jpeg_size(jpeg(&[]), 8_000, 6_000),
        with_jpeg_size(jpeg(&[imgcodecs::IMWRITE_JPEG_PROGRESSIVE, 1]), 8_000, 6_000),
        png_header(0x7fff_ffff, 0x7fff_ffff),
        png_header(16_385, 1),
        png_header(8_000, 6_000),
    ];
    let mut decoder = CompressedDecoder::new(DecodeLimits::default());
    for bomb in bombs {
        let error = decoder.decode("jpeg", &bomb).expect_err("a bomb");
        assert!(!matches!(error, ImageError::UnsupportedFormat { .. }), "{error}");
        assert_eq!(decoder.pixels.capacity(), 0, "{error}");
    }
}

#[test]
fn the_limits_are_the_callers() {
    let exact = DecodeLimits { max_pixels: u64::from(WIDTH * HEIGHT), max_side_px: WIDTH };
    let tight = [
        DecodeLimits { max_pixels: exact.max_pixels - 1, ..exact },
        DecodeLimits { max_side_px: WIDTH - 1, ..exact },
    ];
    for data in [jpeg(&[]), rgb_png()] {
        assert!(CompressedDecoder::new(exact).decode("", &data).is_ok());
        for limits in tight {
            assert!(CompressedDecoder::new(limits).decode("", &data).is_err(), "{limits:?}");
        }
    }
}

#[test]
fn zero_sizes_are_refused() {
    assert!(decode(&with_jpeg_size(jpeg(&[]), 0, 64)).is_err());
    assert!(decode(&with_jpeg_size(jpeg(&[]), 96, 0)).is_err());
}

#[test]
fn a_jpeg_without_picture_is_refused() {
    for data in
        [&[0xff, 0xd8, 0xff, 0xd9][..], &[0xff, 0xd8, 0xff], &[0xff; 64], &[0xff, 0xd8, 0xff, 0xda, 0, 2]]
    {
        assert!(decode(data).is_err(), "{data:02x?}");
    }
}

#[test]
fn a_cmyk_jpeg_is_refused_by_name() {
    // Four components in frame and scan header; the scan is never looked at.
    let data = jpeg(&[]);
    let tables_end = data.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    let mut cmyk = data[..tables_end].to_vec();
    cmyk.extend([0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0]);
    cmyk.extend([0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0, 1, 2, 3, 0xff, 0xd9]);
    // A JFIF header would say that the picture is YCbCr.
    let error = decode(&cmyk).unwrap_err();
    assert!(matches!(error, ImageError::UnsupportedKind { .. }), "{error}");
    assert!(error.to_string().contains("CMYK"), "{error}");
}

#[test]
fn an_animated_png_is_refused_by_name() {
    let data = png_of(::png::ColorType::Rgb, ::png::BitDepth::Eight, &rgb(), |png| {
        png.set_animated(1, 0).unwrap();
    });
    let error = decode(&data).unwrap_err();
    assert!(error.to_string().contains("animation"), "{error}");
}

#[test]
fn a_flipped_bit_in_a_png_is_noticed() {
    let data = rgb_png();
    for position in (super::png::MAGIC.len()..data.len()).step_by(3) {
        let mut damaged = data.clone();
        damaged[position] ^= 0x10;
        assert!(decode(&damaged).is_err(), "byte {position} of {}", data.len());
    }
}
#[test]
fn formats_are_judged_by_their_bytes_and_refused_by_name() {
    let mut decoder = CompressedDecoder::new(DecodeLimits::default());
    let (jpeg, png) = (jpeg(&[]), rgb_png());
    for format in ["jpeg", "png", "", "rgb8; jpeg compressed bgr8", "bayer_rggb8; jpeg compressed bgr8"] {
        assert!(decoder.decode(format, &jpeg).is_ok(), "{format}");
        assert!(decoder.decode(format, &png).is_ok(), "{format}");
    }
    for (format, data, expected) in [
        ("16UC1; compressedDepth png", &png[..], "depth"),
        ("bayer_rggb8; jpeg compressed ", &jpeg[..], "Bayer"),
        ("bayer_grbg8; png compressed mono8", &png[..], "Bayer"),
        ("h264", &[0, 0, 0, 1, 0x67], "h264"),
        ("jpeg", &[], "expected JPEG or PNG"),
        ("jpeg", b"GIF89a", "47, 49, 46"),
    ] {
        let message = decoder.decode(format, data).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn frames_of_one_size_share_one_buffer() {
    let mut decoder = CompressedDecoder::new(DecodeLimits::default());
    let data = jpeg(&[]);
    let first = decoder.decode("jpeg", &data).unwrap().data().as_ptr();
    assert!(decoder.decode("jpeg", &data[..data.len() - 9]).is_err());
    assert_eq!(decoder.decode("jpeg", &data).unwrap().data().as_ptr(), first);
}

#[test]
fn a_plain_narrow_picture_is_not_mistaken_for_a_cut_one() {
    // So few bytes that the decoder has read ahead to the end long before the last row.
    for (width, height) in [(1, 1), (7, 200), (16, 16), (200, 7), (640, 480)] {
        let picture =
            Mat::new_rows_cols_with_default(height, width, opencv::core::CV_8UC3, Scalar::all(90.0)).unwrap();
        assert_eq!(picture.rows(), height);
        for parameters in [&[][..], &[imgcodecs::IMWRITE_JPEG_PROGRESSIVE, 1]] {
            let data = encode(".jpg", &picture, parameters);
            let mut decoder = CompressedDecoder::new(DecodeLimits::default());
            let plain =
                decoder.decode("jpeg", &data).unwrap_or_else(|error| panic!("{width}x{height}: {error}"));
            assert!(plain.data().iter().all(|value| value.abs_diff(90) <= 1), "{width}x{height}");
        }
    }
}

/// A small limit keeps the worst case of a lucky header quick.
fn small_decoder() -> CompressedDecoder {
    CompressedDecoder::new(DecodeLimits { max_pixels: 1_000_000, max_side_px: 4_096 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(
        magic in prop::sample::select(vec![&jpeg::MAGIC[..], &super::png::MAGIC[..], &[]]),
        tail in prop::collection::vec(any::<u8>(), 0..2_000),
        format in ".*",
    ) {
        let data = [magic, &tail].concat();
        let _ = small_decoder().decode(&format, &data).map_err(|error| error.to_string());
    }

    #[test]
    fn damaged_pictures_never_panic(
        kind in 0..8_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        cut_at_all in any::<bool>(),
    ) {
        let mut pictures: Vec<Vec<u8>> = jpegs().into_iter().map(|(_, data)| data).collect();
        pictures.extend([rgb_png(), encode(".png", &grey_mat(), &[])]);
        let mut data = pictures.swap_remove(kind);
        for (position, value) in damage {
            let position = position.index(data.len());
            data[position] = value;
        }
        if cut_at_all {
            // With the end marker again, so that the decoder gets to see it.
            data.truncate(cut.index(data.len()));
            data.extend([0xff, 0xd9]);
        }
        let _ = small_decoder().decode("jpeg", &data).map_err(|error| error.to_string());
    }
}
