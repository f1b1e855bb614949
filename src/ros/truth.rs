//! Ground truth of the cameras: its subscriptions, and the thread that compares it with what was found. Nothing of it
//! exists where no camera has a topic of ground truth.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use futures::FutureExt;
use futures::stream::{LocalBoxStream, StreamExt};
use r2r::roadproof::msg::GroundTruthHealth;
use r2r::{Node, Publisher, WrappedTypesupport};

use crate::data::bag::cdr::{DETECTIONS_TYPE, Detection2DArray};
use crate::detector::Thresholds;
use crate::truth::{ClassEstimate, FrameResult, TruthConfig, TruthMonitor, TruthReport};

use super::messages::{self, TruthContext};
use super::qos::{self, DurabilityRequest, Offer, ReliabilityRequest, Request};
use super::recording::Recording;
use super::worker::lock;

/// Most frames, messages and reports that wait for the thread.
const MAX_QUEUED: usize = 256;

/// Messages that DDS keeps for the subscription. Where one is lost, all that follow wait until it is sent again, seconds
/// later, and come at once.
const DEPTH: usize = 200;

/// The subscription to one camera's ground truth.
pub(crate) struct TruthInput {
    camera: String,
    /// As the parameter says.
    given: String,
    /// Fully qualified name of the topic, after remapping.
    pub(crate) topic: String,
    /// Messages as they come over the wire: they are decoded where nobody waits for it.
    stream: Option<LocalBoxStream<'static, Vec<u8>>>,
    request: Request,
    offers: Vec<Offer>,
    complaints: Vec<String>,
}

impl TruthInput {
    pub(crate) fn new(camera: &str, given: &str, topic: String) -> Self {
        Self {
            camera: camera.to_owned(),
            given: given.to_owned(),
            topic,
            stream: None,
            request: Request::default(),
            offers: Vec::new(),
            complaints: Vec::new(),
        }
    }

    pub(crate) fn subscribe(&mut self, node: &mut Node) -> r2r::Result<()> {
        self.look_at_publishers(node)?;
        self.open(node)
    }

    pub(crate) fn unsubscribe(&mut self) {
        self.stream = None;
    }

    /// As [`CameraInput::follow_publishers`](super::camera::CameraInput::follow_publishers).
    pub(crate) fn follow_publishers(&mut self, node: &mut Node) -> r2r::Result<()> {
        if self.stream.is_some() && self.look_at_publishers(node)? {
            self.open(node)?;
        }
        Ok(())
    }

    /// Hands over every message that has arrived.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(Vec<u8>)) -> usize {
        let mut count = 0;
        while let Some(stream) = &mut self.stream {
            let Some(Some(message)) = stream.next().now_or_never() else { break };
            take(message);
            count += 1;
        }
        count
    }

    pub(crate) fn publisher_count(&self) -> usize {
        self.offers.len()
    }

    /// Why messages of some publishers cannot arrive.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Returns whether the request has to change.
    fn look_at_publishers(&mut self, node: &Node) -> r2r::Result<bool> {
        let infos = node.get_publishers_info_by_topic(&self.topic, false)?;
        let (usable, others): (Vec<_>, Vec<_>) = infos
            .iter()
            .map(|p| Offer::new(&p.node_namespace, &p.node_name, &p.topic_type, &p.qos_profile))
            .partition(|offer| offer.topic_type == DETECTIONS_TYPE);
        let (reliability, durability) = (ReliabilityRequest::Auto, DurabilityRequest::Auto);
        let (request, _) = qos::decide(&self.camera, DETECTIONS_TYPE, reliability, durability, &usable);
        let camera = &self.camera;
        let complain = |offer: &Offer| {
            format!(
                "{} publishes {} on {}, but the ground truth of camera '{camera}' is expected as {DETECTIONS_TYPE}: check \
                 {camera}.ground_truth",
                offer.node, offer.topic_type, self.topic
            )
        };
        let complaints: Vec<String> = others.iter().map(complain).collect();
        for complaint in complaints.iter().filter(|complaint| !self.complaints.contains(complaint)) {
            tracing::error!("{complaint}");
        }
        self.complaints = complaints;
        let change = !usable.is_empty() && request != self.request;
        if change || self.stream.is_none() {
            self.request = request;
        }
        self.offers = usable;
        Ok(change)
    }

    fn open(&mut self, node: &mut Node) -> r2r::Result<()> {
        let stream = node.subscribe_raw(&self.given, DETECTIONS_TYPE, self.request.profile_with(DEPTH))?;
        self.stream = Some(stream.boxed_local());
        Ok(())
    }
}

/// What a camera's figures are told with.
pub(crate) struct TruthRequest {
    pub(crate) now_ns: i64,
    pub(crate) frame_id: String,
    /// What is injected now, in words; empty if nothing is.
    pub(crate) corruption: String,
    pub(crate) thresholds: Thresholds,
    /// By class id.
    pub(crate) estimates: Vec<ClassEstimate>,
}

/// One camera, as the thread sees it.
pub(crate) struct TruthCamera {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) publisher: Publisher<GroundTruthHealth>,
}

enum Event {
    Frame { camera: usize, at: Instant, frame: FrameResult },
    Message { camera: usize, at: Instant, data: Vec<u8> },
    Report { camera: usize, at: Instant, request: TruthRequest },
}

/// What the thread leaves for others to see, by camera; `None` for those without ground truth.
struct Seen {
    /// Frames and messages that found no room in the queue.
    lost: Vec<AtomicU64>,
    reports: Mutex<Vec<Option<TruthReport>>>,
}

