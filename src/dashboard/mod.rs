//! A live page on a port of this machine: cameras with boxes, classes, timelines, alarms.
//!
//! Read only, off unless asked for, and made for a browser on the same machine: requests that name another host are refused
//! unless the address itself is open to others. Pictures are drawn and compressed only while somebody looks at them.

mod server;
mod state;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

pub use state::Facts;

use crate::health::HealthRecord;
use crate::truth::TruthReport;
use state::State;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The address cannot be listened on.
    #[error(
        "the dashboard cannot listen on {address}: {source}; choose another port, or 0 for any that is free"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The page's server, and what feeds it. Clones share one server; it ends with the process.
#[derive(Debug, Clone)]
pub struct Dashboard {
    state: Arc<State>,
    address: SocketAddr,
}

impl Dashboard {
    /// Listens on `address` and serves from a thread of its own.
    ///
    /// # Errors
    /// [`DashboardError::Listen`]: the port is taken, or may not be used.
    pub fn start(address: SocketAddr) -> Result<Self, DashboardError> {
        let listen = |source| DashboardError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let state = Arc::new(State::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(listen)?;
        let (served, is_open) = (Arc::clone(&state), !address.ip().is_loopback());
        std::thread::Builder::new()
            .name("roadproof-dashboard".into())
            .spawn(move || runtime.block_on(server::serve(listener, served, is_open)))
            .map_err(listen)?;
        if is_open {
            tracing::warn!("the dashboard on {address} can be seen from other machines");
        }
        Ok(Self { state, address })
    }

    /// Where it listens; with the port that was found where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says what runs; everything shown before is forgotten.
    pub fn begin(&self, facts: Facts) {
        self.state.begin(facts);
    }

    /// Takes a camera's health, once a second.
    pub fn health(&self, record: &HealthRecord<'_>) {
        self.state.health(record);
    }

    /// Takes how good the detector really is on a camera that has ground truth, once a second.
    pub fn truth(&self, camera: &str, report: &TruthReport) {
        self.state.truth(camera, report);
    }

    /// Whether somebody looks at this camera, and its last picture is old enough for another one.
    #[must_use]
    pub fn wants_picture(&self, camera: &str) -> bool {
        self.state.wants_picture(camera)
    }

    /// Takes an annotated picture: BGR, rows without padding. What cannot be compressed is left out.
    pub fn picture(&self, camera: &str, width: u32, height: u32, bgr: &[u8]) {
        match state::jpeg(width, height, bgr) {
            Ok(jpeg) => self.state.picture(camera, jpeg),
            Err(error) => tracing::warn!("no picture for the dashboard: {error}"),
        }
    }
}
