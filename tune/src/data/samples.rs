//! From the number of a sample to its tensors.

mod scene;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use roadproof::corruption::Corruption;
use roadproof::detector::manifest::InputSpec;
use roadproof::detector::preprocess::Preprocessor;
use roadproof::detector::{Fit, ModelManifest};
use roadproof::image::PixelView;

pub use scene::Maker;
use scene::Plan;

use super::dice::{Dice, Purpose};
use super::error::DataError;
use super::geometry::Window;
use super::mosaic::Mosaic;
use super::options::DataOptions;
use super::order::Sampling;
use super::paste::Pasting;
use super::photometric::ColourMap;
use super::raster::Raster;
use super::source::{Object, Store};
use crate::tensor::{Dims, Tensor};
use crate::truth::Truth;

/// A training sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The student's input, of the manifest's input shape.
    pub student: Tensor,
    /// The parent's input: the same picture, never corrupted.
    pub parent: Tensor,
    /// What is to be seen in it; `None` where not all of its images are labelled.
    pub truth: Option<Vec<Truth>>,
    /// The number of its (first) image.
    pub image: usize,
    /// What was done to the student's picture, such as `fog:2.5`.
    pub corruption: Option<String>,
}

/// All samples of a training, shared among its threads.
#[derive(Debug)]
pub struct Samples {
    store: Store,
    options: DataOptions,
    /// The corruptions that are drawn from.
    pool: Vec<Corruption>,
    input: InputSpec,
    seed: u64,
    sampling: Sampling,
    pasting: Option<Pasting>,
    /// Orders of epochs that were asked for last, by even and odd epochs.
    orders: Mutex<[Option<EpochOrder>; 2]>,
    /// Images that could not be read, and why.
    unreadable: Mutex<BTreeMap<usize, String>>,
}

/// An epoch and the images in its order.
type EpochOrder = (u64, Arc<[u32]>);

impl Samples {
    /// Opens all sources, for the input and the classes of `manifest`. All randomness comes from `seed`.
    ///
    /// All images are read once, for the hash. Frames of streams stay in memory.
    ///
    /// # Errors
    /// An option is out of its range; a source is empty or cannot be opened; labels are wrong; more than one image in ten
    /// cannot be read.
    pub fn open(options: &DataOptions, manifest: &ModelManifest, seed: u64) -> Result<Self, DataError> {
        options.validate()?;
        let store = Store::open(options, manifest.class_names())?;
        for warning in store.warnings() {
            tracing::warn!("{warning}");
        }
        let samples = Self {
            pool: options.corruption.pool("corruption")?,
            options: options.clone(),
            input: manifest.input.clone(),
            seed,
            sampling: Sampling::even(store.len()),
            pasting: None,
            orders: Mutex::default(),
            unreadable: Mutex::new(store.unreadable().iter().cloned().collect()),
            store,
        };
        samples.check_unreadable()?;
        Ok(samples)
    }

    /// Number of images.
    #[must_use]
    pub fn images(&self) -> usize {
        self.store.len()
    }

