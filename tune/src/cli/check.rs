//! `roadproof-tune check`

use std::path::PathBuf;
use std::process::ExitCode;

use roadproof::compress::graph::Model;
use roadproof::detector::ModelManifest;
use roadproof_tune::engine::{Net, Role};
use roadproof_tune::train::ParentModel;
use serde_json::json;

/// Says whether a model can be trained, and compares its outputs with ONNX Runtime's
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  roadproof-tune check models/nanodet-g.toml")]
pub(super) struct Args {
    /// The model's manifest
    manifest: PathBuf,
    /// Largest difference of an output, over its range, that is taken
    #[arg(long, default_value_t = 1e-4)]
    tolerance: f64,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let manifest = ModelManifest::load(&args.manifest)?;
    let model = Model::load(&manifest.model_path(), manifest.sha256.as_deref())?;
    let (net, parameters) = Net::load(&model, &manifest.input.shape(), &|_| false)?;
    let names: Vec<String> = net.outputs().iter().map(|id| net.name(*id).to_owned()).collect();
    let mut session = ParentModel::load(&manifest)?.giving(&names)?.open()?;
    // any input will do; this one is neither flat nor all of one sign
    let input = roadproof_tune::tensor::Tensor::from_fn(net.input_dims(), |index| {
        (index as f32 * 0.37).sin() + (index as f32 * 0.0113).cos()
    });
    let tape = net.forward(&parameters, input.clone())?;
    let expected = session.run(&input)?;
    let mut outputs = Vec::new();
    for ((id, name), expected) in net.outputs().iter().zip(&names).zip(expected) {
        let found = tape.tensor(*id).map_or(&[][..], |tensor| tensor.data());
        let range = expected
            .data()
            .iter()
            .fold([f32::MAX, f32::MIN], |[low, high], value| [low.min(*value), high.max(*value)]);
        let range = f64::from((range[1] - range[0]).max(f32::MIN_POSITIVE));
        let differences = found.iter().zip(expected.data()).map(|(a, b)| f64::from((a - b).abs()));
        let difference = differences.fold(0.0, f64::max) / range;
        let complete = found.len() == expected.len();
        outputs.push((name, if complete { difference } else { f64::INFINITY }));
    }
    let good = outputs.iter().all(|(_, difference)| *difference <= args.tolerance);
    let weights: usize = parameters
        .items
        .iter()
        .filter(|parameter| parameter.role == Role::Weight)
        .map(|parameter| parameter.tensor.len())
        .sum();
    if args.json {
        let outputs: Vec<_> = outputs
            .iter()
            .map(|(name, difference)| json!({ "name": name, "difference": difference }))
            .collect();
        let result = json!({
            "name": manifest.name,
            "parameters": parameters.items.len(),
            "elements": parameters.count(),
            "weights": weights,
            "outputs": outputs,
            "agrees": good,
        });
        println!("{result:#}");
    } else {
        println!(
            "{}: {} parameters with {} elements, {weights} of them weights, can be trained",
            manifest.name,
            parameters.items.len(),
            parameters.count()
        );
        for (name, difference) in &outputs {
            println!("  {name}: differs from ONNX Runtime by {difference:.1e} of its range");
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
