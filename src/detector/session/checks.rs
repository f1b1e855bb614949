//! Whether a model's inputs and outputs can be used.

use std::path::Path;

use ort::value::{Outlet, TensorElementType, ValueType};

use super::host::MAX_OUTPUTS;
use crate::detector::DetectorError;
use crate::detector::decode::{OutputInfo, shape_text};

/// The model has one float32 input, and each of its dimensions is free or as in the manifest.
pub(crate) fn check_input(inputs: &[Outlet], shape: &[i64], path: &Path) -> Result<(), DetectorError> {
    check_input_of(inputs, shape, path, &[TensorElementType::Float32])
}

/// As [`check_input`], with an input of float32 or float16: the GPU writes both.
pub(crate) fn check_device_input(inputs: &[Outlet], shape: &[i64], path: &Path) -> Result<(), DetectorError> {
    check_input_of(inputs, shape, path, &[TensorElementType::Float32, TensorElementType::Float16])
}

fn check_input_of(
    inputs: &[Outlet],
    shape: &[i64],
    path: &Path,
    types: &[TensorElementType],
) -> Result<(), DetectorError> {
    let fits = |found: &[i64]| {
        found.len() == shape.len()
            && found.iter().zip(shape).all(|(found, wanted)| *found < 0 || found == wanted)
    };
    if let [only] = inputs
        && let ValueType::Tensor { ty, shape: found, .. } = only.dtype()
        && types.contains(ty)
        && fits(found)
    {
        return Ok(());
    }
    let describe = |input: &Outlet| format!("`{}` {}", input.name(), type_text(input.dtype()));
    let found = if inputs.is_empty() {
        "no input".to_owned()
    } else {
        inputs.iter().map(describe).collect::<Vec<_>>().join(", ")
    };
    Err(DetectorError::Input {
        path: path.to_owned(),
        expected: format!(
            "one input of {} {} (the manifest's `input`)",
            types.iter().map(|ty| format!("{ty:?}").to_lowercase()).collect::<Vec<_>>().join(" or "),
            shape_text(shape)
        ),
        found,
    })
}

/// Whether the (checked) input leaves its first dimension free, so that a run can take several images.
pub(crate) fn takes_batches(inputs: &[Outlet]) -> bool {
    let free = |input: &Outlet| matches!(input.dtype(), ValueType::Tensor { shape, .. } if shape.first().is_some_and(|first| *first < 0));
    inputs.first().is_some_and(free)
}

pub(crate) fn check_output_names(outputs: &[Outlet], path: &Path) -> Result<(), DetectorError> {
    let refuse = |message: String| Err(DetectorError::Session { path: path.to_owned(), message });
    if outputs.len() > MAX_OUTPUTS {
        return refuse(format!("expected at most {MAX_OUTPUTS} outputs, found {}", outputs.len()));
    }
    // `ort` panics when an output without a name is asked for
    if outputs.iter().any(|output| output.name().is_empty()) {
        return refuse("expected a name for every output, found one without".to_owned());
    }
    Ok(())
}

pub(super) fn describe_output(output: &Outlet) -> OutputInfo {
    let name = output.name().to_owned();
    match output.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            OutputInfo { name, shape: shape.to_vec(), is_f32: *ty == TensorElementType::Float32 }
        }
        _ => OutputInfo { name, shape: Vec::new(), is_f32: false },
    }
}

fn type_text(dtype: &ValueType) -> String {
    match dtype {
        ValueType::Tensor { ty, shape, .. } => format!("{ty:?} {}", shape_text(shape)).to_lowercase(),
        other => format!("{other:?}"),
    }
}
