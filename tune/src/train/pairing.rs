//! Whether parent and student go together, and what makes a run this one.

use roadproof::compress::graph::Model;
use roadproof::detector::ModelManifest;

use super::TrainError;
use super::options::RunOptions;
use super::parent::ParentModel;
use crate::hash;

/// What both have to have in common.
pub(super) fn matches(student: &ModelManifest, parent: &ModelManifest) -> Result<(), TrainError> {
    let refuse = |problem: String| TrainError::Mismatch {
        student: student.path().to_owned(),
        parent: parent.path().to_owned(),
        problem,
    };
    if student.input != parent.input {
        return Err(refuse(format!(
            "[input] differs: {} x {} pixels and the same preparation were expected, found {} x {}",
            parent.input.width, parent.input.height, student.input.width, student.input.height
        )));
    }
    if student.class_names() != parent.class_names() {
        let (theirs, ours) = (parent.class_names(), student.class_names());
        let place = theirs.iter().zip(ours).position(|(a, b)| a != b);
        return Err(refuse(match place {
            Some(place) => format!(
                "class {place} is \"{}\" of the parent's and \"{}\" of the student's",
                theirs.get(place).map_or("", String::as_str),
                ours.get(place).map_or("", String::as_str)
            ),
            None => format!("the parent has {} classes, the student {}", theirs.len(), ours.len()),
        }));
    }
    if student.decoder.kind != parent.decoder.kind {
        let (theirs, ours) = (parent.decoder.kind, student.decoder.kind);
        return Err(refuse(format!("[decoder] type: {theirs:?} was expected, found {ours:?}")));
    }
    Ok(())
}

/// SHA-256 of what must not change between stop and start.
pub(super) fn fingerprint(
    options: &RunOptions,
    student: &Model,
    parent: &ParentModel,
    images: &str,
) -> String {
    let options = toml::to_string(options).unwrap_or_default();
    hash::fingerprint(&[&options, student.sha256(), parent.model().sha256(), images])
}
