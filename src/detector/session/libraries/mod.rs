//! The shared libraries that a GPU provider needs, looked at before ONNX Runtime is asked: it tells the first one that
//! is missing at best, and some only when the model runs.

mod elf;
mod packages;

pub(super) use elf::needed;

use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LAZY};

use crate::detector::Provider;

/// ONNX Runtime loads cuDNN by name, so no file says which one; all its releases for CUDA 12 and 13 take this one.
const CUDNN: &str = "libcudnn.so.9";
const DRIVER: &str = "libcuda.so.1";
/// What TensorRT's provider needs where its file does not say.
const TENSORRT: [&str; 2] = ["libnvinfer.so.10", "libnvonnxparser.so.10"];
/// Parts of every Linux system with the C++ library.
const SYSTEM: [&str; 9] = [
    "ld-linux",
    "libc.so",
    "libdl.so",
    "libgcc_s.so",
    "libm.so",
    "libpthread.so",
    "librt.so",
    "libstdc++.so",
    "linux-vdso",
];

/// What a provider needs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    /// Provider libraries that are not where they have to be, with the reason.
    absent: Vec<(PathBuf, String)>,
    /// Libraries for the loader to find, in the order in which to load them.
    names: Vec<String>,
}

impl Needs {
    fn add(&mut self, name: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    /// What the file needs beyond the system.
    fn add_needed_by(&mut self, path: PathBuf) {
        if !path.is_file() {
            self.absent.push((path, "there is no such file".to_owned()));
            return;
        }
        match elf::needed(&path) {
            Ok(names) => names
                .iter()
                .filter(|name| !SYSTEM.iter().any(|part| name.starts_with(part)))
                .for_each(|name| self.add(name)),
            Err(reason) => self.absent.push((path, reason)),
        }
    }
}

/// Loads, for good, what `provider` needs from where the loader finds it, or else from `folders`.
///
/// # Errors
/// One message with everything that is missing and what to install.
pub(super) fn require(
    provider: Provider,
    runtime_library: &Path,
    plugin: Option<&Path>,
) -> Result<(), String> {
    if !provider.is_gpu() {
        return Ok(());
    }
    let runtime_folder = runtime_folder(runtime_library);
    let needs = needs(provider, &runtime_folder, plugin);
    let mut folders = match plugin.and_then(Path::parent) {
        Some(folder) => vec![folder.to_owned()],
        None => Vec::new(),
    };
    folders.append(&mut wheel_folders(&runtime_folder));
    let missing = missing(&needs, &mut |name| load(name, &folders));
    if missing.is_empty() { Ok(()) } else { Err(packages::message(&missing)) }
}

/// The folder of ONNX Runtime's library; where the loader found that by its name, the folder of what is mapped.
pub(super) fn runtime_folder(library: &Path) -> PathBuf {
    if let Some(folder) = library.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        return folder.to_owned();
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped = maps.lines().filter_map(|line| line.find('/').and_then(|start| line.get(start..)));
    mapped
        .map(Path::new)
        .find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.so"))
        })
        .and_then(Path::parent)
        .map(Path::to_owned)
        .unwrap_or_default()
}

fn needs(provider: Provider, runtime_folder: &Path, plugin: Option<&Path>) -> Needs {
    let mut needs = Needs::default();
    needs.add(DRIVER);
    match provider {
        Provider::Cpu => {}
        Provider::Cuda | Provider::TensorRt => {
            needs.add_needed_by(runtime_folder.join("libonnxruntime_providers_cuda.so"));
            if !needs.names.iter().any(|name| name.starts_with("libcudnn.so")) && needs.absent.is_empty() {
                needs.add(CUDNN);
            }
            if provider == Provider::TensorRt {
                needs.add_needed_by(runtime_folder.join("libonnxruntime_providers_tensorrt.so"));
                if !needs.names.iter().any(|name| name.starts_with("libnvinfer.so")) {
                    for name in TENSORRT {
                        needs.add(name);
                    }
                }
            }
        }
        Provider::NvTensorRtRtx => {
            if let Some(plugin) = plugin {
                needs.add_needed_by(plugin.to_owned());
            }
        }
    }
    needs
}

