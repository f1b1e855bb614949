//! Making variants, or finding them made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use roadproof::compress::gate::{Gate, Verdict};
use roadproof::compress::graph::{Model, write_whole};
use roadproof::compress::recipe::{
    Applied, Calibration, Judge, Step, StepReport, Variant, apply, describe, may_use_images,
};
use roadproof::compress::{CalibrationImages, CompressError, Progress};
use roadproof::detector::ModelManifest;
use roadproof::detector::manifest::CompressionSpec;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::latency::Latency;
use super::table::{self, Costs};

/// Variants that the gate refuses go to this folder.
const REFUSED: &str = "refused";

/// What all variants have in common.
pub(super) struct Maker<'a> {
    pub(super) base: &'a ModelManifest,
    pub(super) model: &'a Model,
    /// Calibration images, and the hash of their files.
    pub(super) images: Option<(&'a CalibrationImages, &'a str)>,
    pub(super) calibration: &'a Calibration,
    pub(super) output: &'a Path,
    pub(super) force: bool,
    pub(super) gate: Option<&'a Gate>,
}

/// Whether anything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Made,
    There,
}

/// Where a variant's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Output,
    Refused,
}

/// A variant whose files are complete.
pub(super) struct Made {
    pub(super) manifest: ModelManifest,
    pub(super) state: State,
    pub(super) place: Place,
    /// Empty for one that was there.
    pub(super) reports: Vec<StepReport>,
    pub(super) verdict: Option<Verdict>,
    pub(super) costs: Costs,
    /// Where it was asked for.
    pub(super) latency: Option<Latency>,
}

impl Made {
    pub(super) fn to_json(&self, base: Costs) -> anyhow::Result<serde_json::Value> {
        Ok(json!({
            "name": self.manifest.name,
            "state": match self.state { State::Made => "made", State::There => "there" },
            "refused": self.place == Place::Refused,
            "onnx": self.manifest.model_path(),
            "manifest": self.manifest.path(),
            "sha256": self.manifest.sha256,
            "bytes": table::size(&self.manifest.model_path())?,
            "parameters": self.costs.parameters,
            "macs": self.costs.macs,
            "macs_ratio": self.costs.macs_ratio(base),
            "compression": self.manifest.compression,
            "steps": self.reports,
            "gate": self.verdict,
            "latency": self.latency,
        }))
    }
}

/// Bars over the variants and over the runs of one.
struct Bars {
    all: MultiProgress,
    variants: ProgressBar,
    runs: ProgressBar,
}

impl Bars {
    fn new(count: usize) -> anyhow::Result<Self> {
        let all = MultiProgress::new();
        let style = |template: &str| ProgressStyle::with_template(template);
        let variants = ProgressBar::new(count as u64);
        let variants = all.add(variants.with_style(style("{bar:30} variant {pos}/{len} {msg}, {eta} left")?));
        let runs = all.add(ProgressBar::new(0).with_style(style("{bar:30} {msg} {pos}/{len}, {eta} left")?));
        Ok(Self { all, variants, runs })
    }

    fn run(&self, Progress { what, done, total }: Progress) {
        self.runs.set_message(what);
        self.runs.set_length(total as u64);
        self.runs.set_position(done as u64);
    }

    fn say(&self, line: &str) {
        self.all.suspend(|| eprintln!("roadproof: {line}"));
    }
}

