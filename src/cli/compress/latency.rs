//! How fast a variant is beside its base.

use anyhow::Context as _;
use roadproof::detector::{Detection, Detector, ModelManifest, SessionOptions, Thresholds};
use roadproof::image::{ChannelOrder, PixelView};
use roadproof::pipeline::nearest_rank;
use serde::Serialize;

/// Runs that are left out, and runs that count, of each model.
const WARM_UP: usize = 5;
const RUNS: usize = 50;

/// Time of one image, median, from pixels to boxes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    /// Of the base, ms.
    pub(super) base_p50_ms: f64,
    /// Of the variant, ms.
    pub(super) p50_ms: f64,
    /// The variant's over the base's.
    pub(super) ratio: f64,
}

/// Runs base and variant in turn, so that what else the machine does falls on both alike.
pub(super) fn measure(
    base: &ModelManifest,
    variant: &ModelManifest,
    session: &SessionOptions,
) -> anyhow::Result<Latency> {
    let mut models = [Timed::load(base, session)?, Timed::load(variant, session)?];
    let (width, height) = (base.input.width, base.input.height);
    // grey noise: what is in the picture hardly changes how long it takes
    let noise = (0..width as usize * height as usize * 3).map(|n| ((n * 7919) >> 4) as u8);
    let noise: Vec<u8> = noise.collect();
    let picture = PixelView::new(ChannelOrder::Rgb, width, height, width as usize * 3, &noise)?;
    for run in 0..WARM_UP + RUNS {
        for model in &mut models {
            model.run(&picture, run >= WARM_UP)?;
        }
    }
    let [base, variant] = models.map(Timed::median_ms);
    let (base_p50_ms, p50_ms) = base.zip(variant).context("no run was measured")?;
    Ok(Latency { base_p50_ms, p50_ms, ratio: p50_ms / base_p50_ms })
}

struct Timed {
    detector: Detector,
    thresholds: Thresholds,
    found: Vec<Detection>,
    times_ms: Vec<f64>,
}

impl Timed {
    fn load(manifest: &ModelManifest, session: &SessionOptions) -> anyhow::Result<Self> {
        Ok(Self {
            detector: Detector::load(manifest, session, &mut |_| ())?,
            thresholds: manifest.thresholds(),
            found: Vec::new(),
            times_ms: Vec::new(),
        })
    }

    fn run(&mut self, picture: &PixelView<'_>, counts: bool) -> anyhow::Result<()> {
        let times = self.detector.detect(picture, &self.thresholds, &mut self.found)?;
        if counts {
            self.times_ms.push(times.total().as_secs_f64() * 1e3);
        }
        Ok(())
    }

    fn median_ms(mut self) -> Option<f64> {
        self.times_ms.sort_by(f64::total_cmp);
        nearest_rank(&self.times_ms, 50)
    }
}
