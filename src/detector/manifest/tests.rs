use proptest::prelude::*;

use super::*;

const GOOD: &str = r#"format = 1
name = "toy"
file = "toy.onnx"
sha256 = "0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789abcdef"
source = "a test"
licence = "Apache-2.0"

[input]
width = 416
height = 320
colour = "bgr"
mean = [103.53, 116.28, 123]
std = [57.375, 57.12, 58.395]
resize = "letterbox"
pad_value = 114
interpolation = "area"

[decoder]
type = "nanodet"
strides = [8, 16, 32]
outputs = { scores = ["s8", "s16", "s32"], boxes = ["b8", "b16", "b32"] }

[thresholds]
score = 0.4
nms_iou = 0.6
max_detections = 100

[classes]
names = ["person", "car"]
"#;

fn parse(text: &str) -> Result<ModelManifest, DetectorError> {
    ModelManifest::from_toml(text, "models/toy.toml")
}

/// The good manifest with one thing replaced.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

/// The only complaint about a text.
fn complaint(text: &str) -> ManifestIssueParts {
    match parse(text) {
        Err(DetectorError::Manifest { path, issues }) => {
            assert_eq!(path, Path::new("models/toy.toml"));
            let [issue] = issues.try_into().unwrap();
            ManifestIssueParts {
                line: issue.line,
                column: issue.column,
                key: issue.key,
                message: issue.message,
            }
        }
        other => panic!("{other:?}"),
    }
}

#[derive(Debug)]
struct ManifestIssueParts {
    line: Option<usize>,
    column: Option<usize>,
    key: String,
    message: String,
}

#[test]
fn a_good_manifest_is_read() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!(manifest.model_path(), Path::new("models/toy.onnx"));
    assert_eq!(manifest.input.layout, Layout::Nchw);
    assert_eq!(manifest.input.pad_value, 114);
    assert_eq!(manifest.decoder.strides, [8, 16, 32]);
    assert_eq!(manifest.class_names(), ["person", "car"]);
    let thresholds = manifest.thresholds();
    assert_eq!((thresholds.score, thresholds.low_score), (0.4, 0.05));
    thresholds.validate(2).unwrap();
    manifest.validate().unwrap();
}

#[test]
fn a_written_manifest_reads_as_the_same() {
    let manifest = parse(GOOD).unwrap();
    let text = toml::to_string(&manifest).unwrap();
    assert_eq!(parse(&text).unwrap(), manifest);
}

#[test]
fn an_unknown_key_suggests_the_nearest() {
    let found = complaint(&changed("height = 320", "heigth = 320"));
    assert_eq!((found.line, found.column), (Some(10), Some(1)));
    assert_eq!(found.key, "input.heigth");
    assert!(found.message.contains("did you mean `height`?"), "{}", found.message);

    let found = complaint(&changed("scores = ", "score = "));
    assert_eq!((found.line, found.key.as_str()), (Some(21), "decoder.outputs.score"));
    assert!(found.message.contains("`scores`"), "{}", found.message);

    let found = complaint(&changed("source", "zzz"));
    assert_eq!((found.line, found.key.as_str()), (Some(5), "zzz"));
    assert!(found.message.contains("expected one of `format`"), "{}", found.message);
}

#[test]
fn wrong_types_and_missing_keys_are_placed() {
    let found = complaint(&changed("width = 416", "width = \"wide\""));
    assert_eq!((found.line, found.key.as_str()), (Some(9), "input.width"));
    assert!(found.message.contains("\"wide\""), "{}", found.message);

    let found = complaint(&changed("\"nanodet\"", "\"nanodeth\""));
    assert_eq!((found.line, found.key.as_str()), (Some(19), "decoder.type"));
    assert!(found.message.contains("nanodeth") && found.message.contains("yolox"), "{}", found.message);

    let found = complaint(&changed("mean = [103.53, 116.28, 123]", "mean = [1, 2]"));
    assert_eq!((found.line, found.key.as_str()), (Some(12), "input.mean"));

    let found = complaint(&changed("resize = \"letterbox\"\n", ""));
    assert_eq!((found.line, found.key.as_str()), (Some(8), "input"));
    assert!(found.message.contains("resize"), "{}", found.message);

    let found = complaint(&changed("pad_value = 114", "pad_value = 256"));
    assert_eq!((found.line, found.key.as_str()), (Some(15), "input.pad_value"));
}

