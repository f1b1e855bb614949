//! One picture of a sample, or four in one.

use std::sync::PoisonError;

use roadproof::corruption::{Corruptor, CorruptorOptions, FrameKey, MIN_SIDE_PX, Picture, Step};
use roadproof::detector::manifest::InputSpec;
use roadproof::detector::preprocess::Preprocessor;
use roadproof::image::{CompressedDecoder, DecodeLimits};

use super::Samples;
use crate::data::dice::{Dice, Purpose};
use crate::data::error::DataError;
use crate::data::geometry::visible;
use crate::data::mosaic::{Mosaic, TILES, Tile};
use crate::data::photometric::ColourMap;
use crate::data::raster::Raster;
use crate::data::source::Object;

/// One thread's working memory for [`Samples::make`], from [`Samples::maker`] of the same samples.
#[derive(Debug)]
pub struct Maker {
    pub(super) decoder: CompressedDecoder,
    pub(super) preprocessor: Preprocessor,
    corruptor: Corruptor,
    /// What is being corrupted.
    picture: Picture,
    pub(super) clean: Raster,
    pub(super) student: Raster,
    /// A picture to be written over.
    pub(super) scratch: Raster,
    /// The mosaics of `clean` and `student`.
    mosaics: [Raster; 2],
}

/// What the pictures of a [`Maker`] show.
pub(super) struct Scene {
    pub(super) image: usize,
    pub(super) objects: Option<Vec<Object>>,
    pub(super) is_corrupted: bool,
}

/// What is drawn for all pictures of a sample.
pub(super) struct Plan {
    pub(super) number: u64,
    pub(super) colours: Option<ColourMap>,
    pub(super) step: Option<Step>,
}

impl Maker {
    pub(super) fn new(input: &InputSpec, seed: u64) -> Self {
        let options = CorruptorOptions { seed, ..CorruptorOptions::default() };
        Self {
            decoder: CompressedDecoder::new(DecodeLimits::default()),
            preprocessor: Preprocessor::new(input),
            corruptor: Corruptor::new(options),
            picture: Picture::default(),
            clean: Raster::default(),
            student: Raster::default(),
            scratch: Raster::default(),
            mosaics: [Raster::default(), Raster::default()],
        }
    }
}

impl Samples {
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
                Err(error @ DataError::Image { .. }) => self.note_unreadable(image, &error)?,
                Err(error) => return Err(error),
            }
        }
        Err(self.too_many_unreadable())
    }

    /// Brings one picture into `maker.clean`, and if it is corrupted into `maker.student`; `part` tells apart the pictures of
    /// a mosaic.
    pub(super) fn scene(
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
                Err(error @ DataError::Image { .. }) => {
                    self.note_unreadable(donor.image, &error)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            pasting
                .paste(&donor.object, &scratch.view()?, clean, objects.as_deref_mut(), &mut dice)
                .map_err(|source| DataError::OpenCv { action: "paste an object", source })?;
        }
        Ok(())
    }

    /// Puts the scene of `maker` and three others into one.
    pub(super) fn mosaic(
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
