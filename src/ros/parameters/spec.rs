//! What a parameter may be: its type, range, description, and when it may change.

mod model;
mod truth;

use r2r::ParameterValue;

use model::model_specs;
use truth::truth_specs;

/// Type and range of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    Double {
        min: f64,
        max: f64,
    },
    /// Any text, or one of `choices` where there are some.
    Text {
        choices: &'static [&'static str],
    },
    TextList,
}

/// When a parameter may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutability {
    /// At any time; takes effect with the next frame.
    Live,
    /// Only while the node is unconfigured; takes effect at `configure`.
    Unconfigured,
    /// Only on the command line, in a launch file or in a parameter file.
    Startup,
}

/// Declaration of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) mutability: Mutability,
    pub(crate) description: String,
    pub(crate) default: ParameterValue,
}

impl Kind {
    /// The type's name in messages to the user.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Integer { .. } => "integer",
            Self::Double { .. } => "double",
            Self::Text { .. } => "string",
            Self::TextList => "string array",
        }
    }

    /// Brings `value` into this type and checks its range.
    ///
    /// YAML writes whole doubles as integers and cannot say of what type an empty list is; both are taken as
    /// they are meant.
    pub(crate) fn admit(&self, value: ParameterValue) -> Result<ParameterValue, String> {
        use ParameterValue as V;
        let value = match (self, value) {
            (_, V::NotSet) => return Ok(V::NotSet),
            (Self::Double { .. }, V::Integer(i)) => V::Double(i as f64),
            (Self::TextList, V::ByteArray(a)) if a.is_empty() => V::StringArray(Vec::new()),
            (Self::TextList, V::BoolArray(a)) if a.is_empty() => V::StringArray(Vec::new()),
            (Self::TextList, V::IntegerArray(a)) if a.is_empty() => V::StringArray(Vec::new()),
            (Self::TextList, V::DoubleArray(a)) if a.is_empty() => V::StringArray(Vec::new()),
            (_, value) => value,
        };
        match (self, &value) {
            (Self::Bool, V::Bool(_)) | (Self::TextList, V::StringArray(_)) => Ok(value),
            (Self::Integer { min, max }, V::Integer(i)) => {
                if (min..=max).contains(&i) {
                    Ok(value)
                } else {
                    Err(format!("{i} is outside {min} … {max}"))
                }
            }
            (Self::Double { min, max }, V::Double(d)) => {
                if (*min..=*max).contains(d) {
                    Ok(value)
                } else {
                    Err(format!("{d} is outside {min} … {max}"))
                }
            }
            (Self::Text { choices }, V::String(s)) => {
                if choices.is_empty() || choices.contains(&s.as_str()) {
                    Ok(value)
                } else {
                    Err(format!("'{s}' is none of: {}", choices.join(", ")))
                }
            }
            (kind, other) => {
                Err(format!("expected type {}, found type {}", kind.type_name(), other.type_name()))
            }
        }
    }
}

fn spec(name: &str, kind: Kind, mutability: Mutability, default: ParameterValue, description: &str) -> Spec {
    Spec { name: name.to_owned(), kind, mutability, description: description.to_owned(), default }
}

fn text(s: &str) -> ParameterValue {
    ParameterValue::String(s.to_owned())
}

fn list(items: &[&str]) -> ParameterValue {
    ParameterValue::StringArray(items.iter().map(|s| (*s).to_owned()).collect())
}

/// Any text.
fn any_text() -> Kind {
    Kind::Text { choices: &[] }
}

/// A share or a probability.
fn unit() -> Kind {
    Kind::Double { min: 0.0, max: 1.0 }
}

