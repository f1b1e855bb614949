use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use opencv::core::{Mat, MatTraitConst, Vector};
use opencv::imgcodecs;
use roadproof::detector::{Detector, ModelManifest, Thresholds};
use roadproof::image::DecodeLimits;
use roadproof::pipeline::{Annotator, Frame, FramePixels, Pipeline, Processed, Treatment};
use serde::Serialize;

/// Detect objects in image files (JPEG, PNG).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  roadproof detect --model models/nanodet-g.toml --annotate out/ street.jpg
  roadproof detect --model models/nanodet-g.toml --json *.jpg | jq '.detections[].class'")]
pub(crate) struct Args {
    /// Image files.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Model manifest.
    #[arg(long, short, value_name = "TOML")]
    model: PathBuf,
    /// Lowest score; the manifest's if not given.
    #[arg(long, value_name = "0..1")]
    score: Option<f32>,
    /// Write one JSON object per image instead of a table.
    #[arg(long)]
    json: bool,
    /// Folder for copies of the images with the detections drawn in.
    #[arg(long, value_name = "FOLDER")]
    annotate: Option<PathBuf>,
    #[command(flatten)]
    session: super::SessionArgs,
}

#[derive(Serialize)]
struct ImageResult<'a> {
    image: &'a Path,
    width: u32,
    height: u32,
    detections: Vec<Found<'a>>,
}

/// A detection, its box in pixels of the original image.
#[derive(Serialize)]
struct Found<'a> {
    class: &'a str,
    class_id: u32,
    score: f32,
    x_min: f32,
    y_min: f32,
    x_max: f32,
    y_max: f32,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let manifest = ModelManifest::load(&args.model)?;
    let detector = Detector::load(&manifest, &args.session.options(), &mut |_| ())?;
    let mut thresholds = manifest.thresholds();
    if let Some(score) = args.score {
        thresholds.publish_from(score);
    }
    thresholds.validate(detector.class_names().len())?;
    if let Some(folder) = &args.annotate {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut job = Job {
        args,
        thresholds,
        pipeline: Pipeline::new(detector, 1, DecodeLimits::default()),
        processed: Processed::default(),
        annotator: Annotator::default(),
    };
    let bar = progress(args.images.len());
    let mut failures = 0;
    for image in &args.images {
        if let Err(error) = job.image(image) {
            failures += 1;
            bar.suspend(|| eprintln!("roadproof: {}: {error:#}", image.display()));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if failures > 0 {
        bail!("{failures} of {} images could not be used", args.images.len());
    }
    Ok(ExitCode::SUCCESS)
}

struct Job<'a> {
    args: &'a Args,
    thresholds: Thresholds,
    pipeline: Pipeline,
    processed: Processed,
    annotator: Annotator,
}

impl Job<'_> {
    fn image(&mut self, path: &Path) -> anyhow::Result<()> {
        let data = std::fs::read(path).context("cannot be read")?;
        let pixels = FramePixels::Compressed { format: "", data: &data };
        let frame = Frame { camera: 0, stamp_ns: 0, frame_id: "", pixels };
        let (thresholds, annotator) = (&self.thresholds, &mut self.annotator);
        let annotate = self.args.annotate.as_deref().map(|folder| annotated_path(folder, path));
        self.pipeline.process_then(
            &frame,
            Treatment::Clean,
            thresholds,
            &mut self.processed,
            |pixels, processed, detector| {
                let Some(to) = annotate else { return anyhow::Ok(()) };
                let published = processed.detections.iter().filter(|d| thresholds.publishes(d));
                let drawn = annotator.annotate(pixels, published, detector.class_names())?;
                let rows = i32::try_from(drawn.height)?;
                let flat =
                    Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(drawn.width * 3)?, drawn.bgr)?;
                let to = to.to_str().context("the folder's name is not UTF-8")?;
                if !imgcodecs::imwrite(to, &flat.reshape(3, rows)?, &Vector::new())? {
                    bail!("cannot write {to}");
                }
                Ok(())
            },
        )??;
        self.print(path)
    }

    fn print(&self, path: &Path) -> anyhow::Result<()> {
        let names = self.pipeline.detector().class_names();
        let published = self.processed.detections.iter().filter(|d| self.thresholds.publishes(d));
        let found = published.map(|d| Found {
            class: names.get(d.class_id as usize).map_or("?", String::as_str),
            class_id: d.class_id,
            score: d.score,
            x_min: d.bbox.x_min,
            y_min: d.bbox.y_min,
            x_max: d.bbox.x_max,
            y_max: d.bbox.y_max,
        });
        let (width, height) = (self.processed.width, self.processed.height);
        let result = ImageResult { image: path, width, height, detections: found.collect() };
        let mut out = std::io::stdout().lock();
        if self.args.json {
            serde_json::to_writer(&mut out, &result)?;
            writeln!(out)?;
            return Ok(());
        }
        writeln!(out, "{} ({width} × {height}): {} detections", path.display(), result.detections.len())?;
        for d in &result.detections {
            writeln!(
                out,
                "  {:<16} {:.2}  ({:.0}, {:.0}) – ({:.0}, {:.0})",
                d.class, d.score, d.x_min, d.y_min, d.x_max, d.y_max
            )?;
        }
        Ok(())
    }
}

fn annotated_path(folder: &Path, image: &Path) -> PathBuf {
    let mut name = image.file_stem().unwrap_or_default().to_owned();
    name.push(".png");
    folder.join(name)
}

fn progress(images: usize) -> ProgressBar {
    if images < 10 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} images, {eta} left");
    ProgressBar::new(images as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
