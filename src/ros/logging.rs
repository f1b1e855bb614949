//! `tracing` events to rcutils: the console and `/rosout`, in the format and at the level that ROS tools set.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry, filter::LevelFilter};

/// Sends all events from now on to the logger `logger` of the middleware.
pub(crate) fn install(logger: String) {
    let subscriber = Registry::default().with(RosLayer { logger }.with_filter(LevelFilter::DEBUG));
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::warn!("another log subscriber is in place, /rosout stays empty");
    }
}

struct RosLayer {
    logger: String,
}

impl<S: Subscriber> Layer<S> for RosLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        // The C side takes no NUL inside a text.
        let text = line.0.replace('\0', "\u{fffd}");
        let logger = &self.logger;
        match *event.metadata().level() {
            Level::ERROR => r2r::log_error!(logger, "{text}"),
            Level::WARN => r2r::log_warn!(logger, "{text}"),
            Level::INFO => r2r::log_info!(logger, "{text}"),
            Level::DEBUG | Level::TRACE => r2r::log_debug!(logger, "{text}"),
        }
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