/// Shows that something is being done of which no end can be told.
pub(super) fn spinner(what: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

impl Maker<'_> {
    /// Makes variants, one after the other.
    pub(super) fn all(&self, variants: &[Variant]) -> anyhow::Result<Vec<Made>> {
        let bars = Bars::new(variants.len())?;
        let mut all = Vec::new();
        for variant in variants {
            bars.variants.set_message(variant.name.clone());
            let made = self.one(variant, &bars);
            all.push(made.with_context(|| format!("variant `{}`", variant.name))?);
            bars.variants.inc(1);
        }
        bars.runs.finish_and_clear();
        bars.variants.finish_and_clear();
        Ok(all)
    }

    fn one(&self, variant: &Variant, bars: &Bars) -> anyhow::Result<Made> {
        let there = if self.force { None } else { self.there(variant)? };
        let mut made = match there {
            Some(there) => {
                bars.say(&format!("{} is already there", variant.name));
                there
            }
            None => self.make(variant, bars)?,
        };
        if let Some(gate) = self.gate {
            bars.runs.set_message(format!("measuring {}", variant.name));
            made.verdict = Some(gate.check(&made.manifest)?);
        }
        let passed = made.verdict.as_ref().is_none_or(|verdict| verdict.passed);
        self.put(made, if passed { Place::Output } else { Place::Refused })
    }

    fn folder(&self, place: Place) -> PathBuf {
        match place {
            Place::Output => self.output.to_owned(),
            Place::Refused => self.output.join(REFUSED),
        }
    }

    /// The variant, if one of the same content that was made the same way lies anywhere.
    fn there(&self, variant: &Variant) -> anyhow::Result<Option<Made>> {
        for place in [Place::Output, Place::Refused] {
            let path = self.folder(place).join(format!("{}.toml", variant.name));
            let Ok(manifest) = ModelManifest::load(&path) else { continue };
            // what mixed precision found is no wish, but a result
            let found = manifest.compression.as_ref().map(|made| made.kept_in_float.clone());
            let mut wanted = self.manifest(variant, manifest.sha256.clone(), found.unwrap_or_default())?;
            wanted.set_path(&path);
            if wanted != manifest {
                continue;
            }
            // a file that is cut off or was changed has another hash
            if let Ok(model) = Model::load(&manifest.model_path(), manifest.sha256.as_deref()) {
                let costs = Costs::of(&model, &self.base.input)?;
                let (state, reports, verdict) = (State::There, Vec::new(), None);
                return Ok(Some(Made { manifest, state, place, reports, verdict, costs, latency: None }));
            }
        }
        Ok(None)
    }

    fn make(&self, variant: &Variant, bars: &Bars) -> anyhow::Result<Made> {
        let images = self.images.filter(|_| may_use_images(&variant.steps)).map(|(images, _)| images);
        let mut passes = |model: &Model| self.passes(model, variant);
        let judge = self.gate.is_some().then_some(&mut passes as &mut Judge<'_>);
        let input = &self.base.input;
        let Applied { model, reports, .. } =
            apply(self.model, &variant.steps, input, images, judge, &mut |progress| bars.run(progress))?;
        let found = reports.iter().find_map(|report| match report {
            StepReport::Int8(report) => Some(report.kept_in_float.clone()),
            _ => None,
        });
        let found = found.unwrap_or_default();
        // what a gate has not let pass is not yet a result
        let place = if self.gate.is_some() { Place::Refused } else { Place::Output };
        let folder = self.folder(place);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let toml = folder.join(format!("{}.toml", variant.name));
        // the old manifest does not describe the new file
        remove(&toml)?;
        let bytes = model.save(&folder.join(format!("{}.onnx", variant.name)))?;
        let manifest = self.manifest(variant, Some(hexadecimal(&bytes)), found)?;
        write_whole(&toml, toml::to_string(&manifest)?.as_bytes())?;
        // what was written has to be readable
        let manifest = ModelManifest::load(&toml)?;
        let costs = Costs::of(&model, &self.base.input)?;
        Ok(Made { manifest, state: State::Made, place, reports, verdict: None, costs, latency: None })
    }

    /// Whether the gate would let a model pass.
    fn passes(&self, model: &Model, variant: &Variant) -> Result<bool, CompressError> {
        let Some(gate) = self.gate else { return Ok(true) };
        let folder = tempfile::tempdir()
            .map_err(|error| CompressError::Gate { problem: format!("no folder for a trial: {error}") })?;
        let bytes = model.save(&folder.path().join(format!("{}.onnx", variant.name)))?;
        let manifest = self.manifest(variant, Some(hexadecimal(&bytes)), Vec::new());
        let text = manifest.and_then(|manifest| Ok(toml::to_string(&manifest)?));
        let text = text.map_err(|error| CompressError::Gate { problem: format!("{error:#}") })?;
        let path = folder.path().join(format!("{}.toml", variant.name));
        write_whole(&path, text.as_bytes())?;
        Ok(gate.check(&ModelManifest::load(&path)?)?.passed)
    }

    /// Sees to it that the variant's files lie in one place, and nothing of its name in the other.
    fn put(&self, mut made: Made, place: Place) -> anyhow::Result<Made> {
        let other = if place == Place::Output { Place::Refused } else { Place::Output };
        let file =
            |place: Place, suffix: &str| self.folder(place).join(format!("{}.{suffix}", made.manifest.name));
        let (from, to) = (file(other, "toml"), file(place, "toml"));
        if made.place == place {
            remove(&from)?;
            remove(&file(other, "onnx"))?;
        } else {
            std::fs::create_dir_all(self.folder(place))?;
            // a manifest never stands beside a file that it does not describe
            remove(&to)?;
            for suffix in ["onnx", "toml"] {
                let (from, to) = (file(other, suffix), file(place, suffix));
                std::fs::rename(&from, &to)
                    .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
            }
            made.manifest = ModelManifest::load(&to)?;
            made.place = place;
        }
        // only an empty folder can be removed
        let _ = std::fs::remove_dir(self.folder(Place::Refused));
        Ok(made)
    }

    /// The variant's manifest, for a file of this hash.
    fn manifest(
        &self,
        variant: &Variant,
        sha256: Option<String>,
        kept_in_float: Vec<String>,
    ) -> anyhow::Result<ModelManifest> {
        let mut manifest = self.base.clone();
        variant.name.clone_into(&mut manifest.name);
        manifest.file = PathBuf::from(format!("{}.onnx", variant.name));
        manifest.sha256 = sha256;
        // the names are in the manifest after loading; their file lies elsewhere
        manifest.classes.file = None;
        let images = self.images.filter(|_| may_use_images(&variant.steps));
        let corruptions = images.map_or(&[][..], |_| &self.calibration.corruptions);
        let steps = variant.steps.iter().map(toml::Table::try_from).collect::<Result<Vec<_>, _>>()?;
        manifest.compression = Some(CompressionSpec {
            base: self.base.name.clone(),
            base_sha256: self.model.sha256().to_owned(),
            method: describe(&variant.steps),
            rate: variant.steps.iter().find_map(Step::rate),
            calibration_images: images.map(|(images, _)| images.paths().len()),
            calibration_sha256: images.map(|(_, hash)| hash.to_owned()),
            calibration_corruptions: corruptions.iter().map(ToString::to_string).collect(),
            calibration_seed: (!corruptions.is_empty()).then_some(self.calibration.seed),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            kept_in_float,
            steps,
        });
        Ok(manifest)
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
