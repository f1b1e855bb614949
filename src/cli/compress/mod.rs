use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use roadproof::compress::CalibrationImages;
use roadproof::compress::Progress;
use roadproof::compress::graph::{Model, write_whole};
use roadproof::compress::int8::{self, Activations, Calibration, Options, Report};
use roadproof::detector::ModelManifest;
use roadproof::detector::manifest::CompressionSpec;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Make a smaller, faster variant of a model: 8-bit integers instead of floats.
///
/// The float model is run on calibration images to learn the ranges of its activations; labels do not matter. Writes
/// NAME.onnx and its manifest NAME.toml. What was lost tells `roadproof evaluate -m MODEL.toml -m NAME.toml`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof compress models/nanodet-g.toml --int8 --calibrate coco128/ -o compressed/
  roadproof compress model.toml --int8 --calibrate frames/ --calibration percentile --exclude conv_0 -o out/ --name model-int8
  roadproof evaluate coco128/ -m models/nanodet-g.toml -m compressed/nanodet-g-int8.toml")]
pub(crate) struct Args {
    /// Model manifest.
    model: PathBuf,
    /// Quantise to 8 bits.
    #[arg(long, required = true, requires = "calibrate")]
    int8: bool,
    /// Folder of images, or a labelled dataset as `evaluate` reads it.
    #[arg(long, value_name = "DATASET_OR_FOLDER")]
    calibrate: Option<PathBuf>,
    /// At most so many of the images, evenly spread.
    #[arg(long, value_name = "N", default_value_t = 128)]
    calibration_images: usize,
    /// How much of an activation's range is kept.
    #[arg(long, value_enum, default_value_t = CalibrationName::Minmax)]
    calibration: CalibrationName,
    /// Of --calibration percentile: percent of the values that are kept.
    #[arg(long, value_name = "PERCENT", default_value_t = 99.99)]
    percentile: f64,
    /// Integers of the activations: uint8 for ONNX Runtime's CPU, int8 (symmetric) for TensorRT.
    #[arg(long, value_enum, default_value_t = ActivationName::Uint8)]
    activations: ActivationName,
    /// Nodes that stay in float.
    #[arg(long, alias = "keep-fp32", value_name = "NODE", num_args = 1.., value_delimiter = ',')]
    exclude: Vec<String>,
    /// Keep so many more in float: those whose weights suffer most from rounding.
    #[arg(long, value_name = "N", default_value_t = 0)]
    exclude_worst: usize,
    /// Folder of the result.
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Name of the result; the model's with `-int8` if not given.
    #[arg(long)]
    name: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CalibrationName {
    /// Everything that calibration saw.
    Minmax,
    /// All but the rarest values.
    Percentile,
    /// Least mean squared error.
    Mse,
    /// Least Kullback-Leibler divergence.
    Entropy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ActivationName {
    Uint8,
    Int8,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let base = ModelManifest::load(&args.model)?;
    let name = args.name.clone().unwrap_or_else(|| format!("{}-int8", base.name));
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
        bail!("--name: expected a name that a file can have, found '{name}'");
    }
    if !(50.0..=100.0).contains(&args.percentile) {
        bail!("--percentile: expected 50 to 100, found {}", args.percentile);
    }
    let onnx = args.output.join(format!("{name}.onnx"));
    let toml = args.output.join(format!("{name}.toml"));
    for (written, read) in [(&onnx, base.model_path()), (&toml, args.model.clone())] {
        if same_file(written, &read) {
            bail!(
                "{} would overwrite the model that it is made from: give another --name",
                written.display()
            );
        }
    }
    let calibrate = args.calibrate.as_deref().context("--calibrate: no images are given")?;
    let images = CalibrationImages::open(calibrate, Some(args.calibration_images))?;
    let model = Model::load(&base.model_path(), base.sha256.as_deref())?;
    let options = options(args);
    let bar = ProgressBar::new(0)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} calibration runs, {eta} left")?);
    let (quantised, report) =
        int8::quantise(&model, &base.input, &images, &options, &mut |Progress { done, total, .. }| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        })?;
    bar.finish_and_clear();

    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make the folder {}", args.output.display()))?;
    let bytes = quantised.save(&onnx)?;
    let manifest = manifest(&base, &model, &images, &options, &name, &bytes)?;
    write_whole(&toml, toml::to_string(&manifest)?.as_bytes())?;
    // what was written has to be readable
    let manifest = ModelManifest::load(&toml)?;

    let before = std::fs::metadata(base.model_path())?.len();
    let after = bytes.len() as u64;
    if args.json {
        let result = json!({
            "name": manifest.name,
            "onnx": onnx,
            "manifest": toml,
            "sha256": manifest.sha256,
            "bytes": after,
            "base_bytes": before,
            "compression": manifest.compression,
            "quantised": report,
        });
        println!("{result:#}");
    } else {
        print(&report);
        println!(
            "{}: {:.2} MB, {:.1} % of {:.2} MB",
            onnx.display(),
            after as f64 / 1e6,
            100.0 * after as f64 / before.max(1) as f64,
            before as f64 / 1e6
        );
        println!("{}", toml.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn options(args: &Args) -> Options {
    Options {
        calibration: match args.calibration {
            CalibrationName::Minmax => Calibration::Minmax,
            CalibrationName::Percentile => Calibration::Percentile,
            CalibrationName::Mse => Calibration::Mse,
            CalibrationName::Entropy => Calibration::Entropy,
        },
        percentile: args.percentile,
        activations: match args.activations {
            ActivationName::Uint8 => Activations::Uint8,
            ActivationName::Int8 => Activations::Int8,
        },
        exclude: args.exclude.clone(),
        exclude_worst: args.exclude_worst,
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn manifest(
    base: &ModelManifest,
    model: &Model,
    images: &CalibrationImages,
    options: &Options,
    name: &str,
    bytes: &[u8],
) -> anyhow::Result<ModelManifest> {
    let mut manifest = base.clone();
    name.clone_into(&mut manifest.name);
    manifest.file = PathBuf::from(format!("{name}.onnx"));
    manifest.sha256 = Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect());
    // the names are in the manifest after loading; their file lies elsewhere
    manifest.classes.file = None;
    manifest.compression = Some(CompressionSpec {
        base: base.name.clone(),
        base_sha256: model.sha256().to_owned(),
        method: format!("int8 weights, {} activations, {}", options.activations, options.calibration),
        calibration_images: Some(images.paths().len()),
        calibration_sha256: Some(images.sha256()?),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    });
    Ok(manifest)
}

fn print(report: &Report) {
    let width = report.nodes.iter().map(|node| node.name.len()).max().unwrap_or(0).max(4);
    println!("{:width$}  operator  {:>9}  scales  SQNR of the weights", "node", "weights");
    for node in &report.nodes {
        println!(
            "{:width$}  {:8}  {:>9}  {:>6}  {:5.1} dB",
            node.name, node.operator, node.weights, node.channels, node.sqnr_db
        );
    }
    println!(
        "{} nodes with integer weights, {} more in integers, {} activations; {} nodes stay in float{}{}",
        report.nodes.len(),
        report.through.len(),
        report.tensors,
        report.float.len(),
        if report.float.is_empty() { "" } else { ": " },
        report.float.join(", ")
    );
}
