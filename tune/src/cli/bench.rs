//! `roadproof-tune bench`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;
use rayon::prelude::*;
use roadproof::compress::graph::Model;
use roadproof::detector::ModelManifest;
use roadproof::pipeline::nearest_rank_per_mille;
use roadproof_tune::engine::{Gradients, Net, RunError};
use roadproof_tune::tensor::Tensor;
use roadproof_tune::train::{Masks, Optimiser, OptimiserOptions, clip};
use serde_json::json;

/// Times steps of training: forward, backward and optimiser, without images and parent
///
/// The loss is the mean square of the outputs, so that nothing but the network counts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  roadproof-tune bench models/nanodet-g.toml --batch 8 --steps 10")]
pub(super) struct Args {
    /// The model's manifest
    manifest: PathBuf,
    /// Images per step
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// Threads; 0 is one per core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Steps that are timed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Steps before those
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let manifest = ModelManifest::load(&args.manifest)?;
    let model = Model::load(&manifest.model_path(), manifest.sha256.as_deref())?;
    let (net, mut parameters) = Net::load(&model, &manifest.input.shape(), &|_| false)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    let mut optimiser = Optimiser::new(OptimiserOptions::default(), &parameters);
    let batch = args.batch as usize;
    let lanes = batch.min(pool.current_num_threads());
    let mut sums: Vec<Gradients> = (0..lanes).map(|_| Gradients::zeros(&parameters)).collect();
    let input = Tensor::from_fn(net.input_dims(), |index| (index as f32 * 0.37).sin());
    let mut seconds = Vec::new();
    for step in 0..args.warm_up + args.steps {
        let begun = Instant::now();
        pool.install(|| -> Result<(), RunError> {
            sums.par_iter_mut().enumerate().try_for_each(|(lane, sum)| {
                sum.clear();
                (lane..batch).step_by(lanes).try_for_each(|_| one(&net, &parameters, &input, sum))
            })?;
            if let Some((first, others)) = sums.split_first_mut() {
                for other in others.iter() {
                    first.add(other);
                }
                clip(first, 1.0);
                optimiser.step(&mut parameters, first, 1e-6, &Masks::default());
            }
            Ok(())
        })?;
        if step >= args.warm_up {
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    ensure!(parameters.items.iter().all(|p| p.tensor.data().iter().all(|value| value.is_finite())));
    seconds.sort_by(f64::total_cmp);
    let at = |per_mille| nearest_rank_per_mille(&seconds, per_mille).unwrap_or(f64::NAN);
    let (p50, p99) = (at(500), at(990));
    let rate = batch as f64 / p50;
    if args.json {
        let result = json!({
            "name": manifest.name,
            "batch": batch,
            "threads": pool.current_num_threads(),
            "steps": args.steps,
            "step_p50_s": p50,
            "step_p99_s": p99,
            "images_per_s": rate,
        });
        println!("{result:#}");
    } else {
        println!(
            "{}: {rate:.1} images/s in steps of {batch}; p50 {:.1} ms, p99 {:.1} ms",
            manifest.name,
            p50 * 1e3,
            p99 * 1e3
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn one(
    net: &Net,
    parameters: &roadproof_tune::engine::Parameters,
    input: &Tensor,
    sum: &mut Gradients,
) -> Result<(), RunError> {
    let tape = net.forward(parameters, input.clone())?;
    let seeds = net.outputs().iter().filter_map(|id| {
        let output = tape.tensor(*id)?;
        let factor = 2.0 / output.len() as f32;
        Some((*id, Tensor::from_fn(output.dims(), |at| output.data().get(at).map_or(0.0, |v| v * factor))))
    });
    let seeds = seeds.collect();
    net.backward(parameters, tape, seeds, sum)
}
