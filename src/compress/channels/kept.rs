//! Which channels of its base a pruned model still has, in the model's own file.

use std::collections::BTreeMap;

use super::Kept;
use crate::compress::graph::Model;

/// The key in the file's metadata; the value is JSON, tensor -> channels of the base's.
const KEY: &str = "roadproof.kept_channels";

/// Which channels of its base's tensors are left in a model that was pruned (several times, maybe); tensors that kept all
/// are missing. Empty where the file says nothing that can be read.
#[must_use]
pub fn kept_channels(model: &Model) -> Kept {
    let Some(text) = model.metadata(KEY) else { return Kept::new() };
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(model = %model.path().display(), "the metadata {KEY} cannot be read: {error}");
        Kept::new()
    })
}

/// Writes down what is left of the base's channels.
pub(super) fn note(model: &mut Model, kept: &Kept) {
    // in order, so that the same pruning gives the same file
    let sorted: BTreeMap<&String, &Vec<usize>> = kept.iter().collect();
    if let Ok(text) = serde_json::to_string(&sorted) {
        model.set_metadata(KEY, &text);
    }
}

/// What is left after two prunings, in channels of the first's model.
#[must_use]
pub(in crate::compress) fn compose(first: Kept, second: Kept) -> Kept {
    let mut both = first;
    for (tensor, left) in second {
        let left = match both.get(&tensor) {
            Some(before) => left.iter().filter_map(|channel| before.get(*channel).copied()).collect(),
            None => left,
        };
        both.insert(tensor, left);
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::graph::build;

    fn kept(entries: &[(&str, &[usize])]) -> Kept {
        entries.iter().map(|(name, left)| ((*name).to_owned(), left.to_vec())).collect()
    }

    #[test]
    fn channels_that_are_left_are_counted_in_the_first_model() {
        let both = compose(kept(&[("a", &[0, 2, 5]), ("b", &[1, 3])]), kept(&[("a", &[0, 2]), ("c", &[4])]));
        assert_eq!(both, kept(&[("a", &[0, 5]), ("b", &[1, 3]), ("c", &[4])]));
    }

    #[test]
    fn a_file_tells_what_is_left_of_its_base() {
        let mut model = build::model(&build::small());
        assert!(kept_channels(&model).is_empty());
        note(&mut model, &kept(&[("first", &[1, 4])]));
        note(&mut model, &kept(&[("first", &[1]), ("second", &[0, 7])]));
        let again = Model::from_bytes(&model.to_bytes(), model.path(), String::new()).unwrap();
        assert_eq!(kept_channels(&again), kept(&[("first", &[1]), ("second", &[0, 7])]));
        let mut broken = again;
        broken.set_metadata(KEY, "{\"first\": [-1]}");
        assert!(kept_channels(&broken).is_empty());
    }
}
