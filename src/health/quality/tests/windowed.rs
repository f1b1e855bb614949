use proptest::prelude::*;

use super::super::{ImageQuality, ImageState, QualityMeans, QualityWindow};

const SECOND: i64 = 1_000_000_000;

fn frame(digest: u64) -> ImageQuality {
    ImageQuality { brightness: 100.0, contrast: 40.0, blockiness: 1.0, digest, ..ImageQuality::default() }
}

fn black() -> ImageQuality {
    ImageQuality { brightness: 1.0, contrast: 0.5, flat_share: 1.0, ..ImageQuality::default() }
}

fn covered(digest: u64) -> ImageQuality {
    ImageQuality { flat_share: 1.0, ..frame(digest) }
}

/// The state after frames at the given tenths of a second.
fn state(frames: impl IntoIterator<Item = (i64, ImageQuality)>) -> ImageState {
    let mut window = QualityWindow::new(60);
    for (tenths, quality) in frames {
        window.record(tenths * SECOND / 10, &quality);
    }
    window.state()
}

#[test]
fn nothing_measured_is_unknown_and_stays_no_longer_than_two_seconds() {
    let mut window = QualityWindow::new(60);
    assert_eq!(window.state(), ImageState::Unknown);
    window.advance(5 * SECOND);
    assert_eq!(window.state(), ImageState::Unknown);
    window.record(5 * SECOND, &frame(1));
    assert_eq!(window.state(), ImageState::Normal);
    window.advance(7 * SECOND - 1);
    assert_eq!(window.state(), ImageState::Normal);
    window.advance(7 * SECOND);
    assert_eq!(window.state(), ImageState::Unknown);
    window.record(8 * SECOND, &frame(1));
    window.reset();
    assert_eq!(window.state(), ImageState::Unknown);
    assert!(window.means().noise.is_nan());
}

#[test]
fn frozen_takes_a_second_and_three_equal_frames() {
    assert_eq!(state([0, 5, 10].map(|t| (t, frame(7)))), ImageState::Frozen);
    assert_eq!(state([0, 5, 9].map(|t| (t, frame(7)))), ImageState::Normal, "less than a second");
    assert_eq!(state([0, 10].map(|t| (t, frame(7)))), ImageState::Normal, "two frames");
    assert_eq!(state([(0, frame(7)), (5, frame(8)), (10, frame(7)), (15, frame(7))]), ImageState::Normal);
    let thawed = (0..20).map(|t| (t, frame(7))).chain([(20, frame(8))]);
    assert_eq!(state(thawed), ImageState::Normal, "one new picture is enough");
}

#[test]
fn a_late_frame_that_differs_breaks_the_ice() {
    let frozen = || [0, 5, 10, 15, 20].map(|t| (t, frame(7))).into_iter();
    assert_eq!(state(frozen().chain([(12, frame(8))])), ImageState::Normal);
    assert_eq!(state(frozen().chain([(12, frame(7))])), ImageState::Frozen);
    // From before it began.
    assert_eq!(state((0..3).map(|t| (30 + 5 * t, frame(7))).chain([(2, frame(8))])), ImageState::Frozen);
}

#[test]
fn most_of_the_last_two_seconds_decide() {
    let moving = |t: i64| (t, frame(t as u64));
    assert_eq!(state((0..20).map(moving).chain((20..32).map(|t| (t, black())))), ImageState::Black);
    assert_eq!(state((0..20).map(moving).chain((20..25).map(|t| (t, black())))), ImageState::Normal);
    assert_eq!(state((0..40).map(|t| (t, covered(t as u64)))), ImageState::Obstructed);
    assert_eq!(state((0..40).map(|t| (t, covered(7)))), ImageState::Frozen, "frozen tells more than covered");
    assert_eq!(state((0..40).map(|t| (t, black()))), ImageState::Black, "black tells more than frozen");
    assert_eq!(state((0..20).map(|t| (t, black())).chain((30..50).map(moving))), ImageState::Normal);
}

#[test]
fn figures_that_are_no_numbers_are_left_out() {
    let mut window = QualityWindow::new(60);
    window.record(0, &ImageQuality { noise: f32::NAN, ..frame(1) });
    window.record(1, &ImageQuality { sharpness: f32::INFINITY, ..frame(1) });
    window.record(2, &ImageQuality { noise: 4.0, ..frame(1) });
    assert_eq!((window.means().noise, window.means().brightness), (4.0, 100.0));
}

#[test]
fn time_that_jumps_back_starts_anew() {
    let mut window = QualityWindow::new(10);
    window.record(100 * SECOND, &ImageQuality { noise: 8.0, ..frame(1) });
    window.record(91 * SECOND, &ImageQuality { noise: 4.0, ..frame(2) });
    assert_eq!(window.means().noise, 6.0, "reordered within the window");
    window.record(89 * SECOND, &ImageQuality { noise: 1.0, ..frame(2) });
    assert_eq!(window.means().noise, 1.0, "a jump");
    window.advance(i64::MAX);
    window.advance(i64::MIN);
    window.record(i64::MIN, &frame(1));
    assert_eq!(window.state(), ImageState::Normal);
}

#[test]
fn the_shortest_window_still_holds_what_the_state_needs() {
    let mut window = QualityWindow::new(0);
    for tenths in 0..30 {
        window.record(tenths * SECOND / 10, &frame(7));
    }
    assert_eq!(window.state(), ImageState::Frozen);
}

proptest! {
    /// Against a list of all frames: those of the window's seconds when each arrived and now.
    #[test]
    fn means_are_those_of_the_frames_within(
        events in prop::collection::vec((-3_000_i64..4_000, 0_u8..100, any::<bool>()), 1..200),
        window_s in 2_u32..12,
    ) {
        let mut window = QualityWindow::new(window_s);
        let (mut kept, mut now) = (Vec::<(i64, ImageQuality)>::new(), None::<i64>);
        let mut time_ms = 50_000_i64;
        for (step_ms, noise, is_frame) in events {
            time_ms += step_ms;
            let (time, quality) = (time_ms * 1_000_000, ImageQuality { noise: f32::from(noise), ..frame(1) });
            if now.is_some_and(|now| now - time > i64::from(window_s) * SECOND) {
                kept.clear();
                now = None;
            }
            now = Some(now.map_or(time, |now| now.max(time)));
            let oldest = now.unwrap().div_euclid(SECOND) - i64::from(window_s) + 1;
            if is_frame {
                window.record(time, &quality);
                kept.push((time, quality));
            } else {
                window.advance(time);
            }
            kept.retain(|(time, _)| time.div_euclid(SECOND) >= oldest);
            let expected = QualityMeans::mean(kept.iter().map(|(_, quality)| (quality, 1.0)));
            let found = window.means();
            prop_assert!(found.noise == expected.noise || (found.noise.is_nan() && expected.noise.is_nan()));
        }
    }
}
