//! The operators.

use super::Op;
pub use super::load::Context;

/// Builds the operator of a node.
///
/// # Errors
/// The operator is not known, or not in this use: in words that follow the node's name.
pub fn build(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    if !matches!(context.node.domain(), "" | "ai.onnx") {
        return Err(format!("operators of \"{}\" cannot be trained", context.node.domain()));
    }
    Err("this operator cannot be trained".to_owned())
}
