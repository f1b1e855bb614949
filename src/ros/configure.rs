//! Loading the model: off the node's thread, with progress that diagnostics can show.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::detector::{Detector, DetectorError, LoadPhase, ModelInfo, ModelManifest, Thresholds};
use crate::health::{Profile, ProfileError, Rules, RulesError};
use crate::image::DecodeLimits;
use crate::pipeline::Pipeline;

use super::parameters::{LiveConfig, NodeConfig};
use super::worker::lock;

/// A loaded model.
pub(crate) struct Loaded {
    pub(crate) config: NodeConfig,
    pub(crate) pipeline: Pipeline,
    pub(crate) info: ModelInfo,
    /// The manifest's thresholds, which parameters override.
    pub(crate) defaults: Thresholds,
    /// What health compares with.
    pub(crate) profile: Option<Arc<Profile>>,
    /// What a class's status means.
    pub(crate) rules: Rules,
}

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Detector(#[from] DetectorError),
    #[error("parameter 'health.profile': {0}")]
    Profile(#[from] ProfileError),
    #[error("parameter 'health.rules': {0}")]
    Rules(#[from] RulesError),
}

/// A model that is being loaded.
pub(crate) struct LoadJob {
    task: JoinHandle<Result<Loaded, LoadError>>,
    phase: Arc<Mutex<(String, Instant)>>,
    started: Instant,
}

impl LoadJob {
    /// Starts loading on a thread of `runtime`.
    pub(crate) fn start(runtime: &Handle, config: NodeConfig) -> Self {
        let started = Instant::now();
        let phase = Arc::new(Mutex::new(("starting".to_owned(), started)));
        let progress = Arc::clone(&phase);
        let task = runtime.spawn_blocking(move || load(config, &progress));
        Self { task, phase, started }
    }

    /// What it is doing, for how long it has done that, and for how long it has been loading altogether.
    pub(crate) fn phase(&self) -> (String, Duration, Duration) {
        let (phase, since) = lock(&self.phase).clone();
        (phase, since.elapsed(), self.started.elapsed())
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// The result; waits for it if it is not there yet.
    pub(crate) fn finish(self, runtime: &Handle) -> Result<Loaded, String> {
        match runtime.block_on(self.task) {
            Ok(Ok(loaded)) => Ok(loaded),
            Ok(Err(error)) => Err(error.to_string()),
            Err(panicked) => Err(format!("loading the model ended unexpectedly: {panicked}")),
        }
    }
}

fn load(config: NodeConfig, progress: &Mutex<(String, Instant)>) -> Result<Loaded, LoadError> {
    // Read before the model, which takes longer.
    let profile = config.health_profile.as_deref().map(|path| Profile::load(&locate(path))).transpose()?;
    let manifest = ModelManifest::load(locate(&config.model))?;
    let names = manifest.class_names();
    let rules = match config.health_rules.as_deref() {
        Some(path) => Rules::load(&locate(path), names)?,
        None => Rules::built_in(names),
    };
    let detector = Detector::load(&manifest, &config.session, &mut |phase: LoadPhase| {
        let mut progress = lock(progress);
        let name = phase.name();
        // The log tells each phase once; diagnostics follow every step.
        if !progress.0.starts_with(name) {
            tracing::info!("{}: {phase}", manifest.name);
            progress.1 = Instant::now();
        }
        progress.0 = phase.to_string();
    })?;
    let info = detector.info().clone();
    let defaults = manifest.thresholds();
    let cameras = config.cameras.len();
    let mut pipeline = Pipeline::new(detector, cameras, DecodeLimits::default());
    pipeline.measure_quality(true);
    Ok(Loaded { config, pipeline, info, defaults, profile: profile.map(Arc::new), rules })
}

/// A relative path that is not in the working directory is looked up where packages install their models.
pub(crate) fn locate(model: &Path) -> PathBuf {
    if model.is_absolute() || model.exists() {
        return model.to_owned();
    }
    let prefixes = std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    std::env::split_paths(&prefixes)
        .map(|prefix| prefix.join("share/roadproof").join(model))
        .find(|candidate| candidate.exists())
        .unwrap_or_else(|| model.to_owned())
}

/// The thresholds that are in force: the parameters' where they are set, otherwise the manifest's.
///
/// # Errors
/// A class that the model does not have, or values that do not go together.
pub(crate) fn thresholds(
    defaults: &Thresholds,
    live: &LiveConfig,
    class_names: &[String],
) -> Result<Thresholds, String> {
    let class_id = |parameter: &str, name: &String| {
        class_names.iter().position(|known| known == name).ok_or_else(|| {
            let nearest = class_names.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name));
            let hint = nearest.map(|known| format!("; the nearest is '{known}'")).unwrap_or_default();
            format!("parameter '{parameter}': the model has no class '{name}'{hint}")
        })
    };
    let mut thresholds = Thresholds {
        score: live.score_threshold.unwrap_or(defaults.score),
        nms_iou: live.nms_iou_threshold.unwrap_or(defaults.nms_iou),
        max_detections: live.max_detections.unwrap_or(defaults.max_detections),
        low_score: live.low_score_threshold,
        ..defaults.clone()
    };
    for (name, score) in &live.class_score_thresholds {
        let id = class_id("class_score_thresholds", name)?;
        if thresholds.class_scores.len() <= id {
            thresholds.class_scores.resize(id + 1, None);
        }
        if let Some(slot) = thresholds.class_scores.get_mut(id) {
            *slot = Some(*score);
        }
    }
    if !live.enabled_classes.is_empty() {
        thresholds.enabled = vec![false; class_names.len()];
        for name in &live.enabled_classes {
            let id = class_id("enabled_classes", name)?;
            if let Some(slot) = thresholds.enabled.get_mut(id) {
                *slot = true;
            }
        }
    }
    thresholds.validate(class_names.len()).map_err(|error| error.to_string())?;
    Ok(thresholds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ros::parameters::ParameterStore;
    use r2r::ParameterValue as V;

    fn resolve(overrides: &[(&str, V)]) -> Result<Thresholds, String> {
        let defaults = Thresholds {
            score: 0.4,
            nms_iou: 0.6,
            max_detections: 100,
            class_scores: Vec::new(),
            enabled: Vec::new(),
            low_score: 0.05,
        };
        let store = ParameterStore::new(overrides.iter().map(|(n, v)| ((*n).to_owned(), v.clone())));
        let names = ["person".to_owned(), "bus".to_owned()];
        thresholds(&defaults, &LiveConfig::from_parameters(&store)?, &names)
    }

    fn list(item: &str) -> V {
        V::StringArray(vec![item.to_owned()])
    }

    #[test]
    fn parameters_override_the_manifest() {
        let plain = resolve(&[]).unwrap();
        assert_eq!((plain.score, plain.nms_iou, plain.max_detections), (0.4, 0.6, 100));
        let set = resolve(&[
            ("score_threshold", V::Double(0.3)),
            ("class_score_thresholds", list("bus=0.2")),
            ("enabled_classes", list("bus")),
        ])
        .unwrap();
        assert_eq!((set.publish_score(0), set.publish_score(1)), (0.3, 0.2));
        assert_eq!((set.is_enabled(0), set.is_enabled(1)), (false, true));
    }

    #[test]
    fn unknown_classes_and_contradictions_are_refused() {
        let error = resolve(&[("enabled_classes", list("persn"))]).unwrap_err();
        assert!(error.contains("'persn'") && error.contains("'person'"), "{error}");
        let error = resolve(&[("low_score_threshold", V::Double(0.9))]).unwrap_err();
        assert!(error.contains("low_score"), "{error}");
    }

    #[test]
    fn a_model_that_is_nowhere_keeps_its_name_for_the_error() {
        assert_eq!(locate(Path::new("models/none.toml")), Path::new("models/none.toml"));
    }
}
