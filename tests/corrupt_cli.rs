//! `roadproof corrupt` as a user calls it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program from end to end")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use opencv::core::{CV_8UC3, Mat, MatTraitConst, Scalar, Size};
use opencv::videoio::{
    VideoCapture, VideoCaptureTrait, VideoCaptureTraitConst, VideoWriter, VideoWriterTrait,
};
use opencv::{imgcodecs, videoio};

fn scene() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corruption/recorded/scene.png")
}

fn corrupt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roadproof")).arg("corrupt").args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Exit code and message of a call that must fail.
fn refused(arguments: &[&str]) -> String {
    let output = corrupt(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_image_becomes_an_image_and_the_same_call_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = ["a.png", "b.png"].map(|name| folder.path().join(name));
    for (output, threads) in outputs.iter().zip(["1", "3"]) {
        let scene = scene();
        let arguments = [
            text(&scene),
            "--corruption",
            "fog:2.5",
            "--corruption",
            "gaussian_noise:1",
            "--seed",
            "7",
            "-o",
            text(output),
        ];
        let output = corrupt(&[&arguments[..], &["--threads", threads]].concat());
        assert!(output.status.success(), "{output:?}");
    }
    let [a, b] = outputs.map(|path| std::fs::read(path).unwrap());
    assert!(a == b);
    assert_ne!(a, std::fs::read(scene()).unwrap());
}

#[test]
fn a_folder_becomes_a_folder_of_the_same_names() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    std::fs::create_dir(&input).unwrap();
    for name in ["b.png", "a.png"] {
        std::fs::copy(scene(), input.join(name)).unwrap();
    }
    std::fs::write(input.join("notes.txt"), "not an image").unwrap();
    let output = folder.path().join("out");
    let result = corrupt(&[text(&input), "--corruption", "snow:3", "-o", text(&output)]);
    assert!(result.status.success(), "{result:?}");
    let mut names: Vec<_> = std::fs::read_dir(&output)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a.png", "b.png"]);
    let [a, b] = ["a.png", "b.png"].map(|name| std::fs::read(output.join(name)).unwrap());
    assert!(a != b, "each frame has snow of its own");
}

#[test]
fn a_video_becomes_a_video_of_as_many_frames() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.avi"), folder.path().join("out.mp4"));
    let fourcc = VideoWriter::fourcc('M', 'J', 'P', 'G').unwrap();
    let mut writer = VideoWriter::new(text(&input), fourcc, 20.0, Size::new(96, 64), true).unwrap();
    for index in 0..9 {
        let frame =
            Mat::new_rows_cols_with_default(64, 96, CV_8UC3, Scalar::all(f64::from(index * 20))).unwrap();
        writer.write(&frame).unwrap();
    }
    writer.release().unwrap();
    let result =
        corrupt(&[text(&input), "--corruption", "rain:2", "--weather", "coherent", "-o", text(&output)]);
    assert!(result.status.success(), "{result:?}");
    let mut reader = VideoCapture::from_file(text(&output), videoio::CAP_ANY).unwrap();
    assert!((reader.get(videoio::CAP_PROP_FPS).unwrap() - 20.0).abs() < 0.1);
    let (mut frame, mut count) = (Mat::default(), 0);
    while reader.read(&mut frame).unwrap() {
        assert_eq!(frame.size().unwrap(), Size::new(96, 64));
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn the_gallery_is_one_sheet_and_the_list_names_everything() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = folder.path().join("sheet.png");
    assert!(corrupt(&["--gallery", text(&scene()), "-o", text(&sheet)]).status.success());
    let sheet = imgcodecs::imread(text(&sheet), imgcodecs::IMREAD_COLOR).unwrap();
    assert!(sheet.rows() > 20 * 100 && sheet.cols() > 6 * 200, "{:?}", sheet.size());
    let list = corrupt(&["--list", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().iter().filter(|c| c["benchmark"] == true).count(), 15);
}

#[test]
fn times_are_those_of_the_corruptions_asked_for() {
    let output = corrupt(&[text(&scene()), "--time", "3", "--corruption", "fog:2", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["corruptions"].as_array().unwrap().len(), 1);
    assert_eq!(found["corruptions"][0]["name"], "fog");
    assert!(
        found["corruptions"][0]["p99_ms"].as_f64().unwrap()
            >= found["corruptions"][0]["p50_ms"].as_f64().unwrap()
    );
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.png");
    let (scene, out) = (scene(), text(&output).to_owned());
    let scene = text(&scene);
    let step = |step: &'static str| refused(&[scene, "--corruption", step, "-o", &out]);
    assert!(step("fogg:2").contains("did you mean 'fog'"), "{}", step("fogg:2"));
    for severity in ["fog:6", "fog:-1", "fog:NaN"] {
        let message = step(severity);
        assert!(message.contains("severity") && message.contains('5'), "{message}");
    }
    assert!(refused(&[scene, "-o", &out]).contains("--corruption"));
    assert!(refused(&[scene, "--corruption", "fog:2", "-o", scene]).contains("not overwritten"));
    assert!(refused(&["/nowhere.png", "--corruption", "fog:2", "-o", &out]).contains("/nowhere.png"));

    let tiny = folder.path().join("tiny.png");
    let picture = Mat::new_rows_cols_with_default(31, 64, CV_8UC3, Scalar::all(9.0)).unwrap();
    imgcodecs::imwrite_def(text(&tiny), &picture).unwrap();
    let message = refused(&[text(&tiny), "--corruption", "fog:2", "-o", &out]);
    assert!(message.contains("32") && message.contains("31"), "{message}");

    let half = folder.path().join("half.png");
    let whole = std::fs::read(scene).unwrap();
    std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let message = refused(&[text(&half), "--corruption", "fog:2", "-o", &out]);
    assert!(message.contains("half.png"), "{message}");
    let noise = folder.path().join("noise.mp4");
    std::fs::write(&noise, [7_u8; 500]).unwrap();
    let message = refused(&[text(&noise), "--corruption", "fog:2", "-o", text(&folder.path().join("o.mp4"))]);
    assert!(message.contains("noise.mp4"), "{message}");
    assert!(!output.exists());
}
