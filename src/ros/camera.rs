//! The input side of one camera: its subscription, matched to the publishers, and what it has to tell.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future;
use futures::stream::{LocalBoxStream, StreamExt};
use r2r::Node;
use r2r::sensor_msgs::msg::{CompressedImage, Image};

use super::native::NativeImage;
use super::parameters::{CameraConfig, Transport};
use super::qos::{self, Offer, Request};

/// One camera's input.
pub(crate) struct CameraInput {
    pub(crate) config: CameraConfig,
    /// Fully qualified name of the topic, after remapping.
    pub(crate) topic: String,
    stream: Option<LocalBoxStream<'static, NativeImage>>,
    request: Request,
    offers: Vec<Offer>,
    complaints: Vec<String>,
    arrivals: Arrivals,
    history: History,
}

/// Tells frames that come a second time: a new subscription to a latched topic gets the publisher's history once more.
#[derive(Debug, Default)]
struct History {
    last_ns: Option<i64>,
    /// Frames that may yet be history; no more than the subscription holds, so that a recording that starts over at
    /// this very moment loses no more than these.
    left: usize,
    repeated: u64,
}

impl History {
    /// There is a new subscription.
    fn begin(&mut self, latched: bool) {
        self.left = if latched && self.last_ns.is_some() { qos::DEPTH } else { 0 };
    }

    /// Whether the frame of this stamp has come before. History comes in order, so the first newer frame ends it.
    fn repeats(&mut self, stamp_ns: i64) -> bool {
        let repeats = self.left > 0 && stamp_ns != 0 && self.last_ns.is_some_and(|last| stamp_ns <= last);
        if repeats {
            self.left -= 1;
            self.repeated += 1;
        } else {
            self.left = 0;
            self.last_ns = Some(stamp_ns);
        }
        repeats
    }
}

/// When frames arrived, for the rate and the age.
#[derive(Debug, Default)]
struct Arrivals {
    since: Option<Instant>,
    last: Option<Instant>,
    /// Frames and start of the current second, and the rate of the last full one.
    count: u32,
    window: Option<Instant>,
    rate_hz: f64,
}

impl Arrivals {
    fn record(&mut self, now: Instant) {
        self.last = Some(now);
        self.count += 1;
    }

    fn roll(&mut self, now: Instant) {
        let Some(start) = self.window else {
            self.window = Some(now);
            return;
        };
        let elapsed = now.saturating_duration_since(start);
        if elapsed >= Duration::from_secs(1) {
            self.rate_hz = f64::from(self.count) / elapsed.as_secs_f64();
            self.count = 0;
            self.window = Some(now);
        }
    }
}

impl Transport {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Raw => "sensor_msgs/msg/Image",
            Self::Compressed => "sensor_msgs/msg/CompressedImage",
        }
    }
}

impl CameraInput {
    pub(crate) fn new(config: CameraConfig, topic: String) -> Self {
        Self {
            config,
            topic,
            stream: None,
            request: Request::default(),
            offers: Vec::new(),
            complaints: Vec::new(),
            arrivals: Arrivals::default(),
            history: History::default(),
        }
    }

    /// Starts receiving.
    pub(crate) fn subscribe(&mut self, node: &mut Node) -> r2r::Result<()> {
        self.history = History::default();
        self.look_at_publishers(node)?;
        self.open(node)?;
        self.arrivals = Arrivals { since: Some(Instant::now()), ..Arrivals::default() };
        Ok(())
    }

    /// Stops receiving. r2r takes the subscription down when the next message arrives on it.
    pub(crate) fn unsubscribe(&mut self) {
        self.stream = None;
    }

    /// Looks at the publishers, and subscribes anew if they offer something else by now. Complaints that were
    /// not there before are logged.
    pub(crate) fn follow_publishers(&mut self, node: &mut Node) -> r2r::Result<()> {
        if self.stream.is_some() && self.look_at_publishers(node)? {
            tracing::info!(
                "camera '{}': publishers changed, subscribing to {} as {}",
                self.config.name,
                self.topic,
                self.request.describe()
            );
            self.open(node)?;
        }
        Ok(())
    }

