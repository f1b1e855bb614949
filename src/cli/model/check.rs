use std::path::PathBuf;
use std::process::ExitCode;

use roadproof::detector::{Detector, ModelManifest, Placement};
use serde_json::json;

/// Load a model as the node would: hash, session, shapes against the decoder, warm-up.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof model check models/nanodet-g.toml
  roadproof model check models/nanodet-g.toml --provider tensorrt,cuda,cpu --prefer")]
pub(in crate::cli) struct Args {
    /// Model manifest.
    manifest: PathBuf,
    /// Write JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: crate::cli::SessionArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let manifest = ModelManifest::load(&args.manifest)?;
    let detector = Detector::load(&manifest, &args.session.options(), &mut |phase| {
        tracing::info!("{phase}");
    })?;
    let info = detector.info();
    if args.json {
        let info = json!({
            "name": info.name,
            "sha256": info.sha256,
            "decoder": info.decoder.to_string(),
            "input": { "width": info.input_width, "height": info.input_height },
            "classes": info.class_names,
            "provider": info.provider.to_string(),
            "frames_on": info.gpu,
            "placement": info.placement,
            "share": info.placement.as_ref().map(Placement::share),
            "warnings": info.warnings,
            "onnxruntime": info.runtime_version,
        });
        println!("{info:#}");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}: fine", info.name);
    println!("  sha256       {}", info.sha256);
    println!("  decoder      {}", info.decoder);
    println!("  input        {} × {} px", info.input_width, info.input_height);
    println!("  classes      {}: {}", info.class_names.len(), info.class_names.join(", "));
    println!("  provider     {}", info.provider);
    println!("  frames on    {}", info.gpu.as_deref().unwrap_or("the CPU"));
    if let Some(placement) = &info.placement {
        println!("  placement    {placement}");
    }
    if let Some(engine) = &info.engine {
        let state = if engine.reused { "from the cache" } else { "built" };
        println!("  engine       {state}, for {} with driver {}", engine.gpu, engine.driver);
    }
    println!("  ONNX Runtime {}", info.runtime_version);
    Ok(ExitCode::SUCCESS)
}
