//! The parameters of injected and shadow corruptions.

use std::path::PathBuf;

use crate::corruption::{CorruptorOptions, RadiusMode, Step, WeatherMode};

use super::ParameterStore;

/// What is done to frames, and to copies of frames.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CorruptionConfig {
    pub(crate) options: CorruptorOptions,
    /// `None`: not armed.
    pub(crate) inject: Option<InjectConfig>,
    /// Tried in turn on copies.
    pub(crate) shadow: Vec<Step>,
    pub(crate) shadow_max_share: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InjectConfig {
    pub(crate) source: InjectSource,
    /// Empty: all.
    pub(crate) cameras: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InjectSource {
    Steps(Vec<Step>),
    Campaign(PathBuf),
}

impl CorruptionConfig {
    /// # Errors
    /// The first parameter that cannot be used, with the reason.
    pub(crate) fn from_parameters(store: &ParameterStore) -> Result<Self, String> {
        let seed = store.integer("corruption.seed").and_then(|seed| u64::try_from(seed).ok());
        let radius_mode = match store.text("corruption.radius_mode") {
            "absolute" => RadiusMode::Absolute,
            _ => RadiusMode::Relative,
        };
        let weather_mode = match store.text("corruption.weather_mode") {
            "independent" => WeatherMode::Independent,
            _ => WeatherMode::Coherent,
        };
        Ok(Self {
            options: CorruptorOptions { seed: seed.unwrap_or_default(), radius_mode, weather_mode },
            inject: inject(store)?,
            shadow: steps(store, "shadow.corruptions")?,
            shadow_max_share: store.double("shadow.max_share").unwrap_or_default(),
        })
    }
}

fn inject(store: &ParameterStore) -> Result<Option<InjectConfig>, String> {
    // Also checked while it is not armed: arming must not be what finds a misspelt name.
    let steps = steps(store, "inject.corruptions")?;
    let campaign = store.text("inject.campaign");
    let cameras = store.list("inject.cameras").to_vec();
    let known = store.list("cameras");
    if let Some(stranger) = cameras.iter().find(|name| !known.contains(name)) {
        return Err(format!("parameter 'inject.cameras': '{stranger}' is none of the cameras {known:?}"));
    }
    if !store.bool("inject.armed") {
        return Ok(None);
    }
    let source = match (steps.is_empty(), campaign.is_empty()) {
        (true, true) => {
            return Err("parameter 'inject.armed': there is nothing to inject, set inject.corruptions or inject.campaign first".into());
        }
        (false, false) => {
            return Err("parameter 'inject.armed': both inject.corruptions and inject.campaign are set, unset one of them".into());
        }
        (false, true) => InjectSource::Steps(steps),
        (true, false) => InjectSource::Campaign(PathBuf::from(campaign)),
    };
    Ok(Some(InjectConfig { source, cameras }))
}

fn steps(store: &ParameterStore, name: &str) -> Result<Vec<Step>, String> {
    let parse = |text: &String| text.parse().map_err(|error| format!("parameter '{name}': {error}"));
    store.list(name).iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use r2r::ParameterValue as V;

    fn config(overrides: &[(&str, V)]) -> Result<CorruptionConfig, String> {
        let cameras = ("cameras".to_owned(), V::StringArray(vec!["front".into()]));
        let given = overrides.iter().map(|(n, v)| ((*n).to_owned(), v.clone()));
        CorruptionConfig::from_parameters(&ParameterStore::new(given.chain([cameras])))
    }

    fn list(item: &str) -> V {
        V::StringArray(vec![item.to_owned()])
    }

    #[test]
    fn injection_must_be_armed_and_have_one_source() {
        let fog = ("inject.corruptions", list("fog:2.5"));
        assert_eq!(config(std::slice::from_ref(&fog)).unwrap().inject, None);
        let armed = ("inject.armed", V::Bool(true));
        let inject = config(&[fog.clone(), armed.clone()]).unwrap().inject.unwrap();
        assert_eq!(inject.source, InjectSource::Steps(vec!["fog:2.5".parse().unwrap()]));
        assert!(config(std::slice::from_ref(&armed)).unwrap_err().contains("nothing to inject"));
        let campaign = ("inject.campaign", V::String("c.toml".into()));
        assert!(config(&[fog, armed, campaign]).unwrap_err().contains("both"));
    }

    #[test]
    fn mistakes_are_found_before_arming() {
        assert!(config(&[("inject.corruptions", list("fgo:1"))]).unwrap_err().contains("'fog'"));
        assert!(config(&[("shadow.corruptions", list("fog:9"))]).unwrap_err().contains("0 … 5"));
        assert!(config(&[("inject.cameras", list("rear"))]).unwrap_err().contains("'rear'"));
    }
}
