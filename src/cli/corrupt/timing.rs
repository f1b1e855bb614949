//! How long corruptions take.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use roadproof::corruption::{Corruption, Severity, Step};
use roadproof::pipeline::nearest_rank;
use serde_json::json;

use super::{Args, apply, images};

/// Frames before the measurement, in which buffers and tables are made.
const WARM_UP: u64 = 3;

/// Median and 99th percentile of the time that each corruption takes.
pub(super) fn run(args: &Args, input: &Path, times: u32) -> anyhow::Result<ExitCode> {
    let clean = images::read(input)?;
    let severity = Severity::new(3.0)?;
    let all =
        || Corruption::ALL.iter().map(|corruption| Step { corruption: *corruption, severity }).collect();
    let steps: Vec<Step> = if args.corruptions.is_empty() { all() } else { args.corruptions.clone() };
    let mut results = Vec::new();
    for step in steps {
        let mut corruptor = args.corruptor();
        let mut picture = clean.clone();
        let mut samples = Vec::new();
        for index in 0..WARM_UP + u64::from(times.max(1)) {
            picture.clone_from(&clean);
            let start = Instant::now();
            apply(&mut corruptor, &mut picture, &[step], index)?;
            if index >= WARM_UP {
                samples.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        samples.sort_by(f64::total_cmp);
        let at = |per_cent| nearest_rank(&samples, per_cent).unwrap_or(f64::NAN);
        let (p50, p99) = (at(50), at(99));
        if args.json {
            let (name, severity) = (step.corruption.name(), step.severity.value());
            results.push(json!({ "name": name, "severity": severity, "p50_ms": p50, "p99_ms": p99 }));
        } else {
            println!("{:<24} p50 {p50:>8.2} ms   p99 {p99:>8.2} ms", step.to_string());
        }
    }
    if args.json {
        println!("{:#}", json!({ "width": clean.width(), "height": clean.height(), "corruptions": results }));
    }
    Ok(ExitCode::SUCCESS)
}
