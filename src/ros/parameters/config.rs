//! The parameters as typed configuration: what the rest of the node works with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::detector::{Fallback, MinShare, Provider, ProviderPolicy, SessionOptions};
use crate::evaluation::IouThreshold;
use crate::ros::qos::{DurabilityRequest, ReliabilityRequest};
use crate::truth::TruthConfig;

use super::ParameterStore;
use super::corruption::CorruptionConfig;

/// How a camera's images are transported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Raw,
    Compressed,
}

/// One camera's input, fixed from `configure` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CameraConfig {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) transport: Transport,
    pub(crate) reliability: ReliabilityRequest,
    pub(crate) durability: DurabilityRequest,
    /// Topic of what is really there, if there is one.
    pub(crate) ground_truth: Option<String>,
}

/// What is recorded where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordConfig {
    pub(crate) path: PathBuf,
    pub(crate) buffer_bytes: usize,
}

/// What `configure` needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NodeConfig {
    pub(crate) model: PathBuf,
    pub(crate) cameras: Vec<CameraConfig>,
    /// How the model is run.
    pub(crate) session: SessionOptions,
    pub(crate) health_window_s: u32,
    pub(crate) health_min_support: u32,
    /// What health compares with, if anything.
    pub(crate) health_profile: Option<PathBuf>,
    /// What a class's status means; the built-in rules if not given.
    pub(crate) health_rules: Option<PathBuf>,
    /// How ground truth is compared, where a camera has one.
    pub(crate) truth: TruthConfig,
    /// What is recorded, if anything is.
    pub(crate) record: Option<RecordConfig>,
}

/// What may change from one frame to the next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LiveConfig {
    pub(crate) score_threshold: Option<f32>,
    pub(crate) class_score_thresholds: Vec<(String, f32)>,
    pub(crate) enabled_classes: Vec<String>,
    pub(crate) nms_iou_threshold: Option<f32>,
    pub(crate) max_detections: Option<usize>,
    pub(crate) low_score_threshold: f32,
    /// `None`: no maximum.
    pub(crate) max_age: Option<Duration>,
    pub(crate) stale_after: Duration,
    /// Least time between two debug images of a camera; `None`: no debug images.
    pub(crate) debug_image_period: Option<Duration>,
    pub(crate) corruption: CorruptionConfig,
    /// For how long a frame is kept for those of other cameras.
    pub(crate) batch_window: Duration,
    /// Least time between two processed frames, per camera in the order of `cameras`.
    pub(crate) min_periods: Vec<Duration>,
}

impl NodeConfig {
    /// Reads the configuration for `configure`.
    ///
    /// # Errors
    /// Everything that is missing or wrong, one sentence each.
    pub(crate) fn from_parameters(store: &ParameterStore) -> Result<Self, Vec<String>> {
        let mut problems = store.problems();
        if store.text("model").is_empty() {
            problems.push("parameter 'model' is not set: give the path of a model manifest, for example model:=models/nanodet-g.toml".into());
        }
        let names = store.list("cameras");
        if names.is_empty() {
            problems.push("parameter 'cameras' is empty: give the cameras' names, for example cameras:=[front], and front.topic:=/image".into());
        }
        let cameras: Vec<_> = names.iter().map(|name| camera(store, name)).collect();
        for camera in &cameras {
            if camera.topic.is_empty() {
                problems.push(format!(
                    "parameter '{}.topic' is not set: give the topic of the camera's images",
                    camera.name
                ));
            }
        }
        let session = session(store, cameras.len()).map_err(|problem| problems.push(problem));
        let truth = truth(store).map_err(|problem| problems.push(problem));
        match (session, truth) {
            (Ok(session), Ok(truth)) if problems.is_empty() => Ok(Self {
                model: PathBuf::from(store.text("model")),
                cameras,
                session,
                health_window_s: count(store, "health.window_s"),
                health_min_support: count(store, "health.min_support"),
                health_profile: path(store, "health.profile"),
                health_rules: path(store, "health.rules"),
                truth,
                record: path(store, "record.path").map(|path| RecordConfig {
                    path,
                    buffer_bytes: count(store, "record.buffer_mb") as usize * 1_000_000,
                }),
            }),
            _ => Err(problems),
        }
    }
}

