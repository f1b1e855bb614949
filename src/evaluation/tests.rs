use super::*;

fn images(scores: &[(f32, bool)]) -> Vec<Labelled> {
    // One instance an image; right detections lie on it, wrong ones elsewhere.
    let bbox = Rect { x: 10.0, y: 10.0, width: 40.0, height: 40.0 };
    let away = Rect { x: 200.0, ..bbox };
    let image = |(score, right): &(f32, bool)| Labelled {
        truths: vec![Truth::new(0, bbox)],
        detections: vec![Found { class_id: 0, bbox: if *right { bbox } else { away }, score: *score }],
    };
    scores.iter().map(image).collect()
}

#[test]
fn ap_is_the_area_under_the_curve() {
    let images = images(&[(0.9, true), (0.8, false), (0.7, true), (0.6, false)]);
    let matches = Matches::new(&images, 2);
    let accuracy = accuracy(&images, &["a".into(), "b".into()], &matches);
    // Recall 0 to 0.25 at a precision of 1, to 0.5 at 2/3: 26 and 25 of 101 points.
    let expected = (26.0 + 25.0 * 2.0 / 3.0) / 101.0;
    assert!((accuracy.ap.unwrap() - expected).abs() < 1e-9);
    assert_eq!(accuracy.classes[1].ap, None);
    assert_eq!(accuracy.ar[2], Some(0.5));
    assert_eq!((accuracy.ap_medium.is_some(), accuracy.ap_large), (true, None));
}

#[test]
fn resampling_is_the_same_every_time_and_covers_the_estimate() {
    let scores: Vec<(f32, bool)> = (0..60_u8).map(|i| (1.0 - f32::from(i) / 100.0, i % 3 != 0)).collect();
    let matches = Matches::new(&images(&scores), 1);
    let resampled = |seed| Resamples::new(60, 300, seed).average_precisions(&matches);
    assert_eq!(resampled(1), resampled(1));
    assert_ne!(resampled(1), resampled(2));
    let values: Vec<f64> = resampled(1).iter().filter_map(|sample| sample.ap).collect();
    let ap = 0.55;
    let [low, high] = interval(ap, values).unwrap();
    assert!(low < ap && ap < high && high - low < 0.5, "{low} {high}");
}

#[test]
fn p_values_tell_a_difference_from_none() {
    let spread: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0 - 0.5).collect();
    assert!(difference(0.0, &spread).unwrap().p_value > 0.9);
    let shifted: Vec<f64> = spread.iter().map(|value| value + 0.6).collect();
    let found = difference(0.6, &shifted).unwrap();
    assert!(found.p_value < 0.01 && found.interval[0] > 0.0, "{found:?}");
    assert!(difference(0.0, &[]).is_none());
}

#[test]
fn calibration_is_the_gap_between_score_and_precision() {
    let scores: Vec<(f32, bool)> = (0..10).map(|i| (0.75, i < 5)).collect();
    let found = calibration(&Matches::new(&images(&scores), 1));
    assert!((found.d_ece.unwrap() - 0.25).abs() < 1e-6);
    assert_eq!((found.bins.len(), found.bins[0].count), (1, 10));
    assert_eq!(calibration(&Matches::new(&[], 1)).d_ece, None);
}

#[test]
fn confusion_counts_every_instance_and_detection_once() {
    let bbox = Rect { x: 10.0, y: 10.0, width: 40.0, height: 40.0 };
    let near = Rect { x: 14.0, ..bbox };
    let crowd = Rect { x: 300.0, y: 0.0, width: 100.0, height: 100.0 };
    let image = Labelled {
        truths: vec![
            Truth::new(0, bbox),
            Truth::new(1, Rect { x: 200.0, ..bbox }),
            Truth { class_id: None, is_crowd: true, ..Truth::new(0, crowd) },
        ],
        detections: vec![
            Found { class_id: 1, bbox: near, score: 0.9 },
            Found { class_id: 0, bbox, score: 0.8 },
            Found { class_id: 0, bbox: Rect { x: 310.0, ..bbox }, score: 0.7 },
            Found { class_id: 0, bbox: Rect { x: 500.0, ..bbox }, score: 0.1 },
        ],
    };
    let names = ["a", "b", "unused"].map(str::to_owned);
    let found = confusion(&[image], &names, |found| found.score > 0.5);
    assert_eq!(found.classes, ["a", "b"]);
    // a is found as a; b is missed; the other box is a detection of nothing; the one in the crowd is excused.
    assert_eq!(found.counts, [[1, 0, 0], [0, 0, 1], [0, 1, 0]]);
}
