//! The node: one thread that owns everything of the middleware, answers services, hands arriving frames to
//! the worker, and reports once a second. Nothing here blocks: models load on another thread, inference runs
//! on the worker's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use r2r::diagnostic_msgs::msg::DiagnosticArray;
use r2r::{Clock, Node, ParameterValue, Publisher, QosProfile};
use tokio::runtime::Handle;

use super::active::Configured;
use super::configure::{self, LoadJob};
use super::lifecycle::{self, ChangeRequest, Edge, Lifecycle, State, Transition};
use super::parameters::{LiveConfig, NodeConfig, ParameterServices, ParameterStore, Phase};
use super::worker::{self, Worker};
use super::{RosError, diagnostics};
use crate::dashboard::Dashboard;
use crate::pipeline::Pipeline;

/// Longest wait for the middleware; bounds how late a signal or a finished job is noticed.
const SPIN: Duration = Duration::from_millis(20);

/// Most messages of one subscription that are taken before services and reports get their turn again.
const MAX_SPINS: usize = 64;

/// How often health and diagnostics are published.
const REPORT_PERIOD: Duration = Duration::from_secs(1);

/// How often publishers are looked at.
const GRAPH_PERIOD: Duration = Duration::from_millis(500);

/// What the node holds in each of its states.
pub(crate) enum Stage {
    Unconfigured,
    Configuring { job: LoadJob, edge: Edge, request: Option<ChangeRequest>, then_activate: bool },
    Inactive { configured: Box<Configured>, pipeline: Box<Pipeline> },
    Active { configured: Box<Configured>, worker: Worker },
    Finalized,
}

/// The Roadproof node.
pub(crate) struct RoadproofNode {
    node: Node,
    /// Fully qualified.
    name: String,
    clock: Arc<Mutex<Clock>>,
    runtime: Handle,
    remappings: Vec<(String, String)>,
    dashboard: Option<Dashboard>,
    store: ParameterStore,
    parameters: ParameterServices,
    lifecycle: Lifecycle,
    diagnostics: Publisher<DiagnosticArray>,
    stage: Stage,
    /// Why the last transition failed; shown until one succeeds.
    last_error: Option<String>,
    next_report: Instant,
    next_graph: Instant,
}

impl RoadproofNode {
    pub(crate) fn new(
        mut node: Node,
        runtime: Handle,
        remappings: Vec<(String, String)>,
        dashboard: Option<Dashboard>,
    ) -> Result<Self, RosError> {
        let overrides: Vec<_> = {
            let given = worker::lock(&node.params);
            given.iter().map(|(name, parameter)| (name.clone(), parameter.value.clone())).collect()
        };
        let now = Instant::now();
        let mut this = Self {
            name: node.fully_qualified_name()?,
            clock: node.get_ros_clock(),
            runtime,
            remappings,
            dashboard,
            store: ParameterStore::new(overrides),
            parameters: ParameterServices::new(&mut node)?,
            lifecycle: Lifecycle::new(&mut node)?,
            diagnostics: node.create_publisher("/diagnostics", QosProfile::default())?,
            node,
            stage: Stage::Unconfigured,
            last_error: None,
            next_report: now,
            next_graph: now,
        };
        this.apply_sim_time();
        Ok(this)
    }

    /// Runs until `stop` is set.
    pub(crate) fn spin(&mut self, stop: &AtomicBool) {
        if self.store.bool("autostart")
            && let Some(edge) = lifecycle::edge_from(State::Unconfigured, Transition::Configure)
        {
            self.begin_configure(edge, None, true);
        }
        while !stop.load(Ordering::Relaxed) {
            self.node.spin_once(SPIN);
            self.receive();
            self.serve_parameters();
            self.serve_lifecycle();
            self.poll_configure();
            self.check_worker();
            self.tick(Instant::now());
        }
        tracing::info!("asked to stop");
        if let Stage::Active { worker, .. } = std::mem::replace(&mut self.stage, Stage::Finalized) {
            worker.stop();
        }
    }

    /// Moves all frames that have arrived into the mailbox. r2r takes one message per subscription and spin,
    /// so it spins on without waiting until none is left, or until everything else has waited long enough.
    fn receive(&mut self) {
        let Stage::Active { configured, worker } = &mut self.stage else { return };
        for _ in 0..MAX_SPINS {
            if configured.receive(&worker.shared) == 0 {
                return;
            }
            self.node.spin_once(Duration::ZERO);
        }
        configured.receive(&worker.shared);
    }

    fn serve_parameters(&mut self) {
        while let Some(request) = self.parameters.poll(&self.store) {
            request.answer(|changes| {
                let result = self.change_parameters(&changes);
                if let Err(reason) = &result {
                    tracing::warn!("refused: {reason}");
                }
                result
            });
        }
    }

