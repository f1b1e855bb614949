//! A model and its manifest, written so that either both are there and fit, or an error says why not.

use std::path::Path;

use roadproof::compress::graph::{Model, write_whole};
use roadproof::detector::ModelManifest;

use super::TrainError;
use crate::hash::sha256;

/// Writes `NAME.onnx` and `NAME.toml` into `folder` and reads the manifest again.
///
/// # Errors
/// A file cannot be written, or the manifest is refused.
pub(super) fn write(
    folder: &Path,
    name: &str,
    model: &Model,
    mut manifest: ModelManifest,
) -> Result<ModelManifest, TrainError> {
    std::fs::create_dir_all(folder).map_err(TrainError::file(folder, "cannot be made"))?;
    let toml = folder.join(format!("{name}.toml"));
    // the old manifest does not describe the new file
    match std::fs::remove_file(&toml) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(TrainError::file(&toml, "cannot be replaced")(error));
        }
        _ => {}
    }
    let file = format!("{name}.onnx");
    let bytes = model.save(&folder.join(&file))?;
    name.clone_into(&mut manifest.name);
    manifest.file = file.into();
    manifest.sha256 = Some(sha256(&bytes));
    let text = toml::to_string(&manifest).map_err(|error| TrainError::Options {
        path: toml.clone(),
        problem: format!("cannot be written: {error}"),
    })?;
    write_whole(&toml, text.as_bytes())?;
    Ok(ModelManifest::load(&toml)?)
}
