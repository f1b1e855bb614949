//! What a training sample costs on one core, on the photographs of `shared/data/coco128-train` (about 640 x 480) for an
//! input of 416 x 416: as it is, with each augmentation, and with each group of corruptions beside geometry and colours.
//! Prints the mean of 120 samples: milliseconds that the thread was running.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use std::path::Path;

use roadproof::corruption::Group;
use roadproof::detector::ModelManifest;
use roadproof_tune::data::{
    Corruptions, DataOptions, Family, Geometric, Photometric, Samples, SourceOptions,
};

fn cases(plain: &DataOptions) -> Vec<(&'static str, DataOptions)> {
    let geometric = DataOptions { geometric: Geometric::default(), ..plain.clone() };
    let photometric = DataOptions { photometric: Photometric::default(), ..geometric.clone() };
    let mosaic = Geometric { mosaic: 1.0, ..Geometric::default() };
    let mosaic = DataOptions { geometric: mosaic, ..photometric.clone() };
    let base = photometric.clone();
    let mut cases = vec![
        ("plain", plain.clone()),
        ("geometric", geometric),
        ("photometric", photometric),
        ("mosaic", mosaic),
    ];
    for group in Group::ALL.into_iter().filter(|group| *group != Group::Stream) {
        let kinds = vec![Family::Group(group)];
        let corruption = Corruptions { probability: 1.0, kinds, ..Corruptions::default() };
        cases.push((group.name(), DataOptions { corruption, ..base.clone() }));
    }
    cases
}

/// How long this thread was running so far, ms (Linux, `Documentation/scheduler/sched-stats.rst`): other programs on the
/// machine do not count.
fn busy_ms() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let first = times.split_whitespace().next().expect("a time");
    first.parse::<f64>().expect("nanoseconds") / 1e6
}

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = here.ancestors().map(|above| above.join("shared/data/coco128-train/images"));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else {
        eprintln!("skipped: there is no shared/data/coco128-train here");
        return;
    };
    let manifest = ModelManifest::load(here.join("../models/nanodet-g.toml")).expect("the manifest");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for (name, options) in cases(&DataOptions::plain(SourceOptions::all(folder))) {
        let samples = Samples::open(&options, &manifest, 1).expect("the photographs");
        let mut maker = samples.maker();
        let cost = pool.install(|| {
            let mut make = |number| samples.make(&mut maker, number, 1.0).expect("a sample");
            // buffers grow, textures are made
            (0..40).for_each(|number| drop(make(number)));
            let start = busy_ms();
            (40..160).for_each(|number| drop(make(number)));
            (busy_ms() - start) / 120.0
        });
        println!("{name:12} {cost:6.2} ms");
    }
}
