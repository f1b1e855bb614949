//! What a configured node holds beside the model: its cameras' inputs and outputs.

mod beside;
mod statuses;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use r2r::roadproof::msg::{CameraHealth, GroundTruthHealth};
use r2r::sensor_msgs::msg::Image;
use r2r::vision_msgs::msg::Detection2DArray;
use r2r::{Clock, Node, Publisher, QosProfile, WrappedTypesupport};

use crate::dashboard::{Dashboard, Facts};
use crate::data::bag::RecorderState;
use crate::detector::{ModelInfo, Thresholds};
use crate::health::{CameraMonitor, HealthRecord, Profile, Rules, WindowConfig};
use crate::pipeline::{FrameCounters, Pipeline};

use super::camera::CameraInput;
use super::configure::{self, Loaded};
use super::diagnostics::{self, Status};
use super::injection::{self, Injection};
use super::messages::{self, HealthContext};
use super::names;
use super::parameters::{LiveConfig, NodeConfig};
use super::results::Outputs;
use super::truth::TruthInput;
use super::worker::{Live, Shared, Worker, lock, now_ns};

struct CameraOutputs {
    detections: Publisher<Detection2DArray>,
    debug_image: Publisher<Image>,
    debug_corrupted: Publisher<Image>,
    health: Publisher<CameraHealth>,
    /// Of a camera that has ground truth.
    truth_health: Option<Publisher<GroundTruthHealth>>,
}

/// A node with a model.
pub(crate) struct Configured {
    config: NodeConfig,
    pub(crate) info: ModelInfo,
    defaults: Thresholds,
    profile: Option<Arc<Profile>>,
    rules: Rules,
    dashboard: Option<Dashboard>,
    live: Arc<Live>,
    inputs: Vec<CameraInput>,
    /// Ground truth of the cameras that have it, by camera.
    truths: Vec<Option<TruthInput>>,
    outputs: Vec<CameraOutputs>,
    /// Namespace and name of the node, and what is remapped.
    naming: (String, String, Vec<(String, String)>),
    recorded: RecorderState,
    /// Why nothing is recorded although it was asked for.
    record_failure: Option<String>,
    /// Counters at the last report, to tell what happened since.
    reported: Vec<FrameCounters>,
}

impl Configured {
    /// Creates the topics of a loaded model.
    pub(crate) fn new(
        node: &mut Node,
        loaded: Loaded,
        live: LiveConfig,
        remappings: &[(String, String)],
        dashboard: Option<Dashboard>,
    ) -> Result<(Self, Pipeline), String> {
        let Loaded { config, pipeline, info, defaults, profile, rules } = loaded;
        let thresholds = configure::thresholds(&defaults, &live, &info.class_names)?;
        check_profile(profile.as_deref(), &info, &thresholds)?;
        let failed = |error: r2r::Error| format!("a topic could not be set up: {error}");
        let (name, namespace) = (node.name().map_err(failed)?, node.namespace().map_err(failed)?);
        let mut inputs = Vec::new();
        let mut truths = Vec::new();
        let mut outputs = Vec::new();
        for camera in &config.cameras {
            let resolve = |topic: &str| names::resolve(topic, &namespace, &name, remappings);
            inputs.push(CameraInput::new(camera.clone(), resolve(&camera.topic)));
            let truth = camera.ground_truth.as_deref();
            truths.push(truth.map(|topic| TruthInput::new(&camera.name, topic, resolve(topic))));
            let of = |suffix: &str| format!("~/{}/{suffix}", camera.name);
            let create = |node: &mut Node| -> r2r::Result<CameraOutputs> {
                Ok(CameraOutputs {
                    detections: node.create_publisher(&of("detections"), QosProfile::default())?,
                    debug_image: node
                        .create_publisher(&of("debug/image"), QosProfile::default().keep_last(1))?,
                    debug_corrupted: node
                        .create_publisher(&of("debug/corrupted"), QosProfile::default().keep_last(1))?,
                    health: node.create_publisher(&of("health"), QosProfile::default())?,
                    truth_health: truth
                        .map(|_| node.create_publisher(&of("ground_truth/health"), QosProfile::default()))
                        .transpose()?,
                })
            };
            outputs.push(create(node).map_err(failed)?);
        }
        let reported = vec![FrameCounters::default(); inputs.len()];
        // What is armed begins when the node is activated.
        let live =
            Arc::new(Live { injection: Injection::new(&live.corruption, 0)?, config: live, thresholds });
        let configured = Self {
            config,
            info,
            defaults,
            profile,
            rules,
            dashboard,
            live,
            inputs,
            truths,
            outputs,
            naming: (namespace, name, remappings.to_vec()),
            recorded: RecorderState::default(),
            record_failure: None,
            reported,
        };
        Ok((configured, pipeline))
    }

