//! What keeps frames, messages and objects from being compared: counted by kind, told once in the log.

use std::collections::BTreeMap;

/// Names of unknown classes that are counted each for itself; further ones are counted together.
pub const MAX_UNKNOWN_CLASSES: usize = 64;

/// Longest part of an unknown class's name that is kept, characters.
const MAX_NAME: usize = 64;

/// Why a frame, a message of ground truth, or an object in it was not compared (or not as the sender meant it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// No ground truth came with the frame's stamp in time.
    FrameWithoutTruth,
    /// The frame's stamp is 0.
    FrameUnstamped,
    /// No frame with the message's stamp was processed in time.
    TruthWithoutFrame,
    /// The stamp of a message that still waits for its frame.
    TruthDuplicate,
    /// The message's stamp is 0.
    TruthUnstamped,
    /// Not a `Detection2DArray`, or with too many objects.
    TruthMalformed,
    /// Same stamp, another `frame_id`.
    WrongFrameId,
    /// The object is of a class that the model does not have.
    UnknownClass,
    /// The object's box is not finite, or has no area.
    BadBox,
    /// The object's box lies outside the image.
    Outside,
    /// The object's box lies partly outside the image; it is compared as it is.
    PartlyOutside,
    /// The object's box is rotated; it is compared as if it were not.
    Rotated,
}

impl Problem {
    const COUNT: usize = Self::Rotated as usize + 1;

    /// Whether it is worth a warning by itself. Frames and messages without a partner are usual where one side is
    /// slower than the other, and simulators do not clip boxes.
    fn is_notable(self) -> bool {
        !matches!(self, Self::FrameWithoutTruth | Self::TruthWithoutFrame | Self::PartlyOutside)
    }
}

/// Problems of one camera.
#[derive(Debug, Default)]
pub(super) struct Problems {
    counts: [u64; Problem::COUNT],
    /// What the newest one of a kind looked like, of those that have come up since they were last taken.
    recent: BTreeMap<Problem, String>,
    told: [bool; Problem::COUNT],
    unknown_classes: BTreeMap<String, u64>,
    other_unknown_classes: u64,
}

impl Problems {
    /// Counts one; `detail` says what was found, what was expected, and what to do, and is asked for only when it is
    /// needed.
    pub(super) fn add(&mut self, camera: &str, problem: Problem, detail: impl Fn() -> String) {
        if let Some(count) = self.counts.get_mut(problem as usize) {
            *count += 1;
        }
        let Some(told) = self.told.get_mut(problem as usize) else { return };
        if !problem.is_notable() {
            return;
        }
        if !std::mem::replace(told, true) {
            tracing::warn!("ground truth of camera '{camera}': {}; further ones are only counted", detail());
        }
        self.recent.entry(problem).or_insert_with(detail);
    }

    /// Counts an object of an unknown class by its name; `known` is a class that the model has.
    pub(super) fn add_unknown_class(&mut self, camera: &str, name: &str, known: &str) {
        if let Some(count) = self.counts.get_mut(Problem::UnknownClass as usize) {
            *count += 1;
        }
        let name: String = name.chars().take(MAX_NAME).collect();
        if let Some(count) = self.unknown_classes.get_mut(&name) {
            *count += 1;
        } else if self.unknown_classes.len() < MAX_UNKNOWN_CLASSES {
            tracing::warn!("ground truth of camera '{camera}': {}", unknown_class(&name, known));
            self.unknown_classes.insert(name.clone(), 1);
        } else {
            self.other_unknown_classes += 1;
        }
        self.recent.entry(Problem::UnknownClass).or_insert_with(|| unknown_class(&name, known));
    }

    pub(super) fn count(&self, problem: Problem) -> u64 {
        self.counts.get(problem as usize).copied().unwrap_or_default()
    }

    /// Objects by the name of their unknown class; those beyond [`MAX_UNKNOWN_CLASSES`] under "(others)".
    pub(super) fn unknown_classes(&self) -> Vec<(String, u64)> {
        let others =
            (self.other_unknown_classes > 0).then(|| ("(others)".into(), self.other_unknown_classes));
        self.unknown_classes.iter().map(|(name, count)| (name.clone(), *count)).chain(others).collect()
    }

    /// What has come up since this was last asked, one sentence for each kind.
    pub(super) fn take_recent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.recent).into_values().collect()
    }
}

fn unknown_class(name: &str, known: &str) -> String {
    let what = if name.is_empty() {
        "an object without a class".to_owned()
    } else if name.parse::<f64>().is_ok() {
        format!("the class_id '{name}' is a number, classes go by their names")
    } else {
        format!("the model has no class '{name}'")
    };
    format!("{what}; its objects are left out, expected is a name of the model's manifest such as '{known}'")
}
