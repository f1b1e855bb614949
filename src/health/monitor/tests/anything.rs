//! Arbitrary sequences of events.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Frame { after_ns: i64, scores: Vec<(u32, f32)> },
    Jump { to_ns: i64 },
    Clock { after_ns: i64 },
    Reset,
}

fn event() -> impl Strategy<Value = Event> {
    let score = prop_oneof![8 => 0.0_f32..=1.0, 1 => prop::num::f32::ANY];
    let scores = prop::collection::vec((prop_oneof![8 => 0_u32..3, 1 => any::<u32>()], score), 0..5);
    prop_oneof![
        20 => (-S..3 * S, scores).prop_map(|(after_ns, scores)| Event::Frame { after_ns, scores }),
        1 => any::<i64>().prop_map(|to_ns| Event::Jump { to_ns }),
        10 => (-S..30 * S).prop_map(|after_ns| Event::Clock { after_ns }),
        1 => Just(Event::Reset),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_sequence_of_events_makes_it_panic_or_praise_silence(events in prop::collection::vec(event(), 1..150)) {
        let mut monitor = monitor();
        let mut now_ns = 0_i64;
        for event in events {
            match event {
                Event::Frame { after_ns, scores } => {
                    now_ns = now_ns.saturating_add(after_ns);
                    let detections: Vec<_> = scores
                        .iter()
                        .map(|&(class_id, score)| Detection {
                            bbox: BoundingBox::from_centre(score * 1000.0, 300.0, 60.0, score),
                            class_id,
                            score,
                        })
                        .collect();
                    observe(&mut monitor, now_ns, &detections);
                }
                Event::Jump { to_ns } => {
                    now_ns = to_ns;
                    observe(&mut monitor, now_ns, &[]);
                }
                Event::Clock { after_ns } => {
                    now_ns = now_ns.saturating_add(after_ns);
                    monitor.advance(now_ns);
                }
                Event::Reset => monitor.reset(),
            }
            let report = monitor.report().clone();
            let window = monitor.window().camera_summary();
            prop_assert!(!report.reason.to_string().is_empty());
            prop_assert_eq!(
                matches!(report.status, HealthStatus::Stale { .. }),
                matches!(window.status, HealthStatus::Stale { .. })
            );
            for class in &report.classes {
                if matches!(window.status, HealthStatus::Stale { .. }) {
                    prop_assert_eq!(class.status.name(), "stale");
                }
                // Never OK without support.
                prop_assert!(class.status != HealthStatus::Ok || class.published >= 30);
                prop_assert!(class.track_match_rate.is_nan() || (0.0..=1.0).contains(&class.track_match_rate));
                prop_assert!(class.score_psi.is_nan() || class.score_psi >= 0.0);
                prop_assert!(class.change_statistic.is_nan() || class.change_statistic >= 0.0);
            }
        }
        // However it got there: a clean stream on a new clock is judged as one.
        monitor.reset();
        play(&mut monitor, 0, 40, |_| {}, nothing);
        prop_assert_eq!(monitor.report().status, HealthStatus::Ok);
    }
}