    /// Takes the topics down.
    pub(crate) fn tear_down(mut self: Box<Self>, node: &mut Node) {
        self.unsubscribe();
        for outputs in self.outputs {
            node.destroy_publisher(outputs.detections);
            node.destroy_publisher(outputs.debug_image);
            node.destroy_publisher(outputs.debug_corrupted);
            node.destroy_publisher(outputs.health);
            if let Some(publisher) = outputs.truth_health {
                node.destroy_publisher(publisher);
            }
        }
    }

    /// Puts settings in force that may change live.
    pub(crate) fn set_live(
        &mut self,
        live: LiveConfig,
        now_ns: i64,
        shared: Option<&Shared>,
    ) -> Result<(), String> {
        let thresholds = configure::thresholds(&self.defaults, &live, &self.info.class_names)?;
        check_profile(self.profile.as_deref(), &self.info, &thresholds)?;
        let (old, new) = (&self.live.config.corruption, &live.corruption);
        // A campaign that goes on is not started over because something else changed.
        let injection = if (&old.inject, old.options.seed) == (&new.inject, new.options.seed) {
            self.live.injection.clone()
        } else {
            let injection = Injection::new(new, now_ns)?;
            if let Some(injection) = &injection {
                tracing::warn!("injecting {}", injection.describe());
            } else {
                tracing::info!("nothing is injected any more");
            }
            injection
        };
        self.live = Arc::new(Live { config: live, thresholds, injection });
        if let Some(shared) = shared {
            shared.set_live(Arc::clone(&self.live));
        }
        Ok(())
    }

    /// Subscribes and starts the worker. On failure the pipeline comes back, unless the thread took it.
    pub(crate) fn activate(
        &mut self,
        node: &mut Node,
        clock: &Arc<Mutex<Clock>>,
        pipeline: Box<Pipeline>,
    ) -> Result<Worker, (Option<Box<Pipeline>>, String)> {
        let armed = Injection::new(&self.live.config.corruption, now_ns(clock));
        match armed {
            Ok(injection) => {
                if let Some(injection) = &injection {
                    tracing::warn!("injecting {}", injection.describe());
                }
                let Live { config, thresholds, .. } = &*self.live;
                let (config, thresholds) = (config.clone(), thresholds.clone());
                self.live = Arc::new(Live { config, thresholds, injection });
            }
            Err(error) => return Err((Some(pipeline), error)),
        }
        let shared = match self.shared(clock) {
            Ok(shared) => shared,
            Err(error) => return Err((Some(pipeline), error)),
        };
        for input in &mut self.inputs {
            if let Err(error) = input.subscribe(node) {
                let error = format!("cannot subscribe to '{}': {error}", input.config.topic);
                return Err((Some(pipeline), error));
            }
        }
        for truth in self.truths.iter_mut().flatten() {
            if let Err(error) = truth.subscribe(node) {
                return Err((Some(pipeline), format!("cannot subscribe to '{}': {error}", truth.topic)));
            }
        }
        let shared = match self.beside(shared) {
            Ok(shared) => Arc::new(shared),
            Err(error) => {
                let error = format!("cannot start the thread that compares with ground truth: {error}");
                return Err((Some(pipeline), error));
            }
        };
        self.reported.fill(FrameCounters::default());
        if let Some(dashboard) = &self.dashboard {
            let cameras = self.config.cameras.iter().map(|camera| camera.name.clone());
            dashboard.begin(Facts::new(&self.info, self.profile.as_deref(), cameras.collect()));
        }
        let outputs = self.config.cameras.iter().zip(&self.outputs).map(|(camera, outputs)| Outputs {
            name: camera.name.clone(),
            detections: outputs.detections.clone(),
            debug_image: outputs.debug_image.clone(),
            debug_corrupted: outputs.debug_corrupted.clone(),
        });
        Worker::start(pipeline, shared, outputs.collect(), self.dashboard.clone())
            .map_err(|error| (None, format!("cannot start the worker thread: {error}")))
    }

    fn shared(&self, clock: &Arc<Mutex<Clock>>) -> Result<Shared, String> {
        let live = &self.live.config;
        let window_ns = u64::from(self.config.health_window_s) * 1_000_000_000;
        let window = WindowConfig {
            window_s: self.config.health_window_s,
            min_support: self.config.health_min_support,
            stale_after_ns: u64::try_from(live.stale_after.as_nanos()).unwrap_or(u64::MAX).min(window_ns),
        };
        let classes = self.info.class_names.len();
        let monitor = || CameraMonitor::new(classes, window, self.profile.clone());
        Shared::new(self.inputs.len(), classes, &monitor, Arc::clone(&self.live), Arc::clone(clock))
            .map_err(|error| error.to_string())
    }

    pub(crate) fn unsubscribe(&mut self) {
        self.inputs.iter_mut().for_each(CameraInput::unsubscribe);
        self.truths.iter_mut().flatten().for_each(TruthInput::unsubscribe);
    }

