use std::path::Path;

use proptest::prelude::*;

use super::{Level, Rules, RulesError};
use crate::health::{CameraReport, ClassReport, Estimated, HealthStatus, ImageState, Reason};

const SHIPPED: &str = include_str!("../../../config/health_rules.toml");

fn names() -> Vec<String> {
    let names =
        ["person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "traffic light", "stop sign"];
    names.into_iter().chain(["sheep", "kite"]).map(str::to_owned).collect()
}

fn parse(text: &str) -> Result<Rules, RulesError> {
    Rules::from_toml(text, Path::new("rules.toml"), &names())
}

fn class(class_id: u32, status: HealthStatus, ap: f64) -> ClassReport {
    ClassReport {
        status,
        reason: Reason::TooFewDetections { have: u64::from(class_id), need: 30 },
        detection_rate: 0.0,
        estimated_ap: Estimated { value: ap, ..Estimated::UNKNOWN },
        ..ClassReport::empty(class_id)
    }
}

fn report(image_state: ImageState, classes: Vec<ClassReport>) -> CameraReport {
    CameraReport {
        status: HealthStatus::Ok,
        reason: Reason::Supported { have: 1, need: 1 },
        frames: 1,
        detections: 1,
        published: 1,
        processing_rate: 1.0,
        image_state,
        classes,
        ..CameraReport::empty(0, 60)
    }
}

const RARE: HealthStatus = HealthStatus::InsufficientData { have: 1, need: 30 };
const SILENT: HealthStatus = HealthStatus::Stale { silent_for_ns: 3_000_000_000 };

fn level(classes: Vec<ClassReport>) -> (Level, String) {
    Rules::default().level(&report(ImageState::Normal, classes), &names())
}

#[test]
fn the_shipped_file_holds_the_built_in_rules() {
    assert_eq!(parse(SHIPPED).unwrap(), Rules::default());
    assert_eq!(Rules::built_in(&names()), Rules::default());
}

#[test]
fn rules_round_trip() {
    let rules = Rules { safety_critical: vec!["kite".to_owned()], ..Rules::default() };
    assert_eq!(parse(&toml::to_string(&rules).unwrap()).unwrap(), rules);
}

#[test]
fn broken_files_are_refused_with_the_reason() {
    let with = |from: &str, to: &str| {
        assert!(SHIPPED.contains(from), "{from}");
        parse(&SHIPPED.replacen(from, to, 1)).unwrap_err().to_string()
    };
    for (from, to, expected) in [
        ("\"person\"", "\"persn\"", "did you mean 'person'?"),
        ("\"stop sign\"", "\"Stop Sign\"", "did you mean 'stop sign'?"),
        ("\"person\"", "\"zebra crossing\"", "none of the model's 11 classes; name"),
        ("\"person\"", "\"car\"", "'car' twice"),
        ("format = 1", "format = 2", "format 2 of the health rules, expected 1"),
        ("format = 1", "format = \"1\"", "`format` must be 1"),
        ("format = 1", "", "`format = 1` is missing"),
        ("stale = \"error\"", "", "missing field `stale`"),
        ("stale = \"error\"", "stale = \"fatal\"", "unknown variant `fatal`"),
        ("frozen =", "frosen =", "unknown field `frosen`"),
        ("[image]", "[images]", "unknown field `images`"),
        ("[image]", "[image", "not a file of health rules"),
        ("[\"person\"", "[7", "invalid type"),
    ] {
        let found = with(from, to);
        assert!(found.contains(expected) && found.starts_with("rules.toml: "), "{to}: {found}");
    }
    assert!(parse("").is_err());
    let missing = Rules::load(Path::new("no/such/file.toml"), &names()).unwrap_err().to_string();
    assert!(missing.contains("no/such/file.toml: cannot be read"), "{missing}");
}

#[test]
fn built_in_rules_fit_every_model() {
    let own = ["pedestrian", "car"].map(str::to_owned);
    assert_eq!(Rules::built_in(&own).safety_critical, ["car"]);
    let foreign = ["pedestrian", "cyclist"].map(str::to_owned);
    assert_eq!(Rules::built_in(&foreign).safety_critical, foreign, "nothing known: all matter");
}

#[test]
fn a_status_means_what_the_rules_say_of_its_class() {
    let statuses = [HealthStatus::Ok, HealthStatus::Warn, HealthStatus::Error, RARE, SILENT];
    let critical = statuses.map(|status| level(vec![class(0, status, 0.5)]).0);
    assert_eq!(critical, [Level::Ok, Level::Warn, Level::Error, Level::Ok, Level::Error]);
    let other = statuses.map(|status| level(vec![class(9, status, 0.5)]).0);
    assert_eq!(other, [Level::Ok, Level::Ok, Level::Warn, Level::Ok, Level::Warn]);
}

#[test]
fn the_worst_class_decides_and_is_named_first() {
    let (found, message) = level(vec![
        class(1, HealthStatus::Warn, 0.1),
        class(9, HealthStatus::Error, 0.0),
        class(2, HealthStatus::Error, 0.4),
        class(4, HealthStatus::Error, 0.3),
        class(10, HealthStatus::Warn, 0.0),
    ]);
    assert_eq!(found, Level::Error);
    let order: Vec<_> = message.split("; ").map(|part| part.split(':').next().unwrap()).collect();
    assert_eq!(
        order,
        ["bus (safety-critical)", "car (safety-critical)", "bicycle (safety-critical)", "sheep"],
        "{message}"
    );
    assert!(message.starts_with("bus (safety-critical): insufficient data: 4 of 30 detections"), "{message}");
}

#[test]
fn long_lists_are_cut() {
    let (_, message) = level((0..9).map(|id| class(id, HealthStatus::Error, f64::NAN)).collect());
    assert!(message.starts_with("person") && message.ends_with("; 4 more classes"), "{message}");
}

#[test]
fn the_image_counts_whatever_the_classes() {
    let fine = || vec![class(0, HealthStatus::Ok, 0.5), class(9, RARE, f64::NAN)];
    let mut rules = Rules::default();
    rules.image.obstructed = Level::Warn;
    let of = |state, classes| rules.level(&report(state, classes), &names());
    assert_eq!(of(ImageState::Frozen, fine()), (Level::Error, "the image is frozen".to_owned()));
    assert_eq!(of(ImageState::Black, fine()).0, Level::Error);
    assert_eq!(of(ImageState::Obstructed, fine()).0, Level::Warn);
    let (found, message) = of(ImageState::Obstructed, vec![class(2, HealthStatus::Error, 0.1)]);
    assert!(
        found == Level::Error && message.starts_with("car") && message.ends_with("obstructed"),
        "{message}"
    );
    for state in [ImageState::Normal, ImageState::Unknown] {
        let (found, message) = of(state, fine());
        assert_eq!(found, Level::Ok);
        assert!(message.contains("1 of 2 classes"), "{message}");
    }
}

#[test]
fn a_stale_camera_says_so_once() {
    let mut silent = report(ImageState::Unknown, (0..9).map(|id| class(id, SILENT, f64::NAN)).collect());
    silent.status = SILENT;
    silent.reason = Reason::Silent { silent_for_ns: 3_000_000_000, limit_ns: 2_000_000_000 };
    let (found, message) = Rules::default().level(&silent, &names());
    assert_eq!((found, message.as_str()), (Level::Error, "stale: no frame for 3.0 s, at most 2.0 s allowed"));
    let none_critical = Rules { safety_critical: Vec::new(), ..Rules::default() };
    assert_eq!(none_critical.level(&silent, &names()).0, Level::Warn);
}

#[test]
fn a_class_without_a_name_is_called_by_its_number() {
    let (found, message) = level(vec![class(40, HealthStatus::Error, 0.5)]);
    assert!(found == Level::Warn && message.starts_with("class 40: "), "{message}");
}

fn any_status() -> impl Strategy<Value = HealthStatus> {
    prop_oneof![
        Just(HealthStatus::Ok),
        Just(HealthStatus::Warn),
        Just(HealthStatus::Error),
        Just(RARE),
        Just(SILENT)
    ]
}

proptest! {
    /// The level is the worst of the classes', each alone, and the order of the classes changes nothing.
    #[test]
    fn the_level_is_that_of_the_worst_class_alone(
        statuses in prop::collection::vec((any_status(), 0_u8..4), 0..11),
    ) {
        let classes: Vec<_> = statuses.iter().enumerate()
            .map(|(id, (status, ap))| class(id as u32, *status, f64::from(*ap)))
            .collect();
        let alone = classes.iter().map(|one| level(vec![*one]).0).max().unwrap_or(Level::Ok);
        let (found, message) = level(classes.clone());
        prop_assert_eq!(found, alone);
        prop_assert!(!message.is_empty());
        if found > Level::Ok {
            let first = classes.iter().find(|one| message.starts_with(&names()[one.class_id as usize])).unwrap();
            prop_assert_eq!(level(vec![*first]).0, found);
        }
    }
}
