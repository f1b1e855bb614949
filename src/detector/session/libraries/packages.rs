//! Which package brings a library.

use super::Missing;

/// Every missing library, those of one package together, and the package.
pub(super) fn message(missing: &[Missing]) -> String {
    let cuda = cuda_major(missing);
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for library in missing {
        let package = package(&library.name, cuda);
        let text = match &library.reason {
            // the loader begins with the file's name itself
            Some(reason) if reason.contains(&library.name) => reason.clone(),
            Some(reason) => format!("{} ({reason})", library.name),
            None => library.name.clone(),
        };
        match groups.iter_mut().find(|(known, _)| *known == package) {
            Some((_, names)) => names.push(text),
            None => groups.push((package, vec![text])),
        }
    }
    let groups =
        groups.into_iter().map(|(package, names)| format!("{}: install {package}", names.join(", ")));
    format!("this machine lacks {}", groups.collect::<Vec<_>>().join("; "))
}

/// CUDA's version, from a library whose version is that of CUDA.
fn cuda_major(missing: &[Missing]) -> u32 {
    let version = |library: &Missing| {
        let (name, version) = library.name.split_once(".so.")?;
        ["libcudart", "libcublas", "libcublasLt"].contains(&name).then(|| version.parse().ok())?
    };
    missing.iter().find_map(version).unwrap_or(13)
}

/// NVIDIA's packages on PyPI had their CUDA version in the name until 12.
fn package(library: &str, cuda: u32) -> String {
    let pypi = |name: &str| {
        let name = if cuda >= 13 { name.to_owned() } else { format!("{name}-cu{cuda}") };
        format!("`{name}` from PyPI, or CUDA {cuda} from NVIDIA's apt repository")
    };
    let file = library.rsplit('/').next().unwrap_or(library);
    let starts = |starts: &[&str]| starts.iter().any(|start| file.starts_with(start));
    if starts(&["libcuda.so", "libnvidia-ml.so"]) {
        "the NVIDIA driver (in a container: let it see the GPU, e.g. `docker run --gpus all`)".to_owned()
    } else if starts(&["libonnxruntime_providers_nv"]) {
        "`onnxruntime-ep-nv-tensorrt-rtx-cu13` from PyPI".to_owned()
    } else if starts(&["libonnxruntime_providers"]) {
        "the GPU build of ONNX Runtime, `onnxruntime-gpu[cuda,cudnn]` from PyPI, and let ORT_DYLIB_PATH name its library"
            .to_owned()
    } else if starts(&["libcudart.so"]) {
        pypi("nvidia-cuda-runtime")
    } else if starts(&["libcublas"]) {
        pypi("nvidia-cublas")
    } else if starts(&["libcufft"]) {
        pypi("nvidia-cufft")
    } else if starts(&["libcurand"]) {
        pypi("nvidia-curand")
    } else if starts(&["libnvrtc"]) {
        pypi("nvidia-cuda-nvrtc")
    } else if starts(&["libcudnn"]) {
        format!("`nvidia-cudnn-cu{cuda}` from PyPI, or `cudnn9-cuda-{cuda}` from NVIDIA's apt repository")
    } else if starts(&["libnvinfer", "libnvonnxparser"]) {
        format!(
            "TensorRT 10 from NVIDIA's apt repository (`libnvinfer10`, `libnvonnxparsers10`), or `tensorrt-cu{cuda}` \
             from PyPI"
        )
    } else if starts(&["libtensorrt"]) {
        "`onnxruntime-ep-nv-tensorrt-rtx-cu13` from PyPI again: its folder is incomplete".to_owned()
    } else {
        "the package of your distribution that has it".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_follow_the_version_of_cuda() {
        let missing = |names: &[&str]| -> Vec<Missing> {
            names.iter().map(|name| Missing { name: (*name).to_owned(), reason: None }).collect()
        };
        let text = message(&missing(&["libcurand.so.10", "libcudart.so.12", "libcudnn.so.9"]));
        for part in ["`nvidia-curand-cu12`", "`nvidia-cuda-runtime-cu12`", "`nvidia-cudnn-cu12`"] {
            assert!(text.contains(part), "{text}");
        }
        let text = message(&missing(&["libcurand.so.10", "libcublas.so.13", "libodd.so.1"]));
        assert!(
            text.contains("`nvidia-curand` from") && text.contains("libodd.so.1: install the package"),
            "{text}"
        );
    }
}