    /// Moves the frames that r2r has taken into the mailbox; returns how many there were.
    pub(crate) fn receive(&mut self, shared: &Shared) -> usize {
        let inputs = self.inputs.iter_mut().enumerate();
        let frames: usize = inputs
            .map(|(camera, input)| input.drain(|image, arrived| shared.accept(camera, image, arrived)))
            .sum();
        let truths = self.truths.iter_mut().enumerate();
        let truths = truths.filter_map(|(camera, truth)| Some((camera, truth.as_mut()?)));
        frames
            + truths
                .map(|(camera, truth)| truth.drain(|message| shared.accept_truth(camera, message)))
                .sum::<usize>()
    }

    pub(crate) fn follow_publishers(&mut self, node: &mut Node) {
        for input in &mut self.inputs {
            if let Err(error) = input.follow_publishers(node) {
                tracing::warn!("camera '{}': cannot look at its publishers: {error}", input.config.name);
            }
        }
        for truth in self.truths.iter_mut().flatten() {
            if let Err(error) = truth.follow_publishers(node) {
                tracing::warn!("{}: cannot look at its publishers: {error}", truth.topic);
            }
        }
    }

    /// Publishes each camera's health and adds the statuses for `/diagnostics`.
    pub(crate) fn report(&mut self, shared: &Shared, now: Instant, now_ns: i64, statuses: &mut Vec<Status>) {
        let mut totals = FrameCounters::default();
        let mut last_error = None;
        for camera in 0..self.inputs.len() {
            let counters = shared.counters(camera);
            totals.processed += counters.processed;
            statuses.push(self.input_status(camera, shared, now, counters));
            statuses.extend(self.report_health(camera, shared, now, now_ns, counters));
            statuses.extend(self.robustness_status(camera, shared));
            statuses.extend(self.truth_status(camera, shared));
            let rejected_all = self.reported.get(camera).is_some_and(|before| {
                counters.rejected > before.rejected && counters.processed == before.processed
            });
            if rejected_all {
                last_error = shared.camera(camera).and_then(|state| state.last_rejection.clone());
            }
            if let Some(before) = self.reported.get_mut(camera) {
                *before = counters;
            }
        }
        statuses.push(self.injection_status(shared));
        statuses.extend(self.recording_status(shared));
        statuses.push(diagnostics::model(&self.info));
        let mut latencies = lock(&shared.latencies);
        let batch_mean = lock(&shared.batches).mean();
        statuses.push(diagnostics::inference(
            &self.info,
            &mut latencies,
            batch_mean,
            totals,
            last_error.as_deref(),
        ));
    }

    fn report_health(
        &mut self,
        camera: usize,
        shared: &Shared,
        now: Instant,
        now_ns: i64,
        counters: FrameCounters,
    ) -> Option<Status> {
        let input = self.inputs.get_mut(camera)?;
        let mut guard = shared.camera(camera)?;
        let state = &mut *guard;
        state.health.advance(now_ns);
        let report = state.health.report();
        let input_rate_hz = input.rate_hz(now);
        let last_frame_age_s = match (state.last_stamp_ns, input.has_received()) {
            (Some(stamp), true) if stamp != 0 => now_ns.saturating_sub(stamp) as f64 / 1e9,
            _ => f64::NAN,
        };
        let context = HealthContext {
            now_ns,
            frame_id: &state.frame_id,
            camera: &input.config.name,
            model_name: &self.info.name,
            model_sha256: &self.info.sha256,
            class_names: &self.info.class_names,
            thresholds: &self.live.thresholds,
            profile_sha256: self.profile.as_ref().map_or("", |profile| &profile.sha256),
            counters,
            input_rate_hz,
            injected: &state.injected,
            probes: &state.probes,
            probed: &self.live.config.corruption.shadow,
            last_frame_age_s,
        };
        if let Some(dashboard) = &self.dashboard {
            let steps: Vec<String> = state.injected.iter().map(ToString::to_string).collect();
            let names = &self.info.class_names;
            let injected = !steps.is_empty();
            dashboard.health(&HealthRecord::new(report, &input.config.name, now_ns, injected, &steps, names));
        }
        let message = messages::camera_health(report, &context);
        let status = diagnostics::health(&input.config.name, report, &self.info.class_names, &self.rules);
        if let Some(truth) = shared.truth.as_ref().filter(|truth| truth.watches(camera)) {
            let injected = injection::describe(&state.injected);
            truth.report(camera, self.truth_request(now_ns, &state.frame_id, injected, report));
        }
        drop(guard);
        if let Err(error) = self.outputs.get(camera)?.health.publish(&message) {
            tracing::warn!("health could not be published: {error}");
        }
        if let Some(recording) = &shared.recording {
            recording.health(camera, now_ns, || message.to_serialized_bytes().ok());
        }
        Some(status)
    }
}

/// Whether health may compare with this profile.
fn check_profile(profile: Option<&Profile>, info: &ModelInfo, thresholds: &Thresholds) -> Result<(), String> {
    let check = |profile: &Profile| profile.check_fits(info, thresholds);
    profile.map_or(Ok(()), check).map_err(|error| format!("parameter 'health.profile': {error}"))
}
