//! Health takes its memory at construction, or with the first frame, and never again.
//!
//! A program of its own, for its counting allocator.

#[path = "common/counting.rs"]
mod counting;

use std::fmt::Write;

use roadproof::health::{CameraWindow, ImageState, QualityMeter, QualityWindow, WindowConfig};
use roadproof::image::{ChannelOrder, PixelView};

const CLASSES: u32 = 80;
const FRAMES_PER_S: i64 = 5;
const DAY_S: i64 = 24 * 3600;

/// Ten detections that depend on the frame's number only.
fn detections(frame: i64) -> impl Iterator<Item = (u32, f32, bool)> {
    (0..10_u32).map(move |i| {
        let mixed = (frame as u32).wrapping_mul(0x9e37_79b9).wrapping_add(i.wrapping_mul(0x85eb_ca6b));
        let score = (mixed >> 8) as f32 / (1 << 24) as f32;
        (mixed % CLASSES, score, score > 0.4)
    })
}

#[test]
fn a_day_of_frames_allocates_nothing() {
    let config = WindowConfig::default();
    let before = counting::bytes();
    let mut window = CameraWindow::new(CLASSES as usize, config).expect("a valid configuration");
    let taken = counting::bytes() - before;
    assert_eq!(taken, config.memory_bytes(CLASSES as usize), "heap taken at construction");

    let mut text = String::with_capacity(256);
    let mut reads = 0_u64;
    let before = counting::allocations();
    for frame in 0..DAY_S * FRAMES_PER_S {
        // Once an hour the camera is silent for longer than the window.
        let stamp_ns = frame * 1_000_000_000 / FRAMES_PER_S + frame / (3600 * FRAMES_PER_S) * 90_000_000_000;
        window.record_frame(stamp_ns, detections(frame));
        if frame % (60 * FRAMES_PER_S) == 0 {
            window.advance(stamp_ns + 1_000_000);
            for class_id in 0..CLASSES {
                if let Some(class) = window.class_summary(class_id) {
                    text.clear();
                    let _ = write!(text, "{}", class.reason);
                    reads += 1;
                }
            }
            let _ = write!(text, "{}", window.camera_summary().reason);
        }
    }
    let frames = window.camera_summary().frames;
    window.reset();
    window.record_frame(0, detections(0));
    assert_eq!(counting::allocations() - before, 0, "allocations after construction");

    // The day was really recorded and read, and the totals are still those of the last minute.
    assert_eq!(reads, 24 * 60 * u64::from(CLASSES));
    assert_eq!(frames, 60 * FRAMES_PER_S as u64);
}

#[test]
fn measuring_images_allocates_with_the_first_frame_of_a_size_only() {
    let data: Vec<u8> = (0..640_u32 * 480 * 3).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let large = PixelView::new(ChannelOrder::Bgr, 640, 480, 640 * 3, &data).expect("a good picture");
    let small = PixelView::new(ChannelOrder::Rgb, 320, 200, 640 * 3, &data[..640 * 3 * 200]).expect("a part");
    let mut meter = QualityMeter::new();
    let mut window = QualityWindow::new(60);
    meter.measure(&large);
    let before = counting::allocations();
    for frame in 0..600 {
        let quality = meter.measure(if frame % 2 == 0 { &large } else { &small });
        window.record(frame * 100_000_000, &quality);
        assert!(!window.means().noise.is_nan());
    }
    window.reset();
    assert_eq!(counting::allocations() - before, 0, "allocations after the first frame");
    assert_eq!(window.state(), ImageState::Unknown);
}
