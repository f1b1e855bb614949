//! What is measured on: processor, memory, GPU.

use super::gpu::Gpu;
use super::report::Environment;

/// Of this machine; the GPU is the one with this number, by NVML's count.
pub(super) fn environment(gpu: &Gpu) -> Environment {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (gpu, gpu_problem) = gpu.info();
    Environment {
        cpu: cpu_name(&read("/proc/cpuinfo")),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        load_average: load_average(&read("/proc/loadavg")),
        is_optimised: !cfg!(debug_assertions),
        onnxruntime: None,
        gpu,
        gpu_problem,
    }
}

/// The processor's name; ARM's kernels do not tell one.
fn cpu_name(cpuinfo: &str) -> Option<String> {
    let value = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key))?;
        let (_, value) = line.split_once(':')?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    value("model name").or_else(|| value("Model"))
}

/// Processes that ran or waited for a core, mean of the last minute.
fn load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_where_the_kernel_does() {
        let text = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some: CPU @ 2 GHz\nflags: x\n";
        assert_eq!(cpu_name(text).as_deref(), Some("Some: CPU @ 2 GHz"));
        assert_eq!(cpu_name("processor : 0\nModel : Board 5\n").as_deref(), Some("Board 5"));
        assert_eq!((cpu_name(""), cpu_name("model name"), cpu_name("model name:")), (None, None, None));
    }

    #[test]
    fn the_load_is_the_first_figure() {
        assert_eq!(load_average("0.73 1.17 1.21 2/300 4242\n"), Some(0.73));
        assert_eq!((load_average(""), load_average("busy")), (None, None));
    }
}