#[test]
fn what_is_no_toml_is_placed() {
    let found = complaint(&changed("[decoder]", "[decoder"));
    assert_eq!(found.line, Some(18), "{}", found.message);
    assert!(complaint("<!DOCTYPE html>").line == Some(1));
}

#[test]
fn another_format_is_said_before_anything_else() {
    let found = complaint("format = 2\nsomething_new = true\n");
    assert_eq!((found.line, found.key.as_str()), (Some(1), "format"));
    assert!(found.message.contains("expected manifest format 1, found 2"), "{}", found.message);
}

#[test]
fn bad_values_are_placed() {
    let yolov8 = changed("\"nanodet\"", "\"yolov8\"").replace("strides = [8, 16, 32]\n", "");
    let yolov8 = yolov8.lines().filter(|line| !line.starts_with("outputs")).collect::<Vec<_>>().join("\n");
    parse(&yolov8).unwrap();
    let cases = [
        (changed("\"toy\"", "\" \""), 2, "name"),
        (changed("\"toy.onnx\"", "\"\""), 3, "file"),
        (changed("\"0123456789abcdef", "\"xyz3456789abcdef"), 4, "sha256"),
        (changed("width = 416", "width = 0"), 9, "input.width"),
        (changed("width = 416", "width = 100000"), 9, "input.width"),
        (changed("103.53", "nan"), 12, "input.mean[0]"),
        (changed("57.12", "0"), 13, "input.std[1]"),
        (changed("\"letterbox\"", "\"stretch\""), 15, "input.pad_value"),
        (changed("[8, 16, 32]", "[8, 0, 32]"), 20, "decoder.strides[1]"),
        (changed("[8, 16, 32]", "[8, 8, 32]"), 20, "decoder.strides"),
        (changed("strides", "max_candidates = 0\nstrides"), 20, "decoder.max_candidates"),
        (changed("strides", "cell_offset = 2.0\nstrides"), 20, "decoder.cell_offset"),
        (changed("\"b32\"", "\"b16\""), 21, "decoder.outputs"),
        (changed(", \"b32\"", ""), 21, "decoder.outputs"),
        (changed("score = 0.4", "score = 1.4"), 24, "thresholds.score"),
        (changed("nms_iou = 0.6", "nms_iou = -1"), 25, "thresholds.nms_iou"),
        (changed("detections = 100", "detections = 0"), 26, "thresholds.max_detections"),
        (changed("score = 0.4", "low_score = 0.5\nscore = 0.4"), 24, "thresholds.low_score"),
        (changed("\"car\"", "\"person\""), 29, "classes.names[1]"),
        (changed("\"car\"", "\"\""), 29, "classes.names[1]"),
        (changed("names = [\"person\", \"car\"]", "names = []"), 28, "classes"),
        (changed("[classes]", "[classes]\nfile = \"coco.txt\""), 29, "classes.file"),
        (yolov8.replace("[thresholds]", "strides = [8]\n[thresholds]"), 21, "decoder.strides"),
        (yolov8.replace("[thresholds]", "cell_offset = 0.0\n[thresholds]"), 21, "decoder.cell_offset"),
        (changed("\"nanodet\"", "\"yolox\"").replace("width = 416", "width = 400"), 20, "decoder.strides[2]"),
    ];
    for (text, line, key) in cases {
        let Err(DetectorError::Manifest { issues, .. }) = parse(&text) else { panic!("{key}: accepted") };
        let issue = issues.iter().find(|issue| issue.key == key);
        let issue = issue.unwrap_or_else(|| panic!("{key}: {issues:?}"));
        assert_eq!(issue.line, Some(line), "{issue}");
        assert!(issue.message.contains("expected") || issue.message.contains("decoder `"), "{issue}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text = changed("width = 416", "width = 0").replace("nms_iou = 0.6", "nms_iou = 7");
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("models/toy.toml`: 2 problems"), "{error}");
    assert!(
        error.contains("line 9, column 9: `input.width`") && error.contains("`thresholds.nms_iou`"),
        "{error}"
    );
}

#[test]
fn a_changed_manifest_is_checked_again() {
    let mut manifest = parse(GOOD).unwrap();
    manifest.input.width = 0;
    let error = manifest.validate().unwrap_err().to_string();
    assert!(
        error.contains("`models/toy.toml`: `input.width`: expected 1 to 8192 pixels, found 0"),
        "{error}"
    );
}

#[test]
fn class_names_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.toml");
    let text = changed("names = [\"person\", \"car\"]", "file = \"classes.txt\"");
    std::fs::write(&path, &text).unwrap();
    let error = ModelManifest::load(&path).unwrap_err().to_string();
    assert!(error.contains("the class list") && error.contains("classes.txt"), "{error}");

    std::fs::write(folder.path().join("classes.txt"), "person\r\ntraffic light\n\ncar\n").unwrap();
    let manifest = ModelManifest::load(&path).unwrap();
    assert_eq!(manifest.class_names(), ["person", "traffic light", "car"]);
    assert_eq!(manifest.model_path(), folder.path().join("toy.onnx"));
}

