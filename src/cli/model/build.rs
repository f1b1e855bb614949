use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use roadproof::detector::engine_cache::{self, StoredFile};
use roadproof::detector::{Detector, LoadPhase, ModelManifest, Placement, Provider};
use serde_json::json;

/// Build a model's engine ahead of time, so that the node starts at once.
///
/// The engine is for this machine: its GPU, driver and TensorRT. Others build their own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  roadproof model build --model models/nanodet-g.toml --provider tensorrt --engine-cache /var/cache/roadproof --trt-fp16")]
pub(in crate::cli) struct Args {
    /// Model manifest.
    #[arg(long, short, value_name = "TOML")]
    model: PathBuf,
    /// Write JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: crate::cli::SessionArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let manifest = ModelManifest::load(&args.model)?;
    let options = args.session.options();
    if !options.providers.order.iter().any(|provider| provider.builds_engines()) {
        let providers: Vec<&str> = options.providers.order.iter().map(|provider| provider.name()).collect();
        if args.json {
            println!("{:#}", json!({ "name": manifest.name, "providers": providers, "built": null }));
        } else {
            println!(
                "{}: nothing to build: only tensorrt and nv_tensorrt_rtx make engines, found --provider {}",
                manifest.name,
                providers.join(",")
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    if options.engine_cache.is_none() {
        bail!("there is no place for the engine: give its folder with --engine-cache FOLDER");
    }
    let start = Instant::now();
    let progress = Progress::new(start);
    let loaded = Detector::load(&manifest, &options, &mut |phase| progress.show(phase));
    progress.bar.finish_and_clear();
    let detector = loaded?;
    let info = detector.info().clone();
    // some engines are written when the session ends
    drop(detector);
    let seconds = start.elapsed().as_secs_f64();
    let Some((engine, files)) =
        info.engine.and_then(|engine| engine_cache::stored(&engine.folder).map(|files| (engine, files)))
    else {
        bail!(nothing_built(info.provider, &info.warnings));
    };
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    if args.json {
        let result = json!({
            "name": info.name,
            "sha256": info.sha256,
            "provider": info.provider,
            "built": !engine.reused,
            "folder": engine.folder,
            "files": files,
            "bytes": bytes,
            "gpu": engine.gpu,
            "driver": engine.driver,
            "seconds": seconds,
            "placement": info.placement,
            "share": info.placement.as_ref().map(Placement::share),
            "warnings": info.warnings,
        });
        println!("{result:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let what = if engine.reused { "the engine is there already" } else { "built the engine" };
    println!("{}: {what} of {} in {seconds:.1} s", info.name, info.provider);
    println!("  for          {}", engine.gpu);
    println!("  driver       {}", engine.driver);
    if let Some(placement) = &info.placement {
        println!("  placement    {placement}");
    }
    println!("  folder       {}", engine.folder.display());
    for StoredFile { name, bytes, .. } in &files {
        println!("    {:8.2} MB  {name}", *bytes as f64 / 1e6);
    }
    println!("  size         {:.2} MB", bytes as f64 / 1e6);
    Ok(ExitCode::SUCCESS)
}

fn nothing_built(provider: Provider, warnings: &[String]) -> String {
    let mut text = format!("no engine was kept; the model runs on {provider}");
    for warning in warnings {
        text.push_str("\n  ");
        text.push_str(warning);
    }
    text
}

/// What is being done, and for how long: a line that counts on a terminal, otherwise a line for each step.
struct Progress {
    bar: ProgressBar,
    start: Instant,
    last: std::cell::Cell<&'static str>,
}

impl Progress {
    fn new(start: Instant) -> Self {
        let bar =
            if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed} in all") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, start, last: std::cell::Cell::new("") }
    }

    fn show(&self, phase: LoadPhase) {
        let is_new = self.last.replace(phase.name()) != phase.name();
        if !self.bar.is_hidden() {
            self.bar.set_message(phase.to_string());
        } else if is_new {
            eprintln!("{:6.1} s  {phase}", self.start.elapsed().as_secs_f64());
        }
    }
}