    /// SHA-256 over the images, as [`CalibrationImages::sha256`](roadproof::compress::CalibrationImages::sha256) computes
    /// it: the compressed images' lengths (8 bytes, little endian) and bytes, in order; 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        self.store.sha256()
    }

    /// What was left out when the sources were opened: labels, frames.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.store.warnings()
    }

    /// The images that could not be read so far, and why; others take their places.
    #[must_use]
    pub fn unreadable(&self) -> Vec<String> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What names an image: its file, or its frame.
    #[must_use]
    pub fn name(&self, image: usize) -> &str {
        self.store.name(image)
    }

    /// What is labelled in an image, in its own pixels; `None` where nobody has labelled it.
    #[must_use]
    pub fn objects(&self, image: usize) -> Option<&[Object]> {
        self.store.objects(image)
    }

    /// Shows each image as often as `sampling` says; an image that it has no factor for, once.
    pub fn set_sampling(&mut self, sampling: Sampling) {
        self.sampling = sampling.resized(self.store.len());
        *self.orders.get_mut().unwrap_or_else(PoisonError::into_inner) = [None, None];
    }

    /// Pastes objects into images; those of an image that there is not make [`make`](Self::make) fail.
    pub fn set_pasting(&mut self, pasting: Option<Pasting>) {
        self.pasting = pasting;
    }

    /// Number of samples of an epoch, at least 1.
    #[must_use]
    pub fn epoch_len(&self) -> u64 {
        self.sampling.epoch_len().max(1)
    }

    /// Working memory for one thread.
    #[must_use]
    pub fn maker(&self) -> Maker {
        Maker::new(&self.input, self.seed)
    }

    /// Makes sample `number` of the training: sample `number % epoch_len` of epoch `number / epoch_len`. `progress`, 0 to 1,
    /// is the share of the training that is done; severities follow it.
    ///
    /// The same seed, number and progress give the same sample, whatever was made before and on whatever thread. An image
    /// that cannot be read is replaced by the next one of the epoch.
    ///
    /// # Errors
    /// More than one image in ten cannot be read, or OpenCV fails.
    pub fn make(&self, maker: &mut Maker, number: u64, progress: f64) -> Result<Prepared, DataError> {
        let order = self.order(number / self.epoch_len());
        let place = (number % self.epoch_len()) as usize;
        let (before, from_here) = order.split_at_checked(place).unwrap_or((&[], &order));
        let images = from_here.iter().chain(before).map(|image| *image as usize);
        let plan = Plan {
            number,
            colours: ColourMap::draw(&self.options.photometric, &mut self.dice(Purpose::Colour, number, 0)),
            step: self.options.corruption.draw(
                &self.pool,
                progress,
                &mut self.dice(Purpose::Corruption, number, 0),
            ),
        };
        let mut scene = self.scene(maker, images, &plan, 0)?;
        let mut dice = self.dice(Purpose::Mosaic, number, 0);
        if dice.chance(self.options.geometric.mosaic)
            && let Some(mosaic) = Mosaic::draw(maker.clean.width(), maker.clean.height(), &mut dice)
        {
            scene = self.mosaic(maker, scene, &plan, &mosaic, &mut dice)?;
        }
        let (width, height) = (maker.clean.width(), maker.clean.height());
        let dice = &mut self.dice(Purpose::Window, number, 0);
        let window = Window::draw(&self.options.geometric, width, height, dice);
        let Maker { preprocessor, clean, student, scratch, .. } = maker;
        let (parent, fit) = self.tensor(&clean.view()?, &window, preprocessor, scratch)?;
        let student = if scene.is_corrupted {
            self.tensor(&student.view()?, &window, preprocessor, scratch)?.0
        } else {
            parent.clone()
        };
        let truth = |object: &Object| {
            let bbox = fit.to_input(&window.moved(&object.bbox)?);
            Some(Truth { class_id: object.class_id, bbox })
        };
        Ok(Prepared {
            student,
            parent,
            truth: scene.objects.map(|objects| objects.iter().filter_map(truth).collect()),
            image: scene.image,
            corruption: plan.step.filter(|_| scene.is_corrupted).map(|step| step.to_string()),
        })
    }

    /// An image as the detector would see it.
    ///
    /// # Errors
    /// It cannot be read, or there is none of this number.
    pub fn plain(&self, maker: &mut Maker, image: usize) -> Result<Tensor, DataError> {
        let Maker { decoder, preprocessor, scratch, .. } = maker;
        let view = self.store.decode(image, decoder)?;
        let window = Window::whole(view.width(), view.height());
        Ok(self.tensor(&view, &window, preprocessor, scratch)?.0)
    }

    /// The pixels of an image.
    ///
    /// # Errors
    /// It cannot be read, or there is none of this number.
    pub fn pixels<'a>(&self, maker: &'a mut Maker, image: usize) -> Result<PixelView<'a>, DataError> {
        self.store.decode(image, &mut maker.decoder)
    }

    fn dice(&self, purpose: Purpose, number: u64, part: u64) -> Dice {
        Dice::new(self.seed, purpose, number, part)
    }

    fn order(&self, epoch: u64) -> Arc<[u32]> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let [even, odd] = &mut *orders;
        let kept = if epoch.is_multiple_of(2) { even } else { odd };
        match kept {
            Some((of, order)) if *of == epoch => order.clone(),
            _ => kept.insert((epoch, self.sampling.order(self.seed, epoch).into())).1.clone(),
        }
    }

    fn note_unreadable(&self, image: usize, error: &DataError) -> Result<(), DataError> {
        let message = error.to_string();
        tracing::warn!("left out: {message}");
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(image, message);
        self.check_unreadable()
    }

    fn check_unreadable(&self) -> Result<(), DataError> {
        let count = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).len();
        if count * 10 > self.images() { Err(self.too_many_unreadable()) } else { Ok(()) }
    }

    fn too_many_unreadable(&self) -> DataError {
        let mut examples = self.unreadable();
        let count = examples.len();
        examples.truncate(3);
        DataError::Unreadable { count, images: self.images(), examples }
    }

    fn tensor(
        &self,
        picture: &PixelView<'_>,
        window: &Window,
        preprocessor: &mut Preprocessor,
        scratch: &mut Raster,
    ) -> Result<(Tensor, Fit), DataError> {
        let dims: Dims = self.input.shape().iter().map(|side| *side as usize).collect();
        let mut tensor = Tensor::scratch(&dims);
        preprocessor.forget_padding();
        let fit = if *window == Window::whole(picture.width(), picture.height()) {
            preprocessor.run(picture, tensor.data_mut())?
        } else {
            window.cut(picture, self.input.pad_value, scratch);
            preprocessor.run(&scratch.view()?, tensor.data_mut())?
        };
        Ok((tensor, fit))
    }
}

#[cfg(test)]
mod tests;