    /// Changes parameters if the node can work with the result; otherwise everything stays as it was.
    fn change_parameters(&mut self, changes: &[(String, ParameterValue)]) -> Result<(), String> {
        let mut next = self.store.clone();
        let phase = match self.stage {
            Stage::Unconfigured => Phase::Unconfigured,
            _ => Phase::Configured,
        };
        let changed = next.set(changes, phase)?;
        let live = LiveConfig::from_parameters(&next)?;
        let now_ns = self.now_ns();
        match &mut self.stage {
            Stage::Inactive { configured, .. } => configured.set_live(live, now_ns, None)?,
            Stage::Active { configured, worker } => {
                configured.set_live(live, now_ns, Some(&worker.shared))?;
            }
            Stage::Unconfigured | Stage::Configuring { .. } | Stage::Finalized => {}
        }
        self.store = next;
        if changed.iter().any(|name| name == "use_sim_time") {
            self.apply_sim_time();
        }
        self.parameters.publish_event(&self.store, &changed, super::messages::time(self.now_ns()));
        Ok(())
    }

    fn apply_sim_time(&mut self) {
        let source = self.node.get_time_source();
        if !self.store.bool("use_sim_time") {
            source.disable_sim_time();
        } else if let Err(error) = source.enable_sim_time(&mut self.node) {
            tracing::error!("simulated time is not available: {error}");
        }
    }

    fn serve_lifecycle(&mut self) {
        while let Some(request) = self.lifecycle.poll() {
            let edge = request.edge;
            if edge.transition == Transition::Configure {
                self.begin_configure(edge, Some(request), false);
            } else {
                let result = self.transit(edge);
                self.note(edge, &result);
                request.answer(result.is_ok());
            }
        }
    }

    fn begin_configure(&mut self, edge: Edge, request: Option<ChangeRequest>, then_activate: bool) {
        self.lifecycle.begin(edge, self.now_ns());
        match NodeConfig::from_parameters(&self.store) {
            Ok(config) => {
                tracing::info!("configuring with {}", config.model.display());
                let job = LoadJob::start(&self.runtime, config);
                self.stage = Stage::Configuring { job, edge, request, then_activate };
            }
            Err(problems) => self.end_configure(edge, request, &Err(problems.join("; "))),
        }
    }

    fn poll_configure(&mut self) {
        if !matches!(&self.stage, Stage::Configuring { job, .. } if job.is_finished()) {
            return;
        }
        let Stage::Configuring { job, edge, request, then_activate } =
            std::mem::replace(&mut self.stage, Stage::Unconfigured)
        else {
            return;
        };
        let result = job.finish(&self.runtime).and_then(|loaded| self.set_up(loaded));
        let ready = result.is_ok();
        self.end_configure(edge, request, &result);
        if ready
            && then_activate
            && let Some(edge) = lifecycle::edge_from(State::Inactive, Transition::Activate)
        {
            let result = self.transit(edge);
            self.note(edge, &result);
        }
    }

    fn set_up(&mut self, loaded: configure::Loaded) -> Result<(), String> {
        let live = LiveConfig::from_parameters(&self.store)?;
        let (configured, pipeline) =
            Configured::new(&mut self.node, loaded, live, &self.remappings, self.dashboard.clone())?;
        self.stage = Stage::Inactive { configured: Box::new(configured), pipeline: Box::new(pipeline) };
        Ok(())
    }

    fn end_configure(&mut self, edge: Edge, request: Option<ChangeRequest>, result: &Result<(), String>) {
        self.lifecycle.end(edge, result.is_ok(), self.now_ns());
        self.note(edge, result);
        if let Some(request) = request {
            request.answer(result.is_ok());
        }
    }

    /// All transitions but `configure`; they take no longer than the frame that is being processed.
    fn transit(&mut self, edge: Edge) -> Result<(), String> {
        self.lifecycle.begin(edge, self.now_ns());
        let stage = std::mem::replace(&mut self.stage, Stage::Unconfigured);
        let (stage, result) = match (edge.transition, stage) {
            (Transition::Activate, Stage::Inactive { configured, pipeline }) => {
                self.activate(configured, pipeline)
            }
            (Transition::Deactivate, Stage::Active { configured, worker }) => {
                self.deactivate(configured, worker)
            }
            (Transition::Cleanup, Stage::Inactive { configured, .. }) => {
                configured.tear_down(&mut self.node);
                (Stage::Unconfigured, Ok(()))
            }
            (Transition::Shutdown, Stage::Active { mut configured, worker }) => {
                configured.unsubscribe();
                worker.stop();
                configured.tear_down(&mut self.node);
                (Stage::Finalized, Ok(()))
            }
            (Transition::Shutdown, Stage::Inactive { configured, .. }) => {
                configured.tear_down(&mut self.node);
                (Stage::Finalized, Ok(()))
            }
            (Transition::Shutdown, Stage::Unconfigured) => (Stage::Finalized, Ok(())),
            (transition, stage) => (stage, Err(format!("cannot {} now", transition.label()))),
        };
        self.stage = stage;
        self.lifecycle.end(edge, result.is_ok(), self.now_ns());
        result
    }

