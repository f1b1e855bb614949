//! Pictures and folders for tests.

use std::path::{Path, PathBuf};

use opencv::core::{Mat, MatTraitConst as _, Vector};
use opencv::{imgcodecs, imgproc};
use roadproof::detector::ModelManifest;

/// A manifest of classes `car`, `bicycle`, `traffic light`.
pub(crate) fn manifest(width: u32, height: u32, resize: &str) -> ModelManifest {
    let pad = if resize == "stretch" { "" } else { "pad_value = 114\n" };
    let text = format!(
        "format = 1\nname = \"test\"\nfile = \"test.onnx\"\n\
         [input]\nwidth = {width}\nheight = {height}\ncolour = \"bgr\"\nmean = [103.5, 116.3, 123.7]\n\
         std = [57.4, 57.1, 58.4]\nresize = \"{resize}\"\n{pad}\
         [decoder]\ntype = \"yolov8\"\n\
         [thresholds]\nscore = 0.4\nnms_iou = 0.6\nmax_detections = 100\n\
         [classes]\nnames = [\"car\", \"bicycle\", \"traffic light\"]\n"
    );
    ModelManifest::from_toml(&text, "test.toml").unwrap()
}

/// Writes a picture, as JPEG or PNG by the name of the file.
pub(crate) fn write(path: &Path, width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) {
    let rgb: Vec<u8> =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
    let rows = height.cast_signed();
    let rgb = Mat::new_rows_cols_with_bytes::<u8>(rows, width.cast_signed() * 3, &rgb).unwrap();
    let mut bgr = Mat::default();
    imgproc::cvt_color_def(&rgb.reshape(3, rows).unwrap(), &mut bgr, imgproc::COLOR_RGB2BGR).unwrap();
    let suffix = format!(".{}", path.extension().unwrap().to_str().unwrap());
    let mut file = Vector::<u8>::new();
    assert!(imgcodecs::imencode(&suffix, &bgr, &mut file, &Vector::new()).unwrap());
    std::fs::write(path, file.as_slice()).unwrap();
}

/// A pixel of a picture that looks like no other number's.
pub(crate) fn scene(number: u32, x: u32, y: u32) -> [u8; 3] {
    [(x * 3 + number * 40) as u8, (y * 5 + number * 11) as u8, (x + y) as u8]
}

/// A folder of `count` pictures `00.jpg`, `01.jpg` … of 80 x 60 pixels and more, each of another size.
pub(crate) fn pictures(count: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        let path = folder.path().join(format!("{number:02}.jpg"));
        write(&path, 80 + 7 * (number % 5), 60 + 5 * (number % 3), |x, y| scene(number, x, y));
    }
    folder
}

/// The same as a YOLO dataset of classes `Car`, `bicycle`, `tram`, with these lines as labels.
pub(crate) fn labelled(count: u32, lines: impl Fn(u32) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for name in ["images", "labels"] {
        std::fs::create_dir(path.join(name)).unwrap();
    }
    std::fs::write(path.join("classes.txt"), "Car\nbicycle\ntram\n").unwrap();
    for number in 0..count {
        write(&path.join(format!("images/{number:02}.png")), 80, 60, |x, y| scene(number, x, y));
        std::fs::write(path.join(format!("labels/{number:02}.txt")), lines(number)).unwrap();
    }
    folder
}

/// A folder of the data for measurements, if this machine has it; says so where not.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = above.map(|folder| folder.join("shared/data").join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: there is no shared/data/{name} here");
    }
    found
}
