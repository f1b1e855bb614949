//! `roadproof report compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use roadproof::evaluation::Variant;
use roadproof::report::compare::{
    Change, CompareError, Condition, Outcome, changes, differences, pairs, unmatched,
};
use roadproof::report::load;
use serde_json::{Value, json};

/// What changed from one study to another, variant by variant.
#[derive(Debug, clap::Args)]
#[command(after_help = "Conditions:
  METRIC drop|rise >|>= NUMBER[%]   a change from A to B, with % relative to A
  METRIC <|<=|>|>= NUMBER           the value in B
Metrics:
  worst_class_ap, ap, ap50, ap75, rpc, d_ece, mpc, mpc_noise, mpc_blur, mpc_weather, mpc_digital,
  mpc_camera, mpc_stream (shares from 0 to 1), latency_p50_ms, latency_p99_ms, size_bytes
A condition on a value that a study does not have counts as met.

Exit status: 0 if no condition is met, 1 if one is, 2 if the studies or conditions cannot be used.

Example:
  roadproof report compare a.json b.json --fail-if 'worst_class_ap drop > 0.02' --fail-if 'rpc < 0.6'")]
pub(crate) struct Args {
    /// The study before.
    a: PathBuf,
    /// The study after.
    b: PathBuf,
    /// Compare only this variant.
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Fail if this is so for any variant; may be given several times.
    #[arg(long = "fail-if", value_name = "CONDITION")]
    conditions: Vec<Condition>,
    /// Compare studies of different data or corruptions too.
    #[arg(long)]
    allow_different: bool,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// A condition that is met, and why that is bad.
struct Failure {
    variant: String,
    condition: Condition,
    change: Change,
    reason: String,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    match compare(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("roadproof: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether no condition is met.
fn compare(args: &Args) -> anyhow::Result<bool> {
    let (a, b) = (load(&args.a)?, load(&args.b)?);
    let different = differences(&a, &b);
    if !different.is_empty() {
        if !args.allow_different {
            return Err(CompareError::Different(different).into());
        }
        tracing::warn!("the studies are not comparable: {}", different.join("; "));
    }
    let pairs = pairs(&a, &b, args.variant.as_deref())?;
    let unmatched = if args.variant.is_some() { (vec![], vec![]) } else { unmatched(&a, &b) };
    for (which, names) in [("A", &unmatched.0), ("B", &unmatched.1)] {
        if !names.is_empty() {
            tracing::warn!("only in {which}, so not compared and in no condition: {}", names.join(", "));
        }
    }
    let mut failures = Vec::new();
    for (a, b) in &pairs {
        failures.extend(args.conditions.iter().filter_map(|condition| failure(condition, a, b)));
    }
    if args.json {
        println!("{:#}", as_json(&pairs, &unmatched, &failures));
    } else {
        for (i, (a, b)) in pairs.iter().enumerate() {
            print_table(a, b, i > 0);
        }
    }
    for failed in &failures {
        let Failure { variant, condition, reason, .. } = failed;
        eprintln!("failed: {variant}: {condition}: {reason}");
    }
    Ok(failures.is_empty())
}

fn failure(condition: &Condition, a: &Variant, b: &Variant) -> Option<Failure> {
    let metric = condition.metric();
    let change = Change { metric, a: metric.value(a), b: metric.value(b) };
    let text = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| metric.text(value));
    let values = format!("{} in A, {} in B", text(change.a), text(change.b));
    let reason = match condition.judge(&change) {
        Outcome::Holds => return None,
        Outcome::Unknown(why) => format!("cannot be judged, {why} ({values})"),
        Outcome::Fails(amount) => {
            let beyond = (amount - condition.limit()).abs();
            format!("{values}; {}, {} beyond the limit", condition.phrase(amount), condition.text(beyond))
        }
    };
    Some(Failure { variant: b.name.clone(), condition: *condition, change, reason })
}

fn worst(variant: &Variant) -> &str {
    variant.worst_class.as_ref().map_or("none", |worst| worst.name.as_str())
}

fn print_table(a: &Variant, b: &Variant, gap: bool) {
    if gap {
        println!();
    }
    println!("{}", a.name);
    println!("  {:<16} {:>12} {:>12} {:>12}", "metric", "A", "B", "change");
    for change in changes(a, b) {
        let metric = change.metric;
        let text = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| metric.text(value));
        let (difference, relative, verdict) = match (change.a, change.b) {
            (Some(a), Some(b)) => {
                let sign = if b > a { "+" } else { "" };
                let relative = if a.abs() > 0.0 {
                    format!("{:+.1} %", 100.0 * (b - a) / a.abs())
                } else {
                    String::new()
                };
                let verdict = match (b - a).abs() > 0.0 {
                    false => "",
                    true if (b > a) == metric.more_is_better() => "better",
                    true => "worse",
                };
                (format!("{sign}{}", metric.text(b - a)), relative, verdict)
            }
            _ => ("–".to_owned(), String::new(), ""),
        };
        let line = format!(
            "  {:<16} {:>12} {:>12} {difference:>12} {relative:>9}  {verdict}",
            metric.name(),
            text(change.a),
            text(change.b)
        );
        println!("{}", line.trim_end());
    }
    if worst(a) == worst(b) {
        println!("  worst class: {}", worst(a));
    } else {
        println!("  worst class: {} in A, {} in B", worst(a), worst(b));
    }
}

fn as_json(
    pairs: &[(&Variant, &Variant)],
    unmatched: &(Vec<String>, Vec<String>),
    failures: &[Failure],
) -> Value {
    let variants = pairs.iter().map(|(a, b)| {
        let metrics = changes(a, b).into_iter().map(|change| {
            let difference = change.a.zip(change.b).map(|(a, b)| b - a);
            (change.metric.name().to_owned(), json!({ "a": change.a, "b": change.b, "change": difference }))
        });
        let metrics: serde_json::Map<_, _> = metrics.collect();
        json!({ "name": a.name, "metrics": metrics, "worst_class": { "a": worst(a), "b": worst(b) } })
    });
    let failures = failures.iter().map(|failed| {
        json!({
            "variant": failed.variant,
            "condition": failed.condition.to_string(),
            "a": failed.change.a,
            "b": failed.change.b,
            "reason": failed.reason,
        })
    });
    json!({
        "variants": variants.collect::<Vec<_>>(),
        "only_in_a": unmatched.0,
        "only_in_b": unmatched.1,
        "failures": failures.collect::<Vec<_>>(),
    })
}
