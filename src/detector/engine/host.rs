//! An engine in the host's memory: images are prepared, and outputs read, on the CPU.

use std::path::Path;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::super::decode::{Candidates, Decoder, OutputInfo, TensorView};
use super::super::fit::Fit;
use super::super::manifest::InputSpec;
use super::super::preprocess::Preprocessor;
use super::super::session::{HostSession, MAX_OUTPUTS};
use super::super::{DetectorError, MAX_BATCH, StageTimes};
use super::Reading;
use crate::image::PixelView;

/// Prepares images on the CPU.
pub(crate) struct HostEngine {
    pub(super) session: HostSession,
    /// One for each image of a run, since each remembers the padding of its place.
    preprocessors: Vec<Preprocessor>,
    /// Shapes of one image's outputs, of every output in turn; kept for their memory.
    shapes: Vec<Vec<i64>>,
}

impl HostEngine {
    pub(crate) fn new(session: HostSession, input: &InputSpec) -> Self {
        let preprocessors = (0..session.max_batch()).map(|_| Preprocessor::new(input)).collect();
        let shapes = vec![Vec::new(); session.output_count()];
        Self { session, preprocessors, shapes }
    }

    pub(super) fn max_batch(&self) -> usize {
        self.session.max_batch()
    }

    pub(super) fn run(
        &mut self,
        images: &[PixelView<'_>],
        name: &str,
        reading: &mut Reading<'_>,
        found: &mut dyn FnMut(usize, Fit, &mut Candidates),
    ) -> Result<StageTimes, DetectorError> {
        let failed = |message| DetectorError::Inference { name: name.to_owned(), message };
        let start = Instant::now();
        let mut fits = SmallVec::<[Fit; MAX_BATCH]>::new();
        for (index, (image, preprocessor)) in images.iter().zip(&mut self.preprocessors).enumerate() {
            fits.push(preprocessor.run(image, self.session.input_mut(index).map_err(failed)?)?);
        }
        let preprocessed = Instant::now();
        let mut inferred = preprocessed;
        let shapes = &mut self.shapes;
        let mut read = |outputs: &[TensorView<'_>]| {
            inferred = Instant::now();
            for (index, fit) in fits.iter().enumerate() {
                reading.begin();
                of_image(outputs, index, fits.len(), shapes, |outputs| reading.decode(outputs))?;
                found(index, *fit, reading.candidates);
            }
            Ok(())
        };
        let decoded: Result<(), DetectorError> = self.session.run(fits.len(), &mut read).map_err(failed)?;
        decoded?;
        Ok(StageTimes {
            upload: Duration::ZERO,
            preprocess: preprocessed - start,
            inference: inferred - preprocessed,
            postprocess: inferred.elapsed(),
        })
    }

    /// One run of every number of images.
    pub(super) fn trial(&mut self) -> Result<(), String> {
        (1..=self.max_batch()).try_for_each(|images| self.session.run(images, |_| ()))
    }

    pub(super) fn probe_outputs(&mut self) -> Result<Vec<OutputInfo>, String> {
        self.session.probe_outputs()
    }

    pub(super) fn check_scores(&mut self, decoder: &Decoder) -> Result<Result<(), DetectorError>, String> {
        self.session.run(1, |outputs| decoder.check_scores(outputs))
    }

    pub(super) fn check_batches(
        &mut self,
        path: &Path,
        reading: &mut Reading<'_>,
    ) -> Result<(), DetectorError> {
        for images in 2..=self.max_batch() {
            let wrong = |problem| DetectorError::BatchModel { path: path.to_owned(), images, problem };
            self.session.check_batch(images).map_err(wrong)?;
            let shapes = &mut self.shapes;
            let decoded = self.session.run(images, |outputs| {
                (0..images).try_for_each(|index| {
                    reading.begin();
                    of_image(outputs, index, images, shapes, |outputs| reading.decode(outputs))
                })
            });
            decoded.map_err(wrong)?.map_err(|error| wrong(error.to_string()))?;
        }
        Ok(())
    }
}

/// Hands the outputs of image `index` of a run of `images` to `read`, as a run of that image alone would give them.
fn of_image<T>(
    outputs: &[TensorView<'_>],
    index: usize,
    images: usize,
    shapes: &mut [Vec<i64>],
    read: impl FnOnce(&[TensorView<'_>]) -> T,
) -> T {
    if images == 1 {
        return read(outputs);
    }
    for (shape, output) in shapes.iter_mut().zip(outputs) {
        shape.clear();
        shape.extend_from_slice(output.shape);
        if let Some(first) = shape.first_mut() {
            *first = 1;
        }
    }
    let mut views = [TensorView::default(); MAX_OUTPUTS];
    for ((view, output), shape) in views.iter_mut().zip(outputs).zip(shapes.iter()) {
        let length = output.data.len() / images;
        let whole = output.shape.first() == i64::try_from(images).ok().as_ref();
        *view = match output.data.get(index * length..(index + 1) * length) {
            Some(data) if whole => TensorView { shape, data },
            // not one part for each image: the decoder tells what it found
            _ => *output,
        };
    }
    read(views.get(..outputs.len()).unwrap_or(&views))
}