/// Parameters of the node that do not depend on the cameras.
#[expect(clippy::too_many_lines, reason = "a table, one parameter after the other")]
pub(crate) fn node_specs() -> Vec<Spec> {
    use Mutability::{Live, Startup, Unconfigured};
    use ParameterValue as V;
    let mut specs = vec![
        spec(
            "model",
            any_text(),
            Unconfigured,
            text(""),
            "Model manifest (TOML). A relative path is looked up in the working directory, then in the installed share/roadproof.",
        ),
        spec(
            "cameras",
            Kind::TextList,
            Unconfigured,
            list(&[]),
            "Names of the cameras. Each one declares <camera>.topic and further parameters.",
        ),
    ];
    specs.extend(model_specs());
    specs.extend([
        spec(
            "autostart",
            Kind::Bool,
            Startup,
            V::Bool(true),
            "Configure and activate at start, without waiting for a lifecycle manager.",
        ),
        spec(
            "allow_unknown_parameters",
            Kind::Bool,
            Startup,
            V::Bool(false),
            "Accept parameters that the node does not know, for vehicle-wide parameter files. Otherwise they keep it from being configured.",
        ),
        spec("use_sim_time", Kind::Bool, Live, V::Bool(false), "Take the time from /clock."),
        spec(
            "score_threshold",
            unit(),
            Live,
            V::NotSet,
            "Lowest score of a published detection. Not set: the manifest's value.",
        ),
        spec(
            "class_score_thresholds",
            Kind::TextList,
            Live,
            list(&[]),
            "Score thresholds of single classes, as class=score, for example person=0.3.",
        ),
        spec(
            "enabled_classes",
            Kind::TextList,
            Live,
            list(&[]),
            "Classes that are published, by name. Empty: all of the model's.",
        ),
        spec(
            "nms_iou_threshold",
            unit(),
            Live,
            V::NotSet,
            "Intersection over union above which the weaker of two boxes of one class is suppressed. Not set: the manifest's value.",
        ),
        spec(
            "max_detections",
            Kind::Integer { min: 1, max: 10_000 },
            Live,
            V::NotSet,
            "Most detections of one frame. Not set: the manifest's value.",
        ),
        spec(
            "low_score_threshold",
            unit(),
            Live,
            V::Double(0.1),
            "Lowest score that the health figures take into account; below the publishing thresholds, because a failing detector shows there first.",
        ),
        spec(
            "max_age_ms",
            Kind::Integer { min: 0, max: 3_600_000 },
            Live,
            V::Integer(1000),
            "Frames whose stamp is older than this when their turn comes count as stale and are not processed; 0 switches the check off. Milliseconds.",
        ),
        spec(
            "stale_after_ms",
            Kind::Integer { min: 50, max: 3_600_000 },
            Live,
            V::Integer(1000),
            "A camera that delivers nothing for this long is reported as stale. Milliseconds.",
        ),
        spec(
            "health.window_s",
            Kind::Integer { min: 2, max: 600 },
            Unconfigured,
            V::Integer(30),
            "Length of the sliding window of the health figures. Seconds.",
        ),
        spec(
            "health.min_support",
            Kind::Integer { min: 1, max: 1_000_000 },
            Unconfigured,
            V::Integer(30),
            "Detections of a class in the window below which its health is reported as insufficient data.",
        ),
        spec(
            "health.profile",
            any_text(),
            Unconfigured,
            text(""),
            "Profile of the model (JSON, made by `roadproof profile`) that health compares with; found like `model`. Empty: health tells figures but compares with nothing.",
        ),
        spec(
            "health.rules",
            any_text(),
            Unconfigured,
            text(""),
            "Rules (TOML) that say which classes are safety-critical and which diagnostic level a status means; found like `model`. Empty: the built-in ones, those of config/health_rules.toml.",
        ),
    ]);
    specs.extend(truth_specs());
    specs.extend([
        spec(
            "corruption.seed",
            Kind::Integer { min: 0, max: i64::MAX },
            Live,
            V::Integer(0),
            "Where all randomness of injected and shadow corruptions comes from.",
        ),
        spec(
            "corruption.radius_mode",
            Kind::Text { choices: &["absolute", "relative"] },
            Live,
            text("relative"),
            "Lengths of corruptions in pixels, as published (absolute), or in proportion to the picture (relative).",
        ),
        spec(
            "corruption.weather_mode",
            Kind::Text { choices: &["independent", "coherent"] },
            Live,
            text("coherent"),
            "Weather drawn anew for every frame (independent), or moving over the stream (coherent).",
        ),
        spec(
            "inject.armed",
            Kind::Bool,
            Live,
            V::Bool(false),
            "Corrupt the frames themselves: published detections come from corrupted frames. Needs inject.corruptions or inject.campaign.",
        ),
        spec(
            "inject.corruptions",
            Kind::TextList,
            Live,
            list(&[]),
            "Corruptions that are injected, in order, as corruption:severity, for example fog:2.5.",
        ),
        spec(
            "inject.campaign",
            any_text(),
            Live,
            text(""),
            "Campaign file (TOML) that is injected instead, from the moment of arming on.",
        ),
        spec(
            "inject.cameras",
            Kind::TextList,
            Live,
            list(&[]),
            "Cameras whose frames are corrupted. Empty: all.",
        ),
        spec(
            "shadow.corruptions",
            Kind::TextList,
            Live,
            list(&[]),
            "Corruptions that are tried in turn on copies of frames, to watch robustness; what is published stays clean. As corruption:severity.",
        ),
        spec(
            "shadow.max_share",
            unit(),
            Live,
            V::Double(0.1),
            "Most of the worker's time that shadow copies may take, and most of a frame period by which they may delay a frame.",
        ),
        spec(
            "debug_image.max_rate_hz",
            Kind::Double { min: 0.0, max: 1000.0 },
            Live,
            V::Double(5.0),
            "Most debug images per second and camera, drawn only while somebody subscribes; 0 switches them off.",
        ),
    ]);
    specs
}

/// Suffixes of the parameters of one camera.
pub(crate) const CAMERA_SUFFIXES: [&str; 6] =
    ["topic", "transport", "reliability", "durability", "max_rate_hz", "ground_truth"];

/// Parameters of the camera `camera`.
pub(crate) fn camera_specs(camera: &str) -> Vec<Spec> {
    use Mutability::{Live, Unconfigured};
    use ParameterValue as V;
    let name = |suffix: &str| format!("{camera}.{suffix}");
    vec![
        spec(
            &name("topic"),
            Kind::Text { choices: &[] },
            Unconfigured,
            text(""),
            "Topic of the camera's images.",
        ),
        spec(
            &name("transport"),
            Kind::Text { choices: &["raw", "compressed"] },
            Unconfigured,
            text("raw"),
            "raw: sensor_msgs/Image. compressed: sensor_msgs/CompressedImage (JPEG, PNG).",
        ),
        spec(
            &name("reliability"),
            Kind::Text { choices: &["auto", "reliable", "best_effort"] },
            Unconfigured,
            text("auto"),
            "Reliability asked of the publisher; auto follows what it offers.",
        ),
        spec(
            &name("durability"),
            Kind::Text { choices: &["auto", "volatile", "transient_local"] },
            Unconfigured,
            text("auto"),
            "Durability asked of the publisher; auto follows what it offers.",
        ),
        spec(
            &name("max_rate_hz"),
            Kind::Double { min: 0.0, max: 1000.0 },
            Live,
            V::Double(0.0),
            "Most frames processed per second; 0 is no limit. Frames in between count as overwritten.",
        ),
        spec(
            &name("ground_truth"),
            any_text(),
            Unconfigured,
            text(""),
            "Topic of what is really there (vision_msgs/Detection2DArray with the stamps of the images), as simulators have it; docs/ground-truth.md. Empty: none.",
        ),
    ]
}
