//! Compresses the parent.

use std::path::{Path, PathBuf};

use roadproof::compress::graph::{Model, write_whole};
use roadproof::compress::recipe::{Step, apply, describe, may_use_images};
use roadproof::compress::{CalibrationImages, CompressError, Progress};
use roadproof::detector::ModelManifest;
use roadproof::detector::manifest::CompressionSpec;

use super::StudyError;
use super::options::{CalibrationOptions, Compression, has};
use crate::hash::sha256;

/// Compresses the parent, level by level.
pub struct Compressor {
    parent: ModelManifest,
    model: Model,
    /// Calibration images, and the hash of their files.
    images: Option<(CalibrationImages, String)>,
}

impl Compressor {
    /// Reads the parent and the calibration images.
    ///
    /// # Errors
    /// The model or an image cannot be read, or there are no images.
    pub fn open(
        parent: &ModelManifest,
        calibration: Option<&CalibrationOptions>,
    ) -> Result<Self, StudyError> {
        let model =
            Model::load(&parent.model_path(), parent.sha256.as_deref()).map_err(CompressError::from)?;
        let images = match calibration {
            None => None,
            Some(options) => {
                let images = calibration_images(options)?;
                let hash = images.sha256()?;
                Some((images, hash))
            }
        };
        Ok(Self { parent: parent.clone(), model, images })
    }

    /// A hash of what students are made from.
    #[must_use]
    pub fn sha256(&self) -> String {
        let images = self.images.as_ref().map_or("", |(_, hash)| hash);
        sha256(format!("{}\n{images}", self.model.sha256()).as_bytes())
    }

