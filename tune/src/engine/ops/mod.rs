//! The operators.

mod attributes;
mod batch_norm;
mod binary;
mod broadcast;
mod conv;
mod grid_sample;
mod integer;
mod join;
mod layout;
mod logic;
mod math;
mod norm;
mod pick;
mod pool;
mod products;
mod reduce;
mod resize;
mod softmax;
mod top_k;
mod unary;
mod view;
mod window;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trial;

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
        "Conv" => return conv::build(context),
        "ConvTranspose" => return conv::build_transposed(context),
        "Gemm" => return Ok(products::build_gemm(context)),
        "MatMul" => return Ok(products::build_matmul(context)),
        "BatchNormalization" => return batch_norm::build(context),
        "Resize" | "Upsample" => return resize::build(context),
        "GridSample" => return grid_sample::build(context),
        "ScatterND" => return pick::scatter_nd(context),
        "TopK" => return Ok(top_k::build(context)),
        _ => {}
    }
    let simple = [unary::build, logic::build, join::build, reduce::build, softmax::build];
    if let Some(op) = simple.iter().find_map(|build| build(context)) {
        return Ok(op);
    }
    let checked = [binary::build, layout::build, pick::build, integer::build, norm::build, pool::build];
    let op = checked.iter().find_map(|build| build(context));
    op.unwrap_or_else(|| Err("this operator cannot be trained".to_owned()))
}

/// What is to be said of an operator that is well known, but not for training.
#[must_use]
pub fn refusal(op_type: &str) -> Option<&'static str> {
    match op_type {
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => Some("8-bit models cannot be trained: tune the float32 model, before `--int8`"),
        "NonMaxSuppression" | "NonZero" | "EfficientNMS_TRT" => Some(
            "a choice of boxes has no gradient: export the model without its post-processing (Roadproof decodes outputs itself)",
        ),
        "If" | "Loop" | "Scan" => {
            Some("branches and loops cannot be trained: export the model with fixed sides")
        }
        _ => None,
    }
}
