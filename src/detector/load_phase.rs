//! What is going on while a model is loaded.

use super::Provider;

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadPhase {
    /// The model file is being hashed.
    VerifyingHash {
        /// Bytes read so far.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// The session is being created on this provider.
    CreatingSession {
        /// The provider that is being tried.
        provider: Provider,
    },
    /// Another process is building the same engine; its result will be used.
    WaitingForEngine {
        /// The provider whose engine it is.
        provider: Provider,
    },
    /// The provider compiles the model, which takes from seconds to minutes.
    BuildingEngine {
        /// The provider whose engine it is.
        provider: Provider,
    },
    /// A first run shows whether the model's outputs are what the manifest says.
    CheckingOutputs,
    /// Trial runs.
    WarmingUp {
        /// Runs done.
        done: usize,
        /// Runs in all.
        total: usize,
    },
}

impl LoadPhase {
    /// What is going on, without how far it has come; [`Display`](std::fmt::Display) begins with it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::VerifyingHash { .. } => "verifying the model file",
            Self::CreatingSession { .. } => "creating the session",
            Self::WaitingForEngine { .. } => "waiting for another process that is building the engine",
            Self::BuildingEngine { .. } => "building the engine",
            Self::CheckingOutputs => "checking the model's outputs",
            Self::WarmingUp { .. } => "warming up",
        }
    }
}

impl std::fmt::Display for LoadPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::VerifyingHash { done_bytes, total_bytes } => {
                write!(f, ", {done_bytes} of {total_bytes} bytes")
            }
            Self::CreatingSession { provider } => write!(f, " on {provider}"),
            Self::WaitingForEngine { provider } | Self::BuildingEngine { provider } => {
                write!(f, " of {provider}")
            }
            Self::CheckingOutputs => Ok(()),
            Self::WarmingUp { done, total } => write!(f, ", {done} of {total} runs"),
        }
    }
}
