//! The declared parameters with their values, and the rules of changing them.

use std::collections::BTreeMap;

use r2r::ParameterValue;

use super::spec::{CAMERA_SUFFIXES, Mutability, Spec, camera_specs, node_specs};

/// How far the node is, as far as changing parameters is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the node runs: the command line, launch and parameter files.
    Startup,
    /// No model is loaded.
    Unconfigured,
    /// A model is loaded or being loaded.
    Configured,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) spec: Spec,
    pub(crate) value: ParameterValue,
}

/// All parameters. Cloning it, changing the clone and putting it in place is how a change becomes atomic.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParameterStore {
    declared: BTreeMap<String, Declared>,
    /// Given at start, but not declared.
    unknown: BTreeMap<String, ParameterValue>,
    /// Given at start, but not admissible; by name, with the reason. Setting the parameter clears it.
    invalid: BTreeMap<String, String>,
}

impl ParameterStore {
    /// Declares everything and applies the values given at start. A value that cannot be used does not keep
    /// the node from starting: it is remembered in [`ParameterStore::problems`], which keeps it from being
    /// configured until the value is put right.
    pub(crate) fn new(overrides: impl IntoIterator<Item = (String, ParameterValue)>) -> Self {
        let mut store = Self::default();
        for spec in node_specs() {
            store.declare(spec);
        }
        store.unknown = overrides.into_iter().collect();
        store.adopt_unknown();
        store.declare_cameras();
        store
    }

    /// What is wrong with the values given at start, one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> =
            self.invalid.iter().map(|(name, reason)| format!("parameter '{name}': {reason}")).collect();
        if !self.bool("allow_unknown_parameters") {
            problems.extend(self.unknown.keys().map(|name| {
                let hint =
                    self.nearest(name).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
                format!("unknown parameter '{name}'{hint}")
            }));
        }
        problems
    }

    /// Changes parameters, all of `changes` or none of them. Returns the names whose value changed.
    pub(crate) fn set(
        &mut self,
        changes: &[(String, ParameterValue)],
        phase: Phase,
    ) -> Result<Vec<String>, String> {
        let mut next = self.clone();
        let mut changed = Vec::new();
        // The cameras come first: they declare what the others may set.
        let (first, rest): (Vec<_>, Vec<_>) = changes.iter().partition(|(name, _)| name == "cameras");
        for (name, value) in first.into_iter().chain(rest) {
            if next.set_one(name, value.clone(), phase)? {
                changed.push(name.clone());
            }
        }
        *self = next;
        Ok(changed)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Declared> {
        self.declared.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Declared)> {
        self.declared.iter().map(|(name, declared)| (name.as_str(), declared))
    }

    pub(crate) fn bool(&self, name: &str) -> bool {
        matches!(self.value(name), ParameterValue::Bool(true))
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        if let ParameterValue::Integer(value) = self.value(name) { Some(*value) } else { None }
    }

    pub(crate) fn double(&self, name: &str) -> Option<f64> {
        if let ParameterValue::Double(value) = self.value(name) { Some(*value) } else { None }
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        if let ParameterValue::String(value) = self.value(name) { value } else { "" }
    }

    pub(crate) fn list(&self, name: &str) -> &[String] {
        if let ParameterValue::StringArray(value) = self.value(name) { value } else { &[] }
    }

    fn value(&self, name: &str) -> &ParameterValue {
        self.declared.get(name).map_or(&ParameterValue::NotSet, |declared| &declared.value)
    }

    fn set_one(&mut self, name: &str, value: ParameterValue, phase: Phase) -> Result<bool, String> {
        if value == ParameterValue::NotSet && self.unknown.remove(name).is_some() {
            return Ok(true);
        }
        let Some(declared) = self.declared.get_mut(name) else {
            let hint = self.nearest(name).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            return Err(format!("unknown parameter '{name}'{hint}"));
        };
        match (declared.spec.mutability, phase) {
            (Mutability::Live, _) | (_, Phase::Startup) | (Mutability::Unconfigured, Phase::Unconfigured) => {
            }
            (Mutability::Unconfigured, Phase::Configured) => {
                return Err(format!(
                    "parameter '{name}' can only be set while the node is unconfigured: deactivate and clean it up first"
                ));
            }
            (Mutability::Startup, _) => {
                return Err(format!("parameter '{name}' can only be given when the node is started"));
            }
        }
        let value =
            declared.spec.kind.admit(value).map_err(|reason| format!("parameter '{name}': {reason}"))?;
        // Unsetting brings the default back.
        let value = if value == ParameterValue::NotSet { declared.spec.default.clone() } else { value };
        if name == "cameras"
            && let ParameterValue::StringArray(cameras) = &value
        {
            check_cameras(cameras)?;
        }
        let changed = declared.value != value;
        declared.value = value;
        self.invalid.remove(name);
        if changed && name == "cameras" {
            self.declare_cameras();
        }
        Ok(changed)
    }

    fn declare(&mut self, spec: Spec) {
        let value = spec.default.clone();
        self.declared.entry(spec.name.clone()).or_insert(Declared { spec, value });
    }

    /// Declares the parameters of the cameras that are there, and withdraws those of cameras that are gone;
    /// the values of the latter are kept aside only if they were never used.
    fn declare_cameras(&mut self) {
        let cameras = self.list("cameras").to_vec();
        let prefixes = reserved_prefixes();
        self.declared.retain(|name, _| match name.split_once('.') {
            Some((prefix, suffix)) if CAMERA_SUFFIXES.contains(&suffix) => {
                prefixes.iter().any(|p| p == prefix) || cameras.iter().any(|c| c == prefix)
            }
            _ => true,
        });
        for camera in &cameras {
            for spec in camera_specs(camera) {
                self.declare(spec);
            }
        }
        self.adopt_unknown();
    }

    /// Applies values given at start whose parameters are declared by now.
    fn adopt_unknown(&mut self) {
        let known: Vec<String> =
            self.unknown.keys().filter(|name| self.declared.contains_key(*name)).cloned().collect();
        for name in known {
            if let Some(value) = self.unknown.remove(&name)
                && let Err(reason) = self.set_one(&name, value, Phase::Startup)
            {
                let reason =
                    reason.strip_prefix(&format!("parameter '{name}': ")).unwrap_or(&reason).to_owned();
                self.invalid.insert(name, reason);
            }
        }
    }

    fn nearest(&self, name: &str) -> Option<&str> {
        self.declared
            .keys()
            .map(|known| (strsim::damerau_levenshtein(known, name), known.as_str()))
            .filter(|(distance, _)| *distance <= 3)
            .min()
            .map(|(_, known)| known)
    }
}

