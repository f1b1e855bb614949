//! Cost of health beside a frame: adding its detections, measuring its image, and reading all classes once a second.

#![allow(missing_docs, reason = "criterion's macros make public items without documentation")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use roadproof::health::{CameraWindow, QualityMeter, QualityWindow, WindowConfig};
use roadproof::image::{ChannelOrder, PixelView};

const CLASSES: u32 = 80;
const FRAME_NS: i64 = 33_333_333;

fn detections(n: u32) -> Vec<(u32, f32, bool)> {
    (0..n)
        .map(|i| {
            let mixed = i.wrapping_mul(0x9e37_79b9);
            let score = (mixed >> 8) as f32 / (1 << 24) as f32;
            (mixed % CLASSES, score, score > 0.4)
        })
        .collect()
}

/// A window filled by two minutes of frames, and the stamp of the next one.
fn filled(detections: &[(u32, f32, bool)]) -> Option<(CameraWindow, i64)> {
    let mut window = CameraWindow::new(CLASSES as usize, WindowConfig::default()).ok()?;
    let mut stamp_ns = 0;
    for _ in 0..3600 {
        window.record_frame(stamp_ns, detections.iter().copied());
        stamp_ns += FRAME_NS;
    }
    Some((window, stamp_ns))
}

fn record_frame(c: &mut Criterion) {
    let mut group = c.benchmark_group("health/record_frame");
    for n in [10, 100] {
        let detections = detections(n);
        let Some((mut window, mut stamp_ns)) = filled(&detections) else { continue };
        group.throughput(Throughput::Elements(u64::from(n)));
        // Stamps go on at 30 frames/s, so that the expiry of seconds is in the mean.
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| {
                window.record_frame(stamp_ns, black_box(&detections).iter().copied());
                stamp_ns += FRAME_NS;
            });
        });
    }
    group.finish();
}

fn read_all_classes(c: &mut Criterion) {
    let Some((window, _)) = filled(&detections(100)) else { return };
    c.bench_function("health/read_80_classes", |b| {
        b.iter(|| {
            for class_id in 0..CLASSES {
                black_box(window.class_summary(class_id));
            }
            black_box(window.camera_summary())
        });
    });
}

/// A picture with slopes, edges and a little noise.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        let noise =
            (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35) >> 29;
        let shade = 60 + (x / 37 + y / 23) % 2 * 80 + x / 32;
        [(shade + noise) as u8, (shade + 20) as u8, (shade / 2 + noise) as u8]
    };
    (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect()
}

fn image_quality(c: &mut Criterion) {
    let mut group = c.benchmark_group("health/image_quality");
    for (width, height) in [(640, 480), (1280, 720), (1920, 1080)] {
        // More pictures than fit the caches, so that each is read from memory as a camera's would be.
        let pictures: Vec<_> = (0..12).map(|_| picture(width, height)).collect();
        let step = width as usize * 3;
        let view = |data| PixelView::new(ChannelOrder::Bgr, width, height, step, data);
        let views: Vec<_> = pictures.iter().flat_map(|data| view(data)).collect();
        let mut meter = QualityMeter::new();
        let mut next = views.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(format!("{width}x{height}")), |b| {
            b.iter(|| next.next().map(|view| meter.measure(black_box(view))));
        });
    }
    group.finish();
}

fn quality_window(c: &mut Criterion) {
    let data = picture(640, 480);
    let Ok(view) = PixelView::new(ChannelOrder::Bgr, 640, 480, 640 * 3, &data) else { return };
    let quality = QualityMeter::new().measure(&view);
    let mut window = QualityWindow::new(60);
    let mut stamp_ns = 0;
    c.bench_function("health/record_quality", |b| {
        b.iter(|| {
            window.record(stamp_ns, black_box(&quality));
            stamp_ns += FRAME_NS;
        });
    });
}

criterion_group!(benches, record_frame, read_all_classes, image_quality, quality_window);
criterion_main!(benches);
