//! ONNX Runtime's profile of a run: a list of events in the Trace Event Format, as JSON.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;

use super::Kernel;

/// A run of a large detector leaves a few thousand events of some hundred bytes.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Args,
}

#[derive(Deserialize, Default)]
struct Args {
    #[serde(default)]
    op_name: String,
    #[serde(default)]
    provider: String,
}

/// The kernels in a profile, in the order in which they ran.
///
/// # Errors
/// It cannot be read, is too large, or is no profile; with the file's name.
pub(super) fn read(path: &Path) -> Result<Vec<Kernel>, String> {
    let of_file = |message: String| format!("the profile {}: {message}", path.display());
    let file = File::open(path).map_err(|error| of_file(error.to_string()))?;
    let bytes = file.metadata().map_err(|error| of_file(error.to_string()))?.len();
    if bytes > MAX_BYTES {
        return Err(of_file(format!("expected at most {MAX_BYTES} bytes, found {bytes}")));
    }
    // it may still grow
    let events: Vec<Event> = serde_json::from_reader(BufReader::new(file.take(MAX_BYTES)))
        .map_err(|error| of_file(format!("expected a list of events, found something else: {error}")))?;
    Ok(kernels(events))
}

fn kernels(events: Vec<Event>) -> Vec<Kernel> {
    let kernel = |event: Event| {
        let node = event.name.strip_suffix("_kernel_time").filter(|_| event.cat == "Node")?.to_owned();
        Some(Kernel { node, operator: event.args.op_name, provider: event.args.provider })
    };
    events.into_iter().filter_map(kernel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Kernel>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn kernels_are_told_from_other_events() {
        let profile = r#"[
            {"cat" : "Session","pid" :1,"tid" :1,"dur" :9,"ts" :5,"ph" : "X","name" :"model_loading_array","args" : {}},
            {"cat" : "Node","pid" :1,"ts" :6,"ph" : "X","name" :"conv_kernel_time",
             "args" : {"op_name" : "Conv","provider" : "CUDAExecutionProvider","node_index" : "0"}},
            {"cat" : "Node","pid" :1,"ts" :7,"ph" : "X","name" :"conv_fence_after","args" : {"op_name" : "Conv"}}
        ]"#;
        let wanted = Kernel {
            node: "conv".to_owned(),
            operator: "Conv".to_owned(),
            provider: "CUDAExecutionProvider".to_owned(),
        };
        assert_eq!(parse(profile).unwrap(), [wanted]);
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in ["", "[{", "{}", "[1]", r#"[{"cat": 1}]"#, "[] and more", &"[".repeat(100_000)] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("expected a list of events"), "{error}");
        }
        assert!(read(Path::new("/nowhere/profile.json")).is_err());
        assert_eq!(parse("[]").unwrap(), []);
    }

    #[test]
    fn a_profile_beyond_all_measure_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_BYTES + 1).unwrap(); // sparse
        let error = read(file.path()).unwrap_err();
        assert!(error.contains("expected at most"), "{error}");
    }
}
