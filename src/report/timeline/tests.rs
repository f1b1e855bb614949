use std::path::Path;

use super::*;

fn line(second: i64, status: &str, class_status: &str, severity: Option<f64>) -> String {
    let corruptions = severity.map_or(String::new(), |s| format!(r#""corruptions":["fog:{s}"],"#));
    let injected = severity.is_some();
    format!(
        r#"{{"camera":"front","stamp_ns":{},{corruptions}"is_injected":{injected},"status":"{status}","reason":"why <b>","estimated_map":{{"value":0.3,"low":0.25,"high":0.35}},"estimated_corruption":null,"estimated_severity":0.0,"worst_class":"bus","classes":[{{"class_name":"bus","status":"{class_status}","reason":"rate fell","detections":10}}]}}"#,
        second * 1_000_000_000
    )
}

fn parsed(text: &str) -> Result<Vec<Line>, ReportError> {
    read::parse(Path::new("health.jsonl"), text)
}

#[test]
fn runs_of_a_status_are_one_block_and_changes_are_told() {
    let mut text = String::new();
    for second in 0..30 {
        let bad = (10..20).contains(&second);
        let (camera, class) = if bad { ("warn", "error") } else { ("ok", "ok") };
        text += &(line(second, camera, class, bad.then_some(2.5)) + "\n");
    }
    let lines = parsed(&text).unwrap();
    let camera = camera("front", &lines.iter().collect::<Vec<_>>());
    let classes: Vec<_> = camera.status.blocks.iter().map(|block| block.class).collect();
    assert_eq!(classes, ["ok", "warn", "ok"]);
    assert_eq!(camera.lanes.len(), 1);
    assert_eq!(camera.lanes[0].worst, "ERROR");
    assert_eq!(camera.lanes[0].blocks[1].x, "333.3");
    let severity = camera.severity.unwrap();
    assert_eq!(severity.injected.len(), 1);
    assert_eq!((severity.injected[0].height.as_str(), severity.names.as_str()), ("60.0", "fog"));
    let told: Vec<_> = camera.changes.iter().map(|c| (c.time.as_str(), c.who.as_str(), c.after.1)).collect();
    let expected = [
        ("10 s", "camera", "WARN"),
        ("10 s", "bus", "ERROR"),
        ("20 s", "camera", "OK"),
        ("20 s", "bus", "OK"),
    ];
    // The first second tells that the class came into sight as OK, which is no change.
    assert_eq!(told, expected);
}

#[test]
fn the_page_escapes_what_it_shows() {
    let lines = parsed(&(line(0, "ok", "ok", None) + "\n" + &line(1, "warn", "warn", None))).unwrap();
    let page = render("<script>".to_owned(), &lines).unwrap();
    assert!(!page.contains("why <b>") && !page.contains("<script>:"), "names and reasons are no markup");
    assert!(page.contains("rate fell"));
}

#[test]
fn what_is_not_known_leaves_no_curve() {
    let text =
        line(0, "ok", "ok", None).replace("0.3,", "null,").replace("0.25", "null").replace("0.35", "null");
    let text = text.replace(r#""estimated_severity":0.0"#, r#""estimated_severity":null"#);
    let lines = parsed(&text).unwrap();
    let camera = camera("front", &lines.iter().collect::<Vec<_>>());
    assert!(camera.map.is_none() && camera.severity.is_none());
}

#[test]
fn broken_lines_are_named() {
    let good = line(0, "ok", "ok", None);
    let cases = [
        (String::new(), "at least one line"),
        (format!("{good}\n{{"), "line 2"),
        (good.replace(r#""status":"ok","reason":"why"#, r#""status":"fine","reason":"why"#), "fine"),
        (format!("{good}\n[]\n"), "line 2"),
    ];
    for (text, expected) in cases {
        let error = parsed(&text).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("health.jsonl"), "{error}");
    }
}