impl LiveConfig {
    /// Reads the configuration that may change live.
    ///
    /// # Errors
    /// The first entry that cannot be used.
    pub(crate) fn from_parameters(store: &ParameterStore) -> Result<Self, String> {
        let score = |name| store.double(name).map(|score| score as f32);
        let millis = |name| Duration::from_millis(u64::from(count(store, name)));
        let max_age = millis("max_age_ms");
        let live = Self {
            score_threshold: score("score_threshold"),
            class_score_thresholds: class_scores(store.list("class_score_thresholds"))?,
            enabled_classes: store.list("enabled_classes").to_vec(),
            nms_iou_threshold: score("nms_iou_threshold"),
            max_detections: store.integer("max_detections").map(|_| count(store, "max_detections") as usize),
            low_score_threshold: score("low_score_threshold").unwrap_or_default(),
            max_age: (!max_age.is_zero()).then_some(max_age),
            stale_after: millis("stale_after_ms"),
            batch_window: millis("batch_window_ms"),
            corruption: CorruptionConfig::from_parameters(store)?,
            debug_image_period: store.double("debug_image.max_rate_hz").filter(|hz| *hz > 0.0).map(period),
            min_periods: store
                .list("cameras")
                .iter()
                .map(|name| store.double(&format!("{name}.max_rate_hz")).map_or(Duration::ZERO, period))
                .collect(),
        };
        Ok(live)
    }
}

/// A rate as the time between two frames; 0 Hz is no limit.
fn period(rate_hz: f64) -> Duration {
    if rate_hz > 0.0 {
        Duration::try_from_secs_f64(1.0 / rate_hz).unwrap_or(Duration::MAX)
    } else {
        Duration::ZERO
    }
}

/// A path; `None` where the parameter is empty.
fn path(store: &ParameterStore, name: &str) -> Option<PathBuf> {
    Some(store.text(name)).filter(|text| !text.is_empty()).map(PathBuf::from)
}

/// An integer parameter whose declared range is within `u32`.
fn count(store: &ParameterStore, name: &str) -> u32 {
    store.integer(name).and_then(|value| u32::try_from(value).ok()).unwrap_or_default()
}

/// The parameter's declared range is a share's.
/// How the model is run, for so many cameras.
fn session(store: &ParameterStore, cameras: usize) -> Result<SessionOptions, String> {
    let options = SessionOptions {
        providers: providers(store)?,
        intra_op_threads: count(store, "intra_op_threads") as usize,
        // there is one frame of a camera at a time
        max_batch: (count(store, "batch_max") as usize).min(cameras).max(1),
        device_id: count(store, "device_id") as i32,
        engine_cache: path(store, "engine_cache"),
        trt_fp16: store.bool("trt_fp16"),
        min_share: min_share(store),
        cuda_graph: store.bool("cuda_graph"),
        gpu_path: store.text("gpu_path").parse().map_err(|error| format!("parameter 'gpu_path': {error}"))?,
        channels_last: store.bool("channels_last"),
        upload_threads: count(store, "upload_threads") as usize,
        provider_options: provider_options(store.list("provider_options"))?,
        ..SessionOptions::default()
    };
    match options.problem() {
        Some(problem) => Err(format!("parameter 'provider_options': {problem}")),
        None => Ok(options),
    }
}

fn provider_options(list: &[String]) -> Result<BTreeMap<String, String>, String> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            format!("parameter 'provider_options': expected provider.key=value, found '{text}'")
        })?;
        Ok((key.to_owned(), value.to_owned()))
    };
    list.iter().map(pair).collect()
}

