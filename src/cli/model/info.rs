use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use roadproof::compress::graph::Model;
use roadproof::compress::inspect::{Inspection, Placement, inspect};
use roadproof::detector::manifest::{CompressionSpec, TuningSpec};
use roadproof::detector::{ModelManifest, Provider};
use serde_json::json;

/// Say what a model holds and costs: operators, parameters, arithmetic and memory per image, layer by layer.
///
/// Multiply-accumulates (MACs) are those of convolutions and matrix products. Shapes come from a run on zeros.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof model info models/nanodet-g.toml --layers
  roadproof model info compressed/nanodet-g-int8.toml --provider cuda,tensorrt
  roadproof model info exported.onnx --json")]
pub(in crate::cli) struct Args {
    /// Model manifest, or an ONNX file whose input has a fixed shape.
    #[arg(value_name = "MODEL.toml|MODEL.onnx")]
    model: PathBuf,
    /// Print every node.
    #[arg(long)]
    layers: bool,
    /// Run the model once on each of these (tensorrt, `nv_tensorrt_rtx`, cuda, cpu), and say which nodes it does not take.
    #[arg(long = "provider", value_name = "NAME", value_delimiter = ',')]
    providers: Vec<Provider>,
    /// Write JSON, with every node.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let is_onnx = args.model.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("onnx"));
    let manifest = if is_onnx { None } else { Some(ModelManifest::load(&args.model)?) };
    let (path, sha256) = match &manifest {
        Some(manifest) => (manifest.model_path(), manifest.sha256.as_deref()),
        None => (args.model.clone(), None),
    };
    let model = Model::load(&path, sha256)?;
    let shape = match &manifest {
        Some(manifest) => manifest.input.shape().to_vec(),
        None => model.input_shape().context(
            "without its manifest (MODEL.toml), which says the size of its input, a model has to have a fixed one",
        )?,
    };
    let found = inspect(&model, &shape)?;
    let placements: Result<Vec<Placement>, _> =
        args.providers.iter().map(|provider| Placement::of(&model, &shape, *provider)).collect();
    let placements = placements?;
    let bytes = std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?.len();
    let compression = manifest.as_ref().and_then(|manifest| manifest.compression.as_ref());
    let tuning = manifest.as_ref().and_then(|manifest| manifest.tuning.as_ref());
    if args.json {
        let result = json!({
            "name": manifest.as_ref().map(|manifest| &manifest.name),
            "onnx": path,
            "sha256": model.sha256(),
            "bytes": bytes,
            "model": found,
            "compression": compression,
            "tuning": tuning,
            "placement": placements,
        });
        return show(&format!("{result:#}\n"));
    }
    let mut text = match &manifest {
        Some(manifest) => format!("{}: {}\n", manifest.name, path.display()),
        None => format!("{}\n", path.display()),
    };
    write_model(&mut text, &found, bytes, model.sha256())?;
    if let Some(compression) = compression {
        write_compression(&mut text, compression)?;
    }
    if let Some(tuning) = tuning {
        write_tuning(&mut text, tuning)?;
    }
    for placement in &placements {
        write_placement(&mut text, placement)?;
    }
    if args.layers {
        write_layers(&mut text, &found)?;
    }
    show(&text)
}

