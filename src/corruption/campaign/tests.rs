use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Campaign, String> {
    let whole = format!("format = 1\nname = \"test\"\n{text}");
    Campaign::from_toml(&whole, Path::new("test.toml")).map_err(|error| error.to_string())
}

fn at(campaign: &Campaign, t_s: f64, camera: &str) -> Vec<String> {
    let mut steps = Vec::new();
    campaign.steps_at(t_s, camera, 7, &mut steps);
    steps.iter().map(Step::to_string).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_ramp_moves_in_a_straight_line_and_ends() {
    let ramp = parse(
        "[[segment]]\nkind = \"ramp\"\nstart_s = 10\nduration_s = 20\ncorruption = \"fog\"\nfrom = 0\nto = 4",
    )
    .unwrap();
    assert_eq!(at(&ramp, 9.9, "front"), NOTHING);
    assert_eq!(at(&ramp, 10.0, "front"), ["fog:0"]);
    assert_eq!(at(&ramp, 20.0, "front"), ["fog:2"]);
    assert_eq!(at(&ramp, 30.0, "front"), NOTHING);
    assert_eq!(at(&ramp, -1.0, "front"), NOTHING);
}

#[test]
fn a_pulse_is_on_first_and_only_on_its_cameras() {
    let pulse = parse(
        "[[segment]]\nkind = \"pulse\"\nstart_s = 0\nduration_s = 60\ncameras = [\"front\"]\nsteps = [\"rain:2\", \"low_light:1\"]\nperiod_s = 10\nduty = 0.3",
    )
    .unwrap();
    assert_eq!(at(&pulse, 2.9, "front"), ["rain:2", "low_light:1"]);
    assert_eq!(at(&pulse, 3.1, "front"), NOTHING);
    assert_eq!(at(&pulse, 12.0, "front"), ["rain:2", "low_light:1"]);
    assert_eq!(at(&pulse, 2.0, "rear"), NOTHING);
}

#[test]
fn random_draws_depend_on_interval_seed_and_camera_only() {
    let random = parse(
        "repeat = true\n[[segment]]\nkind = \"random\"\nstart_s = 0\nduration_s = 100\ncorruptions = [\"fog\", \"snow\", \"rain\"]\nmin = 1\nmax = 3\ninterval_s = 5",
    )
    .unwrap();
    assert_eq!(at(&random, 0.1, "front"), at(&random, 4.9, "front"));
    let draws = |camera, rounds: std::ops::Range<i32>| {
        rounds.map(|i| at(&random, f64::from(i) * 5.0 + 1.0, camera)).collect::<Vec<_>>()
    };
    assert_ne!(draws("front", 0..20), draws("rear", 0..20));
    assert_ne!(draws("front", 0..20), draws("front", 20..40), "a new round draws anew");
    let kinds: std::collections::BTreeSet<_> =
        draws("front", 0..20).iter().map(|s| s[0].split(':').next().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), 3);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let segment =
        |body: &str| parse(&format!("[[segment]]\nkind = \"hold\"\nstart_s = 0\nduration_s = 5\n{body}"));
    for (result, expected) in [
        (parse(""), "[[segment]]"),
        (segment("steps = []"), "steps is empty"),
        (segment("steps = [\"fog:7\"]"), "0 … 5"),
        (segment("steps = [\"fgo:1\"]"), "did you mean 'fog'"),
        (segment("steps = [\"fog:1\"]\nstrength = 3"), "strength"),
        (parse("colour = 3\n"), "colour"),
        (parse("[[segment]]\nkind = \"wobble\"\nstart_s = 0\nduration_s = 5"), "wobble"),
        (
            parse("[[segment]]\nkind = \"hold\"\nstart_s = -1\nduration_s = 5\nsteps = [\"fog:1\"]"),
            "segment 1: start_s",
        ),
        (
            parse("[[segment]]\nkind = \"hold\"\nstart_s = 1\nduration_s = nan\nsteps = [\"fog:1\"]"),
            "segment 1: duration_s",
        ),
        (
            parse(
                "[[segment]]\nkind = \"pulse\"\nstart_s = 0\nduration_s = 5\nsteps = [\"fog:1\"]\nperiod_s = 1\nduty = 2",
            ),
            "duty",
        ),
    ] {
        let error = result.unwrap_err();
        assert!(error.contains(expected) && error.contains("test.toml"), "{expected}: {error}");
    }
}

#[test]
fn overlapping_segments_of_a_camera_are_refused() {
    let two = |cameras: &str, start: f64| {
        parse(&format!(
            "[[segment]]\nkind = \"hold\"\nstart_s = 0\nduration_s = 5\ncameras = [\"front\"]\nsteps = [\"fog:1\"]\n[[segment]]\nkind = \"hold\"\nstart_s = {start}\nduration_s = 5\ncameras = {cameras}\nsteps = [\"fog:1\"]"
        ))
    };
    assert!(two("[\"front\"]", 4.9).unwrap_err().contains("overlap"));
    assert!(two("[]", 4.9).unwrap_err().contains("overlap"));
    assert!(two("[\"rear\"]", 4.9).is_ok());
    assert!(two("[\"front\"]", 5.0).is_ok());
}

#[test]
fn the_shipped_campaigns_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/campaigns");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        Campaign::load(&entry.unwrap().path()).unwrap();
        count += 1;
    }
    assert!(count >= 3);
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "(?s).{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_time_is_fine(t_s in any::<f64>(), repeat in any::<bool>()) {
        let campaign = parse(&format!(
            "repeat = {repeat}\n[[segment]]\nkind = \"random\"\nstart_s = 3\nduration_s = 7\ncorruptions = [\"fog\"]\nmin = 0\nmax = 5\ninterval_s = 0.5"
        )).unwrap();
        let _ = at(&campaign, t_s, "front");
    }
}
