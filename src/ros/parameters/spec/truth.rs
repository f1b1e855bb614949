//! Parameters of what is for simulators and tests: ground truth, and the recording.

use r2r::ParameterValue as V;

use super::Mutability::Unconfigured;
use super::{Kind, Spec, any_text, spec, text};

/// How ground truth is compared, and what is recorded.
pub(super) fn truth_specs() -> Vec<Spec> {
    vec![
        spec(
            "ground_truth.window_frames",
            Kind::Integer { min: 1, max: 10_000 },
            Unconfigured,
            V::Integer(300),
            "Frames in the window of the figures by ground truth, of each camera that has <camera>.ground_truth.",
        ),
        spec(
            "ground_truth.iou",
            Kind::Double { min: 0.5, max: 0.95 },
            Unconfigured,
            V::Double(0.5),
            "Intersection over union from which a published detection is right, for precision and recall: 0.5, 0.55 … 0.95. AP is the mean over all of these.",
        ),
        spec(
            "ground_truth.wait_ms",
            Kind::Integer { min: 1, max: 60_000 },
            Unconfigured,
            V::Integer(5000),
            "For how long a processed frame waits for its ground truth, and ground truth for its frame, before they count as unmatched. Milliseconds.",
        ),
        spec(
            "record.path",
            any_text(),
            Unconfigured,
            text(""),
            "Bag (MCAP) that is recorded while the node is active: the cameras' images as received, their ground truth, detections and health. A name that ends in .mcap is a file, any other a folder; one that is taken gets a number. Empty: nothing is recorded.",
        ),
        spec(
            "record.buffer_mb",
            Kind::Integer { min: 1, max: 4096 },
            Unconfigured,
            V::Integer(128),
            "Most memory for messages that wait to be recorded; where the disk is slower than they come, further ones are left out and counted. Megabytes.",
        ),
    ]
}