/// A library that is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    /// The loader's name of it, or the file that is not there.
    name: String,
    /// The loader's reason, where it is more than that there is none.
    reason: Option<String>,
}

/// What of `needs` cannot be loaded. `load` is asked again for what it could not load at first: one library may need
/// another of them.
fn missing(needs: &Needs, load: &mut dyn FnMut(&str) -> Result<(), Option<String>>) -> Vec<Missing> {
    let absent = needs
        .absent
        .iter()
        .map(|(path, reason)| Missing { name: path.display().to_string(), reason: Some(reason.clone()) });
    let mut missing: Vec<Missing> = absent.collect();
    let failed: Vec<&String> = needs.names.iter().filter(|name| load(name).is_err()).collect();
    for name in failed {
        if let Err(reason) = load(name) {
            missing.push(Missing { name: name.clone(), reason });
        }
    }
    missing
}

/// Loads a library for the rest of the process, with its symbols for all: what ONNX Runtime loads later then finds it by
/// its name. An error has a reason where a file is there and cannot be loaded.
#[allow(unsafe_code, reason = "loading a library runs its initialisers")]
fn load(name: &str, folders: &[PathBuf]) -> Result<(), Option<String>> {
    let open = |path: &Path| {
        // SAFETY: these are NVIDIA's libraries that ONNX Runtime's provider names as its own needs. It is about to load
        // them from the same place; there is no way to use the provider without trusting them.
        let library = unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_GLOBAL) };
        library.map(std::mem::forget).map_err(|error| {
            use std::error::Error as _;
            error.source().map_or_else(|| error.to_string(), ToString::to_string)
        })
    };
    let Err(reason) = open(Path::new(name)) else { return Ok(()) };
    // of this file itself, or of one that it needs
    let mut reason =
        (!reason.starts_with(&format!("{name}: cannot open shared object file"))).then_some(reason);
    for path in folders.iter().filter_map(|folder| file_in(folder, name)) {
        match open(&path) {
            Ok(()) => return Ok(()),
            Err(text) => reason = Some(text),
        }
    }
    Err(reason)
}

/// `libx.so.1` in a folder, or where there is no such link, `libx.so.1.2.3`.
fn file_in(folder: &Path, name: &str) -> Option<PathBuf> {
    let exact = folder.join(name);
    // an unpacked archive may hold a link as a file with the target's name in it
    if exact.metadata().is_ok_and(|file| file.is_file() && file.len() > 4096) {
        return Some(exact);
    }
    let longer = |file: &str| file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let names = folder.read_dir().ok()?.filter_map(Result::ok);
    names
        .filter(|entry| entry.file_name().to_str().is_some_and(longer))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .max()
}

