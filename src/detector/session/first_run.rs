//! What is left to do when a session has run for the first time.

use ort::session::Session;

use super::engines::SessionEngines;
use super::options::SessionOptions;
use crate::detector::engine_cache::{EngineInfo, Lease};
use crate::detector::error::ProviderFailure;
use crate::detector::placement::{Placement, PlacementProbe};
use crate::detector::{Fallback, Provider};

/// What is left to do when a session has run for the first time.
pub(crate) struct FirstRun {
    provider: Provider,
    /// `None` on the CPU.
    probe: Option<Result<PlacementProbe, String>>,
    engines: SessionEngines,
    min_share: f64,
    trt_fp16: bool,
    fallback: Fallback,
}

/// What is known of a session that has run.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Where its nodes run; `None` on the CPU, and where that cannot be told.
    pub(crate) placement: Option<Placement>,
    /// The engine in the cache.
    pub(crate) engine: Option<EngineInfo>,
    /// To be kept as long as the session, and dropped after it.
    pub(crate) lease: Option<Lease>,
    /// What an operator should know.
    pub(crate) warnings: Vec<String>,
}

/// A session that is not to be used.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) failure: ProviderFailure,
    /// To be dropped after the session.
    pub(crate) lease: Option<Box<Lease>>,
}

impl FirstRun {
    pub(super) fn new(
        provider: Provider,
        probe: Option<Result<PlacementProbe, String>>,
        engines: SessionEngines,
        options: &SessionOptions,
    ) -> Self {
        Self {
            provider,
            probe,
            engines,
            min_share: options.min_share.get(),
            trt_fp16: options.trt_fp16,
            fallback: options.providers.fallback,
        }
    }

    /// To be called when the session has run once: looks at what ran where, and keeps the engine that was built.
    ///
    /// # Errors
    /// Too little runs on the provider.
    pub(crate) fn finish(self, session: &mut Session) -> Result<Settled, Refused> {
        let mut settled = Settled::default();
        settled.warnings.extend(self.engines.warning);
        if self.trt_fp16 && self.provider != Provider::TensorRt {
            settled.warnings.push(format!(
                "`trt_fp16` is for `tensorrt` only: `{}` computes as the model says",
                self.provider
            ));
        }
        settled.lease = self.engines.cache;
        // also where the provider is refused: its engine is good
        if let Some(lease) = &mut settled.lease {
            settled.warnings.append(&mut lease.model_has_run());
            settled.engine = Some(lease.info());
        }
        let placed = match self.probe {
            None => return Ok(settled),
            Some(probe) => probe.and_then(|probe| probe.finish(session)),
        };
        match judge(self.provider, placed, self.min_share, self.fallback) {
            Ok((placement, warning)) => {
                settled.placement = placement;
                settled.warnings.extend(warning);
                Ok(settled)
            }
            Err(message) => Err(Refused {
                failure: ProviderFailure { provider: self.provider, message },
                lease: settled.lease.map(Box::new),
            }),
        }
    }
}

/// Whether enough runs on the provider: the placement, and what an operator should know of it.
fn judge(
    provider: Provider,
    placed: Result<Placement, String>,
    min_share: f64,
    fallback: Fallback,
) -> Result<(Option<Placement>, Option<String>), String> {
    match placed {
        Ok(placement) if placement.share() < min_share => Err(format!(
            "too little of the model runs on it: expected a share of at least {min_share} (`min_share`) of its nodes, found \
             {:.3}: {placement}. Compress or export the model with operators that the provider has, or lower `min_share`",
            placement.share()
        )),
        Ok(placement) => {
            tracing::info!("placement on {provider}: {placement}");
            Ok((Some(placement), None))
        }
        Err(reason) if min_share > 0.0 && fallback == Fallback::Require => Err(format!(
            "there is no telling which nodes of the model run on it: {reason}. To run without knowing, set `min_share` to 0"
        )),
        Err(reason) => Ok((
            None,
            Some(format!("running on `{provider}`, but there is no telling which nodes do: {reason}")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(here: usize, elsewhere: usize) -> Placement {
        Placement {
            total: here + elsewhere,
            elsewhere,
            operators_elsewhere: vec!["GridSample".to_owned()],
            ..Placement::default()
        }
    }

    #[test]
    fn a_small_share_is_refused_with_the_operators() {
        for fallback in [Fallback::Require, Fallback::Prefer] {
            let error = judge(Provider::Cuda, Ok(placement(8, 2)), 0.9, fallback).unwrap_err();
            assert!(
                error.contains("GridSample") && error.contains("0.800") && error.contains("`min_share`"),
                "{error}"
            );
            let (placed, warning) = judge(Provider::Cuda, Ok(placement(9, 1)), 0.9, fallback).unwrap();
            assert_eq!((placed, warning), (Some(placement(9, 1)), None));
        }
    }

    #[test]
    fn an_unknown_share_is_an_error_where_the_provider_is_required() {
        let unknown = || Err("no profile".to_owned());
        let error = judge(Provider::TensorRt, unknown(), 0.9, Fallback::Require).unwrap_err();
        assert!(error.contains("no profile") && error.contains("set `min_share` to 0"), "{error}");
        for (min_share, fallback) in [(0.0, Fallback::Require), (0.9, Fallback::Prefer)] {
            let (placed, warning) = judge(Provider::TensorRt, unknown(), min_share, fallback).unwrap();
            assert!(placed.is_none() && warning.unwrap().contains("no profile"));
        }
    }
}
