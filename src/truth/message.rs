//! Ground truth as it arrives.

use super::Problem;
use super::problem::Problems;
use crate::data::bag::cdr::Detection2DArray;
use crate::data::dataset::class_named;
use crate::evaluation::{Rect, Truth};

/// Most objects of a message; one with more is refused as a whole.
pub const MAX_OBJECTS: usize = 10_000;

/// The objects of one image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TruthFrame {
    pub(super) frame_id: String,
    pub(super) truths: Vec<Truth>,
    /// Objects whose box was rotated.
    pub(super) rotated: usize,
}

impl TruthFrame {
    /// Takes over the objects that can be compared, as `roadproof evaluate` does; the others are counted.
    pub(super) fn new(
        array: Detection2DArray,
        names: &[String],
        camera: &str,
        problems: &mut Problems,
    ) -> Self {
        let mut truths = Vec::with_capacity(array.detections.len());
        let mut rotated = 0;
        for object in &array.detections {
            let name = object.best().map_or("", |best| best.class_id.as_str());
            let Some(class_id) = class_named(names, name) else {
                problems.add_unknown_class(camera, name, names.first().map_or("", String::as_str));
                continue;
            };
            let Some([x_min, y_min, x_max, y_max]) = object.corners() else {
                problems.add(camera, Problem::BadBox, || {
                    format!(
                        "a box of {} × {} pixels at ({}, {}) at the stamp {} ns is left out: expected are finite numbers and a size \
                         above 0",
                        object.size_x_px, object.size_y_px, object.center_x_px, object.center_y_px, array.stamp_ns
                    )
                });
                continue;
            };
            rotated += usize::from(object.theta_rad != 0.0);
            truths.push(Truth::new(class_id as u32, Rect::from_corners(x_min, y_min, x_max, y_max)));
        }
        Self { frame_id: array.frame_id, truths, rotated }
    }
}
