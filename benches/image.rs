//! What it costs to get from a camera's message to pixels, at 1280×720.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't be set up has nothing to report")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use opencv::core::{Mat, Vec3b, Vector};
use opencv::imgcodecs;
use roadproof::image::{CompressedDecoder, Converter, DecodeLimits, Encoding, ImageView};

const WIDTH: u32 = 1_280;
const HEIGHT: u32 = 720;

/// Gradients with some fine texture, so that a JPEG of it has a camera frame's size.
fn texture(len: usize) -> Vec<u8> {
    let mut noise = 1_u32;
    (0..len)
        .map(|index| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (index / 40 % 220 + (noise >> 28) as usize) as u8
        })
        .collect()
}

fn convert(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("convert_1280x720");
    group.throughput(Throughput::Elements(u64::from(WIDTH * HEIGHT)));
    for name in ["rgb8", "mono16", "bayer_rggb8", "uyvy", "yuyv", "nv12"] {
        let encoding = Encoding::from_ros(name, false).unwrap();
        for padding in [0, 64] {
            let step = encoding.bytes_per_row(WIDTH) + padding;
            let data = texture(step * encoding.rows(HEIGHT));
            let mut converter = Converter::new();
            group.bench_function(BenchmarkId::new(name, format!("padding_{padding}")), |bencher| {
                bencher.iter(|| {
                    let view = ImageView::new(encoding, WIDTH, HEIGHT, step, black_box(&data)).unwrap();
                    black_box(converter.convert(&view).unwrap().data().len())
                });
            });
        }
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let pixels = texture((3 * WIDTH * HEIGHT) as usize);
    let (rows, cols) = (i32::try_from(HEIGHT).unwrap(), i32::try_from(WIDTH).unwrap());
    let picture = Mat::new_rows_cols_with_bytes::<Vec3b>(rows, cols, &pixels).unwrap();
    let mut group = criterion.benchmark_group("decode_1280x720");
    group.throughput(Throughput::Elements(u64::from(WIDTH * HEIGHT)));
    for (name, extension, parameters) in [
        ("jpeg_q80", ".jpg", vec![imgcodecs::IMWRITE_JPEG_QUALITY, 80]),
        ("jpeg_q95", ".jpg", vec![imgcodecs::IMWRITE_JPEG_QUALITY, 95]),
        ("png", ".png", vec![]),
    ] {
        let mut data = Vector::new();
        imgcodecs::imencode(extension, &picture, &mut data, &Vector::from_slice(&parameters)).unwrap();
        let mut decoder = CompressedDecoder::new(DecodeLimits::default());
        group.bench_function(BenchmarkId::new(name, format!("{} kB", data.len() / 1_000)), |bencher| {
            bencher.iter(|| {
                let picture = decoder.decode(name, black_box(data.as_slice())).unwrap();
                black_box(picture.data().len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convert, decode);
criterion_main!(benches);
