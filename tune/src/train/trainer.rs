//! A run, from its options to its result.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use roadproof::compress::graph::Model;
use roadproof::detector::ModelManifest;
use roadproof::detector::manifest::{CompressionSpec, TuningSpec};

use super::TrainError;
use super::balance;
use super::checkpoint::{self, Progress, State};
use super::crew::{Batch, Crew, Subject};
use super::events::{Event, Outcome};
use super::journal::{Entry, Journal, PruningEntry, StepEntry, ValidationEntry};
use super::optimiser::clip;
use super::options::{Keep, RunOptions};
use super::output;
use super::pairing::{fingerprint, matches};
use super::parent::ParentModel;
use super::report;
use super::stage::{Ground, Stage};
use super::validate::{Figures, Validator};
use crate::data::Samples;
use crate::losses::LossError;
use crate::prune::{self, PruneOptions, Rank, Sensitivity};
use crate::truth::ClassWeights;

/// A run in its folder.
pub struct Trainer {
    options: RunOptions,
    folder: PathBuf,
    name: String,
    student: ModelManifest,
    parent_manifest: ModelManifest,
    parent: ParentModel,
    samples: Samples,
    weights: ClassWeights,
    crew: Crew,
    stage: Stage,
    progress: Progress,
    validator: Option<Validator>,
}

