//! The live node: a thin shell of ROS 2 around the pipeline.
//!
//! One thread owns the middleware (`node`), one thread computes (`worker`); between them lies the
//! [`Mailbox`](crate::pipeline::Mailbox), in which the latest frame wins.

mod active;
mod camera;
mod configure;
mod debug_image;
mod diagnostics;
mod injection;
mod lifecycle;
mod logging;
mod messages;
mod names;
mod native;
mod node;
mod parameters;
mod qos;
mod recording;
mod results;
mod run;
mod truth;
mod worker;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::dashboard::Dashboard;

/// Why the node could not start. Once it runs, nothing ends it but a signal.
#[derive(Debug, thiserror::Error)]
pub enum RosError {
    /// rcl refuses the command line or a parameter file.
    #[error("ROS 2 could not be initialised: {0}; check the arguments after --ros-args")]
    Context(String),
    /// The middleware refuses the node or one of its topics or services.
    #[error("the middleware refuses: {0}")]
    Middleware(#[from] r2r::Error),
    /// The runtime or its signal handlers could not be set up.
    #[error("the process could not be set up: {0}")]
    Process(#[from] std::io::Error),
}

/// Runs the node until SIGINT or SIGTERM, with a dashboard at that address if one is given; where it cannot listen there, the
/// log says so and the node runs without. The arguments after `--ros-args` are read from the process's own command line.
///
/// # Errors
/// The node could not be started.
pub fn run(dashboard: Option<SocketAddr>) -> Result<(), RosError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    {
        let _in_runtime = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind)?;
            let stop = Arc::clone(&stop);
            runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
    }
    let context = context()?;
    let mut node = r2r::Node::create(context, "roadproof", "")?;
    logging::install(&mut node)?;
    tracing::info!("roadproof {}", env!("CARGO_PKG_VERSION"));
    let dashboard = dashboard.and_then(start);
    let remappings = names::remappings(std::env::args());
    let mut node = node::RoadproofNode::new(node, runtime.handle().clone(), remappings, dashboard)?;
    node.spin(&stop);
    drop(node);
    // A model that is still being loaded cannot be interrupted; it is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

/// A page to look at is no reason to drive without a detector.
fn start(address: SocketAddr) -> Option<Dashboard> {
    match Dashboard::start(address) {
        Ok(dashboard) => {
            tracing::info!("dashboard: http://{}", dashboard.address());
            Some(dashboard)
        }
        Err(error) => {
            tracing::error!("the node runs without its dashboard: {error}");
            None
        }
    }
}

/// r2r panics where rcl refuses the arguments; the user gets the reason without the panic.
fn context() -> Result<r2r::Context, RosError> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let created = std::panic::catch_unwind(AssertUnwindSafe(r2r::Context::create));
    std::panic::set_hook(hook);
    match created {
        Ok(context) => Ok(context?),
        Err(panic) => {
            let reason = panic.downcast_ref::<String>().cloned();
            let reason = reason.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err(RosError::Context(reason.unwrap_or_else(|| "rcl gives no reason".into())))
        }
    }
}