    /// Hands over every frame that has arrived.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(NativeImage, Instant)) -> usize {
        let mut count = 0;
        while let Some(stream) = &mut self.stream {
            let Some(Some(image)) = stream.next().now_or_never() else { break };
            if self.history.repeats(image.stamp_ns()) {
                count += 1;
                continue;
            }
            let now = Instant::now();
            self.arrivals.record(now);
            take(image, now);
            count += 1;
        }
        count
    }

    /// Frames per second that arrived in the last full second.
    pub(crate) fn rate_hz(&mut self, now: Instant) -> f64 {
        self.arrivals.roll(now);
        self.arrivals.rate_hz
    }

    /// Time since the last frame, or since the subscription was made if there was none.
    pub(crate) fn silence(&self, now: Instant) -> Option<Duration> {
        let last = self.arrivals.last.or(self.arrivals.since)?;
        Some(now.saturating_duration_since(last))
    }

    /// Whether any frame has arrived since the subscription was made.
    pub(crate) fn has_received(&self) -> bool {
        self.arrivals.last.is_some()
    }

    pub(crate) fn publisher_count(&self) -> usize {
        self.offers.len()
    }

    pub(crate) fn request(&self) -> Request {
        self.request
    }

    /// Frames that came a second time and were left out.
    pub(crate) fn repeated(&self) -> u64 {
        self.history.repeated
    }

    /// Why frames of some publishers cannot arrive.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Returns whether the request has to change.
    fn look_at_publishers(&mut self, node: &Node) -> r2r::Result<bool> {
        let infos = node.get_publishers_info_by_topic(&self.topic, false)?;
        self.offers = infos
            .iter()
            .map(|p| Offer::new(&p.node_namespace, &p.node_name, &p.topic_type, &p.qos_profile))
            .collect();
        let CameraConfig { name, transport, reliability, durability, .. } = &self.config;
        let (request, complaints) =
            qos::decide(name, transport.type_name(), *reliability, *durability, &self.offers);
        for complaint in complaints.iter().filter(|c| !self.complaints.contains(c)) {
            tracing::error!("{complaint}");
        }
        self.complaints = complaints;
        // While nobody publishes, what was asked last is as good as anything: a publisher that restarts
        // would otherwise cost two new subscriptions.
        let change = !self.offers.is_empty() && request != self.request;
        if change || self.stream.is_none() {
            self.request = request;
        }
        Ok(change)
    }

    fn open(&mut self, node: &mut Node) -> r2r::Result<()> {
        let profile = self.request.profile();
        self.history.begin(self.request.transient_local);
        let topic = &self.config.topic;
        self.stream = Some(match self.config.transport {
            Transport::Raw => {
                let stream = node.subscribe_native::<Image>(topic, profile)?;
                stream.filter_map(|message| future::ready(NativeImage::raw(message))).boxed_local()
            }
            Transport::Compressed => {
                let stream = node.subscribe_native::<CompressedImage>(topic, profile)?;
                stream.filter_map(|message| future::ready(NativeImage::compressed(message))).boxed_local()
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(history: &mut History, stamps: &[i64]) -> Vec<bool> {
        stamps.iter().map(|stamp| history.repeats(*stamp)).collect()
    }

    #[test]
    fn history_is_told_from_new_frames() {
        let mut history = History::default();
        history.begin(true);
        assert_eq!(repeats(&mut history, &[1, 2, 3]), [false; 3], "a first subscription takes all of it");
        history.begin(true);
        assert_eq!(repeats(&mut history, &[2, 3, 4, 3]), [true, true, false, false], "a newer frame ends it");
        history.begin(false);
        assert_eq!(repeats(&mut history, &[1, 2]), [false; 2], "nothing comes again where nothing is kept");
        assert_eq!(history.repeated, 2);
    }

    #[test]
    fn a_recording_that_starts_over_loses_no_more_than_the_history() {
        let mut history = History::default();
        history.repeats(1_000);
        history.begin(true);
        let found = (1..100).filter(|stamp| history.repeats(*stamp)).count();
        assert_eq!(found, qos::DEPTH);
    }

    #[test]
    fn frames_without_a_stamp_are_never_repeats() {
        let mut history = History::default();
        history.begin(true);
        history.repeats(0);
        history.begin(true);
        assert!(!history.repeats(0));
    }
}
