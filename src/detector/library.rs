//! Finding and loading ONNX Runtime's shared library.
//!
//! The library is loaded at run time, so that one build serves every variant of it (CPU, CUDA, TensorRT). `ort` panics
//! where it cannot load; here every place is tried and every failure told.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::DetectorError;

/// Names the library file, before everything else.
const VARIABLE: &str = "ORT_DYLIB_PATH";
/// The library's file name for the loader's own search.
const FILE_NAME: &str = "libonnxruntime.so";

/// The loaded library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuntimeLibrary {
    /// Where it was loaded from; without a folder where the loader found it.
    pub(crate) path: PathBuf,
    /// Its version, e.g. `1.23.2`.
    pub(crate) version: String,
}

/// The process's one ONNX Runtime environment.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) environment: Environment,
    pub(crate) library: RuntimeLibrary,
}

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
/// The latest complaints of ONNX Runtime; some of its errors name the missing library only in the log.
static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
const MAX_COMPLAINTS: usize = 16;

/// Loads the library and creates the environment, once per process.
pub(crate) fn runtime() -> Result<Runtime, DetectorError> {
    let mut slot = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*slot {
        return Ok(runtime.clone());
    }
    let runtime = load(&places())?;
    tracing::info!(path = %runtime.library.path.display(), version = runtime.library.version, "loaded ONNX Runtime");
    *slot = Some(runtime.clone());
    Ok(runtime)
}

/// Forgets what ONNX Runtime complained about so far.
pub(crate) fn clear_complaints() {
    COMPLAINTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// What ONNX Runtime complained about since, in order.
pub(crate) fn complaints() -> Vec<String> {
    COMPLAINTS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Where the library may be. Where the variable is set, only there: a wrong value must not go unnoticed.
fn places() -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return vec![PathBuf::from(path)];
    }
    let executable = std::env::current_exe().ok();
    let mut places = executable.as_deref().and_then(Path::parent).map(places_near).unwrap_or_default();
    places.push(PathBuf::from(FILE_NAME));
    places.push(PathBuf::from(format!("{FILE_NAME}.1")));
    places
}

/// Beside the executable, in `../lib` (`bin/` beside `lib/`), and in the folder above (`lib/<package>/` in `lib/`).
fn places_near(folder: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for folder in [folder.to_owned(), folder.join("../lib"), folder.join("..")] {
        let Ok(entries) = folder.read_dir() else { continue };
        let named = |name: &str| {
            name.strip_prefix(FILE_NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut found: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_str().is_some_and(named))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        places.append(&mut found);
    }
    places
}

fn load(places: &[PathBuf]) -> Result<Runtime, DetectorError> {
    let mut attempts = Vec::new();
    for path in places {
        match load_from(path) {
            Ok(runtime) => return Ok(runtime),
            Err(reason) => attempts.push((path.clone(), reason)),
        }
    }
    Err(DetectorError::RuntimeLibrary { minimum_minor: ort::MINOR_VERSION, attempts })
}

fn load_from(path: &Path) -> Result<Runtime, String> {
    // a bare name is for the loader's own search
    if path.components().count() > 1 && !path.is_file() {
        return Err("there is no such file".to_owned());
    }
    let version = version_of(path)?;
    let minor: Option<u32> = version.split('.').nth(1).and_then(|minor| minor.parse().ok());
    if !version.starts_with("1.") || minor.is_none_or(|minor| minor < ort::MINOR_VERSION) {
        return Err(format!("expected version 1.{} or newer, found {version}", ort::MINOR_VERSION));
    }
    let builder = ort::init_from(path).map_err(|error| with_sources(&error))?;
    let environment = builder
        .with_name("roadproof")
        .with_telemetry(false)
        .with_logger(Arc::new(log))
        .build()
        .map_err(|error| error.to_string())?;
    environment.set_log_level(LogLevel::Warning);
    Ok(Runtime { environment, library: RuntimeLibrary { path: path.to_owned(), version } })
}

/// The version that a library says it has.
#[allow(unsafe_code, reason = "a version can only be had from the library's code")]
fn version_of(path: &Path) -> Result<String, String> {
    // SAFETY: loading runs the library's initialisers. It is the file that the user or the installation names as ONNX
    // Runtime, and it is about to be loaded for good; there is no way to use it without trusting it.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| with_sources(&error))?;
    // SAFETY: this is the signature of `OrtGetApiBase` in every version of onnxruntime_c_api.h.
    let get_base =
        unsafe { library.get::<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase>(b"OrtGetApiBase\0") };
    let get_base =
        get_base.map_err(|_| "it is not ONNX Runtime: it does not export OrtGetApiBase".to_owned())?;
    // SAFETY: the function takes nothing and returns a pointer to a static table, or null; a null pointer becomes
    // `None`. The table's entry takes nothing and returns a static, NUL-terminated string, checked for null before
    // it is read. All is used while `library` is loaded.
    unsafe {
        let base = get_base().as_ref().ok_or("its OrtGetApiBase returns nothing")?;
        let text: *const c_char = (base.GetVersionString)();
        if text.is_null() {
            return Err("it does not tell its version".to_owned());
        }
        Ok(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// An error's text and those of its causes: the loader's own words are among them.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// ONNX Runtime's log, passed on.
fn log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => tracing::trace!(category, location, "ONNX Runtime: {message}"),
        LogLevel::Warning => tracing::warn!(category, location, "ONNX Runtime: {message}"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(category, location, "ONNX Runtime: {message}");
            let mut complaints = COMPLAINTS.lock().unwrap_or_else(PoisonError::into_inner);
            if complaints.len() < MAX_COMPLAINTS {
                complaints.push(message.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_says_what_to_do() {
        let error =
            load(&[PathBuf::from("/nowhere/libonnxruntime.so"), PathBuf::from("libno_such_library_here.so")])
                .err()
                .unwrap()
                .to_string();
        assert!(error.contains("ORT_DYLIB_PATH") && error.contains("`onnxruntime`"), "{error}");
        assert!(error.contains("/nowhere/libonnxruntime.so: there is no such file"), "{error}");
        assert!(error.contains("libno_such_library_here.so: "), "{error}");
    }

    #[test]
    fn a_file_that_is_no_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "not a library").unwrap();
        let Err(reason) = load_from(&path) else { panic!("text is no library") };
        assert!(reason.contains("libonnxruntime.so: "), "the loader's reason: {reason}");
    }

    #[test]
    fn another_library_is_refused() {
        // every process on Linux has the C library
        let Err(reason) = load_from(Path::new("libc.so.6")) else { panic!("libc is not ONNX Runtime") };
        assert!(reason.contains("OrtGetApiBase"), "{reason}");
    }

    #[test]
    fn the_neighbourhood_of_the_executable_is_searched() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["bin", "lib"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        std::fs::write(root.path().join("lib/libonnxruntime.so.1.23.2"), "").unwrap();
        std::fs::write(root.path().join("lib/libonnxruntime_providers_cuda.so"), "").unwrap();
        let places = places_near(&root.path().join("bin"));
        assert_eq!(places, [root.path().join("bin/../lib/libonnxruntime.so.1.23.2")]);
    }
}
