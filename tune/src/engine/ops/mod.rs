//! The operators.

mod conv;
mod products;

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
    match context.node.op_type() {
        "Conv" => conv::build(context),
        "ConvTranspose" => conv::build_transposed(context),
        "Gemm" => Ok(products::build_gemm(context)),
        "MatMul" => Ok(products::build_matmul(context)),
        _ => Err("this operator cannot be trained".to_owned()),
    }
}

#[cfg(test)]
mod trial;
