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
        }
    }

    /// Starts receiving.
    pub(crate) fn subscribe(&mut self, node: &mut Node) -> r2r::Result<()> {
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
