//! Definitions of message types: as the ROS environment has them, else those that Roadproof brings along.

use std::collections::BTreeSet;
use std::path::Path;

/// What separates the definitions of a schema.
const SEPARATOR: &str = "================================================================================";

/// A type's definition with those of all types it is made of, as MCAP's `ros2msg` schemas hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageDefinition {
    /// `ros2msg`.
    pub encoding: &'static str,
    /// The text.
    pub text: String,
}

/// Finds the definition of a type, given as `package/msg/Type`: in the folders of `AMENT_PREFIX_PATH`, else for
/// the types that Roadproof writes among its own. None where a part of it is not found.
#[must_use]
pub fn find_definition(type_name: &str) -> Option<MessageDefinition> {
    let prefixes = std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    let prefixes: Vec<_> = std::env::split_paths(&prefixes).collect();
    assemble(type_name, |package, name| {
        let relative = Path::new("share").join(package).join("msg").join(format!("{name}.msg"));
        let installed =
            prefixes.iter().find_map(|prefix| std::fs::read_to_string(prefix.join(&relative)).ok());
        installed.or_else(|| built_in(package, name).map(str::to_owned))
    })
}

fn assemble(type_name: &str, find: impl Fn(&str, &str) -> Option<String>) -> Option<MessageDefinition> {
    let (package, rest) = type_name.split_once('/')?;
    let name = rest.strip_prefix("msg/")?;
    if !is_name(package) || !is_name(name) {
        return None;
    }
    let mut text = find(package, name)?;
    let mut seen = BTreeSet::from([(package.to_owned(), name.to_owned())]);
    let mut waiting = dependencies(package, &text);
    waiting.reverse();
    while let Some((package, name)) = waiting.pop() {
        if !seen.insert((package.clone(), name.clone())) {
            continue;
        }
        let part = find(&package, &name)?;
        let mut nested = dependencies(&package, &part);
        nested.reverse();
        waiting.append(&mut nested);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{SEPARATOR}\nMSG: {package}/{name}\n{part}"));
    }
    Some(MessageDefinition { encoding: "ros2msg", text })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The types that a definition's fields are of, without the primitive ones.
fn dependencies(package: &str, definition: &str) -> Vec<(String, String)> {
    let field_type = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let field = line.split_whitespace().next()?.split(['[', '<']).next()?;
        let (package, name) = field.split_once('/').unwrap_or((package, field));
        let name = name.strip_prefix("msg/").unwrap_or(name);
        // Primitive types and keywords begin with a small letter, types of messages do not.
        let message = name.starts_with(|first: char| first.is_ascii_uppercase());
        (message && is_name(package) && is_name(name)).then(|| (package.to_owned(), name.to_owned()))
    };
    definition.lines().filter_map(field_type).collect()
}

macro_rules! own {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path))
    };
}

/// The types that Roadproof writes and their parts; fields only, those of ROS without its comments.
fn built_in(package: &str, name: &str) -> Option<&'static str> {
    Some(match (package, name) {
        ("builtin_interfaces", "Time") => "int32 sec\nuint32 nanosec\n",
        ("std_msgs", "Header") => "builtin_interfaces/Time stamp\nstring frame_id\n",
        ("sensor_msgs", "Image") => {
            "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\n\
             uint8[] data\n"
        }
        ("sensor_msgs", "CompressedImage") => "std_msgs/Header header\nstring format\nuint8[] data\n",
        ("geometry_msgs", "PoseWithCovariance") => "Pose pose\nfloat64[36] covariance\n",
        ("geometry_msgs", "Pose") => "Point position\nQuaternion orientation\n",
        ("geometry_msgs", "Point") => "float64 x\nfloat64 y\nfloat64 z\n",
        ("geometry_msgs", "Quaternion") => "float64 x 0\nfloat64 y 0\nfloat64 z 0\nfloat64 w 1\n",
        ("vision_msgs", "BoundingBox2D") => own!("interfaces/vision_msgs/msg/BoundingBox2D.msg"),
        ("vision_msgs", "Detection2D") => own!("interfaces/vision_msgs/msg/Detection2D.msg"),
        ("vision_msgs", "Detection2DArray") => own!("interfaces/vision_msgs/msg/Detection2DArray.msg"),
        ("vision_msgs", "ObjectHypothesis") => own!("interfaces/vision_msgs/msg/ObjectHypothesis.msg"),
        ("vision_msgs", "ObjectHypothesisWithPose") => {
            own!("interfaces/vision_msgs/msg/ObjectHypothesisWithPose.msg")
        }
        ("vision_msgs", "Point2D") => own!("interfaces/vision_msgs/msg/Point2D.msg"),
        ("vision_msgs", "Pose2D") => own!("interfaces/vision_msgs/msg/Pose2D.msg"),
        ("roadproof", "CameraHealth") => own!("msg/CameraHealth.msg"),
        ("roadproof", "ClassHealth") => own!("msg/ClassHealth.msg"),
        ("roadproof", "GroundTruthClass") => own!("msg/GroundTruthClass.msg"),
        ("roadproof", "GroundTruthHealth") => own!("msg/GroundTruthHealth.msg"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix("MSG: ")).collect()
    }

    #[test]
    fn what_roadproof_writes_is_defined_without_ros() {
        let find = |package: &str, name: &str| built_in(package, name).map(str::to_owned);
        let image = assemble("sensor_msgs/msg/Image", find).unwrap();
        assert_eq!(parts(&image.text), ["std_msgs/Header", "builtin_interfaces/Time"]);
        assert!(image.text.starts_with("std_msgs/Header header\n"));
        let health = assemble("roadproof/msg/CameraHealth", find).unwrap();
        assert_eq!(
            parts(&health.text),
            ["std_msgs/Header", "builtin_interfaces/Time", "roadproof/ClassHealth"]
        );
        let truth = assemble("roadproof/msg/GroundTruthHealth", find).unwrap();
        assert_eq!(
            parts(&truth.text),
            ["std_msgs/Header", "builtin_interfaces/Time", "roadproof/GroundTruthClass"]
        );
        let detections = assemble("vision_msgs/msg/Detection2DArray", find).unwrap();
        assert_eq!(parts(&detections.text).len(), 12);
        assert!(assemble("sensor_msgs/msg/CompressedImage", find).is_some());
        assert!(assemble("sensor_msgs/msg/Imu", find).is_none());
        assert!(assemble("../../msg/x", find).is_none());
    }

    #[test]
    fn types_are_told_from_primitives_and_constants() {
        let text = "# Header\nuint8 A=1\nstring<=5 s\nPoint[<=3] p\npkg/msg/Other[] o\nfloat64[3] v # Pose\n\nwstring w";
        let expected = [("here", "Point"), ("pkg", "Other")];
        assert_eq!(dependencies("here", text), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