fn min_share(store: &ParameterStore) -> MinShare {
    store.double("min_share").and_then(|share| MinShare::try_from(share).ok()).unwrap_or_default()
}

fn truth(store: &ParameterStore) -> Result<TruthConfig, String> {
    let iou = store.double("ground_truth.iou").unwrap_or_default();
    let expected = "one of 0.5, 0.55, 0.6 … 0.95, at which detections are matched";
    Ok(TruthConfig {
        window_frames: count(store, "ground_truth.window_frames") as usize,
        iou: IouThreshold::new(iou)
            .ok_or_else(|| format!("parameter 'ground_truth.iou': expected {expected}, found {iou}"))?,
        wait_ns: i64::from(count(store, "ground_truth.wait_ms")) * 1_000_000,
    })
}

fn camera(store: &ParameterStore, name: &str) -> CameraConfig {
    let text = |suffix: &str| store.text(&format!("{name}.{suffix}"));
    CameraConfig {
        name: name.to_owned(),
        topic: text("topic").to_owned(),
        transport: if text("transport") == "compressed" { Transport::Compressed } else { Transport::Raw },
        reliability: match text("reliability") {
            "reliable" => ReliabilityRequest::Reliable,
            "best_effort" => ReliabilityRequest::BestEffort,
            _ => ReliabilityRequest::Auto,
        },
        durability: match text("durability") {
            "transient_local" => DurabilityRequest::TransientLocal,
            "volatile" => DurabilityRequest::Volatile,
            _ => DurabilityRequest::Auto,
        },
        ground_truth: Some(text("ground_truth").to_owned()).filter(|topic| !topic.is_empty()),
    }
}

fn providers(store: &ParameterStore) -> Result<ProviderPolicy, String> {
    let parse =
        |name: &String| name.parse::<Provider>().map_err(|error| format!("parameter 'providers': {error}"));
    let order: Vec<Provider> = store.list("providers").iter().map(parse).collect::<Result<_, _>>()?;
    if order.is_empty() {
        return Err(
            "parameter 'providers' is empty: give at least one of tensorrt, nv_tensorrt_rtx, cuda, cpu"
                .into(),
        );
    }
    let fallback =
        if store.text("provider_policy") == "prefer" { Fallback::Prefer } else { Fallback::Require };
    Ok(ProviderPolicy { order, fallback })
}

