//! From the number of a sample to its tensors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use roadproof::corruption::{Corruption, Corruptor, CorruptorOptions, FrameKey, MIN_SIDE_PX, Picture, Step};
use roadproof::detector::manifest::InputSpec;
use roadproof::detector::preprocess::Preprocessor;
use roadproof::detector::{Fit, ModelManifest};
use roadproof::image::{CompressedDecoder, DecodeLimits, PixelView};

use super::dice::{Dice, Purpose};
use super::error::DataError;
use super::geometry::{Window, visible};
use super::mosaic::{Mosaic, TILES, Tile};
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

/// One thread's working memory for [`Samples::make`], from [`Samples::maker`] of the same samples.
#[derive(Debug)]
pub struct Maker {
    decoder: CompressedDecoder,
    preprocessor: Preprocessor,
    corruptor: Corruptor,
    /// What is being corrupted.
    picture: Picture,
    clean: Raster,
    student: Raster,
    /// A picture to be written over.
    scratch: Raster,
    /// The mosaics of `clean` and `student`.
    mosaics: [Raster; 2],
}

/// What the pictures of a [`Maker`] show.
struct Scene {
    image: usize,
    objects: Option<Vec<Object>>,
    is_corrupted: bool,
}

/// What is drawn for all pictures of a sample.
struct Plan {
    number: u64,
    colours: Option<ColourMap>,
    step: Option<Step>,
}

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

    /// Pastes objects into images.
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
        let options = CorruptorOptions { seed: self.seed, ..CorruptorOptions::default() };
        Maker {
            decoder: CompressedDecoder::new(DecodeLimits::default()),
            preprocessor: Preprocessor::new(&self.input),
            corruptor: Corruptor::new(options),
            picture: Picture::default(),
            clean: Raster::default(),
            student: Raster::default(),
            scratch: Raster::default(),
            mosaics: [Raster::default(), Raster::default()],
        }
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

    /// Decodes the first of `images` that can be read.
    fn decode(&self, maker: &mut Maker, images: impl Iterator<Item = usize>) -> Result<usize, DataError> {
        for image in images {
            if self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&image) {
                continue;
            }
            match self.store.decode(image, &mut maker.decoder) {
                Ok(view) => {
                    maker.clean.assign(&view);
                    return Ok(image);
                }
                Err(error) => self.note_unreadable(image, &error)?,
            }
        }
        Err(self.too_many_unreadable())
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

    /// Brings one picture into `maker.clean`, and if it is corrupted into `maker.student`; `part` tells apart the pictures of
    /// a mosaic.
    fn scene(
        &self,
        maker: &mut Maker,
        images: impl Iterator<Item = usize>,
        plan: &Plan,
        part: u64,
    ) -> Result<Scene, DataError> {
        let image = self.decode(maker, images)?;
        let (width, height) = (maker.clean.width(), maker.clean.height());
        let within =
            |object: &Object| Some(Object { bbox: visible(&object.bbox, width, height)?, ..*object });
        let mut objects: Option<Vec<Object>> =
            self.objects(image).map(|objects| objects.iter().filter_map(within).collect());
        self.paste(maker, objects.as_mut(), plan.number, part)?;
        if let Some(colours) = plan.colours {
            colours.apply(maker.clean.data_mut());
        }
        let step = plan.step.filter(|_| width.min(height) >= MIN_SIDE_PX);
        if let Some(step) = step {
            // a camera of its own: dirt on the lens lies elsewhere in each picture
            let camera = plan.number.wrapping_mul(TILES as u64).wrapping_add(part) as u32;
            let key = FrameKey { camera, index: plan.number, stamp_ns: 0 };
            maker.picture.assign(&maker.clean.view()?)?;
            // only corruptions of the stream, which are never drawn, drop a frame
            let _ = maker.corruptor.corrupt(&mut maker.picture, &[step], key)?;
            maker.student.assign(&maker.picture.view()?);
        }
        Ok(Scene { image, objects, is_corrupted: step.is_some() })
    }

    fn paste(
        &self,
        maker: &mut Maker,
        mut objects: Option<&mut Vec<Object>>,
        number: u64,
        part: u64,
    ) -> Result<(), DataError> {
        let Some(pasting) = &self.pasting else { return Ok(()) };
        let mut dice = self.dice(Purpose::Paste, number, part);
        for donor in pasting.draw(&mut dice) {
            let Maker { decoder, scratch, clean, .. } = maker;
            match self.store.decode(donor.image, decoder) {
                Ok(view) => scratch.assign(&view),
                Err(error) => {
                    self.note_unreadable(donor.image, &error)?;
                    continue;
                }
            }
            pasting
                .paste(&donor.object, &scratch.view()?, clean, objects.as_deref_mut(), &mut dice)
                .map_err(|source| DataError::OpenCv { action: "paste an object", source })?;
        }
        Ok(())
    }

    /// Puts the scene of `maker` and three others into one.
    fn mosaic(
        &self,
        maker: &mut Maker,
        first: Scene,
        plan: &Plan,
        mosaic: &Mosaic,
        dice: &mut Dice,
    ) -> Result<Scene, DataError> {
        let (width, height) = mosaic.size();
        for picture in &mut maker.mosaics {
            picture.fill(width, height, self.input.pad_value);
        }
        let mut all =
            Scene { image: first.image, objects: Some(Vec::new()), is_corrupted: first.is_corrupted };
        let mut scene = first;
        for number in 0..TILES {
            if number > 0 {
                let start = dice.below(self.images());
                let images = (start..self.images()).chain(0..start);
                scene = self.scene(maker, images, plan, number as u64)?;
                all.is_corrupted |= scene.is_corrupted;
            }
            let tile = mosaic.tile(number, maker.clean.width(), maker.clean.height(), dice);
            place(maker, &tile, &scene, plan.step.is_some())
                .map_err(|source| DataError::OpenCv { action: "put together a mosaic", source })?;
            all.objects = all.objects.zip(scene.objects.as_deref()).map(|(mut all, own)| {
                all.extend(own.iter().filter_map(|object| tile.moved(object)));
                all
            });
        }
        let Maker { clean, student, mosaics: [of_clean, of_student], .. } = maker;
        std::mem::swap(clean, of_clean);
        std::mem::swap(student, of_student);
        Ok(all)
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

/// Lays a scene into the clean mosaic, and if there is to be another for the student into that: clean where the scene is not
/// corrupted.
fn place(maker: &mut Maker, tile: &Tile, scene: &Scene, has_other: bool) -> opencv::Result<()> {
    let Maker { clean, student, scratch, mosaics: [of_clean, of_student], .. } = maker;
    tile.place(clean, scratch, of_clean)?;
    if has_other {
        tile.place(if scene.is_corrupted { student } else { clean }, scratch, of_student)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
