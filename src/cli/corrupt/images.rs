//! Image files and folders of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use opencv::core::{Mat, MatTraitConst, Vector};
use opencv::{imgcodecs, imgproc};
use roadproof::corruption::Picture;
use roadproof::data::{IMAGE_SUFFIXES, is_image_file};
use roadproof::image::{CompressedDecoder, DecodeLimits};

use super::{Args, apply};

/// Quality of JPEG files that are written.
const JPEG_QUALITY: i32 = 95;

pub(super) fn read(path: &Path) -> anyhow::Result<Picture> {
    let data = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut decoder = CompressedDecoder::new(DecodeLimits::default());
    let mut picture = Picture::default();
    let decoded = decoder.decode("", &data).with_context(|| path.display().to_string())?;
    picture.assign(&decoded).with_context(|| path.display().to_string())?;
    Ok(picture)
}

/// The picture as OpenCV takes it.
pub(super) fn to_bgr(picture: &Picture, bgr: &mut Mat) -> anyhow::Result<()> {
    let rows = i32::try_from(picture.height())?;
    let flat =
        Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(picture.width() * 3)?, picture.data())?;
    Ok(imgproc::cvt_color_def(&flat.reshape(3, rows)?, bgr, imgproc::COLOR_RGB2BGR)?)
}

/// An image file, JPEG or PNG by `suffix`.
pub(super) fn encode(picture: &Picture, suffix: &str) -> anyhow::Result<Vector<u8>> {
    let (mut bgr, mut file) = (Mat::default(), Vector::new());
    to_bgr(picture, &mut bgr)?;
    let options = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, JPEG_QUALITY]);
    let done = imgcodecs::imencode(&format!(".{suffix}"), &bgr, &mut file, &options)?;
    anyhow::ensure!(done, "cannot encode the image");
    Ok(file)
}

/// Writes to a name of its own first, so that nobody takes half a file for a whole one.
pub(super) fn write(picture: &Picture, path: &Path) -> anyhow::Result<()> {
    let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or("png").to_ascii_lowercase();
    if !IMAGE_SUFFIXES.contains(&suffix.as_str()) {
        bail!("{}: expected a name that ends in .png or .jpg", path.display());
    }
    let file = encode(picture, &suffix)?;
    let partial = path.with_extension(format!("{suffix}.part"));
    std::fs::write(&partial, file.as_slice())
        .with_context(|| format!("{} cannot be written", partial.display()))?;
    std::fs::rename(&partial, path).with_context(|| format!("{} cannot be written", path.display()))
}

/// Corrupts one image, or all of a folder in the order of their names.
pub(super) fn corrupt(args: &Args, input: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let (files, others) = if input.is_dir() { folder(input)? } else { (vec![input.to_owned()], 0) };
    if input.is_dir() {
        std::fs::create_dir_all(output)
            .with_context(|| format!("cannot make the folder {}", output.display()))?;
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} images, {eta} left")?;
    let bar = if files.len() > 1 { ProgressBar::new(files.len() as u64) } else { ProgressBar::hidden() };
    let bar = bar.with_style(style);
    let mut corruptor = args.corruptor();
    let (mut failures, mut dropped) = (0, 0);
    for (index, file) in files.iter().enumerate() {
        let to = match file.file_name() {
            Some(name) if input.is_dir() => output.join(name),
            _ => output.to_owned(),
        };
        let mut one = || -> anyhow::Result<bool> {
            let mut picture = read(file)?;
            let delivered = apply(&mut corruptor, &mut picture, &args.corruptions, index as u64)?;
            if delivered {
                write(&picture, &to)?;
            }
            Ok(delivered)
        };
        match one() {
            Ok(true) => {}
            Ok(false) => dropped += 1,
            Err(error) => {
                failures += 1;
                bar.suspend(|| eprintln!("roadproof: {error:#}"));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    eprintln!("{} of {} images written, {dropped} dropped", files.len() - failures - dropped, files.len());
    if others > 0 {
        eprintln!("{others} other files and folders in {} were left alone", input.display());
    }
    if failures > 0 {
        bail!("{failures} of {} images could not be used", files.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// The images of a folder in the order of their names, and how many other entries there are.
fn folder(path: &Path) -> anyhow::Result<(Vec<PathBuf>, usize)> {
    let entries = std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (mut files, mut others) = (Vec::new(), 0);
    for entry in entries {
        let file = entry?.path();
        if is_image_file(&file) {
            files.push(file);
        } else {
            others += 1;
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("{} holds no images (.jpg, .jpeg, .png)", path.display());
    }
    Ok((files, others))
}