/// Prints a text that may be long; who reads only its beginning (`| head`) is right to.
fn show(text: &str) -> anyhow::Result<ExitCode> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn write_model(text: &mut String, found: &Inspection, bytes: u64, sha256: &str) -> std::fmt::Result {
    writeln!(text, "  sha256       {sha256}")?;
    writeln!(text, "  file         {:.2} MB", bytes as f64 / 1e6)?;
    let sets: Vec<String> =
        found.operator_sets.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let format = found.ir_version.map_or("?".to_owned(), |version| version.to_string());
    writeln!(text, "  operators    {} (format {format})", sets.join(", "))?;
    if !found.producer.is_empty() {
        writeln!(text, "  producer     {} {}", found.producer, found.producer_version)?;
    }
    for (what, tensors) in [("input", &found.inputs), ("output", &found.outputs)] {
        for tensor in tensors {
            writeln!(text, "  {what:12} {} {} {:?}", tensor.name, tensor.data_type, tensor.shape)?;
        }
    }
    let mut operators: Vec<_> = found.operators.iter().collect();
    operators.sort_by(|a, b| b.1.cmp(a.1));
    let operators: Vec<String> = operators.iter().map(|(name, count)| format!("{count} {name}")).collect();
    writeln!(text, "  nodes        {}: {}", found.nodes, operators.join(", "))?;
    let parameters = &found.parameters;
    writeln!(
        text,
        "  parameters   {} in {:.2} MB, {:.1} % zero",
        parameters.elements,
        parameters.bytes as f64 / 1e6,
        100.0 * parameters.sparsity()
    )?;
    for (kind, count) in &found.constants {
        writeln!(text, "    {kind:10} {} in {:.2} MB", count.elements, count.bytes as f64 / 1e6)?;
    }
    writeln!(text, "  arithmetic   {:.1} million MACs per image", found.macs as f64 / 1e6)?;
    writeln!(
        text,
        "  activations  {:.2} MB in all, at most {:.2} MB at once ({})",
        found.memory.total_bytes as f64 / 1e6,
        found.memory.peak_bytes as f64 / 1e6,
        found.memory.peak_node.as_deref().unwrap_or("no node")
    )?;
    Ok(())
}

fn write_compression(text: &mut String, compression: &CompressionSpec) -> std::fmt::Result {
    writeln!(text, "  made from    {} ({})", compression.base, compression.base_sha256)?;
    writeln!(text, "    method     {}", compression.method)?;
    if let Some(images) = compression.calibration_images {
        writeln!(text, "    calibrated on {images} images")?;
    }
    writeln!(text, "    by         roadproof {}", compression.tool_version)?;
    Ok(())
}

fn write_tuning(text: &mut String, tuning: &TuningSpec) -> std::fmt::Result {
    writeln!(text, "  tuned by     {} ({})", tuning.parent, tuning.parent_sha256)?;
    writeln!(text, "    method     {}", tuning.method)?;
    writeln!(text, "    {} steps of {} on {} images", tuning.steps, tuning.batch, tuning.images)?;
    writeln!(text, "    by         roadproof-tune {}", tuning.tool_version)?;
    Ok(())
}

fn write_placement(text: &mut String, placement: &Placement) -> std::fmt::Result {
    writeln!(
        text,
        "  {:12} takes {} of {} nodes{}",
        placement.provider.name(),
        placement.taken,
        placement.taken + placement.elsewhere.len(),
        match placement.copies {
            0 => String::new(),
            copies => format!(", {copies} copies between memories"),
        }
    )?;
    for placed in &placement.elsewhere {
        writeln!(text, "    {} ({}) runs on {}", placed.node, placed.operator, placed.provider)?;
    }
    Ok(())
}

fn write_layers(text: &mut String, found: &Inspection) -> std::fmt::Result {
    let width = found.layers.iter().map(|layer| layer.node.chars().count()).max().unwrap_or(0).max(4);
    let operator = found.layers.iter().map(|layer| layer.operator.len()).max().unwrap_or(0).max(8);
    writeln!(
        text,
        "{:width$}  {:operator$}  {:20}  {:>10}  {:>12}  {:>6}  {:8}  {:8}",
        "node", "operator", "output", "parameters", "MACs", "zero", "weights", "computes"
    )?;
    for layer in &found.layers {
        let shape: Vec<String> = layer.output_shape.iter().map(ToString::to_string).collect();
        let zero = match layer.weights.elements {
            0 => String::new(),
            _ => format!("{:.1} %", 100.0 * layer.weights.sparsity()),
        };
        let line = format!(
            "{:width$}  {:operator$}  {:20}  {:>10}  {:>12}  {zero:>6}  {:8}  {:8}",
            layer.node,
            layer.operator,
            shape.join("×"),
            layer.parameters.elements,
            layer.macs,
            layer.weight_type.unwrap_or_default(),
            layer.precision.unwrap_or_default()
        );
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}
