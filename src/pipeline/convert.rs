//! From frames to the pixels that the detector sees: decompressed, converted, corrupted where that is asked for.

use std::time::Instant;

use smallvec::SmallVec;

use crate::corruption::{Corruptor, CorruptorOptions, Delivery, FrameKey, Picture};
use crate::detector::MAX_BATCH;
use crate::image::{CompressedDecoder, Converter, DecodeLimits, PixelView};

use super::process::{Corrupt, FrameTimes, Job, PipelineError, Seen, Treatment};
use super::{Frame, FramePixels};

/// What one camera's frames go through.
pub(super) struct Converters {
    raw: Converter,
    compressed: CompressedDecoder,
    picture: Picture,
    /// Corruptions of a stream remember its frames, so injected and shadow frames have one each.
    inject: Corruptor,
    shadow: Corruptor,
}

/// Frames as the detector takes them, with their indices.
#[derive(Default)]
pub(super) struct Prepared<'a> {
    pub(super) views: SmallVec<[PixelView<'a>; MAX_BATCH]>,
    pub(super) indices: SmallVec<[usize; MAX_BATCH]>,
}

/// Converts and corrupts frames of different cameras. `failed` hears of those that cannot be processed.
pub(super) fn prepare<'a>(
    converters: &'a mut [Converters],
    jobs: &[Job<'a>],
    times: &mut FrameTimes,
    failed: &mut dyn FnMut(usize, Result<Seen<'_>, PipelineError>),
) -> Prepared<'a> {
    let cameras = converters.len();
    for (index, Job { frame, .. }) in jobs.iter().enumerate() {
        if frame.camera >= cameras {
            failed(index, Err(PipelineError::UnknownCamera { camera: frame.camera, cameras }));
        }
    }
    let mut prepared = Prepared::default();
    for (camera, converters) in converters.iter_mut().enumerate() {
        let mut own = jobs.iter().enumerate().filter(|(_, job)| job.frame.camera == camera);
        let Some((index, job)) = own.next() else { continue };
        for (index, _) in own {
            failed(index, Err(PipelineError::SameCamera { camera }));
        }
        match converters.prepare(job, times) {
            Ok(view) => {
                prepared.views.push(view);
                prepared.indices.push(index);
            }
            Err(error) => failed(index, Err(error)),
        }
    }
    prepared
}

impl Converters {
    /// For the frames of one camera.
    pub(super) fn new(limits: DecodeLimits) -> Self {
        Self {
            raw: Converter::new(),
            compressed: CompressedDecoder::new(limits),
            picture: Picture::default(),
            inject: Corruptor::new(CorruptorOptions::default()),
            shadow: Corruptor::new(CorruptorOptions::default()),
        }
    }

    /// Sets how frames are corrupted; the corruptions start anew.
    pub(super) fn set_corruptor_options(&mut self, options: CorruptorOptions) {
        self.inject = Corruptor::new(options);
        self.shadow = Corruptor::new(options);
    }

    /// The pixels for the detector; adds to the times what they took.
    fn prepare<'a>(
        &'a mut self,
        job: &Job<'a>,
        times: &mut FrameTimes,
    ) -> Result<PixelView<'a>, PipelineError> {
        let start = Instant::now();
        let frame = &job.frame;
        let pixels = match frame.pixels {
            FramePixels::Raw(view) => self.raw.convert(&view),
            FramePixels::Compressed { format, data } => self.compressed.decode(format, data),
            FramePixels::Pixels(pixels) => Ok(pixels),
        };
        let convert = start.elapsed();
        times.convert += convert;
        let pixels = pixels?;
        let pixels = match job.treatment {
            Treatment::Clean => Ok(pixels),
            Treatment::Inject(corrupt) => {
                corrupted(&mut self.picture, &mut self.inject, &pixels, frame, corrupt)
            }
            Treatment::Shadow(corrupt) => {
                corrupted(&mut self.picture, &mut self.shadow, &pixels, frame, corrupt)
            }
        };
        times.corrupt += start.elapsed().saturating_sub(convert);
        pixels
    }
}

/// A corrupted copy of `pixels`, in `picture`.
fn corrupted<'a>(
    picture: &'a mut Picture,
    corruptor: &mut Corruptor,
    pixels: &PixelView<'_>,
    frame: &Frame<'_>,
    corrupt: Corrupt<'_>,
) -> Result<PixelView<'a>, PipelineError> {
    picture.assign(pixels)?;
    let camera = u32::try_from(frame.camera).unwrap_or(u32::MAX);
    let key = FrameKey { camera, index: corrupt.index, stamp_ns: frame.stamp_ns };
    match corruptor.corrupt(picture, corrupt.steps, key)? {
        Delivery::Deliver => Ok(picture.view()?),
        Delivery::Drop => Err(PipelineError::DroppedByCorruption),
    }
}
