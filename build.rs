//! Checks that a ROS 2 environment is there, and links what its PyPI edition leaves to the program.

use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// The rooms that a detection depends on, from the recording to the box, and with it the image's quality.
const ROOMS: [&str; 6] =
    ["src/data/source", "src/image", "src/corruption", "src/detector", "src/pipeline", "src/health/quality"];

/// Set by `scripts/env.sh` where ROS 2 comes from PyPI: the Python library to link, for example `python3.11`.
const LINK_PYTHON: &str = "ROADPROOF_LINK_PYTHON";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for room in ROOMS {
        println!("cargo::rerun-if-changed={room}");
    }
    // Kept results of evaluation are good only for the code that made them.
    println!("cargo::rustc-env=ROADPROOF_CODE_HASH={}", code_hash());
    if env::var_os("CARGO_FEATURE_ROS").is_none() {
        return;
    }
    for variable in ["AMENT_PREFIX_PATH", "ROS_DISTRO", LINK_PYTHON] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if env::var_os("AMENT_PREFIX_PATH").is_none() || env::var_os("ROS_DISTRO").is_none() {
        println!(
            "cargo::error=the feature `ros` (on by default) needs a ROS 2 environment, and none is sourced: \
             run `scripts/setup.sh` and `. scripts/env.sh`, or build the tools alone with `--no-default-features`"
        );
        return;
    }
    if let Ok(python) = env::var(LINK_PYTHON)
        && !python.is_empty()
    {
        // librcl of the wheels depends on message libraries that take Python's symbols from the program that
        // loads them, an interpreter in their case. Nothing here refers to Python, so the linker must be told
        // to keep the library all the same.
        for argument in ["-Wl,--push-state,--no-as-needed", &format!("-l{python}"), "-Wl,--pop-state"] {
            println!("cargo::rustc-link-arg={argument}");
        }
    }
}

/// Hash of all files of [`ROOMS`].
fn code_hash() -> String {
    let mut files = Vec::new();
    for room in ROOMS {
        list(Path::new(room), &mut files);
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.to_string_lossy().as_bytes());
        hash.update(fs::read(&file).unwrap_or_default());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}
