//! Models on providers, loaded one after the other.

use super::gpu::Gpu;
use super::report::{Failure, Input, Precision, Report, Settings, Subject};
use super::{Extent, FORMAT, OnProgress, Plan, Progress, environment, precision};
use crate::detector::{Detector, ModelInfo, ModelManifest, Provider, ProviderPolicy, SessionOptions};

/// A model that came up.
pub(super) struct Loaded<'a> {
    pub(super) manifest: &'a ModelManifest,
    pub(super) detector: Detector,
    /// What was asked for.
    pub(super) provider: String,
    precision: Option<Precision>,
    precision_problem: Option<String>,
}

impl Loaded<'_> {
    pub(super) fn subject(&self, input: &Input) -> Subject {
        let info = self.detector.info();
        Subject {
            model: info.name.clone(),
            sha256: info.sha256.clone(),
            precision: self.precision.clone(),
            provider: self.provider.clone(),
            runs_on: info.provider,
            warnings: info.warnings.iter().chain(&self.precision_problem).cloned().collect(),
            input: input.clone(),
        }
    }
}

/// Measures a loaded model into the report; a text is why that failed.
pub(super) type Measure<'a> =
    dyn FnMut(Loaded<'_>, Share, &mut Report, &mut OnProgress<'_>) -> Result<(), String> + 'a;

/// Whether a model keeps the GPU busy.
pub(super) fn uses_gpu(info: &ModelInfo) -> bool {
    info.provider != Provider::Cpu
}

/// Loads every model on every provider and hands it to `measure` with the share of the work that lies before it and the
/// share that it is; what does not come up or fails is told in the report, and the others go on.
pub(super) fn for_each(
    plan: &Plan,
    gpu: &Gpu,
    progress: &mut OnProgress<'_>,
    measure: &mut Measure<'_>,
) -> Report {
    let mut report = begin(plan, gpu);
    let pairs = (plan.models.len() * plan.providers.len()).max(1) as f64;
    let mut done = 0.0;
    for manifest in &plan.models {
        let precision = precision::precision(manifest);
        for policy in &plan.providers {
            let provider = provider_name(policy);
            let share = Share { before: done / pairs, own: 1.0 / pairs };
            progress(Progress {
                what: format!("loading {} on {provider}", manifest.name),
                share: share.before,
            });
            let session = SessionOptions { providers: policy.clone(), ..plan.session.clone() };
            let result = match Detector::load(manifest, &session, &mut |_| ()) {
                Ok(detector) => {
                    let info = detector.info();
                    report.environment.onnxruntime = Some(info.runtime_version.clone());
                    let loaded = Loaded {
                        manifest,
                        detector,
                        provider: provider.clone(),
                        precision: precision.as_ref().ok().cloned(),
                        precision_problem: precision
                            .as_ref()
                            .err()
                            .map(|problem| format!("what the model computes in is not known: {problem}")),
                    };
                    measure(loaded, share, &mut report, progress)
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(message) = result {
                report.failures.push(Failure { model: manifest.name.clone(), provider, message });
            }
            done += 1.0;
        }
    }
    report.created = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    report
}

/// A part of the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    before: f64,
    own: f64,
}

impl Share {
    /// Where all the work stands when this part stands at `own`, 0 to 1.
    pub(super) fn at(self, own: f64) -> f64 {
        self.before + self.own * own.clamp(0.0, 1.0)
    }
}

fn begin(plan: &Plan, gpu: &Gpu) -> Report {
    let (duration_ms, images) = match plan.extent {
        Extent::Time(duration) => (u64::try_from(duration.as_millis()).ok(), None),
        Extent::Images(images) => (None, Some(images)),
    };
    Report {
        format: FORMAT,
        roadproof_version: env!("CARGO_PKG_VERSION").to_owned(),
        created: String::new(),
        environment: environment::environment(gpu),
        settings: Settings {
            warm_up_runs: plan.warm_up_runs,
            duration_ms,
            images,
            intra_op_threads: plan.session.intra_op_threads,
            spinning: plan.session.spinning,
            cpu_arena: plan.session.cpu_arena,
            memory_pattern: plan.session.memory_pattern,
        },
        stages: Vec::new(),
        rates: Vec::new(),
        skipped: Vec::new(),
        failures: Vec::new(),
    }
}

fn provider_name(policy: &ProviderPolicy) -> String {
    policy.order.iter().map(|provider| provider.name()).collect::<Vec<_>>().join(",")
}
