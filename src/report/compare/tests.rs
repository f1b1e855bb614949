use super::super::fixture::study;
use super::*;

fn judged(text: &str, a: Option<f64>, b: Option<f64>) -> Outcome {
    let condition: Condition = text.parse().unwrap();
    condition.judge(&Change { metric: condition.metric(), a, b })
}

fn refused(text: &str) -> String {
    text.parse::<Condition>().unwrap_err().to_string()
}

#[test]
fn conditions_round_trip_whatever_the_spaces() {
    for (text, plain) in [
        ("worst_class_ap drop > 0.02", "worst_class_ap drop > 0.02"),
        ("  latency_p99_ms   rise>=10% ", "latency_p99_ms rise >= 10%"),
        ("rpc<0.6", "rpc < 0.6"),
        ("size_bytes <= 1e7", "size_bytes <= 10000000"),
        ("mpc_noise rise > -0.5 %", "mpc_noise rise > -0.5%"),
    ] {
        let condition: Condition = text.parse().unwrap();
        assert_eq!(condition.to_string(), plain);
        assert_eq!(plain.parse::<Condition>().unwrap(), condition);
    }
}

#[test]
fn what_cannot_be_parsed_is_said() {
    let message = refused("worst_clas_ap drop > 0.02");
    assert!(
        message.contains("did you mean 'worst_class_ap'") && message.contains("latency_p50_ms"),
        "{message}"
    );
    assert!(!refused("entropy > 1").contains("did you mean"));
    for (text, expected) in [
        ("", "a metric"),
        ("> 3", "a metric"),
        ("ap", "'<', '<=', '>' or '>='"),
        ("ap drop", "after drop or rise"),
        ("ap drop < 0.1", "after drop or rise"),
        ("ap fall > 0.1", "'drop', 'rise'"),
        ("ap drop > much", "a number"),
        ("ap drop > NaN", "a number"),
        ("ap drop > inf", "a number"),
        ("ap drop > 0.1 0.2", "a number"),
        ("ap > 5%", "without %"),
        ("ap == 5", "'<'"),
        ("ap drop > ", "a number"),
    ] {
        let message = refused(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn drops_rises_and_values() {
    assert_eq!(judged("ap drop > 0.02", Some(0.40), Some(0.38)), Outcome::Holds);
    assert!(matches!(judged("ap drop >= 0.02", Some(0.40), Some(0.38)), Outcome::Fails(_)));
    assert!(
        matches!(judged("ap drop > 0.02", Some(0.40), Some(0.37)), Outcome::Fails(a) if (a - 0.03).abs() < 1e-9)
    );
    assert_eq!(judged("ap drop > 0.02", Some(0.40), Some(0.50)), Outcome::Holds);
    assert!(
        matches!(judged("latency_p50_ms rise > 10%", Some(20.0), Some(23.0)), Outcome::Fails(a) if (a - 15.0).abs() < 1e-9)
    );
    assert_eq!(judged("latency_p50_ms rise > 10%", Some(20.0), Some(22.0)), Outcome::Holds);
    assert!(matches!(judged("rpc < 0.6", None, Some(0.5)), Outcome::Fails(_)));
    assert_eq!(judged("rpc < 0.6", Some(0.1), Some(0.6)), Outcome::Holds);
    assert!(matches!(judged("rpc <= 0.6", Some(0.1), Some(0.6)), Outcome::Fails(_)));
}

#[test]
fn what_is_missing_is_never_fine() {
    assert!(matches!(judged("ap drop > 0.02", None, Some(0.4)), Outcome::Unknown(_)));
    assert!(matches!(judged("ap drop > 0.02", Some(0.4), None), Outcome::Unknown(_)));
    assert!(matches!(judged("ap drop > 5%", Some(0.0), Some(0.1)), Outcome::Unknown(_)));
    assert_eq!(judged("ap drop > 5%", Some(0.0), Some(0.0)), Outcome::Holds);
}

#[test]
fn studies_that_were_measured_differently_are_told_apart() {
    let a = study();
    assert_eq!(differences(&a, &a), Vec::<String>::new());
    let mut b = study();
    b.dataset.name = "other".into();
    b.dataset.classes[2].instances += 1;
    b.settings.corruptions.pop();
    b.settings.severities.push(4.0);
    let all = differences(&a, &b).join("; ");
    for part in
        ["'other' in B", "class 'car' has 301 instances in A, 302 in B", "corruptions [", "severities ["]
    {
        assert!(all.contains(part), "{all}");
    }
    let mut c = study();
    c.settings.corruptions.reverse();
    c.settings.severities.reverse();
    assert!(differences(&a, &c).is_empty(), "order does not matter");
}

#[test]
fn variants_are_matched_by_name() {
    let (a, mut b) = (study(), study());
    b.variants.remove(1);
    let found: Vec<_> = pairs(&a, &b, None).unwrap().iter().map(|(of, _)| of.name.clone()).collect();
    assert_eq!(found, ["street-fp32", "street-pruned-50"]);
    assert_eq!(unmatched(&a, &b), (vec!["street-int8".to_owned()], vec![]));
    let message = pairs(&a, &b, Some("street-int8")).unwrap_err().to_string();
    assert!(message.contains("'street-int8' in B") && message.contains("street-fp32"), "{message}");
    b.variants.clear();
    assert!(matches!(pairs(&a, &b, None), Err(CompareError::NothingInCommon { .. })));
}

#[test]
fn every_metric_has_a_name_of_its_own_and_comes_from_the_study() {
    let study = study();
    for metric in Metric::ALL {
        assert_eq!(metric.name().parse::<Metric>().unwrap(), *metric);
    }
    let changes = changes(&study.variants[0], &study.variants[1]);
    // No camera and stream corruptions in this study.
    assert_eq!(changes.len(), Metric::ALL.len() - 2);
    assert!(changes.iter().any(|c| c.metric == Metric::SizeBytes && c.b == Some(9_700_000.0)));
}
