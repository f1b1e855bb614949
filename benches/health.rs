//! Cost of the health window beside a frame: adding its detections, and reading all classes once a second.

#![allow(missing_docs, reason = "criterion's macros make public items without documentation")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use roadproof::health::{CameraWindow, WindowConfig};

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

criterion_group!(benches, record_frame, read_all_classes);
criterion_main!(benches);