    fn activate(
        &mut self,
        mut configured: Box<Configured>,
        pipeline: Box<Pipeline>,
    ) -> (Stage, Result<(), String>) {
        match configured.activate(&mut self.node, &self.clock, pipeline) {
            Ok(worker) => (Stage::Active { configured, worker }, Ok(())),
            Err((Some(pipeline), error)) => {
                configured.unsubscribe();
                (Stage::Inactive { configured, pipeline }, Err(error))
            }
            Err((None, error)) => {
                configured.tear_down(&mut self.node);
                (Stage::Unconfigured, Err(error))
            }
        }
    }

    fn deactivate(&mut self, mut configured: Box<Configured>, worker: Worker) -> (Stage, Result<(), String>) {
        configured.unsubscribe();
        if let Some(pipeline) = worker.stop() {
            return (Stage::Inactive { configured, pipeline }, Ok(()));
        }
        configured.tear_down(&mut self.node);
        (Stage::Unconfigured, Err("the worker thread had panicked; the model was dropped".into()))
    }

    /// A worker that panicked takes its model with it: back to unconfigured, loudly.
    fn check_worker(&mut self) {
        if !matches!(&self.stage, Stage::Active { worker, .. } if worker.has_died()) {
            return;
        }
        tracing::error!("the worker thread ended unexpectedly");
        for (state, transition) in
            [(State::Active, Transition::Deactivate), (State::Inactive, Transition::Cleanup)]
        {
            if let Some(edge) = lifecycle::edge_from(state, transition) {
                self.lifecycle.begin(edge, self.now_ns());
                self.lifecycle.end(edge, true, self.now_ns());
            }
        }
        if let Stage::Active { mut configured, worker } =
            std::mem::replace(&mut self.stage, Stage::Unconfigured)
        {
            configured.unsubscribe();
            worker.stop();
            configured.tear_down(&mut self.node);
        }
        self.last_error = Some("the worker thread ended unexpectedly; configure the node again".into());
    }

    fn note(&mut self, edge: Edge, result: &Result<(), String>) {
        match result {
            Ok(()) => {
                tracing::info!("{}", edge.goal.label());
                self.last_error = None;
            }
            Err(error) => {
                tracing::error!("cannot {}: {error}", edge.transition.label());
                self.last_error = Some(error.clone());
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        if now >= self.next_graph {
            self.next_graph = now + GRAPH_PERIOD;
            if let Stage::Active { configured, .. } = &mut self.stage {
                configured.follow_publishers(&mut self.node);
            }
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_PERIOD;
            self.report(now);
        }
    }

    fn report(&mut self, now: Instant) {
        let now_ns = self.now_ns();
        let mut statuses = vec![self.lifecycle_status()];
        let mut model_sha256 = String::new();
        match &mut self.stage {
            Stage::Active { configured, worker } => {
                model_sha256.clone_from(&configured.info.sha256);
                configured.report(&worker.shared, now, now_ns, &mut statuses);
            }
            Stage::Inactive { configured, .. } => {
                model_sha256.clone_from(&configured.info.sha256);
                statuses.push(diagnostics::model(&configured.info));
            }
            Stage::Unconfigured | Stage::Configuring { .. } | Stage::Finalized => {}
        }
        let array = diagnostics::array(now_ns, statuses, &self.name, &model_sha256);
        if let Err(error) = self.diagnostics.publish(&array) {
            tracing::warn!("diagnostics could not be published: {error}");
        }
    }

    fn lifecycle_status(&self) -> diagnostics::Status {
        use diagnostics::Level;
        let mut status = diagnostics::Status::new("lifecycle");
        let state = self.lifecycle.state();
        status.value("state", state.label());
        let level = if state == State::Active { Level::Ok } else { Level::Warn };
        if let Stage::Configuring { job, .. } = &self.stage {
            let (phase, in_phase, total) = job.phase();
            status.report(Level::Warn, format!("configuring: {phase} ({:.0} s)", in_phase.as_secs_f64()));
            status.value("phase", phase);
            status.value("phase_s", format!("{:.1}", in_phase.as_secs_f64()));
            status.value("configuring_s", format!("{:.1}", total.as_secs_f64()));
        } else {
            status.report(level, state.label());
        }
        if let Some(error) = &self.last_error {
            status.report(Level::Error, error.as_str());
            status.value("last_error", error);
        }
        for problem in self.store.problems() {
            status.report(Level::Error, problem);
        }
        status
    }

    fn now_ns(&self) -> i64 {
        worker::now_ns(&self.clock)
    }
}
