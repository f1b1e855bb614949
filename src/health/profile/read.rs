use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{PROFILE_VERSION, Profile};
use crate::detector::model_file::hexadecimal;

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
    /// The file cannot be written.
    #[error("{path}: cannot be written: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A profile that is to be written has something out of range.
    #[error("the profile is not written, it could not be read again: {problem}")]
    Invalid {
        /// What is wrong.
        problem: String,
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

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Profile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// It cannot be read, is of another version, or something in it is out of range; the error says what and where.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let source = |source| ProfileError::Read { path: path.to_owned(), source };
        Self::from_json(&std::fs::read(path).map_err(source)?, path)
    }

    /// Reads and checks the content of a profile's file; `path` is for errors alone.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub fn from_json(json: &[u8], path: &Path) -> Result<Self, ProfileError> {
        let malformed = |problem: String| ProfileError::Malformed { path: path.to_owned(), problem };
        // The version decides what the rest means, so nothing else is looked at before.
        let Versioned { version } = serde_json::from_slice(json).map_err(|error| {
            malformed(if error.is_data() {
                format!("`version`: expected a whole number, {PROFILE_VERSION} for this program: {error}")
            } else {
                format!("expected JSON: {error}")
            })
        })?;
        if version != u64::from(PROFILE_VERSION) {
            return Err(ProfileError::Version {
                path: path.to_owned(),
                found: version,
                expected: PROFILE_VERSION,
            });
        }
        let mut profile: Self = serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        profile.check().map_err(malformed)?;
        profile.sha256 = hexadecimal(&Sha256::digest(json));
        Ok(profile)
    }

    /// Checks that it is of this model, with these classes and thresholds.
    ///
    /// # Errors
    /// [`ProfileError::OtherModel`], [`ProfileError::Classes`] or [`ProfileError::Thresholds`].
    pub fn check_fits(
        &self,
        model: &crate::detector::ModelInfo,
        thresholds: &crate::detector::Thresholds,
    ) -> Result<(), ProfileError> {
        if !self.model.sha256.eq_ignore_ascii_case(&model.sha256) {
            return Err(ProfileError::OtherModel {
                profiled: self.model.name.clone(),
                profiled_sha256: self.model.sha256.clone(),
                model: model.name.clone(),
                sha256: model.sha256.clone(),
            });
        }
        let (own, theirs) = (self.classes.len(), model.class_names.len());
        if own != theirs {
            let problem = format!("the profile has {own}, the model's manifest {theirs}");
            return Err(ProfileError::Classes { problem });
        }
        let pairs = self.classes.iter().zip(&model.class_names).enumerate();
        if let Some((id, (own, theirs))) = pairs.into_iter().find(|(_, (own, theirs))| own.name != **theirs) {
            let problem =
                format!("class {id} is '{}' in the profile, '{theirs}' in the model's manifest", own.name);
            return Err(ProfileError::Classes { problem });
        }
        let pairs = [
            ("low_score", self.source.low_score, thresholds.low_score),
            ("nms_iou", self.source.nms_iou, thresholds.nms_iou),
        ];
        for (key, profiled, found) in pairs {
            // The same number read from different files is the same to the last bit or nearly so.
            let is_same = (profiled - found).abs() <= f32::EPSILON;
            if !is_same {
                return Err(ProfileError::Thresholds { key, profiled, found });
            }
        }
        Ok(())
    }
}
