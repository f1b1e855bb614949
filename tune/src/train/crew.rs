//! A batch, image by image, on several threads.
//!
//! Each image goes its whole way on one thread: sample, parent, student, loss, gradients. Images are dealt to a fixed
//! number of lanes, each of which adds up the gradients of its images in their order; the lanes are added up in theirs. So
//! the sum has the same bits whatever the number of threads.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::TrainError;
use super::parent::Parent;
use crate::data::{Maker, Samples};
use crate::engine::{Gradients, Net, Parameters, RunError};
use crate::losses::{Objective, Terms};
use crate::tensor::Tensor;

/// What is run.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) net: &'a Net,
    pub(super) parameters: &'a Parameters,
    pub(super) objective: &'a Objective,
    pub(super) samples: &'a Samples,
}

/// Images `first..first + count` of the order of samples; `progress` is the share of training that is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) progress: f64,
}

/// What a thread works with.
struct Worker {
    maker: Maker,
    parent: Parent,
}

/// The images of a lane, added up.
struct Lane {
    gradients: Gradients,
    terms: Terms,
}

/// Threads with their tools.
pub(super) struct Crew {
    pool: rayon::ThreadPool,
    workers: Mutex<Vec<Worker>>,
    parent: Box<dyn Fn() -> Result<Parent, TrainError> + Send + Sync>,
    lanes: Vec<Lane>,
}

impl Crew {
    /// `threads` of them (0: one per core), whose parents `parent` opens.
    pub(super) fn new(
        threads: usize,
        parent: impl Fn() -> Result<Parent, TrainError> + Send + Sync + 'static,
    ) -> Result<Self, TrainError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("tune-{number}"))
            .build()
            .map_err(|error| TrainError::Threads { problem: error.to_string() })?;
        Ok(Self { pool, workers: Mutex::default(), parent: Box::new(parent), lanes: Vec::new() })
    }

    /// Threads.
    pub(super) fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs something on the threads.
    pub(super) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Forward and backward for a batch in `lanes` lanes: the mean of its gradients goes to `gradients`, that of its terms
    /// is returned.
    pub(super) fn run(
        &mut self,
        subject: Subject<'_>,
        batch: Batch,
        lanes: usize,
        gradients: &mut Gradients,
    ) -> Result<Terms, TrainError> {
        let fits = |lane: &Lane| {
            let parameters = subject.parameters.items.iter();
            lane.gradients.0.len() == subject.parameters.items.len()
                && lane.gradients.0.iter().zip(parameters).all(|(sum, p)| sum.dims() == p.tensor.dims())
        };
        if !self.lanes.iter().all(fits) {
            self.lanes.clear();
        }
        let new = || Lane { gradients: Gradients::zeros(subject.parameters), terms: Terms::default() };
        self.lanes.resize_with(lanes.max(1), new);
        let (workers, parent) = (&self.workers, &self.parent);
        let count = self.lanes.len() as u64;
        let all = &mut self.lanes;
        self.pool.install(|| -> Result<(), TrainError> {
            all.par_iter_mut().enumerate().with_max_len(1).try_for_each(|(number, lane)| {
                lane.gradients.clear();
                lane.terms = Terms::default();
                let idle = lock(workers).pop();
                let mut worker = match idle {
                    Some(worker) => worker,
                    None => Worker { maker: subject.samples.maker(), parent: parent()? },
                };
                let done = (number as u64..batch.count)
                    .step_by(count as usize)
                    .try_for_each(|image| one(subject, &mut worker, lane, batch, image));
                lock(workers).push(worker);
                done
            })
        })?;
        let mut terms = Terms::default();
        for lane in &self.lanes {
            terms += &lane.terms;
        }
        let share = 1.0 / batch.count.max(1) as f64;
        terms.scale(share);
        let lanes = &self.lanes;
        self.pool.install(|| {
            gradients.0.par_iter_mut().enumerate().for_each(|(index, sum)| add_up(sum, index, lanes, share));
        });
        Ok(terms)
    }
}

/// The mean of what the lanes have for parameter `index`.
fn add_up(sum: &mut Tensor, index: usize, lanes: &[Lane], share: f64) {
    sum.data_mut().fill(0.0);
    for tensor in lanes.iter().filter_map(|lane| lane.gradients.0.get(index)) {
        sum.add(tensor);
    }
    for value in sum.data_mut() {
        *value *= share as f32;
    }
}

fn one(
    subject: Subject<'_>,
    worker: &mut Worker,
    lane: &mut Lane,
    batch: Batch,
    image: u64,
) -> Result<(), TrainError> {
    let Subject { net, parameters, objective, samples } = subject;
    let sample = samples.make(&mut worker.maker, batch.first + image, batch.progress)?;
    let parent = worker.parent.run(&sample.parent)?;
    let tape = net.forward(parameters, sample.student)?;
    let taps = objective.student_taps();
    let student: Option<Vec<&Tensor>> = taps.iter().map(|tap| tape.tensor(*tap)).collect();
    let student = student.ok_or_else(|| missing(net, taps, &tape))?;
    let truth = sample.truth.as_deref();
    let (terms, seeds) = objective.evaluate(parameters, &student, parent, truth, &mut lane.gradients)?;
    lane.terms += &terms;
    let seeds = taps.iter().zip(seeds).filter_map(|(tap, seed)| Some((*tap, seed?))).collect();
    net.backward(parameters, tape, seeds, &mut lane.gradients)?;
    Ok(())
}

fn missing(net: &Net, taps: &[crate::engine::ValueId], tape: &crate::engine::Tape) -> RunError {
    let tap = taps.iter().find(|tap| tape.tensor(**tap).is_none());
    RunError::Missing { name: tap.map_or("", |tap| net.name(*tap)).to_owned() }
}

/// A thread that panicked while it had the list leaves a list.
fn lock(workers: &Mutex<Vec<Worker>>) -> std::sync::MutexGuard<'_, Vec<Worker>> {
    workers.lock().unwrap_or_else(PoisonError::into_inner)
}