#[test]
fn files_that_are_no_manifests_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.toml");
    let error = ModelManifest::load(&path).unwrap_err().to_string();
    assert!(error.contains("the model manifest") && error.contains("toy.toml"), "{error}");
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(ModelManifest::load(&path).is_err(), "not UTF-8");
    std::fs::write(&path, vec![b'#'; 5 << 20]).unwrap();
    assert!(ModelManifest::load(&path).unwrap_err().to_string().contains("bytes"), "too large");
    assert!(ModelManifest::load(folder.path()).is_err(), "a folder");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_spoilt_manifest_panics(at in 0..GOOD.len(), insert in "\\PC{0,6}", cut in 0usize..40) {
        let mut text = String::new();
        text.push_str(&GOOD[..at]);
        text.push_str(&insert);
        text.push_str(&GOOD[(at + cut).min(GOOD.len())..]);
        if let Err(error) = parse(&text) {
            // every complaint lies in the text
            if let DetectorError::Manifest { issues, .. } = &error {
                let lines = text.lines().count().max(1) + 1;
                prop_assert!(!issues.is_empty());
                prop_assert!(issues.iter().all(|issue| issue.line.is_some_and(|line| line <= lines)), "{error}");
            }
        }
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused(
        line in 0usize..29,
        value in prop_oneof![
            Just("nan".to_owned()), Just("-1".to_owned()), Just("9223372036854775807".to_owned()),
            Just("1e308".to_owned()), Just("[]".to_owned()), Just("{}".to_owned()), Just("true".to_owned()),
            Just("\"\"".to_owned()), Just("[[1], \"a\"]".to_owned()), Just("2026-01-01".to_owned()),
        ],
    ) {
        let mut lines: Vec<String> = GOOD.lines().map(str::to_owned).collect();
        if let Some((key, _)) = lines[line].clone().split_once('=') {
            lines[line] = format!("{key}= {value}");
        }
        let _ = parse(&lines.join("\n"));
    }
}

#[test]
fn a_compressed_model_tells_its_base() {
    let table = "[compression]\nbase = \"big\"\nbase_sha256 = \"00\"\nmethod = \"int8\"\ncalibration_images = 9\n\
                 calibration_sha256 = \"11\"\ntool_version = \"0.1.0\"\n\
                 [[compression.steps]]\nmethod = \"structured\"\nrate = 0.3\n\
                 [[compression.steps]]\nmethod = \"int8\"\nexclude = [\"conv_0\"]\n";
    let manifest = parse(&format!("{GOOD}\n{table}")).unwrap();
    let compression = manifest.compression.clone().unwrap();
    assert_eq!((compression.base.as_str(), compression.calibration_images), ("big", Some(9)));
    assert_eq!(compression.steps[1]["exclude"][0].as_str(), Some("conv_0"));
    assert_eq!(parse(&toml::to_string(&manifest).unwrap()).unwrap(), manifest);
    let found = complaint(&format!("{GOOD}\n{}", table.replace("method", "methode")));
    assert!(found.message.contains("did you mean `method`"), "{found:?}");
}
