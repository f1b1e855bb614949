//! The GPU as NVML sees it: what it is, and how busy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::report::{GpuInfo, GpuUse};

/// Between two looks; NVML itself averages over a sixth of a second to a second.
const INTERVAL: Duration = Duration::from_millis(100);

/// NVML, or why it is not there. It is loaded at run time.
pub(super) struct Gpu {
    nvml: Result<Nvml, String>,
    index: u32,
}

impl Gpu {
    /// The GPU with this number. NVML counts by the bus; CUDA may count otherwise (`CUDA_DEVICE_ORDER`,
    /// `CUDA_VISIBLE_DEVICES`).
    pub(super) fn new(device_id: i32) -> Self {
        let nvml = Nvml::init().map_err(|error| match error {
            NvmlError::LibloadingError(_) => {
                "NVML (libnvidia-ml.so) is not there: it comes with NVIDIA's driver".to_owned()
            }
            error => format!("NVML does not start: {error}"),
        });
        Self { nvml, index: u32::try_from(device_id).unwrap_or(0) }
    }

    /// What it is, or why that is not known.
    pub(super) fn info(&self) -> (Option<GpuInfo>, Option<String>) {
        let told = self.nvml.as_ref().map_err(Clone::clone).and_then(|nvml| {
            info(nvml, self.index)
                .map_err(|error| format!("NVML tells nothing of GPU {}: {error}", self.index))
        });
        match told {
            Ok(info) => (Some(info), None),
            Err(problem) => (None, Some(problem)),
        }
    }

    /// Runs `work` and looks at the GPU meanwhile, if `is_used`.
    pub(super) fn watch<T>(&self, is_used: bool, work: impl FnOnce() -> T) -> (T, Option<GpuUse>) {
        let Some(nvml) = self.nvml.as_ref().ok().filter(|_| is_used) else { return (work(), None) };
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut seen = Seen::default();
                while !is_done.load(Ordering::Relaxed) {
                    if let Ok(look) = look(nvml, self.index) {
                        seen.add(look);
                    }
                    std::thread::park_timeout(INTERVAL);
                }
                seen
            });
            // also where `work` panics: the scope waits for the watcher
            let done = Done { flag: &is_done, thread: watcher.thread().clone() };
            let result = work();
            drop(done);
            (result, watcher.join().ok().and_then(|seen| seen.summary()))
        })
    }
}

struct Done<'a> {
    flag: &'a AtomicBool,
    thread: std::thread::Thread,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.flag.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }
}

fn info(nvml: &Nvml, index: u32) -> Result<GpuInfo, NvmlError> {
    let device = nvml.device_by_index(index)?;
    let memory = device.memory_info().ok();
    Ok(GpuInfo {
        name: device.name()?,
        driver: nvml.sys_driver_version()?,
        memory_bytes: memory.as_ref().map(|memory| memory.total),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
    })
}

/// Memory in use, bytes, and utilisation, per cent.
type Look = (u64, u32);

fn look(nvml: &Nvml, index: u32) -> Result<Look, NvmlError> {
    let device = nvml.device_by_index(index)?;
    Ok((device.memory_info()?.used, device.utilization_rates()?.gpu))
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    count: u32,
    memory_used_bytes: u64,
    sum: u64,
    most: u32,
}

impl Seen {
    fn add(&mut self, (memory_used_bytes, per_cent): Look) {
        self.count += 1;
        self.memory_used_bytes = self.memory_used_bytes.max(memory_used_bytes);
        self.sum += u64::from(per_cent);
        self.most = self.most.max(per_cent);
    }

    fn summary(&self) -> Option<GpuUse> {
        (self.count > 0).then(|| GpuUse {
            looks: self.count,
            memory_used_bytes: self.memory_used_bytes,
            utilisation_mean: self.sum as f64 / f64::from(self.count) / 100.0,
            utilisation_max: f64::from(self.most) / 100.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_nvml_the_reason_is_told_and_work_goes_on() {
        let gpu = Gpu { nvml: Err("gone".to_owned()), index: 0 };
        assert_eq!(gpu.info(), (None, Some("gone".to_owned())));
        assert_eq!(gpu.watch(true, || 7), (7, None));
    }

    #[test]
    fn what_was_seen_is_the_most_memory_and_the_mean_utilisation() {
        let mut seen = Seen::default();
        assert_eq!(seen.summary(), None);
        for look in [(10, 20), (30, 100), (20, 60)] {
            seen.add(look);
        }
        let summary = seen.summary().unwrap();
        assert_eq!((summary.looks, summary.memory_used_bytes, summary.utilisation_max), (3, 30, 1.0));
        assert!((summary.utilisation_mean - 0.6).abs() < 1e-12);
    }
}
