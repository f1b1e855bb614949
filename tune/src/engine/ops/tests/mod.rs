//! Operators against ONNX Runtime and finite differences.

mod elementwise;
mod norms;
mod pooling;
mod reductions;
mod refused;
mod shapes;

use proptest::prelude::*;

/// Each case opens a session of ONNX Runtime: some, not hundreds.
pub(super) fn few() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}
