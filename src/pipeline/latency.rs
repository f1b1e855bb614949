use std::collections::VecDeque;
use std::time::Duration;

/// Number of most recent frames over which percentiles are taken.
const CAPACITY: usize = 1024;

/// The last 1024 durations of one stage. Constant memory (8 KiB), no allocation after construction.
#[derive(Debug, Clone)]
pub struct LatencyWindow {
    samples_us: Vec<u32>,
    scratch: Vec<u32>,
    next: usize,
}

/// Percentiles of a [`LatencyWindow`], in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencySummary {
    /// How many frames the percentiles are taken over.
    pub count: usize,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile (nearest rank).
    pub p99_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

/// Nearest-rank percentile of sorted values: the smallest one with at least so many per cent of them at or below it.
#[must_use]
pub fn nearest_rank<T: Copy>(sorted: &[T], per_cent: usize) -> Option<T> {
    nearest_rank_per_mille(sorted, per_cent * 10)
}

/// As [`nearest_rank`], of so many per mille.
#[must_use]
pub fn nearest_rank_per_mille<T: Copy>(sorted: &[T], per_mille: usize) -> Option<T> {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

impl Default for LatencyWindow {
    fn default() -> Self {
        Self { samples_us: Vec::with_capacity(CAPACITY), scratch: Vec::with_capacity(CAPACITY), next: 0 }
    }
}

impl LatencyWindow {
    /// Adds a duration; the oldest one leaves when the window is full. Resolution 1 µs.
    pub fn record(&mut self, duration: Duration) {
        let us = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        if self.samples_us.len() < CAPACITY {
            self.samples_us.push(us);
        } else if let Some(slot) = self.samples_us.get_mut(self.next) {
            *slot = us;
        }
        self.next = (self.next + 1) % CAPACITY;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.samples_us.clear();
        self.next = 0;
    }

    /// Percentiles of what is in the window; `None` while it is empty.
    pub fn summary(&mut self) -> Option<LatencySummary> {
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.samples_us);
        self.scratch.sort_unstable();
        let count = self.scratch.len();
        let at = |per_cent: usize| nearest_rank(&self.scratch, per_cent).map(|us| f64::from(us) / 1e3);
        Some(LatencySummary { count, p50_ms: at(50)?, p99_ms: at(99)?, max_ms: at(100)? })
    }
}

/// The stages whose latency the node reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From arrival until the worker takes the frame out of its slot.
    Wait,
    /// Decompression and colour conversion.
    Convert,
    /// Copy and corruption; near zero for clean frames.
    Corrupt,
    /// Bringing the image to the GPU; zero where it is prepared on the CPU.
    Upload,
    /// Resize and normalisation.
    Preprocess,
    /// The network.
    Inference,
    /// Decoding and non-maximum suppression.
    Postprocess,
    /// Measuring the image's quality.
    Quality,
    /// Building and publishing the messages.
    Publish,
    /// Telling health of the frame, after its detections are published.
    Health,
    /// From arrival until the detections are published.
    Total,
    /// From the header's stamp until the detections are published; unlike all others it depends on the
    /// publisher's clock.
    Age,
}

impl Stage {
    /// All stages in the order in which a frame meets them.
    pub const ALL: [Self; 12] = [
        Self::Wait,
        Self::Convert,
        Self::Corrupt,
        Self::Upload,
        Self::Preprocess,
        Self::Inference,
        Self::Postprocess,
        Self::Quality,
        Self::Publish,
        Self::Health,
        Self::Total,
        Self::Age,
    ];

    /// Name as used in diagnostics keys and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Convert => "convert",
            Self::Corrupt => "corrupt",
            Self::Upload => "upload",
            Self::Preprocess => "preprocess",
            Self::Inference => "inference",
            Self::Postprocess => "postprocess",
            Self::Quality => "quality",
            Self::Publish => "publish",
            Self::Health => "health",
            Self::Total => "total",
            Self::Age => "age",
        }
    }
}

/// One [`LatencyWindow`] per [`Stage`].
#[derive(Debug, Clone, Default)]
pub struct StageLatencies([LatencyWindow; Stage::ALL.len()]);

impl StageLatencies {
    /// The window of `stage`.
    pub fn stage(&mut self, stage: Stage) -> &mut LatencyWindow {
        &mut self.0[stage as usize]
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(LatencyWindow::clear);
    }
}

/// How many frames the last 1024 runs of the model had. Constant memory.
#[derive(Debug, Clone, Default)]
pub struct BatchSizes {
    sizes: VecDeque<u8>,
    sum: usize,
}

impl BatchSizes {
    /// Adds a run of `frames` frames; the oldest one leaves when the window is full.
    pub fn record(&mut self, frames: usize) {
        if self.sizes.len() >= CAPACITY {
            self.sum -= self.sizes.pop_front().map_or(0, usize::from);
        }
        let frames = u8::try_from(frames).unwrap_or(u8::MAX);
        self.sum += usize::from(frames);
        self.sizes.push_back(frames);
    }

    /// Mean number of frames in a run; `None` before the first.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.sizes.is_empty()).then(|| self.sum as f64 / self.sizes.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank_over_the_last_samples() {
        let mut window = LatencyWindow::default();
        assert_eq!(window.summary(), None);
        for ms in 1..=100 {
            window.record(Duration::from_millis(ms));
        }
        let summary = window.summary().unwrap();
        assert_eq!(summary, LatencySummary { count: 100, p50_ms: 50.0, p99_ms: 99.0, max_ms: 100.0 });
        for _ in 0..CAPACITY {
            window.record(Duration::from_millis(7));
        }
        let summary = window.summary().unwrap();
        assert_eq!(summary, LatencySummary { count: CAPACITY, p50_ms: 7.0, p99_ms: 7.0, max_ms: 7.0 });
    }

    #[test]
    fn absurd_durations_saturate() {
        let mut window = LatencyWindow::default();
        window.record(Duration::from_secs(u64::MAX));
        assert!(window.summary().unwrap().max_ms > 4e6);
    }

    #[test]
    fn the_mean_is_over_the_last_runs() {
        let mut sizes = BatchSizes::default();
        assert_eq!(sizes.mean(), None);
        sizes.record(1);
        sizes.record(4);
        assert_eq!(sizes.mean(), Some(2.5));
        (0..CAPACITY).for_each(|n| sizes.record(2 + n % 2));
        assert_eq!(sizes.mean(), Some(2.5));
        (0..CAPACITY).for_each(|_| sizes.record(64));
        assert_eq!(sizes.mean(), Some(64.0));
    }

    #[test]
    fn each_stage_has_its_own_window() {
        let mut stages = StageLatencies::default();
        for (i, stage) in Stage::ALL.into_iter().enumerate() {
            stages.stage(stage).record(Duration::from_millis(i as u64 + 1));
        }
        for (i, stage) in Stage::ALL.into_iter().enumerate() {
            let max_ms = stages.stage(stage).summary().unwrap().max_ms;
            assert!((max_ms - (i + 1) as f64).abs() < 1e-9, "{}: {max_ms}", stage.name());
        }
    }
}
