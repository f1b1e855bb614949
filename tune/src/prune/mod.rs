//! Pruning in the loop: a student is pruned in rounds, and trained between them.
//!
//! A network that loses a little at a time, and recovers in between, ends better than one that loses all at once: Han,
//! Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural Networks" (NeurIPS 2015).

mod options;
mod taylor;

use roadproof::compress::channels::{self, Importance, Scales};
use roadproof::compress::graph::Model;
use roadproof::compress::{CompressError, sparse};
use roadproof::detector::manifest::InputSpec;

use crate::engine::{Net, Parameters};
pub use options::{Method, PruneOptions, Rank};
pub use taylor::{Sensitivity, channel_scales};

/// What one round does to a student with these weights. `sensitivity` is needed where the options rank by it.
///
/// # Errors
/// Nothing can be pruned, or ONNX Runtime refuses what is left.
pub fn prune(
    (net, parameters): (&Net, &Parameters),
    input: &InputSpec,
    options: &PruneOptions,
    round: u32,
    sensitivity: Option<&Sensitivity>,
) -> Result<Model, CompressError> {
    let model = net.store(parameters);
    match options.method {
        Method::Structured => {
            let scales = sensitivity.map_or_else(Scales::new, |found| channel_scales(net, parameters, found));
            let importance = if scales.is_empty() { Importance::L2 } else { Importance::Scale };
            let wanted = channels::Options {
                rate: options.share(),
                importance,
                spread: channels::Spread::Uniform,
                multiple: options.multiple,
                exclude: options.exclude.clone(),
            };
            let (pruned, _, _) = channels::prune(&model, input, None, &scales, &wanted, &mut |_| ())?;
            Ok(pruned)
        }
        Method::Unstructured | Method::Pattern => {
            let scope = match options.method {
                Method::Pattern => sparse::Scope::Pattern { keep: 2, group: 4 },
                _ => options.scope,
            };
            let wanted =
                sparse::Options { rate: options.so_far(round), scope, exclude: options.exclude.clone() };
            match sensitivity {
                None => Ok(sparse::prune(&model, &wanted)?.0),
                Some(found) => {
                    // what ranks the weights stands in their place, and where it became zero they do
                    let ranked = net.store(&found.ranks(parameters));
                    let (ranked, _) = sparse::prune(&ranked, &wanted)?;
                    Ok(taylor::zero_where(model, &ranked))
                }
            }
        }
    }
}