fn class_scores(entries: &[String]) -> Result<Vec<(String, f32)>, String> {
    let parse = |entry: &String| {
        let wrong = || {
            format!(
                "parameter 'class_score_thresholds': expected class=score with a score in 0 … 1, found '{entry}'"
            )
        };
        // The last '=': a class's name may hold one.
        let (class, score) = entry.rsplit_once('=').ok_or_else(wrong)?;
        let score: f32 = score.trim().parse().map_err(|_| wrong())?;
        if (0.0..=1.0).contains(&score) { Ok((class.trim().to_owned(), score)) } else { Err(wrong()) }
    };
    entries.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use r2r::ParameterValue as V;

    fn store(overrides: &[(&str, V)]) -> ParameterStore {
        ParameterStore::new(overrides.iter().map(|(n, v)| ((*n).to_owned(), v.clone())))
    }

    fn list(items: &[&str]) -> V {
        V::StringArray(items.iter().map(|s| (*s).to_owned()).collect())
    }

    #[test]
    fn everything_missing_is_named_at_once() {
        let problems = NodeConfig::from_parameters(&store(&[("providers", list(&["gpu"]))])).unwrap_err();
        let all = problems.join("\n");
        for name in ["'model'", "'cameras'", "'providers'"] {
            assert!(all.contains(name), "{all}");
        }
        let problems = NodeConfig::from_parameters(&store(&[("cameras", list(&["front"]))])).unwrap_err();
        assert!(problems.iter().any(|p| p.contains("'front.topic'")), "{problems:?}");
    }

    #[test]
    fn a_whole_command_line_is_enough() {
        let config = NodeConfig::from_parameters(&store(&[
            ("model", V::String("m.toml".into())),
            ("cameras", list(&["front"])),
            ("front.topic", V::String("/image".into())),
            ("front.transport", V::String("compressed".into())),
        ]))
        .unwrap();
        assert_eq!(config.cameras[0].topic, "/image");
        assert_eq!(config.cameras[0].transport, Transport::Compressed);
        let expected = SessionOptions {
            providers: ProviderPolicy::require(Provider::Cpu),
            intra_op_threads: 0,
            ..SessionOptions::default()
        };
        assert_eq!(config.session, expected);
    }

    #[test]
    fn ground_truth_is_off_unless_it_has_a_topic() {
        let of = |more: &[(&str, V)]| {
            let given = [
                ("model", V::String("m.toml".into())),
                ("cameras", list(&["front"])),
                ("front.topic", V::String("/image".into())),
            ];
            NodeConfig::from_parameters(&store(&[&given, more].concat()))
        };
        let config = of(&[]).unwrap();
        assert_eq!((config.cameras[0].ground_truth.as_deref(), config.record), (None, None));
        let config = of(&[
            ("front.ground_truth", V::String("/truth".into())),
            ("ground_truth.iou", V::Double(0.75)),
            ("record.path", V::String("drive.mcap".into())),
        ])
        .unwrap();
        assert_eq!(config.cameras[0].ground_truth.as_deref(), Some("/truth"));
        assert_eq!((config.truth.window_frames, config.truth.wait_ns), (300, 5_000_000_000));
        assert_eq!(config.truth.iou.value(), 0.75);
        assert_eq!(config.record.unwrap().buffer_bytes, 128_000_000);
        let problems = of(&[("ground_truth.iou", V::Double(0.72))]).unwrap_err();
        assert!(problems[0].contains("'ground_truth.iou'") && problems[0].contains("0.72"), "{problems:?}");
    }

    #[test]
    fn provider_options_are_read_and_checked() {
        let of = |option: &str| {
            session(&store(&[("provider_options", list(&[option]))]), 1)
                .map(|session| session.provider_options)
        };
        assert_eq!(of("cuda.prefer_nhwc=1").unwrap()["cuda.prefer_nhwc"], "1");
        for wrong in ["cuda.prefer_nhwc", "prefer_nhwc=1", "gpu.x=1", "cuda.=1"] {
            let error = of(wrong).unwrap_err();
            assert!(error.contains("'provider_options'") && error.contains("expected"), "{error}");
        }
    }

    #[test]
    fn live_values_are_converted() {
        let live = LiveConfig::from_parameters(&store(&[
            ("cameras", list(&["front", "rear"])),
            ("rear.max_rate_hz", V::Double(4.0)),
            ("max_age_ms", V::Integer(0)),
            ("batch_window_ms", V::Integer(20)),
            ("debug_image.max_rate_hz", V::Double(0.0)),
            ("class_score_thresholds", list(&["traffic light=0.25"])),
        ]))
        .unwrap();
        assert_eq!(live.min_periods, [Duration::ZERO, Duration::from_millis(250)]);
        assert_eq!((live.max_age, live.debug_image_period), (None, None));
        assert_eq!(live.batch_window, Duration::from_millis(20));
        assert_eq!(live.class_score_thresholds, [("traffic light".to_owned(), 0.25)]);
    }

    #[test]
    fn malformed_class_scores_are_quoted() {
        for bad in ["person", "person=", "person=2", "person=NaN", "person=-0.1"] {
            let error =
                LiveConfig::from_parameters(&store(&[("class_score_thresholds", list(&[bad]))])).unwrap_err();
            assert!(error.contains(bad), "{error}");
        }
    }
}