/// The thread that compares, and the way to it. Nobody waits for it: what finds no room in its queue is counted.
pub(crate) struct TruthLink {
    sender: SyncSender<Event>,
    thread: JoinHandle<()>,
    seen: Arc<Seen>,
    watched: Vec<bool>,
}

impl TruthLink {
    /// Starts the thread for cameras by their index; `None` stands for a camera without ground truth.
    pub(crate) fn start(
        cameras: Vec<Option<TruthCamera>>,
        names: &[String],
        config: TruthConfig,
        recording: Option<Arc<Recording>>,
    ) -> std::io::Result<Self> {
        let watched: Vec<bool> = cameras.iter().map(Option::is_some).collect();
        let seen = Arc::new(Seen {
            lost: cameras.iter().map(|_| AtomicU64::default()).collect(),
            reports: Mutex::new(vec![None; cameras.len()]),
        });
        let (sender, receiver) = sync_channel(MAX_QUEUED);
        let begun = Instant::now();
        let monitor = |camera: TruthCamera| {
            let monitor = TruthMonitor::new(&camera.name, names, config);
            (camera, monitor)
        };
        let compare = Compare {
            cameras: cameras.into_iter().map(|camera| camera.map(monitor)).collect(),
            begun,
            recording,
            seen: Arc::clone(&seen),
        };
        let thread = std::thread::Builder::new()
            .name("roadproof-truth".into())
            .spawn(move || compare.run(&receiver))?;
        Ok(Self { sender, thread, seen, watched })
    }

    /// Whether a camera has ground truth.
    pub(crate) fn watches(&self, camera: usize) -> bool {
        self.watched.get(camera) == Some(&true)
    }

    /// A frame was processed.
    pub(crate) fn frame(&self, camera: usize, frame: FrameResult) {
        self.send(camera, Event::Frame { camera, at: Instant::now(), frame });
    }

    /// A message of ground truth came.
    pub(crate) fn message(&self, camera: usize, data: Vec<u8>) {
        self.send(camera, Event::Message { camera, at: Instant::now(), data });
    }

    /// Asks for a camera's figures to be published; one that finds no room is late by a second.
    pub(crate) fn report(&self, camera: usize, request: TruthRequest) {
        let _ = self.sender.try_send(Event::Report { camera, at: Instant::now(), request });
    }

    /// The figures that were published last, and what was lost on the way to the thread. Notes are given once.
    pub(crate) fn last(&self, camera: usize) -> (Option<TruthReport>, u64) {
        let lost = self.seen.lost.get(camera).map_or(0, |lost| lost.load(Ordering::Relaxed));
        let mut reports = lock(&self.seen.reports);
        let last = reports.get_mut(camera).and_then(Option::as_mut);
        let given = last.map(|last| {
            let given = last.clone();
            last.notes.clear();
            given
        });
        (given, lost)
    }

    /// Ends the thread after what waits for it.
    pub(crate) fn finish(self) {
        drop(self.sender);
        if self.thread.join().is_err() {
            tracing::error!("the thread that compares with ground truth ended unexpectedly");
        }
    }

    fn send(&self, camera: usize, event: Event) {
        if self.sender.try_send(event).is_err()
            && let Some(lost) = self.seen.lost.get(camera)
        {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Compare {
    cameras: Vec<Option<(TruthCamera, TruthMonitor)>>,
    begun: Instant,
    recording: Option<Arc<Recording>>,
    seen: Arc<Seen>,
}

impl Compare {
    fn run(mut self, receiver: &Receiver<Event>) {
        while let Ok(event) = receiver.recv() {
            let (camera, at) = match &event {
                Event::Frame { camera, at, .. }
                | Event::Message { camera, at, .. }
                | Event::Report { camera, at, .. } => (*camera, *at),
            };
            let now_ns = at.saturating_duration_since(self.begun).as_nanos();
            let now_ns = i64::try_from(now_ns).unwrap_or(i64::MAX);
            let Some(Some((_, monitor))) = self.cameras.get_mut(camera) else { continue };
            match event {
                Event::Frame { frame, .. } => monitor.frame(now_ns, frame),
                Event::Message { data, .. } => monitor.truth(now_ns, Detection2DArray::decode(&data)),
                Event::Report { request, .. } => self.report(camera, now_ns, &request),
            }
        }
    }

    fn report(&mut self, index: usize, now_ns: i64, request: &TruthRequest) {
        let Some(Some((camera, monitor))) = self.cameras.get_mut(index) else { return };
        let estimate = |class_id: u32| {
            request.estimates.get(class_id as usize).copied().unwrap_or(ClassEstimate::UNKNOWN)
        };
        let mut report = monitor.report(now_ns, estimate, |class_id| request.thresholds.is_enabled(class_id));
        let lost = self.seen.lost.get(index).map_or(0, |lost| lost.load(Ordering::Relaxed));
        let context = TruthContext { camera: &camera.name, topic: &camera.topic, lost, request };
        let message = messages::ground_truth_health(&report, &context);
        if let Err(error) = camera.publisher.publish(&message) {
            tracing::warn!("figures by ground truth could not be published: {error}");
        }
        if let Some(recording) = &self.recording {
            recording.truth_health(index, request.now_ns, || message.to_serialized_bytes().ok());
        }
        if let Some(last) = lock(&self.seen.reports).get_mut(index) {
            // Nobody may have read the report before; what is still to be told moves on.
            let mut notes = last.take().map(|before| before.notes).unwrap_or_default();
            notes.retain(|note| !report.notes.contains(note));
            notes.append(&mut report.notes);
            report.notes = notes;
            *last = Some(report);
        }
    }
}