impl Trainer {
    /// Opens everything; a run that was stopped in `folder` goes on where its last checkpoint was. `threads` 0 is one per
    /// core.
    ///
    /// # Errors
    /// [`TrainError`]: something cannot be read, parent and student do not match, an operator cannot be trained, or the
    /// folder has the checkpoint of another run.
    pub fn open(
        options: RunOptions,
        folder: &Path,
        threads: usize,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self, TrainError> {
        std::fs::create_dir_all(folder).map_err(TrainError::file(folder, "cannot be made"))?;
        let parent_manifest = ModelManifest::load(&options.parent)?;
        let student = ModelManifest::load(&options.student)?;
        matches(&student, &parent_manifest)?;
        tell(Event::Preparing("models"));
        let parent = ParentModel::load(&parent_manifest)?;
        let model = Model::load(&student.model_path(), student.sha256.as_deref())?;
        tell(Event::Preparing("images"));
        let mut samples = Samples::open(&options.data, &student, options.seed)?;
        let weights =
            balance::apply(&options.imbalance, &mut samples, &parent_manifest, &mut |done, total| {
                tell(Event::Prepared(done, total));
            })?;
        let ground = Ground { options: &options, manifest: &student, parent: &parent, weights: &weights };
        let run = fingerprint(&options, &model, &parent, samples.sha256());
        let found = checkpoint::latest(folder)?;
        let (stage, progress) = match found {
            Some((path, progress)) if progress.run == run => {
                let graph = path.join(checkpoint::GRAPH);
                let mut stage = Stage::new(&Model::load(&graph, None)?, ground)?;
                let Stage { parameters, optimiser, average, .. } = &mut stage;
                checkpoint::read(&path, &progress, parameters, optimiser, average)?;
                (stage, progress)
            }
            Some((path, _)) => {
                let problem = "a run of other options, images or models has been here; give another folder, or \
                               remove this one (--force does) to begin anew";
                return Err(TrainError::Checkpoint { path, problem: problem.to_owned() });
            }
            None => {
                tell(Event::Preparing("statistics"));
                let mut stage = Stage::new(&model, ground)?;
                stage.estimate_statistics(&samples, options.training.statistics_images)?;
                (stage, Progress { run, ..Progress::default() })
            }
        };
        let spec = parent.giving(stage.objective.parent_taps())?;
        let crew = Crew::new(threads, move || spec.open())?;
        let validator = match &options.validation {
            None => None,
            Some(validation) => {
                tell(Event::Preparing("the parent's accuracy"));
                let trials = folder.join("trial");
                Some(Validator::open(validation, &parent_manifest, &trials, crew.threads())?)
            }
        };
        let name = options.name.clone().unwrap_or_else(|| format!("{}-tuned", student.name));
        let folder = folder.to_owned();
        Ok(Self {
            options,
            folder,
            name,
            student,
            parent_manifest,
            parent,
            samples,
            weights,
            crew,
            stage,
            progress,
            validator,
        })
    }

    /// Trains to the end, or until `stop` is set.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] with the last good weights kept; files that cannot be written; images that cannot be read.
    pub fn run(mut self, stop: &AtomicBool, tell: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, TrainError> {
        let mut journal = Journal::open(&self.folder, self.progress.journal_bytes)?;
        let steps = self.options.training.steps;
        let (threads, images) = (self.crew.threads(), self.samples.images());
        tell(Event::Begins { step: self.progress.step, steps, threads, images });
        if self.progress.step == 0 {
            self.validate(&mut journal, tell)?;
        }
        while self.progress.step < steps && !self.is_out_of_patience() {
            self.prune_where_due(&mut journal, tell)?;
            let entry = self.step()?;
            journal.add(&Entry::Step(entry.clone()))?;
            self.progress.step += 1;
            tell(Event::Step(&entry));
            let every = self.options.validation.as_ref().map_or(u64::MAX, |validation| validation.every);
            if self.progress.step.is_multiple_of(every) || self.progress.step == steps {
                self.validate(&mut journal, tell)?;
            }
            let stopped = stop.load(Ordering::Relaxed);
            let every = self.options.training.checkpoint_every;
            if stopped || self.progress.step.is_multiple_of(every) || self.progress.step == steps {
                self.save(&journal)?;
            }
            if stopped && self.progress.step < steps {
                return Ok(Outcome::Stopped { step: self.progress.step });
            }
        }
        self.finish().map(|manifest| Outcome::Done(Box::new(manifest)))
    }

    /// Pruning comes before a step; a checkpoint is of before that, so a run that goes on prunes again, and the same.
    fn prune_where_due(
        &mut self,
        journal: &mut Journal,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), TrainError> {
        let Some(options) = self.options.prune.clone() else { return Ok(()) };
        let Some(round) = options.due(self.progress.step) else { return Ok(()) };
        let before = self.stage.alive();
        let sensitivity = match options.rank {
            Rank::Magnitude => None,
            Rank::Taylor => Some(self.sensitivity(options.images, tell)?),
        };
        let Stage { net, parameters, .. } = &self.stage;
        let input = &self.student.input;
        let pruned = prune::prune((net, parameters), input, &options, round, sensitivity.as_ref())?;
        let Self { options, student, parent, weights, .. } = self;
        let ground = Ground { options, manifest: student, parent, weights };
        let mut stage = Stage::new(&pruned, ground)?;
        stage.take_over(&self.stage.parameters);
        self.stage = stage;
        let (step, after) = (self.progress.step, self.stage.alive());
        let entry = PruningEntry { step, parameters_before: before, parameters_after: after };
        journal.add(&Entry::Pruning(entry.clone()))?;
        tell(Event::Pruned(&entry));
        Ok(())
    }

    fn sensitivity(
        &mut self,
        images: u64,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<Sensitivity, TrainError> {
        let Stage { net, parameters, objective, gradients, .. } = &mut self.stage;
        let mut found = Sensitivity::new(net, parameters);
        let subject = Subject { net, parameters, objective, samples: &self.samples };
        for image in 0..images {
            tell(Event::Prepared(image as usize, images as usize));
            let batch = Batch { first: image, count: 1, progress: 0.0 };
            self.crew.run(subject, batch, 1, gradients)?;
            found.add(parameters, gradients);
        }
        Ok(found)
    }

    fn step(&mut self) -> Result<StepEntry, TrainError> {
        let begun = Instant::now();
        let (step, training) = (self.progress.step, &self.options.training);
        let rate = self.options.schedule.at(step, training.steps);
        let count = training.batch as u64;
        let progress = step as f64 / training.steps as f64;
        let Stage { net, parameters, objective, optimiser, average, masks, gradients } = &mut self.stage;
        let subject = Subject { net, parameters, objective, samples: &self.samples };
        let batch = Batch { first: step * count, count, progress };
        let terms = match self.crew.run(subject, batch, training.lanes, gradients) {
            Err(TrainError::Loss(LossError::NotFinite { model: "student", name, value, .. })) => {
                return Err(self.give_up(format!("an element of \"{name}\""), value.into()));
            }
            terms => terms?,
        };
        let limit = training.clip;
        let norm = self.crew.install(|| clip(gradients, limit));
        let loss = terms.total();
        let broken = [("the loss", loss), ("the gradients' norm", norm)];
        if let Some((what, value)) = broken.into_iter().find(|(_, value)| !value.is_finite()) {
            let term = terms.iter().find(|(_, value)| !value.is_finite());
            let what = term.map_or(what.to_owned(), |(name, _)| format!("{what} (term {name})"));
            return Err(self.give_up(what, value));
        }
        self.crew.install(|| {
            optimiser.step(parameters, gradients, rate, masks);
            average.update(parameters, step);
        });
        let terms = terms.iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(StepEntry { step, loss, terms, rate, norm, seconds: begun.elapsed().as_secs_f64() })
    }

    /// Keeps the weights of before the step.
    fn give_up(&self, what: String, value: f64) -> TrainError {
        let step = self.progress.step;
        let name = format!("{}-step{step}", self.name);
        match output::write(&self.folder, &name, &self.stage.averaged(), self.manifest()) {
            Ok(manifest) => TrainError::NotFinite { step, what, value, kept: manifest.model_path() },
            Err(error) => error,
        }
    }

    fn validate(&mut self, journal: &mut Journal, tell: &mut dyn FnMut(Event<'_>)) -> Result<(), TrainError> {
        let Some(validator) = &self.validator else { return Ok(()) };
        let model = self.stage.averaged();
        let Figures { ap, ap50 } = validator.of(&model, &self.student)?;
        let step = self.progress.step;
        let entry = ValidationEntry { step, ap, ap50, parent_ap: validator.parent.ap };
        journal.add(&Entry::Validation(entry.clone()))?;
        tell(Event::Validated(&entry));
        if self.progress.best.is_none_or(|best| ap > best) {
            self.progress.best = Some(ap);
            self.progress.best_step = step;
            if self.keeps_best() {
                model.save(&self.best_path())?;
            }
        }
        Ok(())
    }

    fn keeps_best(&self) -> bool {
        self.options.validation.as_ref().is_some_and(|validation| validation.keep == Keep::Best)
    }

    fn best_path(&self) -> PathBuf {
        self.folder.join("best.onnx")
    }

    fn is_out_of_patience(&self) -> bool {
        let Some(validation) = self.options.validation.as_ref().filter(|v| v.patience > 0) else {
            return false;
        };
        let waited = self.progress.step - self.progress.best_step.min(self.progress.step);
        waited >= validation.every * u64::from(validation.patience)
    }

    fn save(&mut self, journal: &Journal) -> Result<(), TrainError> {
        let Stage { net, parameters, optimiser, average, .. } = &self.stage;
        self.progress.optimiser_steps = optimiser.steps;
        self.progress.journal_bytes = journal.bytes();
        // pruning in the loop and statistics are in the graph; its weights are those of the tensors
        let graph = net.store(parameters).to_bytes();
        checkpoint::write(&self.folder, &self.progress, &graph, &State { parameters, optimiser, average })?;
        Ok(())
    }

    fn finish(&self) -> Result<ModelManifest, TrainError> {
        let model =
            if self.keeps_best() { Model::load(&self.best_path(), None)? } else { self.stage.averaged() };
        let manifest = output::write(&self.folder, &self.name, &model, self.manifest())?;
        if let Some(tuning) = &manifest.tuning {
            report::write(&self.folder, &self.name, tuning)?;
        }
        Ok(manifest)
    }

    /// The student's manifest with what was done.
    fn manifest(&self) -> ModelManifest {
        let mut manifest = self.student.clone();
        if let Some(prune) = &self.options.prune {
            let made = manifest.compression.get_or_insert_with(|| CompressionSpec {
                base: self.student.name.clone(),
                base_sha256: self.student.sha256.clone().unwrap_or_default(),
                method: prune.describe(),
                rate: None,
                calibration_images: None,
                calibration_sha256: None,
                calibration_corruptions: Vec::new(),
                calibration_seed: None,
                tool_version: env!("CARGO_PKG_VERSION").to_owned(),
                kept_in_float: Vec::new(),
                steps: Vec::new(),
            });
            made.rate = made.rate.or((prune.rate > 0.0).then_some(prune.rate));
        }
        let options = toml::Table::try_from(&self.options).unwrap_or_default();
        manifest.tuning = Some(TuningSpec {
            parent: self.parent_manifest.name.clone(),
            parent_sha256: self.parent.model().sha256().to_owned(),
            student_sha256: self.student.sha256.clone().unwrap_or_default(),
            method: self.method(),
            images: self.samples.images(),
            images_sha256: self.samples.sha256().to_owned(),
            steps: self.progress.step,
            batch: self.options.training.batch,
            seed: self.options.seed,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            options,
        });
        manifest
    }

    fn method(&self) -> String {
        let RunOptions { losses, data, imbalance, .. } = &self.options;
        let mut parts = vec!["distillation".to_owned()];
        if losses.labels.any() {
            parts.push("labels".to_owned());
        }
        if data.corruption.probability > 0.0 {
            parts.push("corruption augmentation".to_owned());
        }
        parts.extend(balance::describe(imbalance));
        parts.extend(self.options.prune.as_ref().map(PruneOptions::describe));
        parts.join(", ")
    }
}
