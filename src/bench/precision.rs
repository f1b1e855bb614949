//! What a model computes in, by its graph.

use std::collections::BTreeMap;

use super::report::Precision;
use crate::compress::graph::Model;
use crate::compress::inspect::{Layer, inspect};
use crate::detector::ModelManifest;

/// Of a model's file, or why that cannot be told.
pub(super) fn precision(manifest: &ModelManifest) -> Result<Precision, String> {
    let model = Model::load(&manifest.model_path(), manifest.sha256.as_deref());
    let model = model.map_err(|error| error.to_string())?;
    let found = inspect(&model, &manifest.input.shape()).map_err(|error| error.to_string())?;
    let layers = found.layers.iter().map(|Layer { macs, precision, .. }| (*macs, *precision));
    of_layers(layers).ok_or_else(|| "no node of the model multiplies".to_owned())
}

fn of_layers<'a>(layers: impl Iterator<Item = (u64, Option<&'a str>)>) -> Option<Precision> {
    let mut macs = BTreeMap::<String, u64>::new();
    for (count, precision) in layers.filter(|(count, _)| *count > 0) {
        *macs.entry(precision.unwrap_or("other").to_owned()).or_default() += count;
    }
    let all: u64 = macs.values().sum();
    let main = macs.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.clone())?;
    let shares = macs.into_iter().map(|(name, count)| (name, count as f64 / all as f64)).collect();
    Some(Precision { main, macs: shares })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precision_is_that_of_most_of_the_arithmetic() {
        let layers = [(10, Some("float32")), (0, Some("float16")), (70, Some("int8")), (20, Some("float32"))];
        let found = of_layers(layers.into_iter()).unwrap();
        assert_eq!(found.main, "int8");
        assert_eq!(found.macs, BTreeMap::from([("float32".to_owned(), 0.3), ("int8".to_owned(), 0.7)]));
        assert_eq!(of_layers([(0, Some("float32"))].into_iter()), None);
        assert_eq!(of_layers([(5, None)].into_iter()).unwrap().main, "other");
    }
}