    /// The student of a level, in `folder`: made, unless it lies there already and was made in the same way. Gives its
    /// manifest; for the level without compression that of the parent.
    ///
    /// # Errors
    /// The parent cannot be compressed so, or a file cannot be written.
    pub fn make(
        &self,
        level: &Compression,
        folder: &Path,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, StudyError> {
        let Some(step) = &level.step else { return Ok(self.parent.path().to_owned()) };
        let toml = folder.join(format!("{}.toml", level.name));
        if self.is_there(level, step, &toml)? {
            return Ok(toml);
        }
        std::fs::create_dir_all(folder).map_err(StudyError::file(folder, "cannot be made"))?;
        // an old manifest does not describe the new file
        if toml.exists() {
            std::fs::remove_file(&toml).map_err(StudyError::file(&toml, "cannot be replaced"))?;
        }
        let steps = std::slice::from_ref(step);
        let images = self.images.as_ref().filter(|_| may_use_images(steps)).map(|(images, _)| images);
        let applied = apply(&self.model, steps, &self.parent.input, images, None, tell)?;
        let bytes = applied.model.save(&folder.join(file(level))).map_err(CompressError::from)?;
        let manifest = self.manifest(level, step, sha256(&bytes), &toml)?;
        let text = toml::to_string(&manifest).map_err(wrong(&toml))?;
        write_whole(&toml, text.as_bytes()).map_err(CompressError::from)?;
        Ok(toml)
    }

    /// Whether the student lies there whole, made in the same way.
    fn is_there(&self, level: &Compression, step: &Step, toml: &Path) -> Result<bool, StudyError> {
        let Ok(found) = ModelManifest::load(toml) else { return Ok(false) };
        let mut wanted = self.manifest(level, step, found.sha256.clone().unwrap_or_default(), toml)?;
        wanted.set_path(toml);
        Ok(wanted == found && Model::load(&found.model_path(), found.sha256.as_deref()).is_ok())
    }

    fn manifest(
        &self,
        level: &Compression,
        step: &Step,
        sha256: String,
        toml: &Path,
    ) -> Result<ModelManifest, StudyError> {
        let steps = std::slice::from_ref(step);
        let images = self.images.as_ref().filter(|_| may_use_images(steps));
        let mut manifest = self.parent.clone();
        level.name.clone_into(&mut manifest.name);
        manifest.file = file(level).into();
        manifest.sha256 = Some(sha256);
        // the names are in the manifest after loading; their file lies elsewhere
        manifest.classes.file = None;
        manifest.compression = Some(CompressionSpec {
            base: self.parent.name.clone(),
            base_sha256: self.model.sha256().to_owned(),
            method: describe(steps),
            rate: step.rate(),
            calibration_images: images.map(|(images, _)| images.paths().len()),
            calibration_sha256: images.map(|(_, hash)| hash.clone()),
            calibration_corruptions: Vec::new(),
            calibration_seed: None,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            kept_in_float: Vec::new(),
            steps: vec![toml::Table::try_from(step).map_err(wrong(toml))?],
        });
        Ok(manifest)
    }
}

fn file(level: &Compression) -> String {
    format!("{}.onnx", level.name)
}

fn wrong(path: &Path) -> impl Fn(toml::ser::Error) -> StudyError {
    let path = path.to_owned();
    move |error| StudyError::Options { path: path.clone(), problem: format!("cannot be written: {error}") }
}

/// So many images at even distances, of one half or all.
fn calibration_images(options: &CalibrationOptions) -> Result<CalibrationImages, StudyError> {
    let mut images = CalibrationImages::open(&options.dataset, None)?;
    if let Some(half) = options.half {
        images = images.only(|place| has(half, place));
    }
    let count = images.paths().len();
    if count == 0 {
        return Err(CompressError::NoImages { path: options.dataset.clone() }.into());
    }
    let limit = options.images.min(count);
    // number k of `limit` is number k * count / limit
    Ok(images.only(|place| place * limit / count != (place + 1) * limit / count))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::Half;

    /// The model and the images for measurements; `None`, saying so, where they are not there.
    pub(in crate::study) fn real() -> Option<(ModelManifest, PathBuf)> {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let data = crate_folder.ancestors().map(|folder| folder.join("shared/data/coco128-train"));
        let data = data.into_iter().find(|folder| folder.is_dir());
        let model = ModelManifest::load(crate_folder.join("../models/nanodet-g.toml")).ok();
        let model = model.filter(|model| model.model_path().is_file());
        let both = model.zip(data);
        if both.is_none() {
            eprintln!("skipped: models/nanodet-g.onnx or shared/data/coco128-train is missing");
        }
        both
    }

    #[test]
    fn a_student_is_made_once_and_again_when_it_is_damaged_or_another_is_wanted() {
        let Some((parent, data)) = real() else { return };
        let calibration = CalibrationOptions { dataset: data, half: Some(Half::First), images: 4 };
        let compressor = Compressor::open(&parent, Some(&calibration)).unwrap();
        let level = |rest: &str| -> Compression {
            toml::from_str(&format!("name = \"u\"\nmethod = \"unstructured\"\n{rest}")).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let make = |rest: &str| {
            let path = compressor.make(&level(rest), folder.path(), &mut |_| ()).unwrap();
            let written = std::fs::metadata(&path).unwrap().modified().unwrap();
            (ModelManifest::load(path).unwrap(), written)
        };
        let (first, written) = make("rate = 0.3");
        assert_eq!(first.compression.as_ref().and_then(|made| made.rate), Some(0.3));
        assert_eq!(make("rate = 0.3"), (first.clone(), written));
        std::fs::write(first.model_path(), "damaged").unwrap();
        let (again, written_again) = make("rate = 0.3");
        assert!(again == first && written_again > written);
        let (other, step) = (level("rate = 0.4"), level("rate = 0.4").step.unwrap());
        let toml = folder.path().join("u.toml");
        assert!(!compressor.is_there(&other, &step, &toml).unwrap(), "another rate is another student");

        let none: Compression = toml::from_str("name = \"none\"\nmethod = \"none\"").unwrap();
        assert_eq!(compressor.make(&none, folder.path(), &mut |_| ()).unwrap(), parent.path());
        let fitted = level("rate = 0.3\nreconstruct = \"bias\"");
        let step = fitted.step.clone().unwrap();
        let manifest = compressor.manifest(&fitted, &step, String::new(), folder.path()).unwrap();
        assert_eq!(manifest.compression.unwrap().calibration_images, Some(4));
    }

    #[test]
    fn calibration_images_are_of_one_half_at_even_distances() {
        let folder = tempfile::tempdir().unwrap();
        for place in 0..20 {
            std::fs::write(folder.path().join(format!("{place:02}.png")), [place]).unwrap();
        }
        let names = |half, images| -> Vec<String> {
            let options = CalibrationOptions { dataset: folder.path().to_owned(), half, images };
            let images = calibration_images(&options).unwrap();
            let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
            images.paths().iter().map(name).collect()
        };
        assert_eq!(names(None, 100).len(), 20);
        let first = names(Some(Half::First), 5);
        assert_eq!(first.len(), 5);
        assert!(first.iter().all(|name| name.parse::<usize>().unwrap() % 2 == 0));
        assert_eq!(names(Some(Half::Second), 10).len(), 10);
    }
}
