//! `tracing` events to rcutils (the console, in the format and at the level that ROS tools set) and to `/rosout`.

use std::fmt::{self, Write as _};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use r2r::rcl_interfaces::msg::Log;
use r2r::{Node, Publisher, QosProfile};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry, filter::LevelFilter};

use super::messages;
use super::worker::lock;

/// Sends all events from now on to the logger of `node`.
///
/// # Errors
/// `/rosout` cannot be published.
pub(crate) fn install(node: &mut Node) -> r2r::Result<()> {
    let rosout = rosout(node)?.map(Mutex::new);
    let layer = RosLayer { logger: node.logger().to_owned(), rosout };
    let subscriber = Registry::default().with(layer.with_filter(LevelFilter::DEBUG));
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::warn!("another log subscriber is in place, /rosout stays empty");
    }
    Ok(())
}

/// Up to ROS 2 Iron, rcl itself publishes what is logged; since Jazzy that is left to the client library, and r2r does
/// not do it. `None` where rcl does.
fn rosout(node: &mut Node) -> r2r::Result<Option<Publisher<Log>>> {
    let (name, namespace) = (node.name()?, node.namespace()?);
    let publishers = node.get_publishers_info_by_topic("/rosout", false)?;
    if publishers.iter().any(|p| p.node_name == name && p.node_namespace == namespace) {
        return Ok(None);
    }
    // As rmw_qos_profile_rosout_default has it.
    let mut profile = QosProfile::default().keep_last(1000).reliable().transient_local();
    profile.lifespan = Duration::from_secs(10);
    node.create_publisher("/rosout", profile).map(Some)
}

struct RosLayer {
    logger: String,
    rosout: Option<Mutex<Publisher<Log>>>,
}

impl<S: Subscriber> Layer<S> for RosLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        // The C side takes no NUL inside a text.
        let text = messages::text(&line.0);
        let logger = &self.logger;
        match *event.metadata().level() {
            Level::ERROR => r2r::log_error!(logger, "{text}"),
            Level::WARN => r2r::log_warn!(logger, "{text}"),
            Level::INFO => r2r::log_info!(logger, "{text}"),
            Level::DEBUG | Level::TRACE => r2r::log_debug!(logger, "{text}"),
        }
        if let Some(rosout) = &self.rosout {
            let message = log_message(logger, text, event.metadata());
            // There is nowhere left to report that logging fails; the console has the message.
            let _ = lock(rosout).publish(&message);
        }
    }
}

fn log_message(logger: &str, text: String, metadata: &Metadata<'_>) -> Log {
    let level = match *metadata.level() {
        Level::ERROR => Log::ERROR as u8,
        Level::WARN => Log::WARN as u8,
        Level::INFO => Log::INFO as u8,
        Level::DEBUG | Level::TRACE => Log::DEBUG as u8,
    };
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Log {
        stamp: messages::time(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)),
        level,
        name: logger.to_owned(),
        msg: text,
        file: metadata.file().unwrap_or_default().to_owned(),
        function: metadata.target().to_owned(),
        line: metadata.line().unwrap_or_default(),
    }
}

/// The message of an event, with its other fields behind it.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        // Writing to a String cannot fail.
        debug_assert!(written.is_ok());
    }
}
