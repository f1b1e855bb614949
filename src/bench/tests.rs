use std::path::PathBuf;
use std::time::Duration;

use super::stages::relate;
use super::*;
use crate::detector::Provider;

fn model() -> ModelManifest {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/nanodet-g.toml");
    ModelManifest::load(&path).unwrap()
}

fn plan() -> Plan {
    Plan {
        models: vec![model()],
        providers: vec![ProviderPolicy::require(Provider::Cpu)],
        inputs: vec![Pictures::synthetic(Size { width: 160, height: 120 })],
        session: SessionOptions { warm_up_runs: 1, ..SessionOptions::default() },
        warm_up_runs: 1,
        extent: Extent::Images(3),
    }
}

fn schema() -> jsonschema::Validator {
    let schema = serde_json::from_str(include_str!("../../docs/bench.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn problems(report: &Report) -> Vec<String> {
    let value = serde_json::to_value(report).unwrap();
    schema().iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn stages_are_measured_and_what_does_not_come_up_is_told() {
    let providers = vec![
        ProviderPolicy::require(Provider::Cpu),
        ProviderPolicy::require(Provider::Cuda),
        ProviderPolicy::prefer([Provider::Cuda, Provider::Cpu]),
    ];
    let mut shares = Vec::new();
    let session = SessionOptions { device_id: 99, ..plan().session };
    let plan = Plan { providers, session, ..plan() };
    let report = measure_stages(&plan, &[1, 4096], &mut |progress| shares.push(progress.share));
    let [first, fallen] = report.stages.as_slice() else { panic!("{report:#?}") };
    assert_eq!((first.batch, first.images, first.stages.total.count), (1, 3, 3));
    assert_eq!(first.ratio, Ratio { throughput: 1.0, total_p50: 1.0 });
    assert_eq!((first.subject.runs_on, first.subject.provider.as_str()), (Provider::Cpu, "cpu"));
    let precision = first.subject.precision.as_ref().unwrap();
    assert_eq!((precision.main.as_str(), precision.macs.get("float32")), ("float32", Some(&1.0)));
    let parts = &first.stages;
    let sum = parts.convert.mean_ms
        + parts.preprocess.mean_ms
        + parts.inference.mean_ms
        + parts.postprocess.mean_ms;
    assert!(sum > 0.0 && sum <= parts.total.mean_ms, "{sum} of {}", parts.total.mean_ms);
    assert!(first.images_per_second > 0.0 && first.seconds > 0.0);

    assert_eq!((fallen.subject.runs_on, fallen.subject.provider.as_str()), (Provider::Cpu, "cuda,cpu"));
    assert!(fallen.subject.warnings.iter().any(|warning| warning.contains("cuda")), "a fall-back is told");
    let [failure] = report.failures.as_slice() else { panic!("{:?}", report.failures) };
    assert!(failure.provider == "cuda" && failure.message.contains("cuda"), "{failure:?}");
    let skipped: Vec<_> = report.skipped.iter().map(|row| (row.provider.as_str(), row.batch)).collect();
    assert_eq!(skipped, [("cpu", 4096), ("cuda,cpu", 4096)]);
    assert!(shares.is_sorted() && shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
    assert_eq!(problems(&report), Vec::<String>::new());
}

#[test]
fn rates_are_measured_behind_every_camera() {
    let plan = RatePlan {
        plan: Plan { extent: Extent::Time(Duration::from_millis(400)), ..plan() },
        peak: true,
        highest_hz: 4.0,
        fixed_hz: vec![5.0],
        cameras: 2,
        is_staggered: false,
        batch_window: std::time::Duration::ZERO,
    };
    let report = measure_rates(&plan, &mut |_| ());
    let [row] = report.rates.as_slice() else { panic!("{report:#?}") };
    assert!(!row.search.is_empty() && row.search.iter().all(|probe| probe.rate_hz <= 4.0));
    let [fixed] = row.fixed.as_slice() else { panic!("{row:#?}") };
    assert_eq!((fixed.rate_hz, fixed.sent, fixed.sent), (5.0, 4, fixed.processed + fixed.lost));
    assert_eq!(fixed.latency.map_or(0, |latency| latency.count) as u64, fixed.processed);
    assert_eq!(fixed.lateness.map(|late| late.count), Some(4));
    assert_eq!(problems(&report), Vec::<String>::new());
}

#[test]
fn ratios_are_to_the_first_row() {
    let report = measure_stages(&plan(), &[1], &mut |_| ());
    let first = report.stages.into_iter().next().unwrap();
    let mut second = first.clone();
    second.images_per_second = 3.0 * first.images_per_second;
    second.stages.total.p50_ms = 0.5 * first.stages.total.p50_ms;
    let mut rows = [first, second];
    relate(&mut rows);
    let [first, second] = rows.map(|row| row.ratio);
    assert_eq!(first, Ratio { throughput: 1.0, total_p50: 1.0 });
    assert!((second.throughput - 3.0).abs() < 1e-9 && (second.total_p50 - 0.5).abs() < 1e-9);
    relate(&mut []);
}

/// A report with one of everything.
fn full() -> Report {
    let latency = Latency::of(&[Duration::from_millis(5); 1000]).unwrap();
    let gpu = GpuUse { looks: 3, memory_used_bytes: 1 << 30, utilisation_mean: 0.4, utilisation_max: 1.0 };
    let subject = Subject {
        model: "m".into(),
        sha256: "ab".repeat(32),
        precision: None,
        provider: "tensorrt".into(),
        runs_on: Provider::TensorRt,
        warnings: vec!["w".into()],
        input: Input { name: "synthetic".into(), size: None, pictures: 8, left_out: 2 },
    };
    let trial = Trial {
        rate_hz: 30.0,
        seconds: 5.0,
        sent: 900,
        processed: 890,
        lost: 10,
        loss: 10.0 / 900.0,
        processed_hz: 178.0,
        latency: None,
        lateness: Some(latency),
        cpu_cores: Some(0.5),
        gpu: Some(gpu.clone()),
    };
    let stages = Stages {
        convert: latency,
        upload: latency,
        preprocess: latency,
        inference: latency,
        postprocess: latency,
        total: latency,
    };
    Report {
        format: FORMAT,
        roadproof_version: "0".into(),
        created: "2026-03-01T12:00:00Z".into(),
        environment: Environment {
            cpu: None,
            cores: 8,
            load_average: None,
            is_optimised: true,
            onnxruntime: Some("1.23.2".into()),
            gpu: Some(GpuInfo {
                name: "GPU".into(),
                driver: "1".into(),
                memory_bytes: Some(1 << 36),
                memory_used_bytes: None,
            }),
            gpu_problem: None,
        },
        settings: Settings {
            warm_up_runs: 1,
            duration_ms: Some(5000),
            images: None,
            intra_op_threads: 1,
            spinning: false,
            cpu_arena: false,
            memory_pattern: true,
        },
        stages: vec![StageRow {
            subject: subject.clone(),
            batch: 4,
            images: 4000,
            seconds: 5.0,
            images_per_second: 800.0,
            ratio: Ratio { throughput: 1.0, total_p50: 1.0 },
            detections_per_image: 2.5,
            stages,
            cpu_ms_per_image: None,
            resident_bytes: None,
            gpu: Some(gpu),
        }],
        rates: vec![RateRow {
            subject,
            cameras: 6,
            is_staggered: true,
            batch_max: 2,
            batch_window_ms: 1.5,
            peak: Some(Peak { is_limit: false, trial: trial.clone() }),
            search: vec![Probe { rate_hz: 20.0, loss: 0.1 }],
            fixed: vec![trial],
        }],
        skipped: vec![Skipped { model: "m".into(), provider: "cpu".into(), batch: 4, reason: "r".into() }],
        failures: vec![Failure { model: "m".into(), provider: "cuda".into(), message: "r".into() }],
    }
}

#[test]
fn the_schema_describes_what_is_written() {
    let full = full();
    assert_eq!(problems(&full), Vec::<String>::new());
    let value = serde_json::to_value(&full).unwrap();
    assert_eq!(serde_json::from_value::<Report>(value.clone()).unwrap(), full);
    for (path, wrong) in [
        ("/format", 2.into()),
        ("/stages/0/batch", 0.into()),
        ("/stages/0/stages/total/p50_ms", (-1).into()),
        ("/rates/0/fixed/0/loss", 1.5.into()),
        ("/rates/0/subject/sha256", "short".into()),
        ("/environment/gpu/name", serde_json::Value::Null),
    ] {
        let mut value = value.clone();
        *value.pointer_mut(path).unwrap() = wrong;
        assert!(!schema().is_valid(&value), "{path}");
    }
    let mut extra = value;
    extra["rates"][0]["peak"]["trial"]["latency_p75_ms"] = 3.into();
    assert!(!schema().is_valid(&extra), "unknown keys are refused");
}
