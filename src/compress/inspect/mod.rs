//! Looking into a model: what it holds and what it costs.