/// Where NVIDIA's Python packages keep their libraries, beside the package that `runtime_folder` belongs to.
fn wheel_folders(runtime_folder: &Path) -> Vec<PathBuf> {
    let packages = runtime_folder.join("../..");
    let mut folders = vec![runtime_folder.to_owned()];
    if let Ok(entries) = packages.join("nvidia").read_dir() {
        folders.extend(entries.filter_map(Result::ok).map(|entry| entry.path().join("lib")));
    }
    folders.push(packages.join("tensorrt_libs"));
    folders.retain(|folder| folder.is_dir());
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs_of(names: &[&str]) -> Needs {
        Needs { absent: Vec::new(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn everything_that_is_missing_is_named_with_its_package() {
        let needs = Needs {
            absent: vec![(PathBuf::from("/ort/libonnxruntime_providers_tensorrt.so"), "gone".to_owned())],
            ..needs_of(&[
                "libcuda.so.1",
                "libcudart.so.13",
                "libcublasLt.so.13",
                "libcublas.so.13",
                "libnvinfer.so.10",
            ])
        };
        let missing = missing(&needs, &mut |name| match name {
            "libcudart.so.13" => Ok(()),
            "libnvinfer.so.10" => Err(Some("libnvinfer.so.10: file too short".to_owned())),
            _ => Err(None),
        });
        let text = packages::message(&missing);
        for part in [
            "/ort/libonnxruntime_providers_tensorrt.so",
            "onnxruntime-gpu",
            "libcuda.so.1",
            "NVIDIA driver",
            "libcublasLt.so.13, libcublas.so.13",
            "nvidia-cublas`",
            "libnvinfer.so.10: file too short",
            "TensorRT",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("libcudart"), "{text}");
    }

    #[test]
    fn nothing_is_missing_where_everything_loads_in_the_end() {
        // the first needs the second, which is found only when it is asked for itself
        let mut loaded = false;
        let missing = missing(&needs_of(&["liba.so", "libb.so"]), &mut |name| {
            loaded |= name == "libb.so";
            if loaded { Ok(()) } else { Err(None) }
        });
        assert_eq!(missing, []);
    }

    #[test]
    fn without_the_provider_s_library_what_is_known_of_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let found = needs(Provider::TensorRt, folder.path(), None);
        assert_eq!(found.absent.len(), 2, "{found:?}");
        assert_eq!(found.names, [DRIVER, "libnvinfer.so.10", "libnvonnxparser.so.10"]);
        let found = needs(Provider::Cuda, folder.path(), None);
        assert_eq!((found.absent.len(), found.names), (1, vec![DRIVER.to_owned()]));
    }

    #[test]
    fn a_provider_s_own_words_are_read_from_its_library() {
        let folder = tempfile::tempdir().unwrap();
        // any library will do: the test's own program needs nothing but the system
        std::fs::copy(
            std::env::current_exe().unwrap(),
            folder.path().join("libonnxruntime_providers_cuda.so"),
        )
        .unwrap();
        let found = needs(Provider::Cuda, folder.path(), None);
        assert_eq!(found.absent, []);
        assert!(
            found.names.contains(&CUDNN.to_owned()) && !found.names.contains(&"libc.so.6".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn a_library_is_found_under_its_full_version() {
        let folder = tempfile::tempdir().unwrap();
        let touch =
            |name: &str, size: usize| std::fs::write(folder.path().join(name), vec![0; size]).unwrap();
        touch("libx.so.1.7.1", 5000);
        touch("libx.so.10.0", 5000);
        assert_eq!(file_in(folder.path(), "libx.so.1"), Some(folder.path().join("libx.so.1.7.1")));
        touch("libx.so.1", 13); // a link that became text
        assert_eq!(file_in(folder.path(), "libx.so.1"), Some(folder.path().join("libx.so.1.7.1")));
        touch("libx.so.1", 5000);
        assert_eq!(file_in(folder.path(), "libx.so.1"), Some(folder.path().join("libx.so.1")));
        assert_eq!(file_in(folder.path(), "liby.so.1"), None);
    }

    #[test]
    fn the_loader_finds_by_name_and_by_folder() {
        assert_eq!(load("libm.so.6", &[]), Ok(()));
        assert_eq!(load("libno_such_library_here.so.3", &[]), Err(None));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("libtext.so.3"), vec![b'x'; 5000]).unwrap();
        let Err(Some(reason)) = load("libtext.so.3", &[folder.path().to_owned()]) else {
            panic!("text loads")
        };
        assert!(reason.contains("libtext.so.3"), "{reason}");
    }

    #[test]
    fn python_packages_of_nvidia_are_looked_into() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["onnxruntime/capi", "nvidia/cu13/lib", "nvidia/cudnn/lib", "tensorrt_libs"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let runtime = root.path().join("onnxruntime/capi");
        let found = wheel_folders(&runtime);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(runtime_folder(&runtime.join("libonnxruntime.so.1")), runtime);
    }
}