/// What stands before the dot in the node's own parameters; no camera can be called so.
fn reserved_prefixes() -> Vec<String> {
    let specs = node_specs();
    specs.iter().filter_map(|s| s.name.split_once('.').map(|(prefix, _)| prefix.to_owned())).collect()
}

/// Camera names become parts of topic and parameter names.
fn check_cameras(cameras: &[String]) -> Result<(), String> {
    let reserved = reserved_prefixes();
    for (i, camera) in cameras.iter().enumerate() {
        let mut characters = camera.chars();
        let well_formed = characters.next().is_some_and(|c| c.is_ascii_alphabetic())
            && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !camera.contains("__")
            && !camera.ends_with('_');
        if !well_formed {
            return Err(format!(
                "parameter 'cameras': '{camera}' cannot be a camera's name: letters, digits and single underscores, a letter first"
            ));
        }
        if reserved.contains(camera) {
            return Err(format!(
                "parameter 'cameras': '{camera}' is the prefix of other parameters, choose another name"
            ));
        }
        if cameras[..i].contains(camera) {
            return Err(format!("parameter 'cameras': '{camera}' is given twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ParameterValue as V;

    fn text(s: &str) -> V {
        V::String(s.to_owned())
    }

    fn store(overrides: &[(&str, V)]) -> ParameterStore {
        ParameterStore::new(overrides.iter().map(|(n, v)| ((*n).to_owned(), v.clone())))
    }

    fn front() -> ParameterStore {
        store(&[("cameras", V::StringArray(vec!["front".into()])), ("front.topic", text("/image"))])
    }

    #[test]
    fn cameras_declare_their_parameters() {
        let store = front();
        assert_eq!(store.problems(), [""; 0]);
        assert_eq!(store.text("front.topic"), "/image");
        assert_eq!(store.text("front.transport"), "raw");
    }

    #[test]
    fn declaring_cameras_withdraws_no_parameter_of_the_node() {
        let mut store = store(&[("debug_image.max_rate_hz", V::Double(2.0))]);
        assert_eq!(store.problems(), [""; 0]);
        for cameras in [&["front", "rear"][..], &["rear"], &[]] {
            let cameras = V::StringArray(cameras.iter().map(|s| (*s).to_owned()).collect());
            store.set(&[("cameras".into(), cameras)], Phase::Unconfigured).unwrap();
            assert!(node_specs().iter().all(|spec| store.get(&spec.name).is_some()));
        }
        assert_eq!(store.double("debug_image.max_rate_hz"), Some(2.0));
        assert!(store.get("front.max_rate_hz").is_none());
    }

    #[test]
    fn problems_at_start_name_the_parameter_the_reason_and_the_nearest() {
        let store = store(&[
            ("cameras", V::StringArray(vec!["front".into()])),
            ("front.topc", text("/image")),
            ("score_threshold", V::Double(1.5)),
            ("provider_policy", text("hope")),
            ("max_age_ms", text("old")),
        ]);
        assert_eq!(
            store.problems(),
            [
                "parameter 'max_age_ms': expected type integer, found type string",
                "parameter 'provider_policy': 'hope' is none of: require, prefer",
                "parameter 'score_threshold': 1.5 is outside 0 … 1",
                "unknown parameter 'front.topc'; did you mean 'front.topic'?",
            ]
        );
    }

    #[test]
    fn a_problem_is_cleared_by_setting_or_unsetting() {
        let mut store = store(&[("score_threshold", V::Double(7.0)), ("nonsense", V::Bool(true))]);
        assert_eq!(store.problems().len(), 2);
        store.set(&[("score_threshold".into(), V::Double(0.5))], Phase::Unconfigured).unwrap();
        store.set(&[("nonsense".into(), V::NotSet)], Phase::Unconfigured).unwrap();
        assert_eq!(store.problems(), [""; 0]);
    }

    #[test]
    fn a_refused_change_leaves_everything_as_it_was() {
        let mut store = front();
        let changes =
            [("max_age_ms".to_owned(), V::Integer(5)), ("score_threshold".to_owned(), V::Double(f64::NAN))];
        let reason = store.set(&changes, Phase::Configured).unwrap_err();
        assert!(reason.contains("score_threshold"), "{reason}");
        assert_eq!(store.integer("max_age_ms"), Some(1000));
    }

    #[test]
    fn structure_changes_only_while_unconfigured() {
        let mut store = front();
        let model = [("model".to_owned(), text("m.toml"))];
        assert!(store.set(&model, Phase::Configured).unwrap_err().contains("unconfigured"));
        assert_eq!(store.set(&model, Phase::Unconfigured).unwrap(), ["model"]);
        assert!(store.set(&[("autostart".into(), V::Bool(false))], Phase::Unconfigured).is_err());
    }

    #[test]
    fn cameras_and_their_topics_may_change_in_one_go() {
        let mut store = front();
        let changes = [
            ("rear.topic".to_owned(), text("/rear")),
            ("cameras".to_owned(), V::StringArray(vec!["rear".into()])),
        ];
        store.set(&changes, Phase::Unconfigured).unwrap();
        assert_eq!(store.text("rear.topic"), "/rear");
        assert!(store.get("front.topic").is_none());
    }

    #[test]
    fn camera_names_must_be_usable_in_topics() {
        let mut store = front();
        for bad in ["", "1st", "a b", "über", "a__b", "a_", "health", "debug_image", "a/b"] {
            let change = [("cameras".to_owned(), V::StringArray(vec![bad.into()]))];
            assert!(store.set(&change, Phase::Unconfigured).is_err(), "{bad}");
        }
        let twice = [("cameras".to_owned(), V::StringArray(vec!["a".into(), "a".into()]))];
        assert!(store.set(&twice, Phase::Unconfigured).unwrap_err().contains("twice"));
    }

    #[test]
    fn yaml_ambiguities_are_taken_as_meant() {
        let store = store(&[("score_threshold", V::Integer(1)), ("enabled_classes", V::ByteArray(vec![]))]);
        assert_eq!(store.problems(), [""; 0]);
        assert_eq!(store.double("score_threshold"), Some(1.0));
    }

    #[test]
    fn the_documentation_lists_every_parameter_with_its_description() {
        let page = include_str!("../../../docs/parameters.md");
        let documented: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let specs: Vec<Spec> = node_specs().into_iter().chain(camera_specs("<camera>")).collect();
        for spec in &specs {
            let row = documented.iter().find(|row| row.starts_with(&format!("| `{}` |", spec.name)));
            let row = row.unwrap_or_else(|| panic!("docs/parameters.md lacks {}", spec.name));
            assert!(row.contains(&spec.description), "docs/parameters.md describes {} otherwise", spec.name);
        }
        assert_eq!(documented.len(), specs.len(), "docs/parameters.md lists parameters that do not exist");
    }
}
