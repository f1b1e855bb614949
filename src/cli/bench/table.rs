//! What was measured, for a terminal.

use std::fmt::Write as _;

use roadproof::bench::{Environment, GpuUse, Latency, RateRow, Report, StageRow, Subject, Trial};

/// Everything.
pub(super) fn report(report: &Report) -> String {
    let mut text = environment(&report.environment);
    for (index, row) in report.stages.iter().enumerate() {
        let _ = writeln!(text, "\n{}", heading(&row.subject, &format!("batch {}", row.batch)));
        stage_row(&mut text, row, index > 0);
    }
    for row in &report.rates {
        let order = if row.is_staggered { "in turn" } else { "at once" };
        let cameras = match (row.cameras, row.batch_max) {
            (1, _) => "1 camera".to_owned(),
            (cameras, 1) => format!("{cameras} cameras {order}"),
            (cameras, most) => {
                format!("{cameras} cameras {order}, up to {most} per run within {} ms", row.batch_window_ms)
            }
        };
        let _ = writeln!(text, "\n{}", heading(&row.subject, &cameras));
        rate_row(&mut text, row);
    }
    for row in &report.skipped {
        let _ = writeln!(
            text,
            "\n{} on {}, batch {}: skipped, {}",
            row.model, row.provider, row.batch, row.reason
        );
    }
    text
}

fn environment(environment: &Environment) -> String {
    let unknown = || "unknown".to_owned();
    let mut text = format!(
        "{}, {} cores, load {}\n",
        environment.cpu.clone().unwrap_or_else(unknown),
        environment.cores,
        environment.load_average.map_or_else(unknown, |load| format!("{load:.2}"))
    );
    match (&environment.gpu, &environment.gpu_problem) {
        (Some(gpu), _) => {
            let memory = gpu.memory_bytes.map_or(String::new(), |bytes| format!(", {}", mebibytes(bytes)));
            let _ = writeln!(text, "{}, driver {}{memory}", gpu.name, gpu.driver);
        }
        (None, problem) => {
            let _ = writeln!(text, "no GPU: {}", problem.as_deref().unwrap_or("unknown"));
        }
    }
    let version = environment.onnxruntime.clone().unwrap_or_else(unknown);
    let _ = writeln!(text, "ONNX Runtime {version}");
    text
}

fn heading(subject: &Subject, how: &str) -> String {
    let precision = subject.precision.as_ref().map_or("precision unknown", |found| found.main.as_str());
    let size = subject.input.size.map_or_else(|| "several sizes".to_owned(), |size| size.to_string());
    let runs_on = subject.runs_on.name();
    let provider = if subject.provider == runs_on {
        runs_on.to_owned()
    } else {
        format!("{runs_on} (asked for: {})", subject.provider)
    };
    let mut text =
        format!("{} ({precision}) on {provider}, {how}, {} {}", subject.model, subject.input.name, size);
    for warning in &subject.warnings {
        let _ = write!(text, "\n  warning: {warning}");
    }
    text
}

fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

const COLUMNS: [&str; 8] = ["mean", "p50", "p90", "p99", "p99.9", "max", "dev.", "jitter"];

fn header(text: &mut String, first: &str) {
    let _ = write!(text, "  {first:<12}");
    for column in COLUMNS {
        let _ = write!(text, "{column:>9}");
    }
    text.push('\n');
}

fn latency(text: &mut String, name: &str, found: Option<&Latency>) {
    let columns = found.map_or([None; COLUMNS.len()], |found| {
        [
            Some(found.mean_ms),
            Some(found.p50_ms),
            Some(found.p90_ms),
            found.p99_ms,
            found.p999_ms,
            Some(found.max_ms),
            Some(found.deviation_ms),
            Some(found.jitter_ms),
        ]
    });
    let _ = write!(text, "  {name:<12}");
    for column in columns {
        let _ = write!(text, "{:>9}", ms(column));
    }
    text.push('\n');
}

fn gpu(found: Option<&GpuUse>) -> String {
    found.map_or_else(String::new, |gpu| {
        format!(
            ", GPU {:.0} % busy, {} in use",
            gpu.utilisation_mean * 100.0,
            mebibytes(gpu.memory_used_bytes)
        )
    })
}

fn stage_row(text: &mut String, row: &StageRow, has_ratio: bool) {
    let ratio = if has_ratio {
        format!(" ({:.2} × the first, latency × {:.2})", row.ratio.throughput, row.ratio.total_p50)
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "  {:.1} images per second{ratio}: {} in {:.1} s, {:.1} detections each",
        row.images_per_second, row.images, row.seconds, row.detections_per_image
    );
    let cpu = row.cpu_ms_per_image.map_or_else(|| "–".to_owned(), |cpu| format!("{cpu:.2} ms"));
    let memory = row.resident_bytes.map_or_else(|| "–".to_owned(), mebibytes);
    let _ = writeln!(text, "  CPU {cpu} per image, {memory} of memory{}", gpu(row.gpu.as_ref()));
    header(text, "ms");
    let stages = &row.stages;
    for (name, stage) in [
        ("convert", &stages.convert),
        ("upload", &stages.upload),
        ("preprocess", &stages.preprocess),
        ("inference", &stages.inference),
        ("postprocess", &stages.postprocess),
        ("total", &stages.total),
    ] {
        latency(text, name, Some(stage));
    }
}

fn rate_row(text: &mut String, row: &RateRow) {
    match &row.peak {
        Some(peak) => {
            let limit = if peak.is_limit { ", the highest that was tried" } else { "" };
            let _ = writeln!(
                text,
                "  peak {:.1} Hz each with at most 5 % lost ({} trials){limit}",
                peak.trial.rate_hz,
                row.search.len()
            );
        }
        None if row.search.is_empty() => {}
        None => {
            let lowest = row.search.last().map_or(0.0, |probe| probe.rate_hz);
            let _ = writeln!(text, "  no peak: more than 5 % are lost even at {lowest:.1} Hz");
        }
    }
    let peak = row.peak.as_ref().map(|peak| &peak.trial);
    for trial in peak.into_iter().chain(&row.fixed) {
        trial_row(text, trial);
    }
}

fn trial_row(text: &mut String, trial: &Trial) {
    let cpu = trial.cpu_cores.map_or_else(|| "–".to_owned(), |cores| format!("{cores:.2} cores"));
    let _ = writeln!(
        text,
        "  {:.1} Hz: {} sent, {} processed, {} lost ({:.1} %), {:.1} results per second, {cpu}{}",
        trial.rate_hz,
        trial.sent,
        trial.processed,
        trial.lost,
        trial.loss * 100.0,
        trial.processed_hz,
        gpu(trial.gpu.as_ref())
    );
    header(text, "ms");
    latency(text, "latency", trial.latency.as_ref());
    latency(text, "source late", trial.lateness.as_ref());
}
