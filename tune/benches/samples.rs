//! What a training sample costs on one core, on the photographs of `shared/data/coco128-train` (about 640 x 480) for an
//! input of 416 x 416: as it is, with each augmentation, and with each group of corruptions beside geometry and colours.
//! Prints the median and the nine-tenths quantile of 120 samples, ms.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use std::path::Path;
use std::time::Instant;

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
        let mut cost = |number| {
            let start = Instant::now();
            pool.install(|| samples.make(&mut maker, number, 1.0)).expect("a sample");
            start.elapsed().as_secs_f64() * 1e3
        };
        // buffers grow, textures are made
        for number in 0..40 {
            cost(number);
        }
        let mut costs: Vec<f64> = (40..160).map(cost).collect();
        costs.sort_by(f64::total_cmp);
        println!("{name:12} {:6.2} ms, {:6.2} ms", costs[costs.len() / 2], costs[costs.len() * 9 / 10]);
    }
}
